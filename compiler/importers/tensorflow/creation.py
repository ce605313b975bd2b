"""Tensors from nothing: constants, ranges, fills, and placeholders with a default."""

from __future__ import annotations

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.args import index_vector, rank_from, scalar
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.operands import Complex, PartialShape, Text
from isthmus.ir.constant import Constant
from isthmus.ir.dim import ceildiv, maximum
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import DType

_MOST_WRITTEN = 1 << 20
"""Ranges of more elements are not written out as constants: a small file shall not ask for much memory."""


@lowers("Const", "HostConst")
def const(b: TfBuilder, *, value: object) -> Value | Text | Complex:
    if isinstance(value, Text):
        return value
    if isinstance(value, tuple):
        real, imaginary = value
        return Complex(b.const(real), b.const(imaginary))
    if not isinstance(value, Constant):
        raise MalformedModel("Const: its value is no tensor")
    return b.frame.scope.constant(f"{b.frame.path}{b.node.name}", value)


@lowers("Placeholder", "PlaceholderV2")
def placeholder(b: TfBuilder, *, shape: PartialShape = None) -> Value:
    raise UnsupportedModel(
        f"the result depends on {b.node.name!r}, which is no input of the signature", hint="name it in inputs="
    )


@lowers("PlaceholderWithDefault")
def placeholder_with_default(b: TfBuilder, x: Value, *, shape: PartialShape = None) -> Value:
    return x


@lowers("Fill")
def fill(b: TfBuilder, sizes: Value, value: Value) -> Value:
    return _filled(b, sizes, value)


@lowers("Empty")
def empty(b: TfBuilder, sizes: Value, *, dtype: DType, init: bool = False) -> Value:
    """Zeros, though the op promises nothing unless `init` is set."""
    return _filled(b, sizes, b.const(np.zeros((), dtype.numpy)))


@lowers("ZerosLike", "OnesLike")
def like(b: TfBuilder, x: Value) -> Value:
    one = np.array(b.node.op == "OnesLike").astype(x.dtype.numpy)
    return b.full(b.const(one), shape=x.shape)


@lowers("Range")
def range_(b: TfBuilder, start: Value, limit: Value, step: Value) -> Value:
    """start, start + step, ... before limit. Its length is known where all three are."""
    start, limit, step = (scalar(b, x) for x in (start, limit, step))
    if not start.dtype.is_integer:
        known = [each.item() for x in (start, limit, step) if (each := b.numbers(x)) is not None]
        if len(known) == 3 and (known[1] - known[0]) / known[2] <= _MOST_WRITTEN:
            return b.const(np.arange(*known).astype(start.dtype.numpy))
        return b.dynamic_iota(start, limit, step)
    sizes = [b.sizes(x) for x in (start, limit, step)]
    if any(each is None for each in sizes):
        return b.dynamic_iota(start, limit, step)
    (first,), (end,), (stride,) = (each for each in sizes if each is not None)
    if not isinstance(stride, int) or stride == 0:
        return b.dynamic_iota(start, limit, step)
    counted = b.iota(dtype=start.dtype, shape=(maximum(ceildiv(end - first, stride), 0),), axis=0)
    scaled = counted if stride == 1 else b.mul(counted, step)
    return scaled if first == 0 else b.add(scaled, start)


@lowers("LinSpace")
def lin_space(b: TfBuilder, start: Value, stop: Value, count: Value) -> Value:
    known = b.sizes(count)
    if known is None or not isinstance(known[0], int) or not 1 <= known[0] <= _MOST_WRITTEN:
        raise UnsupportedModel(f"LinSpace of a computed number of elements, or of more than {_MOST_WRITTEN}")
    share = np.linspace(0, 1, known[0]).astype(start.dtype.numpy)
    first = scalar(b, start)
    return b.add(first, b.mul(b.const(share), b.sub(scalar(b, stop), first)))


def _filled(b: TfBuilder, sizes: Value, value: Value) -> Value:
    known = b.sizes(sizes)
    if known is not None:
        return b.full(scalar(b, value), shape=known)
    rank_from(sizes, "Fill")
    return b.dynamic_expand(scalar(b, value), index_vector(b, sizes))
