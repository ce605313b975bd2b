"""Runs one kernel of the schedule library alone, against the evaluator."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isthmus.backends.base import Refused
from isthmus.backends.tvm.api import kind, script
from isthmus.backends.tvm.carriers import carried, carrier, narrow, restored, widen
from isthmus.backends.tvm.compilation import kernel_pipeline
from isthmus.backends.tvm.dims import KernelSizes
from isthmus.backends.tvm.fence import fence
from isthmus.backends.tvm.kernels import Buffer, Expr, Group, Kernel, Machine, Packed, Perm, symbols_of
from isthmus.backends.tvm.library import engine
from isthmus.backends.tvm.orders import stored
from isthmus.backends.tvm.schedules.indexing import broadcast
from isthmus.backends.tvm.schedules.machine import AVX2, AVX512, features, target
from isthmus.backends.tvm.schedules.table import generator_for
from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim, resolve, symbol
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import F32, Array, DType, TensorType

engine()
"""Loaded before anything is written: it registers an op of ours."""

MACHINES = [m for m in (AVX2, AVX512) if m.features <= features()]
"""Every width this processor runs."""

TAIL: Mapping[str, Callable[..., Expr]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "cast": lambda a: a,
}
"""What tests put after anchors."""


class SimpleTail:
    """The nodes after an anchor, element by element; operands of the result's rank are stored like the result."""

    def __init__(self, group: Group, perm: Perm) -> None:
        self._group = group
        self._perm = perm

    @property
    def key(self) -> Hashable:
        """The nodes themselves: nothing is shared in tests."""
        return self._group.tail

    @property
    def dtype(self) -> str:
        """The carrier of the result."""
        return carrier(self._group.result.dtype)

    @property
    def operands(self) -> list[Value]:
        """What the nodes read besides each other."""
        made = {self._group.anchor.results[0], *(n.results[0] for n in self._group.tail)}
        return [v for n in self._group.tail for v in n.inputs if v not in made]

    @property
    def buffers(self) -> Sequence[tuple[tuple[Dim, ...], str]]:
        """Each operand as it is stored."""
        return [(tuple(stored(v.shape, self.order(v))), carrier(v.dtype)) for v in self.operands]

    def order(self, value: Value) -> Perm:
        """How an operand is stored."""
        return self._perm if value.rank == len(self._perm) else tuple(range(value.rank))

    def __call__(self, value: Expr, at: Sequence[Expr], buffers: Sequence[Buffer]) -> Expr:
        """The element that is stored."""
        anchor = self._group.anchor.results[0]
        known = {anchor: _rounded(value, anchor.dtype) if self._group.tail else value}
        for v, buffer in zip(self.operands, buffers, strict=True):
            known[v] = widen(buffer[tuple(stored(broadcast(at, v.shape), self.order(v)))], v.dtype)
        for node in self._group.tail:
            made = TAIL[node.op.name](*(known[v] for v in node.inputs))
            known[node.results[0]] = made if node is self._group.tail[-1] else _rounded(made, node.results[0].dtype)
        return narrow(_bound(known[self._group.result]), self._group.result.dtype)


def _rounded(value: Expr, dtype: DType) -> Expr:
    """An element as it comes back from memory."""
    return widen(narrow(_bound(value), dtype), dtype) if dtype.bits < 32 else value


def _bound(value: Expr) -> Expr:
    """What is used several times."""
    return script.bind(fence(value) if kind(value).startswith("float") else value)


@dataclass(frozen=True)
class Built:
    """A kernel compiled for one group."""

    kernel: Kernel
    group: Group
    function: Callable[..., None]
    operands: Sequence[Value]
    order: Callable[[int], Perm | Packed]

    def tensors(self, known: Mapping[Value, Array]) -> list[Any]:
        """The arguments before the sizes, as the kernel wants them stored."""
        import tvm

        arrays = []
        for i, v in enumerate(self.operands):
            how = self.order(i)
            array = known[v]
            if isinstance(how, Packed):
                arrays.append(how.make(array))
            else:
                arrays.append(np.ascontiguousarray(carried(array, v.dtype).transpose(how)))
        return [tvm.runtime.tensor(a) for a in arrays]


