"""Tensors from nothing: constants, ranges, fills and seeded random numbers."""

from __future__ import annotations

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import rank_from, scalar
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.types import dtype_from
from isthmus.compiler.importers.values import in_dtype
from isthmus.ir.constant import Constant
from isthmus.ir.dim import Shape, ceildiv, maximum
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, DType


@lowers("Constant")
def constant(
    b: OnnxBuilder,
    *,
    value: Constant | None = None,
    sparse_value: Constant | None = None,
    value_float: float | None = None,
    value_floats: tuple[float, ...] | None = None,
    value_int: int | None = None,
    value_ints: tuple[int, ...] | None = None,
) -> Value:
    for tensor in (value, sparse_value):
        if tensor is not None:
            return b.const(tensor)
    for dtype, found in (
        (np.float32, value_float),
        (np.float32, value_floats),
        (np.int64, value_int),
        (np.int64, value_ints),
    ):
        if found is not None:
            return b.const(np.array(found, dtype))
    raise MalformedModel("Constant has no value")


@lowers("ConstantOfShape")
def constant_of_shape(b: OnnxBuilder, sizes: Value, *, value: Constant | None = None) -> Value:
    fill = b.const(np.zeros((), np.float32)) if value is None else scalar(b, b.const(value))
    rank_from(sizes, "ConstantOfShape")
    shape = b.sizes(sizes)
    return b.dynamic_expand(fill, sizes) if shape is None else b.full(fill, shape=shape)


@lowers("Range")
def range_(b: OnnxBuilder, start: Value, limit: Value, step: Value, *, stash_type: int = 1) -> Value:
    """start, start + step, ... before limit. Its length is known where all three are."""
    start, limit, step = (scalar(b, x) for x in (start, limit, step))
    known = [b.sizes(x) for x in (start, limit, step)] if start.dtype.is_integer else [None]
    if any(each is None for each in known):
        return b.dynamic_iota(start, limit, step)
    (first,), (end,), (stride,) = (each for each in known if each is not None)
    if not isinstance(stride, int) or stride == 0:
        return b.dynamic_iota(start, limit, step)
    count = maximum(ceildiv(end - first, stride), 0)
    counted = b.iota(dtype=start.dtype, shape=(count,), axis=0)
    scaled = counted if stride == 1 else b.mul(counted, step)
    return scaled if first == 0 else b.add(scaled, start)


@lowers("EyeLike")
def eye_like(b: OnnxBuilder, x: Value, *, dtype: int | None = None, k: int = 0) -> Value:
    """Ones on diagonal k of a matrix as large as x."""
    if x.rank != 2:
        raise MalformedModel(f"EyeLike: {x} is no matrix")
    made = x.dtype if dtype is None else dtype_from(dtype, "EyeLike")
    rows, columns = (b.iota(dtype=F32, shape=x.shape, axis=axis) for axis in (0, 1))
    return b.cast(b.equal(columns, b.add(rows, float(k))), dtype=made)


@lowers("RandomUniform")
def random_uniform(
    b: OnnxBuilder, *, shape: tuple[int, ...], dtype: int = 1, high: float = 1.0, low: float = 0.0, seed: float = 0.0
) -> Value:
    return _uniform(b, dtype_from(dtype, "RandomUniform"), shape, low, high, seed)


@lowers("RandomUniformLike")
def random_uniform_like(
    b: OnnxBuilder, x: Value, *, dtype: int | None = None, high: float = 1.0, low: float = 0.0, seed: float = 0.0
) -> Value:
    made = x.dtype if dtype is None else dtype_from(dtype, "RandomUniformLike")
    return _uniform(b, made, x.shape, low, high, seed)


@lowers("RandomNormal")
def random_normal(
    b: OnnxBuilder, *, shape: tuple[int, ...], dtype: int = 1, mean: float = 0.0, scale: float = 1.0, seed: float = 0.0
) -> Value:
    return _normal(b, dtype_from(dtype, "RandomNormal"), shape, mean, scale, seed)


@lowers("RandomNormalLike")
def random_normal_like(
    b: OnnxBuilder, x: Value, *, dtype: int | None = None, mean: float = 0.0, scale: float = 1.0, seed: float = 0.0
) -> Value:
    made = x.dtype if dtype is None else dtype_from(dtype, "RandomNormalLike")
    return _normal(b, made, x.shape, mean, scale, seed)


@lowers("Multinomial", since=7)
def multinomial(b: OnnxBuilder, x: Value, *, dtype: int = 6, sample_size: int = 1, seed: float = 0.0) -> Value:
    """Outcomes [N, sample_size], with replacement, of logarithms of probabilities [N, classes], each row up to a sum.

    The greatest of the logarithms plus Gumbel noise is drawn as often as its probability says (Maddison et al.,
    A* Sampling, 2014).
    """
    if x.rank != 2 or sample_size < 1:
        raise MalformedModel(f"Multinomial: {sample_size} samples of {x}, which must be [N, classes]")
    (n, classes), made = x.shape, dtype_from(dtype, "Multinomial")
    wide = F32 if x.dtype.bits < F32.bits else x.dtype
    drawn = _uniform(b, wide, (n, sample_size, classes), 0.0, 1.0, seed)
    noise = b.neg(b.log(b.neg(b.log(drawn))))
    found = b.argmax(b.add(b.reshape(in_dtype(b, x, wide), shape=(n, 1, classes)), noise), axis=2)
    return in_dtype(b, found, made)


def _uniform(b: OnnxBuilder, dtype: DType, shape: Shape, low: float, high: float, seed: float) -> Value:
    return b.random_uniform(dtype=dtype, shape=shape, low=low, high=high, seed=_seed(seed))


def _normal(b: OnnxBuilder, dtype: DType, shape: Shape, mean: float, scale: float, seed: float) -> Value:
    return b.random_normal(dtype=dtype, shape=shape, mean=mean, scale=scale, seed=_seed(seed))


def _seed(seed: float) -> int:
    """Any float is a seed in ONNX; its bits are one here."""
    return int(np.float32(seed).view(np.uint32)) if not float(seed).is_integer() or seed < 0 else int(seed)
