"""What an import keeps and what it turns into attributes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, helper

from isthmus.compiler.importers.onnx import import_onnx
from isthmus.ir.graph import Loc
from tests.compiler.importers.onnx.build import imported, ints, model, ops, run

node = helper.make_node
X = np.array([[-1.0, 2.0, -3.0], [4.0, -5.0, 6.0]], np.float32)


# -- names, inputs and outputs ----------------------------------------------------------------------------------------


def test_names_and_locations_are_kept() -> None:
    nodes = [node("Relu", ["x"], ["h"], name="/block/act"), node("Neg", ["h"], ["y"])]
    graph = imported(model(nodes, {"x": ["N", 3]}, ["y"]))
    relu, neg = graph.nodes
    assert (relu.result.name, neg.result.name) == ("h", "y")
    assert relu.loc == Loc("onnx", ("/block/act",))
    assert neg.loc == Loc("onnx", ("Neg_1",))
    assert [v.name for v in graph.inputs] == ["x"]
    assert graph.output_names == ("y",)


def test_a_float_attribute_reads_as_it_was_written() -> None:
    graph = imported(model([node("LeakyRelu", ["x"], ["y"], alpha=0.1)], {"x": [3]}, ["y"]))
    assert [n.attrs for n in graph.nodes] == [{"slope": 0.1}]


@pytest.mark.parametrize("ir_version", [3, 10])
def test_initializers_listed_as_inputs_are_constants(ir_version: int) -> None:
    made = model(
        [node("Add", ["x", "w"], ["y"])],
        {"x": [2, 3], "w": [3]},
        ["y"],
        ir_version=ir_version,
        initializers={"w": np.ones(3, np.float32)},
    )
    assert [v.name for v in imported(made).inputs] == ["x"]
    assert [v.name for v in imported(made, inputs={"w": (3,)}).inputs] == ["x", "w"]


def test_outputs_may_be_inputs_initializers_and_repeat() -> None:
    made = model(
        [node("Identity", ["x"], ["same"])],
        {"x": [2, 3]},
        ["x", "w", "same", "x"],
        initializers={"w": np.ones(3, np.float32)},
    )
    graph = imported(made)
    assert graph.output_names == ("x", "w", "same")
    assert graph.outputs[0] is graph.outputs[2] is graph.inputs[0]
    assert graph.outputs[1].array is not None


def test_nodes_out_of_order_are_sorted() -> None:
    nodes = [node("Neg", ["h"], ["y"]), node("Relu", ["x"], ["h"])]
    assert ops(imported(model(nodes, {"x": [2, 3]}, ["y"]))) == ["relu", "neg"]


def test_unused_initializers_leave_nothing() -> None:
    made = model([node("Relu", ["x"], ["y"])], {"x": [3]}, ["y"], initializers={"unused": X})
    assert len(imported(made)) == 1


# -- shapes -----------------------------------------------------------------------------------------------------------


def test_open_sizes_become_symbols() -> None:
    made = model([node("Add", ["x", "z"], ["y"])], {"x": ["batch size", None, 3], "z": ["batch size", 1, 3]}, ["y"])
    graph = imported(made)
    assert [str(v.type) for v in graph.inputs] == ["f32[batch_size, x_1, 3]", "f32[batch_size, 1, 3]"]
    assert str(graph.outputs[0].type) == "f32[batch_size, x_1, 3]"


def test_shapes_the_user_gives() -> None:
    made = model([node("Add", ["x", "z"], ["y"])], {"x": ["n", None], "z": ["n", 1]}, ["y"])
    graph = imported(made, inputs={"x": ("B:2..32", 8)})
    assert [str(v.type) for v in graph.inputs] == ["f32[B, 8]", "f32[B, 1]"]
    (symbol,) = graph.inputs[1].type.symbols()
    assert (symbol.low, symbol.high) == (2, 32)
    assert str(imported(made, inputs={"x": (4, None)}).outputs[0].type) == "f32[4, x_1]"


def test_a_rank_the_user_gives() -> None:
    made = model([node("Relu", ["x"], ["y"])], {"x": None}, ["y"])
    assert str(imported(made, inputs={"x": ("N", 3, None)}).outputs[0].type) == "f32[N, 3, x_2]"


def test_symbolic_shape_chains_vanish() -> None:
    """What torch exports for x.view(x.size(0) * x.size(1), -1)[: x.size(0) * x.size(1)]."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Gather", ["s", "one"], ["m"]),
        node("Mul", ["n", "m"], ["nm"]),
        node("Unsqueeze", ["nm", "axes"], ["nm1"]),
        node("Concat", ["nm1", "open"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["flat"]),
        node("Slice", ["flat", "axes", "nm1", "axes"], ["y"]),
    ]
    constants = {"zero": np.array(0), "one": np.array(1), "axes": ints(0), "open": ints(-1)}
    graph = imported(model(nodes, {"x": ["N", "M", 4]}, ["y"], initializers=constants))
    assert ops(graph) == ["reshape"]
    assert str(graph.outputs[0].type) == "f32[M*N, 4]"