def build(group: Group, machine: Machine, *, is_optimized: bool = True) -> Built:
    """The kernel that the table offers for a group. AssertionError with the reason where it refuses.

    LLVM's optimizations, which take five times as long as all the rest, are made on demand.
    """
    offer = generator_for(group, machine)
    assert not isinstance(offer, Refused), offer.reason
    tail = SimpleTail(group, offer.result)
    written = offer.function(tail, KernelSizes(symbols_of(group)))
    module = compiled(written, target(machine) if is_optimized else plainly(target(machine)))
    anchored = group.anchor.inputs

    def order(i: int) -> Perm | Packed:
        if i >= len(anchored):
            return tail.order(tail.operands[i - len(anchored)])
        how = offer.operands[i]
        return how if isinstance(how, Packed) else how.perm

    return Built(offer, group, module["kernel"], [*anchored, *tail.operands], order)


def compiled(written: Any, how: Any) -> Any:
    """A function as a module of one kernel, lowered as programs are."""
    import tvm

    tvm.tirx.compilation_pipeline.register_tir_pipeline("isthmus-test", kernel_pipeline)
    module = tvm.IRModule({"kernel": written.with_attr("global_symbol", "kernel")})
    return tvm.compile(module, target=how, tir_pipeline="isthmus-test")


def plainly(how: Any) -> Any:
    """A target without LLVM's optimizations: the same instructions, each sum in memory."""
    import tvm

    return tvm.target.Target({"kind": "llvm", "mcpu": how.attrs["mcpu"], "opt-level": 0})


def error(
    graph: Graph, machine: Machine, sizes: Mapping[str, int] | None = None, seed: int = 0, *, is_optimized: bool = False
) -> float:
    """Relative L2 error of the kernel for a graph that is one group, on seeded inputs, against the evaluator."""
    import tvm

    nodes = [n for n in graph.nodes if n.op.name != "const"]
    group = Group(nodes[0], tuple(nodes[1:]))
    inputs = {v.name: drawn(v.type, sizes or {}, seed + i) for i, v in enumerate(graph.inputs)}
    [want] = evaluate(graph, inputs).values()
    built = build(group, machine, is_optimized=is_optimized)
    known = {v: inputs[v.name] for v in graph.inputs}
    known |= {n.results[0]: n.results[0].array for n in graph.nodes if n.op.name == "const"}  # type: ignore[misc]
    perm = built.kernel.result
    made = carried(np.full([want.shape[axis] for axis in perm], 7, want.dtype), group.result.dtype)
    result = tvm.runtime.tensor(made)
    built.function(*built.tensors(known), *((sizes or {})[s.name] for s in symbols_of(group)), result)
    got = restored(result.numpy(), group.result.dtype).transpose(np.argsort(perm))
    return relative_error(got, want)


def relative_error(got: Array, want: Array) -> float:
    """|got - want| / |want|, NaN and infinities having to stand in the same places."""
    a, b = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(b)
    np.testing.assert_array_equal(a[~finite], b[~finite])
    return float(np.linalg.norm(a[finite] - b[finite]) / max(float(np.linalg.norm(b[finite])), 1e-30))


def drawn(type: TensorType, sizes: Mapping[str, int], seed: int) -> Array:
    """Normally distributed elements."""
    shape = [resolve(d, sizes) for d in type.shape]
    return np.random.default_rng(seed).standard_normal(shape).astype(type.dtype.numpy)


def parallel(machine: Machine) -> Machine:
    """The same machine with two threads."""
    return replace(machine, threads=2)


class Draft:
    """A graph of one group: an input for each shape, seeded constants, and an output."""

    def __init__(self, dtype: DType = F32) -> None:
        self.graph = Graph()
        self.b = Builder(self.graph)
        self.dtype = dtype
        self._seed = 100

    def input(self, *shape: Dim | str) -> Value:
        """A graph input; a name stands for a symbol."""
        dims = tuple(as_size(d) for d in shape)
        return self.graph.add_input(TensorType(self.dtype, dims), f"x{len(self.graph.inputs)}")

    def const(self, *shape: int) -> Value:
        """Normally distributed numbers."""
        self._seed += 1
        return self.b.const(drawn(TensorType(self.dtype, shape), {}, self._seed))

    def done(self, value: Value, tail: bool = False) -> Graph:
        """The graph that gives `value`, with a sum and a factor after it if `tail`."""
        if tail:
            other = self.graph.add_input(value.type, "residual")
            value = self.b.neg(self.b.add(value, other))
        self.graph.set_outputs([value], ["y"])
        return self.graph


def as_size(size: Dim | str) -> Dim:
    """A dimension; a name is a symbol."""
    return symbol(size) if isinstance(size, str) else size
