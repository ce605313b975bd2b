"""The same elements under another shape: memory as it is, or formulas that read another index."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Index, Scope, Stored, Tensor
from isthmus.ir.dim import Shape
from isthmus.ir.types import I64, TensorType


@emits("shape_of")
def shape_of(n: Network, x: Tensor) -> Tensor:
    """The sizes as i64."""

    def body(scope: KernelScope) -> None:
        for i, dim in enumerate(n.x.shape):
            scope.store(0, n.type, (0,), [int64(i)], int64(scope.size(dim)))

    return n.kernel(body, [], [n.type], extra=n.x.shape)[0]


@emits("reshape")
def reshape(n: Network, x: Tensor, *, shape: Shape) -> Tensor:
    """The same memory."""
    return n.reshaped(x, n.type)


@emits("dynamic_reshape")
def dynamic_reshape(n: Network, x: Tensor, shape: Tensor) -> Tensor:
    """The sizes are computed first; a -1 is what remains."""
    wanted = n.row_major(shape)
    rank = n.type.rank
    sizes_type = TensorType(I64, (rank,))

    def body(scope: KernelScope) -> None:
        given = [scope.read(wanted, [int64(i)]).astype("int64") for i in range(rank)]
        known = int64(1)
        for each in given:
            known = scope.bind(known * select(each < int64(0), int64(1), each))
        total = loops.int64(loops.volume([scope.size(d) for d in n.x.shape]))
        rest = tirx.floordiv(total, tirx.max(known, int64(1)))
        for i, each in enumerate(given):
            scope.store(0, sizes_type, (0,), [int64(i)], select(each < int64(0), rest, each))

    (sizes,) = n.kernel(body, [wanted], [sizes_type], extra=n.x.shape)
    n.learn(sizes, n.type.shape)
    return n.reshaped(x, n.type)


@emits("expand")
def expand(n: Network, x: Tensor, *, shape: Shape) -> Tensor:
    """Read at the broadcast index."""
    return n.broadcast(x)


@emits("dynamic_expand")
def dynamic_expand(n: Network, x: Tensor, shape: Tensor) -> Tensor:
    """The sizes are computed first: of two, the one that is not 1."""
    wanted = n.row_major(shape)
    rank, length = n.type.rank, int(n.node.inputs[1].shape[0])  # type: ignore[arg-type]
    sizes_type = TensorType(I64, (rank,))
    source = n.x.shape

    def body(scope: KernelScope) -> None:
        for i in range(rank):
            own = i - (rank - len(source))
            given = i - (rank - length)
            have = int64(scope.size(source[own])) if own >= 0 else int64(1)
            want = scope.read(wanted, [int64(given)]).astype("int64") if given >= 0 else int64(1)
            scope.store(0, sizes_type, (0,), [int64(i)], select(tirx.EQ(have, int64(1)), want, have))

    (sizes,) = n.kernel(body, [wanted], [sizes_type], extra=source)
    n.learn(sizes, n.type.shape)
    return n.broadcast(x)


@emits("tile")
def tile(n: Network, x: Tensor, *, repeats: Shape) -> Tensor:
    """Read at the remainder of the index."""
    return _tiled(n, n.memory(x))


@emits("dynamic_tile")
def dynamic_tile(n: Network, x: Tensor, repeats: Tensor) -> Tensor:
    """The sizes are computed first."""
    counts, shape = n.row_major(repeats), n.x.shape
    sizes_type = TensorType(I64, (len(shape),))

    def body(scope: KernelScope) -> None:
        for i, dim in enumerate(shape):
            total = scope.read(counts, [int64(i)]).astype("int64") * int64(scope.size(dim))
            scope.store(0, sizes_type, (0,), [int64(i)], total)

    (sizes,) = n.kernel(body, [counts], [sizes_type], extra=shape)
    n.learn(sizes, n.type.shape)
    return _tiled(n, n.memory(x))


def _tiled(n: Network, x: Stored) -> Tensor:
    def element(scope: Scope, at: Index) -> Expr:
        return scope.read(x, [tirx.floormod(p, int64(scope.size(d))) for p, d in zip(at, x.type.shape, strict=True)])

    return n.formula(element, x)


@emits("transpose")
def transpose(n: Network, x: Tensor, *, perm: tuple[int, ...]) -> Tensor:
    """A permutation of axes; of memory, it is the same memory read in another order."""
    if isinstance(x, Stored) and x.constant is None:
        return Stored(n.type, x.var, tuple(perm.index(axis) for axis in x.perm))
    places = [perm.index(i) for i in range(len(perm))]
    return n.formula(lambda scope, at: scope.read(x, [at[p] for p in places]), x)