def test_expand_as_torch_exports_it_vanishes() -> None:
    """-1 in torch's expand becomes Where(Equal(shape, -1), 1, shape)."""
    nodes = [
        node("Shape", ["x"], ["n"], start=0, end=1),
        node("Concat", ["n", "rest"], ["asked"], axis=0),
        node("Equal", ["asked", "minus"], ["is_open"]),
        node("Where", ["is_open", "ones", "asked"], ["target"]),
        node("Expand", ["w", "target"], ["y"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "rest": ints(5, -1),
        "minus": ints(-1),
        "ones": ints(1, 1, 1),
        "w": np.ones((1, 1, 3), np.float32),
    }
    graph = imported(model(nodes, {"x": ["N", 2]}, ["y"], initializers=constants))
    assert ops(graph) == ["expand"]
    assert str(graph.outputs[0].type) == "f32[N, 5, 3]"


@pytest.mark.parametrize(
    ("target", "expected"),
    [((0, -1), "f32[N, 12]"), ((-1, 6), "f32[2*N, 6]"), ((0, 0, 2, -1), "f32[N, 4, 2, floordiv(3, 2)]")],
)
def test_reshape_resolves_zero_and_minus_one(target: tuple[int, ...], expected: str) -> None:
    made = model([node("Reshape", ["x", "s"], ["y"])], {"x": ["N", 4, 3]}, ["y"], initializers={"s": ints(*target)})
    if "floordiv" in expected:
        with pytest.raises(Exception, match="E101"):
            import_onnx(made)
    else:
        assert str(imported(made).outputs[0].type) == expected


@pytest.mark.parametrize(
    ("start", "stop", "step", "expected"),
    [(0, 2**63 - 1, 1, "f32[N]"), (-3, 2**31 - 1, 1, None), (-1, -(2**63), -1, "f32[N]"), (0, 2**63 - 1, 2, None)],
)
def test_slices_of_symbolic_sizes(start: int, stop: int, step: int, expected: str | None) -> None:
    constants = {"s": ints(start), "e": ints(stop), "a": ints(0), "t": ints(step)}
    made = model([node("Slice", ["x", "s", "e", "a", "t"], ["y"])], {"x": ["N"]}, ["y"], initializers=constants)
    graph = imported(made)
    assert "dynamic_slice" not in ops(graph)
    if expected is not None:
        assert str(graph.outputs[0].type) == expected
    for size in (1, 2, 3, 8):
        x = np.arange(size, dtype=np.float32)
        (found,) = run(made, x)
        assert found.tolist() == x[start : None if stop < -size else stop : step].tolist()


def test_computed_shapes_stay_dynamic() -> None:
    nodes = [node("Cast", ["x"], ["s"], to=TensorProto.INT64), node("Reshape", ["w", "s"], ["y"])]
    made = model(nodes, {"x": [2]}, ["y"], initializers={"w": X})
    assert "dynamic_reshape" in ops(imported(made))
    (found,) = run(made, np.array([3, -1], np.float32))
    assert found.shape == (3, 2)
    (found,) = run(made, np.array([0, -1], np.float32))
    assert found.shape == (2, 3)


def test_same_padding_of_symbolic_sizes_is_exact() -> None:
    weight = np.ones((1, 1, 3, 3), np.float32)
    made = model(
        [node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[2, 2])],
        {"x": [1, 1, "H", "W"]},
        ["y"],
        initializers={"w": weight},
    )
    for size in (4, 5, 7):
        x = np.ones((1, 1, size, size), np.float32)
        fixed = imported(made, inputs={"x": (1, 1, size, size)})
        assert ops(fixed) == ["conv"]
        (found,) = run(made, x)
        assert found.shape[2] == -(-size // 2)


# -- operator sets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 18, 21, 28])
def test_squeeze_and_sum_in_every_version(opset: int) -> None:
    if opset < 13:
        nodes = [node("Unsqueeze", ["x"], ["u"], axes=[0]), node("ReduceSum", ["u"], ["r"], axes=[-1], keepdims=0)]
        nodes.append(node("Squeeze", ["r"], ["y"], axes=[0]))
    else:
        nodes = [node("Unsqueeze", ["x", "a"], ["u"]), node("ReduceSum", ["u", "l"], ["r"], keepdims=0)]
        nodes.append(node("Squeeze", ["r", "a"], ["y"]))
    constants = {} if opset < 13 else {"a": ints(0), "l": ints(-1)}
    made = model(nodes, {"x": [2, 3]}, ["y"], opset=opset, initializers=constants)
    (found,) = run(made, X)
    np.testing.assert_allclose(found, X.sum(axis=-1))


@pytest.mark.parametrize(("opset", "axes"), [(11, (1, 2)), (13, (1,))])
def test_softmax_changed_in_13(opset: int, axes: tuple[int, ...]) -> None:
    made = model([node("Softmax", ["x"], ["y"], axis=1)], {"x": [2, 3, 4]}, ["y"], opset=opset)
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    (found,) = run(made, x)
    np.testing.assert_allclose(found.sum(axis=axes), 1, rtol=1e-6)


@pytest.mark.parametrize("opset", [7, 10, 11, 13])
def test_clip_bounds_moved_to_operands_in_11(opset: int) -> None:
    clip = node("Clip", ["x"], ["y"], max=2.0) if opset < 11 else node("Clip", ["x", "", "high"], ["y"])
    constants = {} if opset < 11 else {"high": np.array(2.0, np.float32)}
    (found,) = run(model([clip], {"x": [2, 3]}, ["y"], opset=opset, initializers=constants), X)
    np.testing.assert_array_equal(found, np.minimum(X, 2))


def test_broadcasting_before_7() -> None:
    made = model([node("Add", ["x", "z"], ["y"], axis=0, broadcast=1)], {"x": [2, 3], "z": [2]}, ["y"], opset=6)
    (found,) = run(made, X, np.array([10, 20], np.float32))
    np.testing.assert_array_equal(found, X + np.array([[10], [20]], np.float32))


# -- functions --------------------------------------------------------------------------------------------------------


def test_functions_are_inlined_with_their_attributes() -> None:
    body = [node("LeakyRelu", ["a"], ["t"], name="act"), node("Add", ["t", "b"], ["c"])]
    reference = body[0].attribute.add(name="alpha", type=1, ref_attr_name="slope")
    assert reference.ref_attr_name == "slope"
    function = helper.make_function(
        "local", "Block", ["a", "b"], ["c"], body, [helper.make_opsetid("", 18)], attributes=["slope"]
    )
    calls = [
        node("Block", ["x", "x"], ["h"], name="one", domain="local", slope=0.5),
        node("Block", ["h", "x"], ["y"], name="two", domain="local"),
    ]
    graph = imported(model(calls, {"x": [3]}, ["y"], functions=[function]))
    assert ops(graph) == ["leaky_relu", "add", "leaky_relu", "add"]
    assert [n.attrs["slope"] for n in graph.nodes if n.op.name == "leaky_relu"] == [0.5, 0.01]
    assert [str(n.loc) for n in graph.nodes] == ["onnx:one/act", "onnx:one/Add_1", "onnx:two/act", "onnx:two/Add_1"]


def test_ops_that_onnx_defines_by_a_body() -> None:
    graph = imported(model([node("MeanVarianceNormalization", ["x"], ["y"], axes=[1])], {"x": [2, 3]}, ["y"]))
    assert "reduce_mean" in ops(graph)


# -- control flow -----------------------------------------------------------------------------------------------------


def info(name: str, dtype: int = TensorProto.FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, None)


def test_if_captures_what_its_branches_use() -> None:
    then = helper.make_graph([node("Add", ["x", "w"], ["t"])], "then", [], [info("t")])
    other = helper.make_graph([node("Mul", ["x", "z"], ["e"])], "else", [], [info("e")])
    nodes = [
        node("ReduceSum", ["x"], ["s"], keepdims=0),
        node("Greater", ["s", "zero"], ["c"]),
        node("If", ["c"], ["y"], then_branch=then, else_branch=other),
    ]
    constants = {"w": np.ones(3, np.float32), "zero": np.array(0, np.float32)}
    made = model(nodes, {"x": [2, 3], "z": [3]}, ["y"], initializers=constants)
    graph = imported(made)
    branch = next(n for n in graph.nodes if n.op.name == "if")
    assert [v.name for v in branch.inputs] == ["c", "x", "z"]
    z = np.array([2, 3, 4], np.float32)
    np.testing.assert_array_equal(run(made, X, z)[0], X + 1)
    np.testing.assert_array_equal(run(made, -X, z)[0], -X * z)


def test_a_known_condition_leaves_one_branch() -> None:
    then = helper.make_graph([node("Relu", ["x"], ["t"])], "then", [], [info("t")])
    other = helper.make_graph([node("Neg", ["x"], ["e"])], "else", [], [info("e")])
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Size", ["s"], ["rank"]),
        node("Equal", ["rank", "two"], ["c"]),
        node("If", ["c"], ["y"], then_branch=then, else_branch=other),
    ]
    assert ops(imported(model(nodes, {"x": ["N", 3]}, ["y"], initializers={"two": np.array(2)}))) == ["relu"]


def test_loop_with_a_growing_value_and_a_scan_output() -> None:
    body = helper.make_graph(
        [
            node("Concat", ["seen", "x"], ["more"], axis=0),
            node("Identity", ["keep"], ["again"]),
            node("ReduceSum", ["more"], ["total"], keepdims=0),
        ],
        "body",
        [info("i", TensorProto.INT64), info("keep", TensorProto.BOOL), info("seen")],
        [info("again", TensorProto.BOOL), info("more"), info("total")],
    )
    made = model(
        [node("Loop", ["trips", "", "x"], ["all", "totals"], body=body)],
        {"x": [2, 3]},
        ["all", "totals"],
        initializers={"trips": np.array(3)},
    )
    everything, totals = run(made, X)
    assert everything.shape == (8, 3)
    np.testing.assert_allclose(totals, X.sum() * np.array([2, 3, 4]))


def test_scan_backward_along_another_axis() -> None:
    body = helper.make_graph(
        [node("Add", ["total", "step"], ["next"]), node("Identity", ["next"], ["out"])],
        "body",
        [info("total"), info("step")],
        [info("next"), info("out")],
    )
    made = model(
        [
            node(
                "Scan",
                ["start", "x"],
                ["last", "sums"],
                body=body,
                num_scan_inputs=1,
                scan_input_axes=[1],
                scan_input_directions=[1],
                scan_output_axes=[-1],
            )
        ],
        {"x": [2, "T"]},
        ["last", "sums"],
        initializers={"start": np.zeros(2, np.float32)},
    )
    last, sums = run(made, X)
    np.testing.assert_allclose(last, X.sum(axis=1))
    np.testing.assert_allclose(sums, np.cumsum(X[:, ::-1], axis=1))


def test_sequences_dissolve() -> None:
    nodes = [
        node("SplitToSequence", ["x", "size"], ["parts"], axis=-1),
        node("SequenceAt", ["parts", "last"], ["b"]),
        node("ConcatFromSequence", ["parts"], ["a"], axis=0),
        node("ReduceSum", ["a", "axes"], ["c"]),
        node("Add", ["b", "c"], ["y"]),
    ]
    constants = {"size": np.array(1), "last": np.array(-1), "axes": ints(0)}
    made = model(nodes, {"x": ["N", 3]}, ["y"], initializers=constants)
    assert ops(imported(made)) == ["split", "concat", "reduce_sum", "add"]
    np.testing.assert_allclose(run(made, X)[0], X[:, 2:] + X.sum())


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_sparse_initializers_are_filled_up() -> None:
    made = model([node("Add", ["x", "w"], ["y"])], {"x": [2, 3]}, ["y"])
    values = helper.make_tensor("w", TensorProto.FLOAT, [2], [5.0, 7.0])
    indices = helper.make_tensor("", TensorProto.INT64, [2], [1, 5])
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2, 3]))
    np.testing.assert_array_equal(run(made, X)[0], X + np.array([[0, 5, 0], [0, 0, 7]], np.float32))


def test_shared_code_imports_no_framework() -> None:
    code = (
        "import sys, isthmus.compiler.importers.base, isthmus.compiler.importers.shapes; print('onnx' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
