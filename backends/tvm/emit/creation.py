"""Tensors from nothing."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import carriers, integers
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Index, Scope, Tensor
from isthmus.ir.constant import Constant
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node
from isthmus.ir.types import I64, DType, TensorType


@emits("const")
def const(n: Network, *, data: Constant) -> Tensor:
    """Shares the memory of the constant."""
    return n.constant(data.array, data.type.dtype)


@emits("dims")
def dims(n: Network, *, dims: tuple[Dim, ...]) -> Tensor:
    """Each element is the size it names."""

    def body(scope: KernelScope) -> None:
        for i, dim in enumerate(dims):
            scope.store(0, n.type, (0,), [loops.int64(i)], loops.int64(scope.size(dim)))

    return n.kernel(body, [], [n.type])[0]


@emits("full")
def full(n: Network, value: Tensor, *, shape: tuple[Dim, ...]) -> Tensor:
    """A broadcast scalar."""
    return n.formula(lambda scope, at: scope.read(value, ()), value, is_free=True)


@emits("iota")
def iota(n: Network, *, dtype: DType, shape: tuple[Dim, ...], axis: int) -> Tensor:
    """The position along one axis."""
    return n.formula(lambda scope, at: loops.int64(at[axis]).astype(carriers.computed(dtype)), is_free=True)


@emits("dynamic_iota")
def dynamic_iota(n: Network, start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
    """The number of elements is computed first: that of the quotient, rounded up."""
    is_float = n.x.dtype.is_float
    count_type = TensorType(I64, (1,))

    def count(scope: KernelScope) -> None:
        first, last, stride = (scope.read(each, ()) for each in (start, limit, step))
        if is_float:
            found = tirx.ceil((last - first) / stride).astype("int64")
        else:
            distance, wide = last.astype("int64") - first.astype("int64"), stride.astype("int64")
            found = loops.int64(0) - integers.floor_div(loops.int64(0) - distance, wide)
        scope.store(0, count_type, (0,), [loops.int64(0)], tirx.max(found, loops.int64(0)))

    (counted,) = n.kernel(count, [start, limit, step], [count_type])
    n.learn(counted, n.type.shape)
    dtype = carriers.computed(n.x.dtype)

    def element(scope: Scope, at: Index) -> Expr:
        return integers.add(scope.read(start, ()), integers.mul(at[0].astype(dtype), scope.read(step, ())))

    return n.formula(element, start, step)


def _size_unknown(node: Node) -> str | None:
    if node.results[0].type.is_static:
        return None
    return "random numbers must equal the evaluator's, so they are drawn when compiling, which needs known sizes"


@emits("random_uniform", "random_normal", unless=_size_unknown)
def random(n: Network, **attrs: object) -> Tensor:
    """Seeded, so the same at every run: a constant."""
    dtype = n.type.dtype
    return n.constant(n.node.op(**attrs).astype(dtype.numpy), dtype)
