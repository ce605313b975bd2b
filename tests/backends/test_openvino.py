"""OpenVINO against the evaluator: every row of the op table, then whole graphs, calls and errors."""

from __future__ import annotations

import sys
import threading
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
from isthmus.ir.dim import floordiv, maximum, mod, symbol
from isthmus.ir.errors import BackendFailed, BackendMissing, UnsupportedByBackend
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Loc, Value
from isthmus.ir.types import BOOL, F16, F32, F64, I32, I64, U8, Array, TensorType, dtype_of
from isthmus.ir.verify import verify
from tests.support.opcases import Case, cases_for

BACKEND = OpenVINOBackend()
RELATIVE = {"float64": 1e-5, "float32": 1e-5, "float16": 2.0**-10, "bfloat16": 2.0**-8}
"""By the type of a result: that of the engine's own functions, or twice what rounding costs."""


def run(graph: Graph, arrays: list[Array]) -> list[Array]:
    return BACKEND.build(graph, BuildOptions())(arrays)


def disagreement(got: Array, want: Array) -> str | None:
    """Why two results count as different: exact for integers, relative L2 norm for floats, specials in place."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype}{got.shape} instead of {want.dtype}{want.shape}"
    if want.dtype.kind in "biu":
        return None if np.array_equal(got, want) else f"{got[got != want][:5]} instead of {want[got != want][:5]}"
    a, b = got.astype(np.float64), want.astype(np.float64)
    special = ~(np.isfinite(a) & np.isfinite(b))
    if not np.array_equal(a[special], b[special], equal_nan=True):
        return f"{a[special][:8]} instead of {b[special][:8]}"
    error = float(np.linalg.norm(a[~special] - b[~special]))
    size = float(np.linalg.norm(b[~special]))
    return None if error <= RELATIVE[want.dtype.name] * max(size, 1e-30) else f"relative error {error / size:.1e}"


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
    taken = [case for case in cases if is_taken(case)]
    graph = Graph(name)
    b = Builder(graph)
    owners: list[Case] = []
    results: list[Value] = []
    for i, case in enumerate(taken):
        made = case.add_to(b, f"c{i}_")
        owners += [case] * len(made)
        results += made
    graph.set_outputs(results, [f"y{i}" for i in range(len(results))])
    arrays = [array for case in taken for array in inputs_of(case)]
    wants = [modulo(array) for array in evaluate(graph, arrays).values()]
    BACKEND.legalize(graph)
    gots = run(graph, arrays)
    compared = zip(owners, map(disagreement, gots, wants), strict=True)
    wrong = [f"{case}: {found}" for case, found in compared if found]
    assert not wrong, "\n".join(wrong)


def is_taken(case: Case) -> bool:
    """Whether OpenVINO takes the case once legalized; all cases that it takes are then run as one graph."""
    graph = case.graph()
    BACKEND.legalize(graph)
    verify(graph)
    refused = BACKEND.unsupported(graph)
    assert all(len(reason) > 10 for _, reason in refused)
    return not refused


def test_every_row_is_emitted_or_has_a_reason() -> None:
    assert set(TABLE) == set(ops.TABLE)
    assert all(isinstance(row, Emission) or len(row) > 10 for row in TABLE.values())


def test_what_is_tamed_is_declared() -> None:
    assert set(TAMED) <= set(DEVIATIONS)


def test_rows_without_an_emission_are_few() -> None:
    lacking = {name for name, row in TABLE.items() if isinstance(row, str)}
    assert lacking == {"atan2", "rms_norm", "log_sum_exp", "rotary_embedding"}


N = symbol("N", 1, 64)
M = symbol("M", 1, 64)


@pytest.mark.parametrize(
    "dims",
    [
        (N, 4),
        (N * 2, M + 3),
        (floordiv(N + 1, 2), mod(M, 3)),
        (maximum(N, M), N * M),
        (N - M + 64,),
    ],
    ids=str,
)
def test_dimension_expressions_are_computed_from_shapes(dims: tuple[object, ...]) -> None:
    graph = Graph()
    graph.add_input(TensorType(F32, (N, 3)), "x")
    graph.add_input(TensorType(F32, (M,)), "y")
    b = Builder(graph)
    graph.set_outputs([b.dims(dims), b.full(b.const(1.5), shape=dims)], ["dims", "full"])  # type: ignore[arg-type]
    executable = BACKEND.build(graph, BuildOptions())
    for n, m in ((1, 1), (5, 4), (8, 7)):
        arrays = [np.zeros((n, 3), np.float32), np.zeros(m, np.float32)]
        for got, want in zip(executable(arrays), evaluate(graph, arrays).values(), strict=True):
            np.testing.assert_array_equal(got, want)


def test_a_size_is_solved_for_where_only_an_expression_shows_it() -> None:
    graph = Graph()
    graph.add_input(TensorType(F32, (2 * M + 1,)), "y")
    graph.set_outputs([Builder(graph).dims((M, M * M))], ["dims"])
    (got,) = run(graph, [np.zeros(9, np.float32)])
    assert got.tolist() == [4, 16]


def test_a_region_gets_sizes_it_does_not_see() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N, 3)), "x")
    condition = graph.add_input(TensorType(BOOL, ()), "c")
    b = Builder(graph)
    branches = []
    for number in (1.0, 2.0):
        inner, _ = b.region()
        inner.graph.set_outputs([inner.full(inner.const(number), shape=(3, 3))], ["y"])
        branches.append(inner.graph)
    body, (_, state) = b.region(TensorType(I64, ()), TensorType(F32, ()))
    counted = body.cast(body.reduce_sum(body.dims((N,)), axes=(0,)), dtype=F32)
    body.graph.set_outputs([body.const(True), body.add(state, counted)], ["more", "state"])
    (chosen,) = b.if_(condition, then=branches[0], else_=branches[1])
    (total,) = b.loop(b.const(3), None, b.const(0.5), body=body.graph, carried=1)
    graph.set_outputs([chosen, total, b.relu(x)], ["chosen", "total", "x"])
    executable = BACKEND.build(graph, BuildOptions())
    chosen_array, total_array, _ = executable([np.zeros((5, 3), np.float32), np.array(False)])
    assert chosen_array.tolist() == [[2.0] * 3] * 3
    assert total_array == 15.5


def test_a_value_that_is_two_outputs_is_there_twice() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (4,)), "x")
    y = Builder(graph).relu(x)
    graph.set_outputs([y, y], ["a", "b"])
    a, b = run(graph, [np.arange(4, dtype=np.float32)])
    assert a.tolist() == b.tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("trips", [None, 0, 2])
def test_a_loop_that_makes_no_turn_leaves_what_its_body_never_reads(trips: int | None) -> None:
    graph = Graph()
    begin = graph.add_input(TensorType(BOOL, ()), "begin")
    state = graph.add_input(TensorType(F32, (2,)), "state")
    limit = None if trips is None else graph.add_input(TensorType(I64, ()), "limit")
    b = Builder(graph)
    body, (_, _) = b.region(TensorType(I64, ()), TensorType(F32, (2,)))
    body.graph.set_outputs([body.const(False), body.neg(body.const(np.ones(2, np.float32)))], ["more", "state"])
    (last,) = b.loop(limit, begin, b.neg(state), body=body.graph, carried=1)
    graph.set_outputs([last], ["last"])
    for begins in (True, False):
        given = [np.array(begins), np.full(2, 5, np.float32), *([] if trips is None else [np.array(trips)])]
        (got,) = run(graph, given)
        assert got.tolist() == ([-1.0, -1.0] if begins and trips != 0 else [-5.0, -5.0])


def small_graph() -> Graph:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N, 3)), "x")
    b = Builder(graph)
    y = b.relu(b.add(x, 1.0))
    graph.set_outputs([y, x, y, b.const(np.arange(3))], ["y", "x", "again", "constant"])
    return graph


def test_results_belong_to_the_caller() -> None:
    executable = BACKEND.build(small_graph(), BuildOptions())
    x = np.ones((2, 3), np.float32)
    first = executable([x])
    kept = [array.copy() for array in first]
    second = executable([np.full((2, 3), 7, np.float32)])
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)
    first[0][:] = -1
    assert not np.shares_memory(first[0], first[2])
    assert not np.shares_memory(first[1], x)
    assert second[0][0, 0] == 8


@pytest.mark.parametrize("size", [4, 400], ids=["copied", "bound"])
def test_inputs_may_be_strided_or_read_only(size: int) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (size, size)), "x")
    graph.set_outputs([Builder(graph).neg(x)], ["y"])
    executable = BACKEND.build(graph, BuildOptions())
    array = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    array.flags.writeable = False
    for view in (array, array.T, array[::-1], np.asfortranarray(array)):
        (got,) = executable([view])
        np.testing.assert_array_equal(got, -view)


def test_calls_from_threads_take_turns() -> None:
    executable = BACKEND.build(small_graph(), BuildOptions(threads=1))
    wrong: list[int] = []

    def call(number: int) -> None:
        for _ in range(50):
            y, *_ = executable([np.full((2, 3), number, np.float32)])
            if not (y == number + 1).all():
                wrong.append(number)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_engine_error_during_a_call_is_one_of_ours() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N,)), "x")
    graph.set_outputs([Builder(graph).reshape(x, shape=(2, 3))], ["y"])
    executable = BACKEND.build(graph, BuildOptions())
    assert executable([np.zeros(6, np.float32)])[0].shape == (2, 3)
    with pytest.raises(BackendFailed, match="during a call"):
        executable([np.zeros(5, np.float32)])


def test_a_graph_that_only_passes_its_inputs_runs() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(U8, (2,)), "x")
    graph.set_outputs([x, x], ["a", "b"])
    a, b = run(graph, [np.array([1, 2], np.uint8)])
    assert a.tolist() == b.tolist() == [1, 2]


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


def test_wide_integers_survive_chains_of_ops() -> None:
    graph = Graph()
    x, y = (graph.add_input(TensorType(I32, (N,)), name) for name in "xy")
    b = Builder(graph)
    total = b.sub(b.mul(b.add(x, y), 3), b.maximum(x, y))
    picked = b.where(b.less(total, b.mul(y, 5)), b.floor_div(total, 7), b.mod(b.abs(total), 1000003))
    graph.set_outputs([picked, b.reduce_max(picked, axes=(0,)), b.reduce_sum(total, axes=(0,))], ["a", "b", "c"])
    arrays = [np.random.default_rng(i).integers(-(1 << 27), 1 << 27, 50).astype(np.int32) for i in (0, 1)]
    for got, want in zip(run(graph, arrays), evaluate(graph, arrays).values(), strict=True):
        np.testing.assert_array_equal(got, want)


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
