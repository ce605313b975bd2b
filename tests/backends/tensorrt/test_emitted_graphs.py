"""Graphs written for TensorRT: edges of networks, sizes, control flow, element types, and refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pytest

from isthmus.backends.tensorrt.write import TABLE
from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.constant import Constant
from isthmus.ir.dim import Dim, floordiv, maximum, mod, symbol
from isthmus.ir.errors import BackendFailed, UnsupportedByBackend
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Loc, Value
from isthmus.ir.types import BF16, BOOL, F16, F32, F64, I8, I32, I64, U8, Array, DType, TensorType
from tests.support.opcases import cases_for
from tests.support.tensorrt.bench import BACKEND, Bench, disagreement
from tests.support.tensorrt.readback import tensors
from tests.support.tensorrt.rows import narrowed

N = symbol("N", 1, 64)
M = symbol("M", 1, 64)
VECTOR = TensorType(F32, (3,))
SCALAR = TensorType(F32, ())
INDEX = TensorType(I64, ())
FLAG = TensorType(BOOL, ())
Branch: TypeAlias = Callable[[Builder, Sequence[Value]], Sequence[Value]]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def check(bench: Bench, graph: Graph, *arrays: Array) -> list[Array]:
    """The results of the network, which are those of the evaluator."""
    BACKEND.legalize(graph)
    gots = bench.run(graph, arrays)
    for got, want in zip(gots, evaluate(graph, arrays).values(), strict=True):
        assert disagreement(got, want) is None, disagreement(got, want)
    return gots


def ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


# -- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [F32, F16, BF16, I64, I32, I8, U8, BOOL], ids=str)
def test_outputs_may_be_inputs_constants_or_one_value_twice(bench: Bench, dtype: DType) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(dtype, (N, 3)), "x")
    b = Builder(graph)
    constant = b.const(np.array([1, 0, 1]).astype(dtype.numpy))
    y = b.concat(x, x, axis=0)
    graph.set_outputs([x, y, y, constant, x, constant], ["a", "b", "c", "d", "e", "x"])
    check(bench, graph, np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype.numpy))


def test_tensors_may_be_empty(bench: Bench) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (0, 3)), "x")
    flags = graph.add_input(TensorType(BOOL, (0, 3)), "flags")
    bytes_ = graph.add_input(TensorType(U8, (0, 3)), "bytes")
    b = Builder(graph)
    sums = [getattr(b, f"reduce_{name}")(x, axes=(0,)) for name in ("sum", "prod", "mean", "max", "min")]
    flagged = [b.reduce_all(flags, axes=(0,)), b.reduce_any(flags, axes=(0,))]
    bounds = [b.reduce_max(bytes_, axes=(0,)), b.reduce_min(bytes_, axes=(0,))]
    graph.set_outputs([b.relu(x), *sums, *flagged, *bounds], [f"y{i}" for i in range(10)])
    with np.errstate(invalid="ignore", divide="ignore"):
        check(bench, graph, ones(0, 3), np.ones((0, 3), np.bool_), np.ones((0, 3), np.uint8))


def test_constants_are_not_copied(bench: Bench) -> None:
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    weights.flags.writeable = False
    graph = Graph()
    x = graph.add_input(TensorType(F32, (4, 3)), "x")
    b = Builder(graph)
    graph.set_outputs([b.add(x, b.const(Constant.of(weights)))], ["y"])
    n = bench.write(graph)
    assert any(np.shares_memory(array, weights) for array in n.kept)


def test_weights_of_8_bits_reach_the_engine_as_such(bench: Bench) -> None:
    levels = np.arange(-6, 6, dtype=np.int8).reshape(4, 3)
    graph = Graph()
    x = graph.add_input(TensorType(F32, (2, 4)), "x")
    b = Builder(graph)
    weights = b.dequantize(b.const(levels), b.const(np.array([0.5, 1, 2], np.float32)), None, axis=1)
    graph.set_outputs([b.matmul(x, weights)], ["y"])
    check(bench, graph, ones(2, 4))
    layers = [bench.write(graph).definition.get_layer(i) for i in range(3)]
    kinds = bench.library.module.DataType
    assert kinds.INT8 in [layer.get_output(0).dtype for layer in layers if layer.num_inputs == 0]


# -- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dims",
    [(N, 4), (N * 2, M + 3), (floordiv(N + 1, 2), mod(M, 3)), (maximum(N, M), N * M), (N - M + 64,)],
    ids=str,
)
def test_dimension_expressions_are_computed_from_shapes(bench: Bench, dims: tuple[Dim, ...]) -> None:
    graph = Graph()
    graph.add_input(TensorType(F32, (N, 3)), "x")
    graph.add_input(TensorType(F32, (M,)), "y")
    b = Builder(graph)
    graph.set_outputs([b.dims(dims), b.full(b.const(1.5), shape=dims), b.iota(dtype=I32, shape=dims, axis=0)])
    for n, m in ((1, 1), (5, 4), (8, 7)):
        check(bench, graph, np.zeros((n, 3), np.float32), np.zeros(m, np.float32))


def test_regions_get_sizes_they_do_not_see(bench: Bench) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N, 3)), "x")
    condition = graph.add_input(FLAG, "c")
    b = Builder(graph)
    branches = []
    for number in (1.0, 2.0):
        inner, _ = b.region()
        inner.graph.set_outputs([inner.full(inner.const(number), shape=(N, 3))], ["y"])
        branches.append(inner.graph)
    body, (_, state) = b.region(INDEX, SCALAR)
    counted = body.cast(body.reduce_sum(body.dims((N,)), axes=(0,)), dtype=F32)
    body.graph.set_outputs([body.const(True), body.add(state, counted)], ["more", "state"])
    (total,) = b.loop(b.const(3), None, b.const(0.5), body=body.graph, carried=1)
    (chosen,) = b.if_(condition, then=branches[0], else_=branches[1])
    graph.set_outputs([chosen, total, b.relu(x)], ["chosen", "total", "x"])
    for flag in (True, False):
        check(bench, graph, ones(5, 3), np.array(flag))


# -- control flow ---------------------------------------------------------------------------------


def doubling(b: Builder, limit: float, *, stacked: bool) -> Graph:
    """A body that doubles its state until that exceeds the limit; stacked results are the states."""
    body, (_, state) = b.region(INDEX, SCALAR)
    doubled = body.mul(state, 2.0)
    seen = [doubled] if stacked else []
    body.graph.set_outputs([body.less(doubled, limit), doubled, *seen], ["more", "state", "seen"][: 2 + stacked])
    return body.graph


@pytest.mark.parametrize("trips", [None, 0, 3, (1 << 63) - 1], ids=str)
@pytest.mark.parametrize("begins", [True, False])
def test_a_loop_ends_by_its_conditions_or_its_count(bench: Bench, trips: int | None, begins: bool) -> None:
    graph = Graph()
    x = graph.add_input(SCALAR, "x")
    condition = graph.add_input(FLAG, "c")
    b = Builder(graph)
    limit = None if trips is None else b.const(np.array(trips))
    (last,) = b.loop(limit, condition, x, body=doubling(b, 20.0, stacked=False), carried=1)
    graph.set_outputs([last], ["last"])
    (got,) = check(bench, graph, np.array(1, np.float32), np.array(begins))
    assert got == (1 if not begins or trips == 0 else 8 if trips == 3 else 32)


@pytest.mark.parametrize(("trips", "count"), [(3, 3), (9, 5)])
@pytest.mark.parametrize("begins", [True, False])
def test_a_loop_that_ends_early_stacks_what_it_reached(bench: Bench, trips: int, count: int, begins: bool) -> None:
    graph = Graph()
    x = graph.add_input(SCALAR, "x")
    condition = graph.add_input(FLAG, "c")
    b = Builder(graph)
    outputs = b.loop(b.const(np.array(trips)), condition, x, body=doubling(b, 20.0, stacked=True), carried=1)
    graph.set_outputs(list(outputs), ["last", "seen"])
    _, seen = check(bench, graph, np.array(1, np.float32), np.array(begins))
    assert seen.tolist() == [2.0**i for i in range(1, count + 1)] * begins


def test_a_trip_count_may_be_a_size(bench: Bench) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N, 3)), "x")
    b = Builder(graph)
    trips = b.reshape(b.dims((N,)), shape=())
    body, (i, state, rows) = b.region(INDEX, VECTOR, TensorType(F32, (N, 3)))
    row = body.gather(rows, i, axis=0)
    total = body.add(state, row)
    body.graph.set_outputs([body.const(True), total, total], ["more", "state", "seen"])
    outputs = b.loop(trips, None, b.const(np.zeros(3, np.float32)), x, body=body.graph, carried=1)
    graph.set_outputs(list(outputs), ["last", "seen"])
    check(bench, graph, np.arange(15, dtype=np.float32).reshape(5, 3))


def test_regions_nest(bench: Bench) -> None:
    graph = Graph()
    x = graph.add_input(VECTOR, "x")
    rows = graph.add_input(TensorType(F32, (N, 3)), "rows")
    b = Builder(graph)
    body, (state, row) = b.region(VECTOR, VECTOR)
    then, (s, r) = body.region(VECTOR, VECTOR)
    then.graph.set_outputs([then.add(s, r)], ["y"])
    other, (s, _) = body.region(VECTOR, VECTOR)
    other.graph.set_outputs([s], ["y"])
    positive = body.greater(body.reduce_sum(row, axes=(0,)), 0.0)
    (moved,) = body.if_(positive, state, row, then=then.graph, else_=other.graph)
    body.graph.set_outputs([moved, body.neg(moved)], ["state", "seen"])
    outputs = b.scan(x, rows, body=body.graph, carried=1, scanned=1)
    graph.set_outputs(list(outputs), ["last", "seen"])
    check(bench, graph, ones(3), np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32))


def branches(b: Builder, types: Sequence[TensorType], then: Branch, other: Branch) -> tuple[Graph, Graph]:
    """The regions of an `if` whose captures have these types."""
    found = []
    for write in (then, other):
        inner, values = b.region(*types)
        results = write(inner, values)
        inner.graph.set_outputs(results, [f"y{i}" for i in range(len(results))])
        found.append(inner.graph)
    return found[0], found[1]


@pytest.mark.parametrize("taken", [True, False])
def test_a_branch_may_return_one_value_twice(bench: Bench, taken: bool) -> None:
    graph = Graph()
    condition, x = graph.add_input(FLAG, "c"), graph.add_input(VECTOR, "x")
    b = Builder(graph)

    def twice(inner: Builder, values: Sequence[Value]) -> list[Value]:
        return [inner.exp(values[0])] * 2

    then, other = branches(b, [VECTOR], twice, lambda inner, values: [values[0], values[0]])
    graph.set_outputs(list(b.if_(condition, x, then=then, else_=other)), ["a", "b"])
    check(bench, graph, np.array(taken), ones(3))


def choosing(b: Builder, type: TensorType, positive: Branch, condition: Value, x: Value) -> Sequence[Value]:
    """Within a branch: `positive` or the negative, as a condition says."""
    then, other = branches(b, [type], positive, lambda inner, values: [inner.neg(values[0])])
    return b.if_(condition, x, then=then, else_=other)


@pytest.mark.parametrize("outer", [True, False])
@pytest.mark.parametrize("inner", [True, False])
def test_branches_nest_where_sizes_vary(bench: Bench, outer: bool, inner: bool) -> None:
    rows = TensorType(F32, (N, 3))
    graph = Graph()
    conditions, x = [graph.add_input(FLAG, name) for name in "cd"], graph.add_input(rows, "x")
    b = Builder(graph)
    then, other = branches(
        b,
        [FLAG, rows],
        lambda within, v: choosing(within, rows, lambda deep, w: [deep.exp(w[0])], *v),
        lambda within, v: [within.abs(v[1])],
    )
    graph.set_outputs(list(b.if_(conditions[0], conditions[1], x, then=then, else_=other)), ["y"])
    check(bench, graph, np.array(outer), np.array(inner), -2 * ones(4, 3))


def test_branches_and_loops_that_the_engine_does_not_nest_are_refused() -> None:
    def looped(b: Builder, values: Sequence[Value]) -> Sequence[Value]:
        body, (_, state) = b.region(INDEX, values[0].type)
        body.graph.set_outputs([body.const(True), body.add(state, state)], ["more", "state"])
        return b.loop(b.const(np.array(2)), None, values[0], body=body.graph, carried=1)

    rows = TensorType(F32, (N, 3))
    graph = Graph()
    conditions, x = [graph.add_input(FLAG, name) for name in "cd"], graph.add_input(rows, "x")
    b = Builder(graph)
    then, other = branches(
        b, [FLAG, rows], lambda within, v: choosing(within, rows, looped, *v), lambda within, v: [within.abs(v[1])]
    )
    graph.set_outputs(list(b.if_(conditions[0], conditions[1], x, then=then, else_=other)), ["y"])
    assert "no loop in a branch within another branch" in refusal(graph)


@pytest.mark.parametrize("constant", [True, False])
def test_a_negative_trip_count_is_none(bench: Bench, constant: bool) -> None:
    graph = Graph()
    x = graph.add_input(SCALAR, "x")
    b = Builder(graph)
    trips = b.const(np.array(-2)) if constant else graph.add_input(INDEX, "n")
    body, (_, state) = b.region(INDEX, SCALAR)
    body.graph.set_outputs([body.const(True), body.add(state, 1.0), state], ["more", "state", "seen"])
    graph.set_outputs(list(b.loop(trips, None, x, body=body.graph, carried=1)), ["last", "seen"])
    last, seen = check(bench, graph, *([np.array(5, np.float32)] + [np.array(-2)] * (not constant)))
    assert last == 5
    assert not seen.size


# -- element types --------------------------------------------------------------------------------

_WIDE = {
    **dict.fromkeys(
        ("expm1", "log1p", "celu", "cumsum", "mod", "fmod", "atan2", "quantize", "dequantize"), (F16, BF16)
    ),
    **dict.fromkeys(("lp_pool", "lrn"), (F16, BF16)),
    "batch_norm": (F16, BF16),
    "conv_transpose": (BF16,),
}
"""Ops and the types in which some of them are f32: those that lose digits when each of their layers rounds, those whose
squares leave the type, channels scaled by what the type does not hold, and what the engine has no kernel for.
"""


@pytest.mark.parametrize("name", ops.TABLE)
def test_what_is_narrow_is_not_computed_in_f32(bench: Bench, name: str) -> None:
    kinds = {str(d) for d in (F16, BF16) if d not in _WIDE.get(name, ())}
    cases = cases_for(ops.TABLE[name])
    for case in (*cases, *narrowed(cases)):
        graph = case.graph()
        BACKEND.legalize(graph)
        types = {str(v.dtype) for node in graph.walk() for v in (*node.inputs, *node.results)}
        if not types & kinds or "f32" in types or BACKEND.unsupported(graph):
            continue
        assert "float32" not in {t.dtype.name for t in tensors(bench.write(graph).definition)}, str(case)


def test_wide_integers_survive_chains_of_ops(bench: Bench) -> None:
    for dtype in (I32, I64, I8, U8):
        graph = Graph()
        x, y = (graph.add_input(TensorType(dtype, (N,)), name) for name in "xy")
        b = Builder(graph)
        total = b.sub(b.mul(b.add(x, y), 3), b.maximum(x, y))
        picked = b.where(b.less(total, b.mul(y, 5)), b.floor_div(total, 7), b.mod(b.abs(total), 103))
        bits = b.bitwise_xor(b.shift_left(x, 3), b.shift_right(y, 2))
        graph.set_outputs([picked, bits, b.reduce_max(picked, axes=(0,)), b.cumsum(total, axis=0)])
        info = np.iinfo(dtype.numpy)
        rng = np.random.default_rng(0)
        check(bench, graph, *(rng.integers(info.min, info.max, 50, dtype.numpy, endpoint=True) for _ in "xy"))


def test_bits_of_the_widest_integers(bench: Bench) -> None:
    graph = Graph()
    x, y = (graph.add_input(TensorType(I64, (6,)), name) for name in "xy")
    b = Builder(graph)
    bitwise = [getattr(b, f"bitwise_{name}")(x, y) for name in ("and", "or", "xor")]
    amount = b.const(np.array([0, 1, 62, 63, 64, 70]))
    graph.set_outputs([*bitwise, b.bitwise_not(x), b.shift_left(x, amount), b.shift_right(x, amount)])
    top, least = (1 << 63) - 1, -(1 << 63)
    check(bench, graph, np.array([top, least, -1, 0, 1 << 40, least]), np.array([-1, least, 1 << 62, 5, top, top]))


@pytest.mark.parametrize("largest", [True, False])
def test_nan_is_found_as_the_extremum(bench: Bench, largest: bool) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (2, 4)), "x")
    b = Builder(graph)
    find = b.argmax if largest else b.argmin
    graph.set_outputs([find(x, axis=1), find(x, axis=1, last=True)], ["first", "last"])
    nan = np.nan
    check(bench, graph, np.array([[1, nan, 3, nan], [nan, nan, nan, nan]], np.float32))


# -- refusals and names ---------------------------------------------------------------------------


def refusal(graph: Graph) -> str:
    """What the backend says of a graph that it does not take."""
    with pytest.raises(UnsupportedByBackend) as caught:
        BACKEND.require(graph)
    return str(caught.value)


def test_all_refusals_come_at_once_with_reasons_and_places() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F64, (2,)), "x")
    y = graph.add_input(TensorType(I32, (2,)), "y")
    z = graph.add_input(TensorType(F32, (1,) * 9), "z")
    b = Builder(graph, loc=Loc("onnx", ("block/power",)))
    graph.set_outputs([b.exp(x), b.pow(y, y), b.relu(z)], ["a", "b", "c"])
    text = refusal(graph)
    assert "3 of 3 nodes" in text
    assert text.count("onnx:block/power") == 3
    for reason in ("no f64", "constant exponent", "8 axes at most"):
        assert reason in text


def loops(trips: Value | None, b: Builder, x: Value) -> Sequence[Value]:
    return b.loop(trips, None, x, body=doubling(b, 20.0, stacked=True), carried=1)


def test_loops_whose_results_cannot_be_stacked_are_refused() -> None:
    graph = Graph()
    x = graph.add_input(SCALAR, "x")
    b = Builder(graph)
    counted = b.cast(b.add(x, 1.0), dtype=I64)
    results = [*loops(None, b, x), *loops(counted, b, x), *loops(b.const(np.array(1 << 40)), b, x)]
    graph.set_outputs(results, [f"y{i}" for i in range(len(results))])
    text = refusal(graph)
    assert text.count("no constant, size or input") == 2
    assert text.count("may run 1099511627776 times") == 1


def test_values_that_change_their_size_are_refused() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (3,)), "x")
    condition = graph.add_input(FLAG, "c")
    b = Builder(graph)
    grown, (v,) = b.region(VECTOR)
    grown.graph.set_outputs([grown.concat(v, v, axis=0)], ["y"])
    same, (v,) = b.region(VECTOR)
    same.graph.set_outputs([v], ["y"])
    graph.set_outputs(list(b.if_(condition, x, then=grown.graph, else_=same.graph)), ["y"])
    assert "equal sizes" in refusal(graph)


def test_layers_are_named_after_what_they_stand_for(bench: Bench) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (2,)), "x")
    b = Builder(graph, loc=Loc("onnx", ("block/act",)))
    graph.set_outputs([b.expm1(x)], ["y"])
    definition = bench.write(graph).definition
    names = [definition.get_layer(i).name for i in range(definition.num_layers)]
    assert len(names) == len(set(names))
    assert all(name.startswith("onnx:block/act expm1") for name in names)


def test_errors_while_writing_say_where(bench: Bench) -> None:
    graph = Graph()
    x = graph.add_input(VECTOR, "x")
    b = Builder(graph, loc=Loc("onnx", ("head/Reshape",)))
    graph.set_outputs([b.dynamic_reshape(x, b.concat(b.shape_of(x), b.const(np.array([2])), axis=0))], ["y"])
    with pytest.raises(BackendFailed, match="changes volume") as caught:
        bench.write(graph)
    assert "onnx:head/Reshape" in caught.value.where


def test_reasons_can_be_read() -> None:
    assert all(len(row) > 10 for row in TABLE.values() if isinstance(row, str))
