"""bf16 and f16 on OpenVINO: nodes compute in the type they have, conversions round to nearest, and reports say so."""

from __future__ import annotations

import numpy as np
import pytest

import isthmus
from isthmus.backends.base import BuildOptions, Precision, PrecisionUse
from isthmus.backends.openvino import OpenVINOBackend, device
from isthmus.backends.openvino.precisions import Computed, Survey
from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim, symbol
from isthmus.ir.errors import BackendFailed, DeviceUnavailable
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Loc, Node, Value
from isthmus.ir.types import BF16, F16, F32, Array, DType, TensorType

BACKEND = OpenVINOBackend()
N = symbol("N", 1, 64)
NARROW: dict[Precision, DType] = {"bf16": BF16, "f16": F16}
ULP = {"bf16": 2.0**-8, "f16": 2.0**-11}


def need(precision: Precision) -> None:
    if not device.computes(precision):
        pytest.skip(f"this processor has no {precision} arithmetic: the engine offers {sorted(device.capabilities())}")


def weight(rng: np.random.Generator, *shape: int) -> Array:
    return np.asarray(rng.standard_normal(shape) / np.sqrt(shape[0]), np.float32)


def mixed(dtype: DType, batch: Dim = N) -> Graph:
    """linear, softmax kept in f32, linear, conv: what lower-precision makes."""
    rng = np.random.default_rng(0)
    graph = Graph("mixed")
    x = graph.add_input(TensorType(F32, (batch, 64, 64)), "x")
    b = Builder(graph, loc=Loc("onnx", ("first, of all",)))
    low = b.cast(x, dtype=dtype)
    h = b.relu(b.linear(low, b.const(weight(rng, 64, 64).astype(dtype.numpy)), b.const(np.ones(64, dtype.numpy))))
    b.loc = Loc("onnx", ("attention/softmax",))
    kept = b.softmax(b.mul(b.cast(h, dtype=F32), 4.0), axis=2)
    b.loc = None
    h = b.matmul(b.cast(kept, dtype=dtype), b.const(weight(rng, 64, 64).astype(dtype.numpy)))
    planes = b.reshape(h, shape=(batch, 4, 16, 64))
    filters = b.const(weight(rng, 8, 4, 3, 3).astype(dtype.numpy))
    y = b.conv(planes, filters, strides=(1, 1), pads=((1, 1), (1, 1)), dilations=(1, 1), groups=1)
    graph.set_outputs([b.cast(y, dtype=F32)], ["y"])
    return graph


