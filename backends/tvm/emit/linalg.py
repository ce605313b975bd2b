"""Matrix products: narrow floats are multiplied and added in f32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.tvm import carriers, integers
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.network import Network, broadcast_index
from isthmus.backends.tvm.schedule_default import Accumulation
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Deliver, Tensor
from isthmus.ir.dim import Dim

_Prepared: TypeAlias = tuple[Callable[[KernelScope, Deliver], None], tuple[Tensor, ...]]


@emits("matmul")
def matmul(n: Network, x: Tensor, y: Tensor) -> Tensor:
    """By default row-major operands, columns of y side by side."""
    a, b, result = n.x.type, n.node.inputs[1].type, n.type
    batch = result.rank - (a.rank > 1) - (b.rank > 1)
    kind = carriers.computed(result.dtype)

    def prepare() -> _Prepared:
        left, right = n.row_major(x), n.row_major(y)

        def write(scope: KernelScope, deliver: Deliver) -> None:
            outer = [scope.size(d) for d in result.shape[:batch]]
            rows = scope.size(a.shape[-2]) if a.rank > 1 else 1
            columns = scope.size(b.shape[-1]) if b.rank > 1 else 1

            def element(index: list[Any], reduced: list[Any]) -> Expr:
                *lead, row, column = index
                lead_a = broadcast_index(scope, lead, a.shape[:-2], result.shape[:batch])
                lead_b = broadcast_index(scope, lead, b.shape[:-2], result.shape[:batch])
                u = scope.read(left, [*lead_a, row, reduced[0]] if a.rank > 1 else reduced)
                v = scope.read(right, [*lead_b, reduced[0], column] if b.rank > 1 else reduced)
                return integers.mul(u, v)

            def finish(index: list[Any], value: Expr) -> None:
                *lead, row, column = index
                deliver([*lead, *([row] if a.rank > 1 else []), *([column] if b.rank > 1 else [])], value)

            work = Accumulation([scope.size(a.shape[-1])], tirx.const(0, kind), element, integers.add)
            if b.rank == 1:
                loops.along([*outer, rows, columns], work, scope.scratch, finish)
            else:
                loops.tiled([*outer, rows, columns], work, scope.scratch, finish)

        return write, (left, right)

    return n.deferred(prepare, (x, y))


@emits("linear")
def linear(n: Network, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """All leading dimensions are rows."""
    a, columns = n.x.type, n.type.shape[-1]
    kind = carriers.computed(a.dtype)

    def prepare() -> _Prepared:
        left, right = n.row_major(x), n.row_major(weight)
        added = () if bias is None else (n.memory(bias),)

        def write(scope: KernelScope, deliver: Deliver) -> None:
            sizes = [scope.size(d) for d in a.shape[:-1]]

            def element(index: list[Any], reduced: list[Any]) -> Expr:
                return scope.read(left, [*index[:-1], reduced[0]]) * scope.read(right, [reduced[0], index[-1]])

            def finish(index: list[Any], value: Expr) -> None:
                deliver(index, value + scope.read(added[0], index[-1:]) if added else value)

            work = Accumulation([scope.size(a.shape[-1])], tirx.const(0, kind), element, lambda p, q: p + q)
            loops.tiled([*sizes, scope.size(columns)], work, scope.scratch, finish)

        return write, (left, right, *added)

    return n.deferred(prepare, (x, weight) if bias is None else (x, weight, bias))


@emits("einsum")
def einsum(n: Network, *xs: Tensor, equation: str) -> Tensor:
    """Products summed over every letter that the result lacks."""
    terms, _, result = equation.replace(" ", "").partition("->")
    sources = [n.row_major(x) for x in xs]
    type = n.type
    labels = [_labels(term, each.type.rank) for term, each in zip(terms.split(","), sources, strict=True)]
    kept = _labels(result, type.rank)
    sizes: dict[str, Dim] = dict(zip(kept, type.shape, strict=True))
    for names, each in zip(labels, sources, strict=True):
        for name, size in zip(names, each.type.shape, strict=True):
            sizes.setdefault(name, size)
    summed = [name for name in sizes if name not in kept]
    kind = carriers.computed(type.dtype)

    def write(scope: KernelScope, deliver: Deliver) -> None:
        def element(index: list[Any], reduced: list[Any]) -> Expr:
            places = dict(zip((*kept, *summed), (*index, *reduced), strict=True))
            total: Expr = None
            for names, each in zip(labels, sources, strict=True):
                wanted = tuple(sizes[name] for name in names)
                at = broadcast_index(scope, [places[name] for name in names], each.type.shape, wanted)
                value = scope.read(each, at)
                total = value if total is None else total * value
            return total

        work = Accumulation([scope.size(sizes[s]) for s in summed], tirx.const(0, kind), element, lambda p, q: p + q)
        loops.tiled([scope.size(d) for d in type.shape], work, scope.scratch, deliver)

    return n.pending(write, *sources)


def _labels(term: str, rank: int) -> tuple[str, ...]:
    """A name for each axis: letters, and numbers from the end for batch dimensions."""
    before, dots, after = term.partition("...")
    batch = rank - len(before) - len(after) if dots else 0
    return (*before, *(str(batch - i) for i in range(batch)), *after)


MISSING = lacks(rotary_embedding="taken apart into elementwise ops")
"""Composites that this backend writes no kernel of its own for."""
