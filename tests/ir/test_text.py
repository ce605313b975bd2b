"""The text of graphs: what is printed parses back to an equal graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.ir import (
    F32,
    Builder,
    Graph,
    Loc,
    TensorType,
    difference,
    dump,
    load,
    parse,
    print_graph,
    symbol,
    verify,
)
from isthmus.ir.dim import Dim, floordiv, maximum, minimum, mod
from isthmus.ir.textfile import sidecar, stored_constants
from isthmus.ir.types import Array
from tests.support.sample_graphs import GRAPHS, M, N, linear_layer, start


@pytest.mark.parametrize("make", GRAPHS)
def test_text_parses_back_to_an_equal_graph(make: Callable[[], Graph]) -> None:
    graph = make()
    verify(graph)
    text = print_graph(graph)
    again = parse(text, constants=stored_constants(graph))
    verify(again)
    assert difference(graph, again, locations=True) is None
    assert print_graph(again) == text
    assert again.name == graph.name
    assert [v.name for v in again.inputs] == [v.name for v in graph.inputs]


@pytest.mark.parametrize("make", GRAPHS)
def test_files_load_back_to_an_equal_graph(make: Callable[[], Graph], tmp_path: Path) -> None:
    graph = make()
    dump(graph, tmp_path / "g.isth")
    assert difference(graph, load(tmp_path / "g.isth"), locations=True) is None
    assert sidecar(tmp_path / "g.isth").exists() == bool(stored_constants(graph))


def test_the_text_reads_like_this() -> None:
    graph = linear_layer()
    (key,) = stored_constants(graph)
    assert str(graph) == (
        "graph @classifier(%x0: f32[N, 8]) where N: 1..32 {\n"
        f'  %w = const f32[8, 4] #{key}  @onnx("fc/MatMul", "other/path")  by("rule name", "quoted \\"rule\\"")\n'
        '  %h: f32[N, 4] = matmul(%x0, %w)  @onnx("fc/MatMul", "other/path")  by("rule name", "quoted \\"rule\\"")\n'
        "  %y: f32[N, 4] = leaky_relu(%h) {slope = 0.3}"
        '  @onnx("fc/MatMul", "other/path")  by("rule name", "quoted \\"rule\\"")\n'
        "  return logits: %y\n"
        "}\n"
    )


def test_people_may_write_it_more_loosely() -> None:
    graph = parse(
        """
        graph @g(%flag: bool[], %x: f32[2*(N+1)]) where N: 0..7 {   // a comment
          %one = const f32[] 1
          %y: f32[2*N + 2] =
            add(%x, %one)
          %z: f32[N + 1, 2] = reshape(%y) { shape = [(N + 1), 2] }
          () = if(%flag) then () { return } else () { return }   // yields nothing
          return %z
        }
        """
    )
    assert graph.outputs[0].type.shape == (symbol("N", 0, 7) + 1, 2)
    verify(graph)


CONSTANTS = [
    np.array([np.nan, np.inf, -np.inf, -0.0, 0.1, 1e-45, 3.4028235e38, 16777216.0], np.float32),
    np.array([np.nan, np.inf, -0.0, 0.1, 5e-324, 1.7976931348623157e308, 1 / 3], np.float64),
    np.array([0.1, 65504.0, 6e-8, np.nan], np.float16),
    np.array([0.1, 3.3895e38, 1e-40, -np.inf], ml_dtypes.bfloat16),
    np.array([0.1, 448.0, np.nan], ml_dtypes.float8_e4m3fn),
    np.array([0.1, 57344.0, np.inf], ml_dtypes.float8_e5m2),
    np.array([-8, 7], ml_dtypes.int4),
    np.array([0, 15], ml_dtypes.uint4),
    np.array([-(2**63), 2**63 - 1]),
    np.array([2**64 - 1], np.uint64),
    np.array([-128, 127], np.int8),
    np.array([[True], [False]]),
    np.array(2.5, np.float32),
    np.array(True),
    np.zeros((0, 3), np.float32),
    np.array([0x7FC00001, 0xFFC00000], np.uint32).view(np.float32),
    np.arange(100).astype(ml_dtypes.bfloat16),
    np.arange(100).reshape(10, 10).astype(ml_dtypes.float8_e4m3fn),
    np.arange(-8, 8).repeat(3).reshape(6, 8).astype(ml_dtypes.int4),
    np.arange(100) % 2 == 0,
    np.arange(60, dtype=np.float64).reshape(3, 4, 5).transpose(2, 0, 1),
]


@pytest.mark.parametrize("array", CONSTANTS, ids=lambda a: f"{a.dtype}{list(a.shape)}")
def test_constants_keep_every_bit(array: Array, tmp_path: Path) -> None:
    graph = Graph()
    graph.set_outputs([Builder(graph).const(array)], ["c"])
    again = parse(print_graph(graph), constants=stored_constants(graph))
    dump(graph, tmp_path / "c.isth")
    loaded = load(tmp_path / "c.isth")
    for other in (again, loaded):
        found = other.outputs[0].array
        assert found is not None
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array([0.1, 1e10, -0.0, np.nan], np.float32), "f32[4] [0.1, 10000000000.0, -0.0, nan]"),
        (np.array([[1, 2], [3, 4]], np.int32), "i32[2, 2] [1, 2, 3, 4]"),
        (np.array(False), "bool[] false"),
        (np.array([0.1], ml_dtypes.bfloat16), "bf16[1] [0.1]"),
        (np.zeros(0), "f64[0] []"),
    ],
)
def test_small_constants_are_spelled_out(array: Array, text: str) -> None:
    graph = Graph()
    graph.set_outputs([Builder(graph).const(array, name="c")])
    assert f"%c = const {text}\n" in str(graph)


_LEAVES: st.SearchStrategy[Dim] = st.one_of(st.integers(-9, 9), st.sampled_from([N, M, symbol("a b"), symbol("nan")]))


def _grown(children: st.SearchStrategy[Dim]) -> st.SearchStrategy[Dim]:
    pair, by = st.tuples(children, children), st.tuples(children, st.integers(2, 5))
    return st.one_of(
        pair.map(lambda p: p[0] + p[1]),
        pair.map(lambda p: p[0] * p[1]),
        pair.map(lambda p: minimum(*p)),
        pair.map(lambda p: maximum(*p)),
        by.map(lambda p: floordiv(*p)),
        by.map(lambda p: mod(*p)),
    )


@settings(max_examples=80, deadline=None, database=None)
@given(st.lists(st.recursive(_LEAVES, _grown, max_leaves=6), max_size=4))
def test_any_dimension_parses_back(dims: list[Dim]) -> None:
    b = start()
    b.graph.set_outputs([b.create("dims", attrs={"dims": tuple(dims)}).result], ["y"])
    assert difference(b.graph, parse(print_graph(b.graph))) is None


@settings(max_examples=60, deadline=None, database=None)
@given(st.text(max_size=12), st.text(max_size=12), st.text(min_size=1, max_size=12))
def test_any_name_parses_back(output: str, path: str, name: str) -> None:
    b = start()
    x = b.graph.add_input(TensorType(F32, (symbol(name),)), name)
    b.loc = Loc(path, (output,))
    b.graph.set_outputs([b.relu(x, name=path)], [output])
    again = parse(print_graph(b.graph))
    assert difference(b.graph, again, locations=True) is None
    assert again.inputs[0].name == name