def relative(got: Array, want: Array) -> float:
    a, b = got.astype(np.float64), want.astype(np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("batch", [2, N], ids=str)
@pytest.mark.parametrize("precision", NARROW)
def test_nodes_compute_in_the_type_they_have(precision: Precision, batch: Dim) -> None:
    need(precision)
    graph = mixed(NARROW[precision], batch)
    executable = BACKEND.build(graph, BuildOptions(precision, threads=1))
    survey = executable.survey
    products = [node for node in survey.nodes if node.is_product]
    kept = [node for node in survey.nodes if any(source.op.name == "softmax" for source in node.sources)]
    assert len(products) == 3
    assert {node.precision for node in products} == {precision}
    assert {node.precision for node in kept} == {"f32"}
    assert survey.notes() == []
    x = np.random.default_rng(1).standard_normal((2, 64, 64)).astype(np.float32)
    (got,) = executable([x])
    assert relative(got, evaluate(graph, [x])["y"]) < 2 * ULP[precision]


def test_time_and_nodes_by_precision() -> None:
    need("bf16")
    executable = BACKEND.build(mixed(BF16), BuildOptions("bf16", threads=1))
    counts = executable.precisions()
    assert all(isinstance(use, PrecisionUse) and use.milliseconds is None for use in counts.values())
    timed = executable.precisions([np.ones((2, 64, 64), np.float32)])
    assert {name: use.nodes for name, use in timed.items()} == {name: use.nodes for name, use in counts.items()}
    assert sum(use.milliseconds or 0.0 for use in timed.values()) > 0
    assert f"bf16 {counts['bf16'].nodes}" in executable.info["nodes by precision"]


NUMBERS = np.concatenate(
    [
        np.random.default_rng(0).standard_normal(2000) * 10.0 ** np.random.default_rng(1).integers(-30, 30, 2000),
        [0.0, -0.0, 1.00390625, 1.01171875, -1.00390625, 3.3e38, -3.3e38, np.inf, -np.inf, np.nan, -(2.0**126)],
    ]
).astype(np.float32)


@pytest.mark.parametrize("size", [len(NUMBERS), symbol("n", 1, 4096)], ids=["known", "symbolic"])
def test_casts_to_bf16_round_to_nearest(size: Dim) -> None:
    need("bf16")
    graph = Graph()
    b = Builder(graph)
    low = b.cast(graph.add_input(TensorType(F32, (size,)), "x"), dtype=BF16)
    graph.set_outputs([low, b.cast(low, dtype=F32), b.neg(low)], ["low", "again", "negative"])
    low_got, again, negative = BACKEND.build(graph, BuildOptions())([NUMBERS])
    want = NUMBERS.astype(BF16.numpy)
    moderate = ~(np.abs(NUMBERS) >= 2.0**84) | np.isinf(NUMBERS)  # beyond, the engine's own conversion: within an ulp
    for got, expected in ((low_got, want), (again, want), (negative, -want)):
        np.testing.assert_array_equal(got[moderate].astype(np.float32), expected[moderate].astype(np.float32))
        np.testing.assert_allclose(got.astype(np.float64), expected.astype(np.float64), rtol=2.0**-7)


def test_norms_round_to_nearest_too() -> None:
    need("bf16")
    graph = Graph()
    x = graph.add_input(TensorType(F32, (N, 8, 16)), "x")
    b = Builder(graph)
    ones, zeros = np.ones(8, np.float32), np.zeros(8, np.float32)
    y = b.relu(b.batch_norm(x, b.const(ones * 1.7), b.const(ones / 3), b.const(zeros), b.const(ones), epsilon=0.0))
    graph.set_outputs([y, b.cast(y, dtype=BF16)], ["wide", "low"])
    wide, low = BACKEND.build(graph, BuildOptions())([np.random.default_rng(0).standard_normal((3, 8, 16), np.float32)])
    np.testing.assert_array_equal(low.astype(np.float32), wide.astype(BF16.numpy).astype(np.float32))


def with_rounded_constants(graph: Graph) -> Graph:
    copy = graph.copy()
    for node in copy.nodes:
        if (array := node.results[0].array) is not None:
            rounded = Builder(copy, before=node).const(array.astype(BF16.numpy).astype(np.float32))
            copy.replace_uses(node.results[0], rounded)
    return copy


@pytest.mark.parametrize("batch", [3, N], ids=["known", "symbolic"])
@pytest.mark.parametrize("is_followed", [False, True], ids=["alone", "relu"])
def test_a_norm_between_bf16_edges_keeps_its_parameters(batch: Dim, is_followed: bool) -> None:
    """In bf16 memory, but as exact as in f32: one in a hundred results may be rounded to its neighbour."""
    need("bf16")
    rng = np.random.default_rng(0)
    graph = Graph()
    x = graph.add_input(TensorType(BF16, (batch, 32, 10, 10)), "x")
    b = Builder(graph)
    parameters = [b.const(rng.uniform(0.5, 1.5, 32).astype(np.float32)) for _ in range(4)]
    y = b.batch_norm(b.cast(x, dtype=F32), *parameters, epsilon=1e-5)
    graph.set_outputs([b.cast(b.relu(y) if is_followed else y, dtype=BF16)], ["y"])
    array = rng.standard_normal((3, 32, 10, 10)).astype(BF16.numpy)
    (got,) = BACKEND.build(graph, BuildOptions())([array])
    want = evaluate(graph, [array])["y"]
    assert (got != want).mean() < 0.01
    assert relative(got, want) < ULP["bf16"] * np.sqrt(0.01)
    rounded = evaluate(with_rounded_constants(graph), [array])["y"]
    assert (rounded != want).mean() > 0.2, "parameters in bf16 would be seen"


@pytest.mark.parametrize("size", [4, 300, N], ids=["copied", "bound", "symbolic"])
def test_edges_of_a_graph_may_be_bf16(size: Dim) -> None:
    need("bf16")
    graph = Graph()
    x = graph.add_input(TensorType(BF16, (size, 300)), "x")
    b = Builder(graph)
    graph.set_outputs([b.add(x, x), x, b.cast(x, dtype=F32)], ["twice", "x", "wide"])
    rows = size if isinstance(size, int) else 7
    array = np.random.default_rng(0).standard_normal((rows, 300)).astype(BF16.numpy)
    for got, want in zip(BACKEND.build(graph, BuildOptions())([array]), (array + array, array, array), strict=True):
        np.testing.assert_array_equal(got.astype(np.float32), want.astype(np.float32))


def product(dtype: DType) -> Node:
    graph = Graph()
    x = graph.add_input(TensorType(dtype, (4, 4)), "x")
    node = Builder(graph, loc=Loc("onnx", ("block/MatMul",))).matmul(x, x).node
    assert node is not None
    return node


def test_a_broken_promise_is_an_error_that_names_the_layer() -> None:
    widened = Survey([Computed("fc", "FullyConnected", "f32", (product(BF16),))])
    with pytest.raises(BackendFailed, match="another precision than they have") as caught:
        widened.require("net")
    assert "block/MatMul" in str(caught.value)
    assert "in f32 instead of bf16" in str(caught.value)
    assert "keep=" in caught.value.hint


def test_what_a_kernel_takes_in_decides_about_its_products() -> None:
    fused = Survey([Computed("s", "Subgraph", "f32", (product(BF16),))])
    with pytest.raises(BackendFailed):
        fused.require("net")
    Survey([Computed("s", "Subgraph", "bf16", (product(BF16), product(F32)))]).require("net")


def test_a_kept_node_that_is_found_low_is_noted() -> None:
    lowered = Survey([Computed("fc", "MatMul", "bf16", (product(F32),))])
    lowered.require("net")
    (note,) = lowered.notes()
    assert "block/MatMul" in note
    assert note.endswith("computed in bf16, typed f32")


def test_borders_break_no_promise() -> None:
    graph = Graph()
    low: Value = Builder(graph).cast(graph.add_input(TensorType(F32, (4,)), "x"), dtype=BF16)
    assert low.node is not None
    assert (
        Survey([Computed("c", "Convert", "f32", (low.node,)), Computed("e", "Eltwise", "f32", (low.node,))]).notes()
        == []
    )


def small() -> Graph:
    graph = Graph("small")
    x = graph.add_input(TensorType(F32, (N, 32)), "x")
    b = Builder(graph)
    h = b.relu(b.linear(x, b.const(weight(np.random.default_rng(0), 32, 256))))
    graph.set_outputs([b.linear(h, b.const(weight(np.random.default_rng(1), 256, 8)))], ["y"])
    return graph


def test_a_target_runs_in_its_precision() -> None:
    need("bf16")
    program = isthmus.compile(small(), target="cpu-bf16", threads=1)
    assert "bf16" in program.report.engine["nodes by precision"]
    x = np.random.default_rng(2).standard_normal((5, 32)).astype(np.float32)
    want = isthmus.compile(small(), target="reference")(x)["y"]
    error = relative(program(x)["y"], want)
    assert 1e-5 < error < 1e-2


@pytest.mark.parametrize("precision", NARROW)
def test_without_the_arithmetic_a_target_is_refused(precision: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "capabilities", lambda: frozenset(("FP32", "INT8")))
    name = {"bf16": "cpu-bf16", "f16": "cpu-fp16"}[precision]
    with pytest.raises(DeviceUnavailable, match=f"no {precision} arithmetic") as caught:
        isthmus.compile(small(), target=name)
    assert caught.value.code == "E504"
    assert "reference" in caught.value.hint
    graph = mixed(NARROW[precision])
    with pytest.raises(DeviceUnavailable):
        BACKEND.build(graph, BuildOptions(precision))
    assert all(
        "in f32 on this processor" in why or "drops the rounding" in why for _, why in BACKEND.unsupported(graph)
    )


def test_f16_here() -> None:
    """On a processor with f16 the target runs in it; on any other it says so and names what to do instead."""
    if device.computes("f16"):
        program = isthmus.compile(small(), target="cpu-fp16", threads=1)
        assert "f16" in program.report.engine["nodes by precision"]
        return
    with pytest.raises(DeviceUnavailable) as caught:
        isthmus.compile(small(), target="cpu-fp16")
    assert ("cpu-bf16" in caught.value.hint) == device.computes("bf16")
