"""Normalisations, as they are at inference, and what inference leaves out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.compiler.importers.torch.args import cast
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import Dim
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value

_EVAL = "export the model for inference, as model.eval() does"


@aten("batch_norm")
def batch_norm(
    b: TorchBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Value:
    """Over the batch itself where no statistics are kept, as `track_running_stats=False` asks for."""
    return batch_norm_native(b, x, weight, bias, running_mean, running_var, training, momentum, eps)[0]


@aten("_native_batch_norm_legit_no_training")
def batch_norm_inference(
    b: TorchBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value,
    running_var: Value,
    momentum: float,
    eps: float,
) -> tuple[Value, None, None]:
    return _normalized(b, x, weight, bias, running_mean, running_var, eps), None, None


@aten("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional")
def batch_norm_native(
    b: TorchBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None = None,
    running_var: Value | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Value, None, None]:
    """With statistics of the batch itself only where torch keeps none: that is what InstanceNorm becomes."""
    if not training:
        if running_mean is None or running_var is None:
            raise UnsupportedModel("batch norm without running statistics", hint=_EVAL)
        return _normalized(b, x, weight, bias, running_mean, running_var, eps), None, None
    if running_mean is not None:
        raise UnsupportedModel("batch norm in training mode", hint=_EVAL)
    axes = tuple(i for i in range(x.rank) if i != 1)
    centred = b.sub(x, b.reduce_mean(x, axes=axes, keepdims=True))
    variance = b.reduce_mean(b.mul(centred, centred), axes=axes, keepdims=True)
    y = b.div(centred, b.sqrt(b.add(variance, eps)))
    return _scaled(b, y, weight, bias), None, None


@aten("instance_norm")
def instance_norm(
    b: TorchBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Value:
    if not use_input_stats:
        assert running_mean is not None
        assert running_var is not None
        return _normalized(b, x, weight, bias, running_mean, running_var, eps)
    return b.instance_norm(x, _or(b, x, weight, 1), _or(b, x, bias, 0), epsilon=eps)


@aten("layer_norm")
def layer_norm(
    b: TorchBuilder,
    x: Value,
    normalized_shape: Sequence[Dim],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = False,
) -> Value:
    return b.layer_norm(x, weight, bias, axis=x.rank - len(normalized_shape), epsilon=eps)


@aten("native_layer_norm")
def native_layer_norm(
    b: TorchBuilder,
    x: Value,
    normalized_shape: Sequence[Dim],
    weight: Value | None,
    bias: Value | None,
    eps: float,
) -> tuple[Value, None, None]:
    return layer_norm(b, x, normalized_shape, weight, bias, eps), None, None


@aten("rms_norm", "_fused_rms_norm")
def rms_norm(
    b: TorchBuilder,
    x: Value,
    normalized_shape: Sequence[Dim],
    weight: Value | None = None,
    eps: float | None = None,
) -> Value | tuple[Value, None]:
    """Without an epsilon torch takes the element type's own."""
    import ml_dtypes

    epsilon = float(ml_dtypes.finfo(x.dtype.numpy).eps) if eps is None else eps
    y = b.rms_norm(x, weight, axis=x.rank - len(normalized_shape), epsilon=epsilon)
    return (y, None) if isinstance(b.fake, list | tuple) else y


@aten("group_norm")
def group_norm(
    b: TorchBuilder,
    x: Value,
    num_groups: int,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = False,
) -> Value:
    return b.group_norm(x, _or(b, x, weight, 1), _or(b, x, bias, 0), groups=num_groups, epsilon=eps)


@aten("native_group_norm")
def native_group_norm(
    b: TorchBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    N: Dim,  # noqa: N803
    C: Dim,  # noqa: N803
    HxW: Dim,  # noqa: N803
    group: int,
    eps: float,
) -> tuple[Value, None, None]:
    return group_norm(b, x, group, weight, bias, eps), None, None


@aten("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def dropout(b: TorchBuilder, x: Value, p: float, train: bool) -> Value:
    if train and p:
        raise UnsupportedModel("dropout in training mode", hint=_EVAL)
    return x


@aten("native_dropout")
def native_dropout(b: TorchBuilder, x: Value, p: float, train: bool | None) -> tuple[Value, None]:
    if train and p:
        raise UnsupportedModel("dropout in training mode", hint=_EVAL)
    return x, None


def _normalized(
    b: TorchBuilder, x: Value, weight: Value | None, bias: Value | None, mean: Value, variance: Value, eps: float
) -> Value:
    """By channel with given statistics; a matrix [N, C] counts as one without spatial dimensions."""
    parameters = (_or(b, x, weight, 1), _or(b, x, bias, 0), mean, variance)
    return b.batch_norm(x, *(cast(b, p, x.dtype) for p in parameters), epsilon=eps)


def _or(b: TorchBuilder, x: Value, parameter: Value | None, default: int) -> Value:
    """The parameter, or as many defaults as x has channels."""
    if parameter is not None:
        return parameter
    channels = x.shape[1]
    if isinstance(channels, int):
        return b.const(np.full(channels, default), x.dtype)
    return b.full(b.const(default, x.dtype), shape=(channels,))


def _scaled(b: TorchBuilder, x: Value, weight: Value | None, bias: Value | None) -> Value:
    def by_channel(parameter: Value) -> Value:
        return b.reshape(parameter, shape=(parameter.shape[0], *[1] * (x.rank - 2)))

    x = x if weight is None else b.mul(x, by_channel(weight))
    return x if bias is None else b.add(x, by_channel(bias))
