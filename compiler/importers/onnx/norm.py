"""Normalisations, as they are at inference."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axis, scalar
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F32

_EVAL = "export the model for inference, as torch's model.eval() does"


@lowers("BatchNormalization")
def batch_normalization(
    b: OnnxBuilder,
    x: Value,
    scale: Value,
    bias: Value,
    mean: Value,
    variance: Value,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: bool = False,
    is_test: bool = True,
    spatial: bool = True,
) -> Value:
    """With given statistics. Operand types may differ since operator set 15: then all is done in f32."""
    if training_mode or any(b.wants(i) for i in range(1, 5)):
        raise UnsupportedModel("BatchNormalization in training mode", hint=_EVAL)
    if not spatial:
        raise UnsupportedModel("BatchNormalization with statistics by element (spatial=0)")
    parameters = [scale, bias, mean, variance]
    if all(p.dtype == x.dtype for p in parameters):
        return b.batch_norm(x, *parameters, epsilon=epsilon)
    wide = [p if p.dtype == F32 else b.cast(p, dtype=F32) for p in (x, *parameters)]
    return b.cast(b.batch_norm(*wide, epsilon=epsilon), dtype=x.dtype)


@lowers("InstanceNormalization")
def instance_normalization(b: OnnxBuilder, x: Value, scale: Value, bias: Value, *, epsilon: float = 1e-5) -> Value:
    return b.instance_norm(x, scale, bias, epsilon=epsilon)


@lowers("LayerNormalization")
def layer_normalization(
    b: OnnxBuilder,
    x: Value,
    scale: Value,
    bias: Value | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Value | tuple[Value, Value, Value]:
    """Also yields the mean and 1 / standard deviation where the node names them. Narrow types are computed in f32."""
    axis = normal_axis(axis, x.rank)
    y = b.layer_norm(x, scale, bias, axis=axis, epsilon=epsilon)
    if not (b.wants(1) or b.wants(2)):
        return y
    wide = x if x.dtype.bits >= 32 else b.cast(x, dtype=F32)
    axes = tuple(range(axis, x.rank))
    mean = b.reduce_mean(wide, axes=axes, keepdims=True)
    centred = b.sub(wide, mean)
    variance = b.reduce_mean(b.mul(centred, centred), axes=axes, keepdims=True)
    return y, mean, b.reciprocal(b.sqrt(b.add(variance, epsilon)))


@lowers("RMSNormalization")
def rms_normalization(
    b: OnnxBuilder, x: Value, scale: Value, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Value:
    return b.rms_norm(x, scale, axis=normal_axis(axis, x.rank), epsilon=epsilon)


@lowers("GroupNormalization", since=21)
def group_normalization(
    b: OnnxBuilder,
    x: Value,
    scale: Value,
    bias: Value,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Value:
    return b.group_norm(x, scale, bias, groups=num_groups, epsilon=epsilon)


@lowers("GroupNormalization")
def group_normalization_by_group(
    b: OnnxBuilder, x: Value, scale: Value, bias: Value, *, num_groups: int, epsilon: float = 1e-5
) -> Value:
    """Before operator set 21 scale and bias are given by group."""
    if x.rank < 2 or num_groups < 1:
        raise MalformedModel(f"{num_groups} groups of {x}")
    each = x.shape[1] // num_groups

    def by_channel(parameter: Value) -> Value:
        spread = b.expand(b.reshape(parameter, shape=(num_groups, 1)), shape=(num_groups, each))
        return b.reshape(spread, shape=(each * num_groups,))

    return b.group_norm(x, by_channel(scale), by_channel(bias), groups=num_groups, epsilon=epsilon)


@lowers("LRN")
def lrn(b: OnnxBuilder, x: Value, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Value:
    return b.lrn(x, size=size, alpha=alpha, beta=beta, bias=bias)


@lowers("LpNormalization")
def lp_normalization(b: OnnxBuilder, x: Value, *, axis: int = -1, p: int = 2) -> Value:
    """x divided by its 1-norm or 2-norm along the axis; zeros stay zeros."""
    axes = (normal_axis(axis, x.rank),)
    if p not in (1, 2):
        raise MalformedModel(f"LpNormalization: p is {p}, must be 1 or 2")
    if p == 1:
        norm = b.reduce_sum(b.abs(x), axes=axes, keepdims=True)
    else:
        norm = b.sqrt(b.reduce_sum(b.mul(x, x), axes=axes, keepdims=True))
    return b.div(x, b.where(b.equal(norm, 0.0), 1.0, norm))


@lowers("Dropout")
def dropout(
    b: OnnxBuilder,
    x: Value,
    rate: Value | None = None,
    training: Value | None = None,
    *,
    ratio: float = 0.5,
    is_test: bool = True,
    seed: int = 0,
) -> tuple[Value, Value | None]:
    """At inference nothing is dropped, and the mask keeps all."""
    if training is not None:
        mode = b.numbers(scalar(b, training))
        if mode is None or mode.item():
            raise UnsupportedModel("Dropout in training mode", hint=_EVAL)
    mask = b.full(b.const(True), shape=x.shape) if b.wants(1) else None
    return x, mask
