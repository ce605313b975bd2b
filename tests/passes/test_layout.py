"""The layout pass on drawn networks of channels-last images, on TensorFlow's, and what it may not cost."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import isthmus
from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.parser import parse
from isthmus.ir.types import F32, TensorType
from isthmus.ir.verify import verify
from isthmus.passes.base import PassContext
from isthmus.passes.layout import Layout
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import seeded_inputs, worst_output
from isthmus.passes.spec import parse_pipeline
from isthmus.passes.turning import moves_ones
from tests.support import tensorflow_models
from tests.support.graphs import N

_QUICK = settings(
    max_examples=120, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def _copies(graph: Graph) -> int:
    """How many transposes move elements."""
    return sum(
        node.op.name == "transpose" and not moves_ones(node.inputs[0].shape, node.attrs["perm"])
        for node in graph.walk()
    )


# -- drawn networks --------------------------------------------------------------------------------------------------


class _Sketch:
    """A network of channels-last images while it is drawn: windowed ops between transposes, and all that may follow."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.b = Builder(Graph("drawn"))
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
        batches: tuple[Dim, ...] = (1, 2, N)
        shape = (draw(st.sampled_from(batches)), *draw(st.sampled_from(((4, 4), (4, 6), (1, 4)))), 4)
        self.values = [self.b.graph.add_input(TensorType(F32, shape), "x")]

    def constant(self, *shape: int) -> Value:
        return self.b.const(self.rng.standard_normal(shape).astype(np.float32))

    def image(self, rank: int = 4) -> Value:
        """A value drawn from the latest of that rank."""
        return self.draw(st.sampled_from([v for v in self.values if v.rank == rank][-4:]))

    def grow(self) -> None:
        """Append one drawn step."""
        step = self.draw(
            st.sampled_from((self.windowed,) * 3 + (self.pointwise,) * 3 + (self.along,) * 2 + (self.moved,))
        )
        self.values += [v for v in step(self.image()) if v.type.numel() != 0]

    def windowed(self, x: Value) -> list[Value]:
        b, channels = self.b, x.shape[3]
        assert isinstance(channels, int)
        planes = b.transpose(x, perm=(0, 3, 1, 2))
        kind = self.draw(st.sampled_from(("conv", "pool", "norm", "resize")))
        window = {"strides": (1, 1), "pads": ((0, 0), (1, 1)), "dilations": (1, 1)}
        if kind == "conv":
            made = b.conv(planes, self.constant(4, channels, 1, 3), **window)  # type: ignore[arg-type]
        elif kind == "pool":
            made = b.max_pool(planes, kernel=(1, 3), **window)  # type: ignore[arg-type]
        elif kind == "norm":
            ones = b.const(np.ones(channels, np.float32))
            made = b.batch_norm(planes, self.constant(channels), self.constant(channels), ones, ones)
        else:
            made = b.resize(planes, axes=(2, 3), sizes=planes.shape[2:], scales=(1.0, 1.0), mode="linear")
        return [b.transpose(made, perm=(0, 2, 3, 1))]

    def pointwise(self, x: Value) -> list[Value]:
        b = self.b
        twins = [v for v in self.values if v.shape == x.shape]
        narrow = [v for v in self.values if v.rank == 4 and v.shape == (x.shape[0], 1, 1, x.shape[3])]
        _, _, width, channels = x.shape
        assert isinstance(width, int)
        assert isinstance(channels, int)
        constants = (self.constant(channels), self.constant(width, 1), self.constant())
        other = self.draw(st.sampled_from((*twins[-3:], *narrow[-2:], *constants)))
        if self.draw(st.integers(0, 2)):
            return [self.draw(st.sampled_from((b.add, b.mul, b.maximum)))(other, x)]
        return [self.draw(st.sampled_from((b.relu, b.tanh, b.neg)))(x)]

    def along(self, x: Value) -> list[Value]:
        b, axis = self.b, self.draw(st.integers(1, 3))
        size = x.shape[axis]
        assert isinstance(size, int)
        reduce = self.draw(st.sampled_from((b.reduce_mean, b.reduce_max, b.log_sum_exp)))
        axes = tuple(sorted({axis, self.draw(st.integers(1, 3))}))
        several = {
            "concat": lambda: [
                b.concat(x, self.draw(st.sampled_from([v for v in self.values if v.shape == x.shape])), axis=axis)
            ],
            "split": lambda: list(b.split(x, axis=axis, sizes=(size // 2, size - size // 2))),
            "slice": lambda: [b.slice(x, axes=(axis,), starts=(size // 2,), stops=(size,), steps=(1,))],
            "pad": lambda: [b.pad(x, pads=tuple((int(i == axis), 0) for i in range(4)), mode="edge")],
            "tile": lambda: [b.tile(x, repeats=tuple(1 + (i == axis and size < 4) for i in range(4)))],
            "reverse": lambda: [b.reverse(x, axes=axes)],
            "softmax": lambda: [b.softmax(x, axis=axis)],
            "cumsum": lambda: [b.cumsum(x, axis=axis)],
            "topk": lambda: [b.topk(x, k=1, axis=axis)[0]],
            "argmax": lambda: [b.cast(b.argmax(x, axis=axis, keepdims=self.draw(st.booleans())), dtype=F32)],
            "gather": lambda: [b.gather(x, b.const(np.array([size - 1, 0])), axis=axis)],
            "expand": lambda: [
                b.expand(x, shape=tuple(2 if d == 1 and i == axis else d for i, d in enumerate(x.shape)))
            ],
            "reduce": lambda: [reduce(x, axes=axes, keepdims=True)],
            "means": lambda: [reduce(x, axes=(1, 2), keepdims=True)],
            "drop": lambda: [reduce(x, axes=axes)],
        }
        return several[self.draw(st.sampled_from(tuple(several)))]()

    def moved(self, x: Value) -> list[Value]:
        b = self.b
        if self.draw(st.booleans()):
            return [b.transpose(x, perm=(0, *self.draw(st.permutations((1, 2, 3)))))]
        n, h, w, c = x.shape
        shapes = ((n, h, 1, w, c), (n, h * w, c), (n, h, w * c), (n * h, w, c), (n, c, h, w), (n, 1, h * w, c))
        between = b.tanh(b.reshape(x, shape=self.draw(st.sampled_from(shapes))))
        return [b.reshape(between, shape=x.shape)]

    def finish(self) -> Graph:
        unused = [v for v in self.values if v.node is not None and not v.use_count] or self.values[-1:]
        self.b.graph.set_outputs(unused, [f"y{i}" for i in range(len(unused))])
        return self.b.graph


@st.composite
def _networks(draw: st.DrawFn) -> Graph:
    sketch = _Sketch(draw)
    for _ in range(draw(st.integers(2, 12))):
        sketch.grow()
    return sketch.finish()


def test_drawn_networks_keep_their_numbers_and_never_move_more() -> None:
    gained = Counter[bool]()

    @_QUICK
    @given(_networks())
    def check(graph: Graph) -> None:
        before = graph.copy()
        changed = Layout().run(graph, PassContext())
        verify(graph)
        gained[_copies(graph) < _copies(before)] += 1
        assert _copies(graph) <= _copies(before)
        assert changed or len(graph) == len(before)
        assert worst_output(before, graph, seeded_inputs(before, seed=0)) is None

    check()
    assert gained[True] > 20  # what is drawn must matter


# -- TensorFlow's networks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "most"), [("cnn", 1), ("cnn_dynamic", 2), ("cnn_1d_3d", 3)])
def test_few_transposes_are_left_in_networks_of_tensorflow(name: str, most: int, tmp_path: Path) -> None:
    graph = isthmus.optimize(isthmus.import_model(tensorflow_models.model(name, tmp_path)))
    assert _copies(graph) <= most


def test_mobilenet_turns_its_input_only_and_all_else_is_worked_into_convolutions(tmp_path: Path) -> None:
    graph = isthmus.optimize(isthmus.import_model(tensorflow_models.model("mobilenet_v2", tmp_path)))
    found = Counter(node.op.name for node in graph.nodes if node.op.name != "const")
    residuals = found.pop("add")
    assert residuals == 10
    assert found == {"transpose": 1, "conv": 52, "clip": 35, "reduce_mean": 1, "linear": 1}


# -- what it may not cost --------------------------------------------------------------------------------------------


def _chain(length: int) -> Graph:
    """Convolutions of channels-last images, all of which are added up along the way."""
    graph = Graph("chain")
    b = Builder(graph)
    x = graph.add_input(TensorType(F32, (1, 4, 4, 2)), "x")
    weight = b.const(np.ones((2, 2, 1, 1), np.float32))
    total: Value = b.relu(x)
    for _ in range(length):
        planes = b.transpose(total, perm=(0, 3, 1, 2))
        made = b.conv(planes, weight, strides=(1, 1), pads=((0, 0), (0, 0)), dilations=(1, 1))
        image = b.transpose(made, perm=(0, 2, 3, 1))
        total = b.add(b.relu(image), b.sigmoid(image))
    graph.set_outputs([total], ["y"])
    return graph


def _seconds(graph: Graph) -> float:
    found = []
    for _ in range(3):
        again = graph.copy()
        start = time.process_time()
        Layout().run(again, PassContext())
        found.append(time.process_time() - start)
    return min(found)


def test_time_is_linear_in_nodes() -> None:
    assert _seconds(_chain(480)) < 8 * 3 * _seconds(_chain(60))


def test_weights_are_neither_copied_nor_read_where_nothing_turns() -> None:
    graph = _chain(2)
    table = np.zeros((4, 4, 2), np.float32)
    b = Builder(graph)
    graph.set_outputs([b.add(graph.outputs[0], b.const(table))], ["y"])
    Layout().run(graph, PassContext())
    turned = [v.array for node in graph.nodes for v in node.results if v.shape == (1, 2, 4, 4) and v.constant]
    assert len(turned) == 1
    assert np.shares_memory(turned[0], table)


def test_regions_are_done_on_their_own() -> None:
    graph = parse(
        """graph @g(%c: bool[], %x: f32[1, 3, 2, 2]) {
          %y: f32[1, 3, 2, 2] = if(%c, %x) then (%i: f32[1, 3, 2, 2]) {
            %0: f32[1, 3, 2, 2] = lrn(%i) {size = 3}
            %1: f32[1, 2, 2, 3] = transpose(%0) {perm = [0, 2, 3, 1]}
            %2: f32[1, 2, 2, 3] = neg(%1)
            %3: f32[1, 3, 2, 2] = transpose(%2) {perm = [0, 3, 1, 2]}
            return %3
          } else (%i: f32[1, 3, 2, 2]) { return %i }
          return %y
        }"""
    )
    assert PassManager(parse_pipeline("layout"), check="full").run(graph)[0].changed
    assert _copies(graph) == 0


def test_moved_nodes_tell_who_moved_them_and_keep_their_places(tmp_path: Path) -> None:
    graph = isthmus.import_model(tensorflow_models.model("cnn", tmp_path))
    PassManager(parse_pipeline("resolve-shapes,dce,fold,cse,canonicalize,layout")).run(graph)
    moved: list[Node] = [node for node in graph.nodes if "layout" in node.origin and node.op.name != "const"]
    assert moved
    assert all(node.loc is not None for node in moved)
