"""Branches and loops, which the engine's virtual machine has no form for: functions of ours outside of it drive them.

A region becomes a function of the module, which takes its inputs, the sizes it captures, and its constants. Drivers are
called by the engine with its context first, then with what `driven` passes, and call the regions' functions back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from isthmus.backends.tvm import carriers
from isthmus.backends.tvm.api import ffi, relax
from isthmus.backends.tvm.bindings import Bindings, relax_type
from isthmus.backends.tvm.function import define
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.orders import row_major
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.tensors import Stored
from isthmus.ir.dim import Shape, Symbol, symbols
from isthmus.ir.graph import Graph, dims_of
from isthmus.ir.types import Array, TensorType

IF, LOOP, SCAN = "isthmus.if", "isthmus.loop", "isthmus.scan"

KINDS = (
    *("float64", "float32", "float16", "int64", "int32", "int16", "int8"),
    *("uint64", "uint32", "uint16", "uint8"),
)
"""Carriers of element types, by number."""

Body: TypeAlias = Callable[..., Sequence[Any]]


def driven(n: Network, driver: str, before: Sequence[Any], names: Sequence[str], xs: Sequence[Stored]) -> list[Stored]:
    """Results of the node's regions `names`, called by a driver."""
    b = n.bindings
    functions: list[Any] = []
    tails: list[tuple[Any, list[Any]]] = []
    for name in names:
        region = n.node.regions[name]
        captured = [s for s in mentioned(region) if s in b.sizes]
        made = define(n.module, n.write, region, f"region_{name}", captured)
        functions.append(made.var)
        sizes = relax.ShapeExpr([b.sizes.of(s) for s in captured])
        tails.append((sizes, [b.shared(each, key) for key, each in made.constants.items()]))
    types = [r.type for r in n.node.results]
    kinds = relax.TupleType([relax.TensorType(ndim=t.rank, dtype=carriers.carrier(t.dtype)) for t in types])
    counted = [part for sizes, constants in tails for part in (relax.prim_value(len(constants)), sizes, *constants)]
    arguments = [*functions, *before, relax.prim_value(len(xs)), *(b.var(x) for x in xs), *counted]
    results = n.module.emit(relax.op.call_builtin_with_ctx(driver, arguments, ty_args=kinds))
    return [_adopted(b, n.module.emit(relax.TupleGetItem(results, i)), type) for i, type in enumerate(types)]


def _adopted(b: Bindings, var: Any, type: TensorType) -> Stored:
    """A tensor whose sizes may be known only now."""
    (shape,) = b.sizes.declare([type])
    return Stored(type, b.module.emit_match(var, relax_type(type, shape)), row_major(type.rank))


def known_sizes(n: Network, shape: Shape) -> Any:
    """A shape as a value, with 0 for sizes that are not known."""
    sizes = n.bindings.sizes
    return relax.ShapeExpr([int64(sizes(d) if all(s in sizes for s in symbols(d)) else 0) for d in shape])


def mentioned(graph: Graph) -> list[Symbol]:
    """Every symbol in the types and attributes of a graph, its regions included, by name."""
    found: set[Symbol] = set()
    for value in graph.inputs:
        found |= value.type.symbols()
    for node in graph.walk():
        for result in node.results:
            found |= result.type.symbols()
        for dim in dims_of(node.attrs):
            found |= symbols(dim)
    return sorted(found, key=lambda s: s.name)


@cache
def register() -> None:
    """Make the drivers known to the engine; once for the process."""
    for name, function in ((IF, _if), (LOOP, _loop), (SCAN, _scan)):
        ffi.register_global_func(name, function, override=True)


def _if(context: Any, then: Any, other: Any, condition: Any, *rest: Any) -> Sequence[Any]:
    reader = _Arguments(rest)
    xs = reader.several()
    tails = [reader.tail(), reader.tail()]
    chosen = 0 if _scalar(condition) else 1
    return _body(context, (then, other)[chosen], tails[chosen])(*xs)


def _loop(context: Any, function: Any, *rest: Any) -> Sequence[Any]:
    reader = _Arguments(rest)
    trips = int(_scalar(reader.take())) if reader.take() else None
    running = bool(_scalar(reader.take())) if reader.take() else True
    carried, stacks = reader.take(), reader.stacks()
    xs = reader.several()
    body = _body(context, function, reader.tail())
    state, captures, turn = list(xs[:carried]), xs[carried:], 0
    columns: list[list[Any]] = [[] for _ in stacks]
    while running and (trips is None or turn < trips):
        more, *results = body(_tensor(np.array(turn, np.int64)), *state, *captures)
        state, running = results[:carried], bool(_scalar(more))
        for column, each in zip(columns, results[carried:], strict=True):
            column.append(each)
        turn += 1
    return [*state, *(_stacked(c, *s) for c, s in zip(columns, stacks, strict=True))]


def _scan(context: Any, function: Any, *rest: Any) -> Sequence[Any]:
    reader = _Arguments(rest)
    scanned, carried, stacks = reader.take(), reader.take(), reader.stacks()
    xs = reader.several()
    body = _body(context, function, reader.tail())
    state = list(xs[:carried])
    sequences = [np.from_dlpack(x) for x in xs[carried : carried + scanned]]
    captures = xs[carried + scanned :]
    columns: list[list[Any]] = [[] for _ in stacks]
    for turn in range(len(sequences[0])):
        results = body(*state, *(_tensor(np.asarray(s[turn])) for s in sequences), *captures)
        state = list(results[:carried])
        for column, each in zip(columns, results[carried:], strict=True):
            column.append(each)
    return [*state, *(_stacked(c, *s) for c, s in zip(columns, stacks, strict=True))]


class _Arguments:
    """What the engine passes, read from the front."""

    def __init__(self, given: Sequence[Any]) -> None:
        self._given = list(given)

    def take(self) -> Any:
        """The next one."""
        return self._given.pop(0)

    def several(self) -> list[Any]:
        """As many as the next one says."""
        return [self.take() for _ in range(self.take())]

    def tail(self) -> list[Any]:
        """What a region's function takes after its inputs: sizes, and as many constants as are counted before them."""
        count = self.take()
        return [self.take() for _ in range(1 + count)]

    def stacks(self) -> list[tuple[str, tuple[int, ...]]]:
        """Element type and shape of each stacked result."""
        return [(KINDS[self.take()], tuple(int(d) for d in self.take())) for _ in range(self.take())]


def _body(context: Any, function: Any, tail: Sequence[Any]) -> Body:
    invoke = ffi.get_global_func("vm.builtin.invoke_closure")
    return lambda *inputs: list(invoke(context, function, *inputs, *tail))


def _scalar(tensor: Any) -> Any:
    return np.from_dlpack(tensor).item()


def _stacked(elements: Sequence[Any], kind: str, shape: tuple[int, ...]) -> Any:
    if not elements:
        return _tensor(np.empty((0, *shape), kind))
    return _tensor(np.stack([np.from_dlpack(each) for each in elements]))


def _tensor(array: Array) -> Any:
    return ffi.from_dlpack(np.ascontiguousarray(array).reshape(array.shape), require_alignment=0)
