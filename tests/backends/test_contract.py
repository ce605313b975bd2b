"""What every backend that runs on this machine owes its callers: memory, threads, sizes, regions, errors."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from isthmus.backends.base import Backend, BuildOptions
from isthmus.backends.openvino import OpenVINOBackend
from isthmus.backends.tvm import TVMBackend
from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim, floordiv, maximum, mod, symbol
from isthmus.ir.errors import BackendFailed
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.types import BOOL, F32, I32, I64, U8, Array, TensorType

BACKENDS = {"openvino": OpenVINOBackend(), "tvm": TVMBackend(is_isolated=False, is_optimized=False)}
N = symbol("N", 1, 64)
M = symbol("M", 1, 64)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]


def run(backend: Backend, graph: Graph, *arrays: Array) -> list[Array]:
    return backend.build(graph, BuildOptions())(arrays)


# -- memory ----------------------------------------------------------------------------------------


def test_results_belong_to_the_caller(backend: Backend) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N, 3)), "x")
    b = Builder(graph)
    y = b.relu(b.add(x, 1.0))
    graph.set_outputs([y, x, y, b.const(np.arange(3)), b.reshape(y, shape=(N * 3,))], list("yxaco"))
    executable = backend.build(graph, BuildOptions())
    given = np.ones((2, 3), np.float32)
    first = executable([given])
    kept = [array.copy() for array in first]
    second = executable([np.full((2, 3), 7, np.float32)])
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(first) for b in [*first[:i], given])
    first[0][:] = -1
    assert second[0][0, 0] == 8


@pytest.mark.parametrize("size", [4, 400])
def test_inputs_may_be_strided_or_read_only(backend: Backend, size: int) -> None:
    """Small ones are copied, large ones are bound where they lie."""
    graph = Graph()
    x = graph.add_input(TensorType(F32, (size, size)), "x")
    graph.set_outputs([Builder(graph).neg(x)], ["y"])
    executable = backend.build(graph, BuildOptions())
    array = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    array.flags.writeable = False
    for view in (array, array.T, array[::-1], np.asfortranarray(array)):
        np.testing.assert_array_equal(executable([view])[0], -view)


def test_a_graph_that_only_passes_its_inputs_runs(backend: Backend) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(U8, (2,)), "x")
    graph.set_outputs([x, x], ["a", "b"])
    a, b = run(backend, graph, np.array([1, 2], np.uint8))
    assert a.tolist() == b.tolist() == [1, 2]


def test_a_value_that_is_two_outputs_is_there_twice(backend: Backend) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (4,)), "x")
    y = Builder(graph).relu(x)
    graph.set_outputs([y, y], ["a", "b"])
    a, b = run(backend, graph, np.arange(4, dtype=np.float32))
    assert a.tolist() == b.tolist() == [0.0, 1.0, 2.0, 3.0]


# -- threads ---------------------------------------------------------------------------------------


def test_calls_from_threads_take_turns(backend: Backend) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (64, 1024)), "x")
    graph.set_outputs([Builder(graph).add(x, 1.0)], ["y"])
    programs = [backend.build(graph, BuildOptions(threads=count)) for count in (1, 2)]
    wrong: list[int] = []

    def call(number: int) -> None:
        for turn in range(20):
            (y,) = programs[turn % 2]([np.full((64, 1024), number, np.float32)])
            if not (y == number + 1).all():
                wrong.append(number)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- sizes -----------------------------------------------------------------------------------------


FORMS: list[tuple[Dim, ...]] = [
    (N, 4),
    (N * 2, M + 3),
    (floordiv(N + 1, 2), mod(M, 3)),
    (maximum(N, M), N * M),
    (N - M + 64,),
]


def test_dimension_expressions_are_computed_from_shapes(backend: Backend) -> None:
    graph = Graph()
    graph.add_input(TensorType(F32, (N, 3)), "x")
    graph.add_input(TensorType(F32, (M,)), "y")
    b = Builder(graph)
    made = [value for dims in FORMS for value in (b.dims(dims), b.full(b.const(1.5), shape=dims))]
    graph.set_outputs(made, [f"y{i}" for i in range(len(made))])
    executable = backend.build(graph, BuildOptions())
    for n, m in ((1, 1), (5, 4), (8, 7)):
        arrays = [np.zeros((n, 3), np.float32), np.zeros(m, np.float32)]
        for got, want in zip(executable(arrays), evaluate(graph, arrays).values(), strict=True):
            np.testing.assert_array_equal(got, want)


def test_a_size_is_solved_for_where_only_an_expression_shows_it(backend: Backend) -> None:
    graph = Graph()
    graph.add_input(TensorType(F32, (2 * M + 1,)), "y")
    graph.set_outputs([Builder(graph).dims((M, M * M))], ["dims"])
    (got,) = run(backend, graph, np.zeros(9, np.float32))
    assert got.tolist() == [4, 16]


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_a_size_may_turn_out_to_be_0(backend: Backend, rows: int) -> None:
    """What is broadcast to it is empty then, also where arithmetic follows at once."""
    graph = Graph()
    x = graph.add_input(TensorType(F32, (1, 3)), "x")
    y = graph.add_input(TensorType(F32, (symbol("L", 0, 8), 3)), "y")
    sizes = graph.add_input(TensorType(I64, (2,)), "sizes")
    b = Builder(graph)
    made = [b.add(b.expand(x, shape=y.shape), x), b.add(b.dynamic_expand(x, sizes), x), b.mul(y, x)]
    graph.set_outputs(made, ["expanded", "computed", "met"])
    arrays = [np.ones((1, 3), np.float32), np.ones((rows, 3), np.float32), np.array([rows, 3])]
    for got, want in zip(run(backend, graph, *arrays), evaluate(graph, arrays).values(), strict=True):
        np.testing.assert_array_equal(got, want)


# -- regions ---------------------------------------------------------------------------------------


def test_a_region_gets_sizes_it_does_not_see(backend: Backend) -> None:
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
    chosen_array, total_array, _ = run(backend, graph, np.zeros((5, 3), np.float32), np.array(False))
    assert chosen_array.tolist() == [[2.0] * 3] * 3
    assert total_array == 15.5


@pytest.mark.parametrize("trips", [None, 0, 2])
def test_a_loop_that_makes_no_turn_leaves_what_its_body_never_reads(backend: Backend, trips: int | None) -> None:
    graph = Graph()
    begin = graph.add_input(TensorType(BOOL, ()), "begin")
    state = graph.add_input(TensorType(F32, (2,)), "state")
    limit = None if trips is None else graph.add_input(TensorType(I64, ()), "limit")
    b = Builder(graph)
    body, (_, _) = b.region(TensorType(I64, ()), TensorType(F32, (2,)))
    body.graph.set_outputs([body.const(False), body.neg(body.const(np.ones(2, np.float32)))], ["more", "state"])
    (last,) = b.loop(limit, begin, b.neg(state), body=body.graph, carried=1)
    graph.set_outputs([last], ["last"])
    executable = backend.build(graph, BuildOptions())
    for begins in (True, False):
        given = [np.array(begins), np.full(2, 5, np.float32), *([] if trips is None else [np.array(trips)])]
        (got,) = executable(given)
        assert got.tolist() == ([-1.0, -1.0] if begins and trips != 0 else [-5.0, -5.0])


# -- numbers and errors ----------------------------------------------------------------------------


def test_wide_integers_survive_chains_of_ops(backend: Backend) -> None:
    graph = Graph()
    x, y = (graph.add_input(TensorType(I32, (N,)), name) for name in "xy")
    b = Builder(graph)
    total = b.sub(b.mul(b.add(x, y), 3), b.maximum(x, y))
    picked = b.where(b.less(total, b.mul(y, 5)), b.floor_div(total, 7), b.mod(b.abs(total), 1000003))
    graph.set_outputs([picked, b.reduce_max(picked, axes=(0,)), b.reduce_sum(total, axes=(0,))], ["a", "b", "c"])
    arrays = [np.random.default_rng(i).integers(-(1 << 27), 1 << 27, 50).astype(np.int32) for i in (0, 1)]
    for got, want in zip(run(backend, graph, *arrays), evaluate(graph, arrays).values(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_integers_meet_small_constants(backend: Backend) -> None:
    """What compilers know of such numbers they must not take for knowledge of the sum."""
    graph = Graph()
    x = graph.add_input(TensorType(I64, (N,)), "x")
    b = Builder(graph)
    numbers = [b.const(np.array(number)) for number in (-2, -1, 0, 1, 2)]
    made = [op(x, number) for number in numbers for op in (b.add, b.sub, b.mul, b.maximum)]
    made += [b.less(b.add(x, number), numbers[2]) for number in numbers]
    graph.set_outputs(made, [f"y{i}" for i in range(len(made))])
    array = np.arange(-9, 9)
    for got, want in zip(run(backend, graph, array), evaluate(graph, [array]).values(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_an_engine_error_during_a_call_is_one_of_ours(backend: Backend) -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N,)), "x")
    graph.set_outputs([Builder(graph).reshape(x, shape=(2, 3))], ["y"])
    executable = backend.build(graph, BuildOptions())
    assert executable([np.zeros(6, np.float32)])[0].shape == (2, 3)
    with pytest.raises(BackendFailed, match="during a call"):
        executable([np.zeros(5, np.float32)])
