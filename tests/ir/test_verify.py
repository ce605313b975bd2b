"""Every invariant of a graph, broken on purpose: the verifier says which, where, and shows the neighbourhood."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from isthmus.ir import BOOL, F32, F64, Builder, Graph, Loc, Node, TensorType, Value, symbol, verify
from isthmus.ir import ops as table
from isthmus.ir.errors import VerifyError
from isthmus.ir.graph import Use

N = symbol("N")
MATRIX = TensorType(F32, (N, 4))


def sample() -> Graph:
    """x -> relu -> softmax -> y, and a scalar flag into an if."""
    graph = Graph("sample")
    x, flag = graph.add_input(MATRIX, "x"), graph.add_input(TensorType(BOOL, ()), "flag")
    b = Builder(graph, loc=Loc("onnx", ("layer",)))
    y = b.softmax(b.relu(x, name="r"), axis=1, name="s")
    then, (p,) = b.region(MATRIX)
    then.graph.set_outputs([then.neg(p)])
    other, (q,) = b.region(MATRIX)
    other.graph.set_outputs([q], ["q"])
    (z,) = b.if_(flag, y, then=then.graph, else_=other.graph, name="z")
    graph.set_outputs([z], ["z"])
    return graph


def find(graph: Graph, op: str) -> Node:
    return next(node for node in graph.nodes if node.op.name == op)


def replace_attrs(graph: Graph, op: str, **attrs: object) -> None:
    find(graph, op).attrs = attrs


def wrong_type(graph: Graph) -> None:
    graph.retype(find(graph, "relu").result, TensorType(F32, (N, 5)))


def wrong_dtype(graph: Graph) -> None:
    graph.retype(graph.inputs[0], TensorType(F64, (N, 4)))


def used_before_made(graph: Graph) -> None:
    relu, softmax = find(graph, "relu"), find(graph, "softmax")
    graph.move_before(softmax, relu)


def foreign_operand(graph: Graph) -> None:
    graph.set_operand(find(graph, "relu"), 0, sample().inputs[0])


def operand_of_erased_node(graph: Graph) -> None:
    softmax, relu = find(graph, "softmax"), find(graph, "relu")
    relu.result._uses.clear()
    graph.erase(relu)
    relu.result._uses[Use(softmax, 0)] = None


def forgotten_use(graph: Graph) -> None:
    find(graph, "relu").result._uses.clear()


def forgotten_output_use(graph: Graph) -> None:
    graph.outputs[0]._uses.clear()


def foreign_output(graph: Graph) -> None:
    graph.set_outputs([sample().inputs[0]], ["z"])


def two_outputs_of_one_name(graph: Graph) -> None:
    graph.set_outputs([graph.inputs[0], graph.outputs[0]], ["z", "z"])


def missing_operand(graph: Graph) -> None:
    graph.set_operand(find(graph, "relu"), 0, None)


def too_many_operands(graph: Graph) -> None:
    x = graph.inputs[0]
    graph.insert(Node(table.TABLE["relu"], [x, x], {}, {}, [MATRIX]))


def unknown_attribute(graph: Graph) -> None:
    replace_attrs(graph, "softmax", axis=1, speed=9)


def missing_attribute(graph: Graph) -> None:
    replace_attrs(graph, "softmax")


def wrong_attribute_kind(graph: Graph) -> None:
    replace_attrs(graph, "softmax", axis="one")


def attribute_not_in_normal_form(graph: Graph) -> None:
    x = graph.inputs[0]
    attrs = {"perm": [1, 0]}
    graph.insert(Node(table.TABLE["transpose"], [x], attrs, {}, [TensorType(F32, (4, N))]))


def attribute_the_rule_refuses(graph: Graph) -> None:
    replace_attrs(graph, "softmax", axis=7)


def missing_region(graph: Graph) -> None:
    node = find(graph, "if")
    node.regions = {"then": node.regions["then"]}


def broken_inside_a_region(graph: Graph) -> None:
    body = find(graph, "if").regions["then"]
    body.retype(find(body, "neg").result, TensorType(F32, (1,)))


def wrong_number_of_results(graph: Graph) -> None:
    node = find(graph, "relu")
    node.results = (*node.results, Value(MATRIX, node, 1, "extra"))


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (wrong_type, r"should have type f32\[N, 4\]"),
        (wrong_dtype, "relu: result .* should have type f64"),
        (used_before_made, "used before it is made"),
        (foreign_operand, "is not made in this graph"),
        (operand_of_erased_node, "is not made in this graph"),
        (forgotten_use, "missing from the uses"),
        (forgotten_output_use, "missing from the uses"),
        (foreign_output, "is not made in this graph"),
        (two_outputs_of_one_name, "same name"),
        (missing_operand, "operand x is missing"),
        (too_many_operands, "takes 1 operands, got 2"),
        (unknown_attribute, "no attribute 'speed'"),
        (missing_attribute, "attribute axis is missing"),
        (wrong_attribute_kind, "attribute axis must be int"),
        (attribute_not_in_normal_form, "not in normal form"),
        (attribute_the_rule_refuses, "axis 7 does not exist"),
        (missing_region, "regions must be"),
        (broken_inside_a_region, "neg: result"),
        (wrong_number_of_results, "has 2 results, its op yields 1"),
    ],
)
def test_broken_graphs_are_refused(break_it: Callable[[Graph], None], reason: str) -> None:
    graph = sample()
    verify(graph)
    break_it(graph)
    with pytest.raises(VerifyError, match=reason):
        verify(graph)


def test_the_error_shows_the_neighbourhood_and_the_source() -> None:
    graph = sample()
    attribute_the_rule_refuses(graph)
    with pytest.raises(VerifyError) as caught:
        verify(graph)
    text = str(caught.value)
    assert "-> %s: f32[N, 4] = softmax(%r)" in text
    assert "   %r: f32[N, 4] = relu(%x)" in text
    assert "onnx:layer" in text
    assert text.startswith("[E302]")


def test_only_the_given_nodes_are_looked_at() -> None:
    graph = sample()
    attribute_the_rule_refuses(graph)
    verify(graph, [find(graph, "relu")])
    with pytest.raises(VerifyError):
        verify(graph, [find(graph, "softmax")])


def test_data_dependent_sizes_may_have_any_name() -> None:
    graph = Graph()
    x = graph.add_input(MATRIX, "x")
    found = Builder(graph).non_zero(x)
    assert str(found.type) == "i64[2, u0]"
    verify(graph)
    graph.retype(found, found.type.with_shape((2, symbol("hits", 0))))
    verify(graph)
