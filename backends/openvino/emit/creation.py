"""Tensors from nothing."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.openvino.emit.elementwise import selected
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.constant import Constant
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node
from isthmus.ir.types import I64, DType


@emits("const")
def const(n: Network, *, data: Constant) -> Handle:
    """Shares the memory of the constant."""
    return n.constant(data.array, data.type.dtype)


@emits("dims")
def dims(n: Network, *, dims: tuple[Dim, ...]) -> Handle:
    """Computed from the shapes of values."""
    return n.dims(dims)


@emits("full")
def full(n: Network, value: Handle, *, shape: tuple[Dim, ...]) -> Handle:
    """A broadcast scalar."""
    return n.broadcast(value, (), shape)


@emits("iota")
def iota(n: Network, *, dtype: DType, shape: tuple[Dim, ...], axis: int) -> Handle:
    """A range, repeated along the other axes."""
    column = n.ops.range(n.scalar(0), n.dim(shape[axis]), n.scalar(1), "i64")
    if dtype != I64:
        column = n.cast(column, dtype)
    sizes = tuple(d if i == axis else 1 for i, d in enumerate(shape))
    aligned = n.reshape(column, sizes)
    return aligned if len(shape) == 1 else n.broadcast(aligned, sizes, shape)


@emits("dynamic_iota")
def dynamic_iota(n: Network, start: Handle, limit: Handle, step: Handle) -> Handle:
    """The engine's range, which yields elements for a limit that lies behind: bring that to the start."""
    zero = n.like(0)
    ahead = n.ops.less(zero, n.ops.multiply(n.ops.sign(n.ops.subtract(limit, start)), n.ops.sign(step)))
    end = selected(n, ahead, limit, start)
    return n.ops.range(start, end, step, n.type(n.x.dtype).to_string())


def _size_unknown(node: Node) -> str | None:
    if node.results[0].type.is_static:
        return None
    return "random numbers must equal the evaluator's, so they are drawn when compiling, which needs known sizes"


@emits("random_uniform", "random_normal", unless=_size_unknown)
def random(n: Network, **attrs: object) -> Handle:
    """Seeded, so the same at every run: a constant."""
    dtype = n.node.results[0].dtype
    return n.constant(n.node.op(**attrs).astype(dtype.numpy), dtype)
