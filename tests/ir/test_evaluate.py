"""The meaning of graphs: rounding after each op, symbol binding, regions, and errors that name the node."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from isthmus.ir import BF16, BOOL, F16, F32, I4, I64, Builder, Graph, Loc, TensorType, Value, evaluate, symbol
from isthmus.ir.errors import BadInput, EvaluationError
from isthmus.ir.types import Array, DType

N = symbol("N")


def unary(op: str, dtype: DType, data: Array) -> Array:
    graph = Graph()
    x = graph.add_input(TensorType(dtype, (N,)), "x")
    graph.set_outputs([Builder(graph).create(op, [x]).result], ["y"])
    return evaluate(graph, [data])["y"]


def test_f16_overflows_to_infinity() -> None:
    assert unary("exp", F16, np.array([11.0, 12.0], np.float16)).tolist() == [59872.0, np.inf]


def test_f16_rounds_after_each_op() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F16, ()), "x")
    b = Builder(graph)
    graph.set_outputs([b.sub(b.add(x, 1.0), x)], ["y"])
    assert evaluate(graph, [np.array(2048, np.float16)])["y"] == 0


def test_bf16_is_computed_in_f32_and_rounded_once() -> None:
    data = np.array([1.0, 256.0], ml_dtypes.bfloat16)
    graph = Graph()
    x = graph.add_input(TensorType(BF16, (2,)), "x")
    graph.set_outputs([Builder(graph).add(x, 1.0)], ["y"])
    found = evaluate(graph, [data])["y"]
    assert found.dtype == ml_dtypes.bfloat16
    assert found.astype(np.float32).tolist() == [2.0, 256.0]


def test_bf16_matmul_accumulates_in_f32() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(BF16, (1, 512)), "x")
    y = graph.add_input(TensorType(BF16, (512, 1)), "y")
    graph.set_outputs([Builder(graph).matmul(x, y)], ["z"])
    ones = np.ones((1, 512), ml_dtypes.bfloat16)
    assert evaluate(graph, [ones, ones.T])["z"].item() == 512.0


def test_four_bit_integers_cast() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(I4, (3,)), "x")
    graph.set_outputs([Builder(graph).cast(x, dtype=F32)], ["y"])
    assert evaluate(graph, [np.array([-8, 0, 7], ml_dtypes.int4)])["y"].tolist() == [-8.0, 0.0, 7.0]


def test_nan_and_signed_zero_pass_through() -> None:
    found = unary("neg", F32, np.array([np.nan, 0.0, -0.0], np.float32))
    assert np.isnan(found[0])
    assert np.signbit(found[1:]).tolist() == [True, False]


def branch(graph: Graph, scale: float) -> Value:
    """if flag: x * scale, else -x."""
    flag, x = graph.inputs
    b = Builder(graph)
    then, (p,) = b.region(x.type)
    then.graph.set_outputs([then.mul(p, scale)])
    other, (q,) = b.region(x.type)
    other.graph.set_outputs([other.neg(q)])
    (y,) = b.if_(flag, x, then=then.graph, else_=other.graph)
    return y


def test_if_runs_one_region() -> None:
    graph = Graph()
    graph.add_input(TensorType(BOOL, ()), "flag")
    graph.add_input(TensorType(F32, (N,)), "x")
    graph.set_outputs([branch(graph, 3.0)], ["y"])
    x = np.array([1.0, 2.0], np.float32)
    assert evaluate(graph, {"flag": np.array(True), "x": x})["y"].tolist() == [3.0, 6.0]
    assert evaluate(graph, {"flag": np.array(False), "x": x})["y"].tolist() == [-1.0, -2.0]


def powers(graph: Graph, count: Value, x: Value) -> list[Value]:
    """x doubled `count` times, and every step stacked."""
    b = Builder(graph)
    body, (_, state) = b.region(TensorType(I64, ()), x.type)
    doubled = body.add(state, state)
    body.graph.set_outputs([body.const(True), doubled, doubled], ["more", "state", "step"])
    return list(b.loop(count, None, x, carried=1, body=body.graph))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_loop_carries_and_stacks(count: int) -> None:
    graph = Graph()
    trips, x = graph.add_input(TensorType(I64, ()), "n"), graph.add_input(TensorType(F32, (N,)), "x")
    graph.set_outputs(powers(graph, trips, x), ["last", "all"])
    data = np.array([1.0, 5.0], np.float32)
    found = evaluate(graph, [np.array(count), data])
    assert found["last"].tolist() == (data * 2**count).tolist()
    assert found["all"].shape == (count, 2)
    assert found["all"].tolist() == [(data * 2**i).tolist() for i in range(1, count + 1)]


def test_scan_runs_over_axis_0() -> None:
    graph = Graph()
    start = graph.add_input(TensorType(F32, ()), "start")
    xs = graph.add_input(TensorType(F32, (N,)), "xs")
    b = Builder(graph)
    body, (total, each) = b.region(start.type, start.type)
    added = body.add(total, each)
    body.graph.set_outputs([added, added], ["total", "partial"])
    graph.set_outputs(b.scan(start, xs, carried=1, scanned=1, body=body.graph), ["total", "partials"])
    found = evaluate(graph, [np.array(1, np.float32), np.array([1, 2, 3], np.float32)])
    assert found["total"] == 7
    assert found["partials"].tolist() == [2.0, 4.0, 7.0]


def test_data_dependent_sizes_are_bound_as_they_appear() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N,)), "x")
    b = Builder(graph)
    graph.set_outputs([b.shape_of(b.non_zero(x))], ["y"])
    assert evaluate(graph, [np.array([0, 1, 2], np.float32)])["y"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (np.zeros((5, 6), np.float32), "N = 5, outside its bounds 1..4"),
        (np.zeros((2, 5), np.float32), r"2\*N is 4"),
        (np.zeros((2, 4), np.float64), "float64"),
        (np.zeros(2, np.float32), "expected f32"),
    ],
)
def test_inputs_must_fit(data: Array, reason: str) -> None:
    graph = Graph()
    bounded = symbol("N", 1, 4)
    x = graph.add_input(TensorType(F32, (bounded, 2 * bounded)), "x")
    graph.set_outputs([x])
    with pytest.raises(BadInput, match=reason):
        evaluate(graph, {"x": data})


def test_inputs_are_named_when_missing_or_unknown() -> None:
    graph = Graph()
    graph.set_outputs([graph.add_input(TensorType(F32, ()), "x")])
    with pytest.raises(BadInput, match="missing x"):
        evaluate(graph, {})
    with pytest.raises(BadInput, match="unknown z"):
        evaluate(graph, {"x": np.array(1, np.float32), "z": np.array(1, np.float32)})
    with pytest.raises(BadInput, match="got 2 inputs, need 1"):
        evaluate(graph, [np.array(1, np.float32), np.array(1, np.float32)])


def test_failures_name_the_node_and_its_source() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (4,)), "x")
    i = graph.add_input(TensorType(I64, ()), "i")
    graph.set_outputs([Builder(graph, loc=Loc("onnx", ("pick",))).gather(x, i, axis=0)], ["y"])
    with pytest.raises(EvaluationError, match="gather failed") as caught:
        evaluate(graph, [np.zeros(4, np.float32), np.array(9)])
    assert "onnx:pick" in str(caught.value)


def test_observers_see_every_value() -> None:
    graph = Graph()
    graph.add_input(TensorType(BOOL, ()), "flag")
    graph.add_input(TensorType(F32, (N,)), "x")
    graph.set_outputs([branch(graph, 2.0)], ["y"])
    seen: list[str] = []

    def observe(value: Value, _: Array) -> None:
        seen.append("input" if value.node is None else value.node.op.name)

    evaluate(graph, [np.array(True), np.ones(2, np.float32)], observe=observe)
    assert seen == ["input", "input", "input", "const", "mul", "if"]
