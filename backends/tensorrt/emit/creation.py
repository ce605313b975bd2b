"""Tensors from nothing."""

from __future__ import annotations

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt.emit.quant import is_only_dequantized
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.backends.tensorrt.shape_values import is_shape_value
from isthmus.ir.constant import Constant
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node
from isthmus.ir.types import F32, I32, I64, Array, DType


@emits("const")
def const(n: Network, *, data: Constant) -> Handle:
    """Shares the memory of the constant. 8 bits stay 8 bits where they are quantized numbers."""
    dtype = data.type.dtype
    quantized = dtype.bits == 8 and is_only_dequantized(n.node.results[0])
    return (n.quantized_constant if quantized else n.constant)(data.array, dtype)


@emits("dims")
def dims(n: Network, *, dims: tuple[Dim, ...]) -> Handle:
    """Computed from the shapes of values."""
    return n.dims(dims)


@emits("full")
def full(n: Network, value: Handle, *, shape: tuple[Dim, ...]) -> Handle:
    """A broadcast scalar."""
    return n.broadcast(value, shape)


@emits("iota")
def iota(n: Network, *, dtype: DType, shape: tuple[Dim, ...], axis: int) -> Handle:
    """The engine's fill: a step of one along an axis, of zero along the others, in a type that it counts in."""
    counted = dtype if dtype in (F32, I64) else I32
    sizes = [d for d in shape if isinstance(d, int)]
    static = len(sizes) == len(shape)
    start = n.trt.Dims(sizes if static else [1] * len(shape))
    layer = n.layer(n.definition.add_fill(start, n.trt.FillOperation.LINSPACE, n.type(counted)))
    if not static:
        layer.set_input(0, n.dims(shape))
    steps = n.constant(_steps(len(shape), axis).astype(counted.numpy), counted)
    layer.set_input(1, n.scalar(0, counted))
    layer.set_input(2, steps)
    return n.cast(n.of(layer), dtype)


def _steps(rank: int, axis: int) -> Array:
    return np.array([int(i == axis) for i in range(rank)])


def _length_unknown(node: Node) -> str | None:
    if all(map(is_shape_value, node.inputs)):
        return None
    return "the engine must know how many elements a range has, and its ends are no integer constants, sizes or inputs"


@emits("dynamic_iota", unless=_length_unknown)
def dynamic_iota(n: Network, start: Handle, limit: Handle, step: Handle) -> Handle:
    """The engine's fill, as long as the distance divided by the step, rounded up."""
    first, last, by = (n.cast(x, I64) for x in (start, limit, step))
    count = n.unary("NEG", n.elementwise("FLOOR_DIV", n.elementwise("SUB", first, last), by))
    length = n.elementwise("MAX", count, n.scalar(0))
    layer = n.layer(n.definition.add_fill(n.trt.Dims([1]), n.trt.FillOperation.LINSPACE, n.type(I64)))
    for i, tensor in enumerate((n.reshape(length, (1,)), first, n.reshape(by, (1,)))):
        layer.set_input(i, tensor)
    return n.cast(n.of(layer), n.x.dtype)


def _size_unknown(node: Node) -> str | None:
    if node.results[0].type.is_static:
        return None
    return "random numbers must equal the evaluator's, so they are drawn when compiling, which needs known sizes"


@emits("random_uniform", "random_normal", unless=_size_unknown)
def random(n: Network, **attrs: object) -> Handle:
    """Seeded, so the same at every run: a constant."""
    dtype = n.node.results[0].dtype
    return n.constant(n.node.op(**attrs).astype(dtype.numpy), dtype)
