"""The same kernels with LLVM's optimizations, as programs have them; the other tests go without to be quick."""

from __future__ import annotations

import pytest

from isthmus.backends.base import Refused
from isthmus.backends.tvm.dims import KernelSizes
from isthmus.backends.tvm.kernels import Group, symbols_of
from isthmus.backends.tvm.schedules.machine import AVX512, target
from isthmus.backends.tvm.schedules.table import generator_for
from isthmus.ir.graph import Graph
from tests.backends.tvm.schedules.running import MACHINES, Draft, SimpleTail, compiled, error, parallel

ONE = ((1, 1), (1, 1))


def _conv() -> Graph:
    draft = Draft()
    x, weight, bias = draft.input(1, 8, 12, 11), draft.const(40, 8, 3, 3), draft.const(40)
    y = draft.b.conv(x, weight, bias, strides=(1, 1), pads=ONE, dilations=(1, 1), groups=1)
    return draft.done(y, tail=True)


def _depthwise() -> Graph:
    draft = Draft()
    x, weight = draft.input(1, 40, 9, 33), draft.const(40, 1, 3, 3)
    return draft.done(draft.b.conv(x, weight, strides=(2, 2), pads=ONE, dilations=(1, 1), groups=40))


def _linear() -> Graph:
    draft = Draft()
    return draft.done(draft.b.linear(draft.input("B", 9, 64), draft.const(64, 40), draft.const(40)), tail=True)


def _attention() -> Graph:
    draft = Draft()
    q, k, v = (draft.input(2, 3, 29, 20) for _ in range(3))
    return draft.done(draft.b.attention(q, k, v, draft.const(29, 29), scale=0.2, causal=True))


def _norm() -> Graph:
    draft = Draft()
    return draft.done(draft.b.layer_norm(draft.input(5, 200), draft.const(200), draft.const(200), axis=1, epsilon=1e-5))


GRAPHS = {"conv": _conv, "depthwise": _depthwise, "linear": _linear, "attention": _attention, "norm": _norm}


@pytest.mark.parametrize("name", GRAPHS)
def test_optimized_kernels(name: str) -> None:
    """What the evaluator says, on the widest machine at hand."""
    assert error(GRAPHS[name](), parallel(MACHINES[-1]), {"B": 3}, is_optimized=True) < 1e-5


@pytest.mark.parametrize("name", ["conv", "linear", "depthwise"])
def test_sums_stay_in_registers(name: str) -> None:
    """Vectors are neither loaded element by element nor taken apart: no insertion of single elements is left."""
    graph = GRAPHS[name]()
    nodes = [n for n in graph.nodes if n.op.name != "const"]
    group = Group(nodes[0], tuple(nodes[1:]))
    offer = generator_for(group, AVX512)
    assert not isinstance(offer, Refused)
    written = offer.function(SimpleTail(group, offer.result), KernelSizes(symbols_of(group)))
    assembly = compiled(written, target(AVX512)).mod.inspect_source("asm")
    assert "vfmadd" in assembly
    assert "vinsertps" not in assembly
