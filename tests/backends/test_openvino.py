"""OpenVINO against the evaluator: every row of the op table, then whole graphs, calls and errors."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from isthmus.backends.base import BuildOptions
from isthmus.backends.emitter import Emission
from isthmus.backends.openvino import OpenVINOBackend, device
from isthmus.backends.openvino.limits import DEVIATIONS
from isthmus.backends.openvino.write import TABLE
from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.constant import Constant
from isthmus.ir.dim import symbol
from isthmus.ir.errors import BackendMissing, UnsupportedByBackend
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Loc
from isthmus.ir.types import BOOL, F16, F32, F64, I32, Array, TensorType, dtype_of
from tests.support.comparison import Comparison
from tests.support.opcases import Case, cases_for
from tests.support.together import is_taken, together

BACKEND = OpenVINOBackend()
disagreement = Comparison({"float64": 1e-5, "float32": 1e-5, "float16": 2.0**-10, "bfloat16": 2.0**-8})
"""By the type of a result: that of the engine's own functions, or twice what rounding costs."""


def run(graph: Graph, arrays: list[Array]) -> list[Array]:
    return BACKEND.build(graph, BuildOptions())(arrays)


def without(unwanted: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Ones in place of unwanted floats."""

    def tamed(x: Array) -> Array:
        if not dtype_of(x).is_float:
            return x
        return np.where(unwanted(x.astype(np.float64)), np.ones((), x.dtype), x)

    return tamed


TAMED: dict[str, Callable[[Array], Array]] = {
    "relu": without(np.isnan),
    "hard_sigmoid": without(np.isnan),
    "gelu": without(np.isinf),
    "div": without(lambda x: (x != 0) & (np.abs(x) < np.finfo(np.float32).tiny)),
    "mod": without(lambda x: ~np.isfinite(x) | (np.abs(x) < 0.1) | (np.abs(x) > 10)),
    "fmod": without(lambda x: ~np.isfinite(x) | (np.abs(x) < 0.1) | (np.abs(x) > 10)),
}
"""What is kept out of an op's hostile inputs, because `DEVIATIONS` says that the engine differs there."""


def inputs_of(case: Case) -> list[Array]:
    tame = TAMED.get(case.op)
    return [tame(array) if tame else array for array in case.inputs]


def modulo(want: Array) -> Array:
    """i64 as the engine carries it."""
    return want.astype(np.int32).astype(np.int64) if want.dtype == np.int64 else want


@pytest.mark.parametrize("name", ops.TABLE)
def test_every_row_agrees_with_the_evaluator_or_says_why_not(name: str) -> None:
    cases = cases_for(ops.TABLE[name])
    assert cases, f"no case builds for {name}"
    group = together((case for case in cases if is_taken(case, BACKEND)), inputs_of)
    wants = [modulo(array) for array in evaluate(group.graph, group.arrays).values()]
    BACKEND.legalize(group.graph)
    gots = run(group.graph, group.arrays)
    compared = zip(group.owners, map(disagreement, gots, wants), strict=True)
    wrong = [f"{case}: {found}" for case, found in compared if found]
    assert not wrong, "\n".join(wrong)


def test_every_row_is_emitted_or_has_a_reason() -> None:
    assert set(TABLE) == set(ops.TABLE)
    assert all(isinstance(row, Emission) or len(row) > 10 for row in TABLE.values())


def test_what_is_tamed_is_declared() -> None:
    assert set(TAMED) <= set(DEVIATIONS)


def test_rows_without_an_emission_are_few() -> None:
    lacking = {name for name, row in TABLE.items() if isinstance(row, str)}
    assert lacking == {"atan2", "rms_norm", "log_sum_exp", "rotary_embedding"}


N = symbol("N", 1, 64)


def small_graph() -> Graph:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N, 3)), "x")
    b = Builder(graph)
    y = b.relu(b.add(x, 1.0))
    graph.set_outputs([y, x, y, b.const(np.arange(3))], ["y", "x", "again", "constant"])
    return graph


def test_constants_are_not_copied(tmp_path: object) -> None:
    path = f"{tmp_path}/w.bin"
    np.arange(1 << 16, dtype=np.float32).tofile(path)
    weights = np.memmap(path, np.float32, mode="r")
    graph = Graph()
    x = graph.add_input(TensorType(F32, (1 << 16,)), "x")
    b = Builder(graph)
    graph.set_outputs([b.add(x, b.const(Constant.of(np.asarray(weights))))], ["y"])
    executable = BACKEND.build(graph, BuildOptions())
    assert any(np.shares_memory(array, weights) for array in executable.kept)
    (y,) = executable([np.ones(1 << 16, np.float32)])
    np.testing.assert_array_equal(y, weights + 1)


def test_f32_stays_f32() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (64, 64)), "x")
    b = Builder(graph)
    graph.set_outputs([b.matmul(x, x)], ["y"])
    array = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    executable = BACKEND.build(graph, BuildOptions())
    assert "float32" in executable.info["inference_precision_hint"]
    (got,) = executable([array])
    exact = array.astype(np.float64) @ array.astype(np.float64)
    assert np.linalg.norm(got - exact) / np.linalg.norm(exact) < 1e-6


def test_all_refusals_come_at_once_with_reasons_and_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "capabilities", lambda: frozenset(("FP32",)))
    graph = Graph()
    x = graph.add_input(TensorType(F64, (2,)), "x")
    h = graph.add_input(TensorType(F16, (2,)), "h")
    y = graph.add_input(TensorType(F32, (2,)), "y")
    b = Builder(graph, loc=Loc("onnx", ("block/angle",)))
    graph.set_outputs([b.exp(x), b.exp(h), b.atan2(y, y)], ["a", "b", "c"])
    with pytest.raises(UnsupportedByBackend) as caught:
        BACKEND.build(graph, BuildOptions())
    text = str(caught.value)
    assert "3 of 3 nodes" in text
    assert text.count("onnx:block/angle") == 3
    for reason in ("f64 in f32", "in f32 on this processor", "two-argument arctangent"):
        assert reason in text


def test_a_constant_beyond_32_bits_is_refused() -> None:
    graph = Graph()
    graph.set_outputs([Builder(graph).const(np.array([1 << 40]))], ["y"])
    assert "carries i64 in i32" in BACKEND.unsupported(graph)[0][1]


def test_without_openvino_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendMissing, match="cannot be imported") as caught:
        BACKEND.build(small_graph(), BuildOptions())
    assert "pip install" in caught.value.hint


def test_wide_integers_that_were_narrow_are_ordered() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(BOOL, (2, 4)), "x")
    y = graph.add_input(TensorType(I32, (2, 4)), "y")
    b = Builder(graph)
    graph.set_outputs([b.argmax(b.cast(x, dtype=I32), axis=1)], ["few"])
    (got,) = run(graph, [np.array([[False, False, True, True], [False] * 4]), np.zeros((2, 4), np.int32)])
    assert got.tolist() == [2, 0]
    b.argmax(y, axis=1)
    assert [reason for _, reason in BACKEND.unsupported(graph)] == ["the engine orders i32 in f32"]
