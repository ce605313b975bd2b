"""Editing a graph: uses, order, iteration while editing, and the journal of what was touched."""

from __future__ import annotations

from itertools import pairwise

import pytest

from isthmus.ir import F32, I64, Builder, Graph, Loc, Node, TensorType, Use, Value, difference, symbol, verify
from isthmus.ir.errors import IRError

VECTOR = TensorType(F32, (4,))


def chain(length: int) -> tuple[Graph, list[Node]]:
    """x -> relu -> relu -> ..., as nodes n0, n1, ..."""
    graph = Graph("chain")
    value = graph.add_input(VECTOR, "x")
    b = Builder(graph)
    for i in range(length):
        value = b.relu(value, name=f"n{i}")
    graph.set_outputs([value], ["y"])
    return graph, list(graph.nodes)


def node_of(value: Value) -> Node:
    assert value.node is not None
    return value.node


def names(graph: Graph) -> list[str]:
    return [node.result.name for node in graph.nodes]


def test_uses_count_places_not_users() -> None:
    graph = Graph()
    x = graph.add_input(VECTOR, "x")
    y = Builder(graph).add(x, x)
    graph.set_outputs([y, y], ["a", "b"])
    assert x.uses == (Use(node_of(y), 0), Use(node_of(y), 1))
    assert x.users == [node_of(y)]
    assert y.uses == (Use(graph, 0), Use(graph, 1))
    assert y.users == []


def test_erase_needs_unused_results() -> None:
    graph, (first, last) = chain(2)
    with pytest.raises(IRError, match="still used"):
        graph.erase(first)
    graph.set_outputs([first.result])
    graph.erase(last)
    assert names(graph) == ["n0"]
    assert first.result.uses == (Use(graph, 0),)
    assert last.graph is None


def test_erased_and_foreign_nodes_are_refused() -> None:
    graph, (node,) = chain(1)
    other, _ = chain(1)
    with pytest.raises(IRError, match="does not stand in this graph"):
        other.erase(node)
    with pytest.raises(IRError, match="already stands"):
        other.insert(node)
    with pytest.raises(IRError, match="does not stand in this graph"):
        other.insert(Node(node.op, [], {}, {}, []), before=node)
    verify(graph)


def test_replace_uses_moves_outputs_and_the_name() -> None:
    graph, (first, last) = chain(2)
    new = Builder(graph).tanh(first.result)
    graph.replace_uses(last.result, new)
    assert graph.outputs == (new,)
    assert graph.output_names == ("y",)
    assert new.name == "n1"
    graph.erase(last)
    verify(graph)


def test_replace_uses_only_some() -> None:
    graph, (first, last) = chain(2)
    twin = Builder(graph, before=last).relu(first.operands[0] or first.result)
    graph.set_outputs([last.result, first.result], ["a", "b"])
    graph.replace_uses(first.result, twin, only=lambda use: isinstance(use.user, Node))
    assert last.operands == (twin,)
    assert graph.outputs == (last.result, first.result)
    verify(graph)


def test_set_operand_changes_one_place() -> None:
    graph = Graph()
    x, z = graph.add_input(VECTOR, "x"), graph.add_input(VECTOR, "z")
    y = Builder(graph).add(x, x)
    graph.set_operand(node_of(y), 1, z)
    assert node_of(y).operands == (x, z)
    assert x.uses == (Use(node_of(y), 0),)
    assert z.uses == (Use(node_of(y), 1),)


def test_iteration_sees_what_is_inserted_after_and_not_what_is_erased() -> None:
    graph, nodes = chain(4)
    seen = []
    for node in graph.nodes:
        seen.append(node.result.name)
        if node is nodes[1]:
            Builder(graph, before=nodes[2]).tanh(node.result, name="after")
            Builder(graph, before=nodes[1]).tanh(nodes[0].result, name="before")
            graph.replace_uses(nodes[2].result, node.result)
            graph.erase(nodes[2])
    assert seen == ["n0", "n1", "after", "n3"]
    assert names(graph) == ["n0", "before", "n1", "after", "n3"]


def test_iteration_survives_erasing_the_current_node_and_the_next() -> None:
    graph, nodes = chain(4)
    seen = []
    for node in graph.nodes:
        seen.append(node.result.name)
        if node is nodes[1]:
            graph.replace_uses(nodes[2].result, nodes[0].result)
            graph.erase(nodes[2])
            graph.replace_uses(nodes[1].result, nodes[0].result)
            graph.erase(nodes[1])
    assert seen == ["n0", "n1", "n3"]


def test_reversed_iteration_while_erasing() -> None:
    graph, _ = chain(5)
    graph.set_outputs([graph.inputs[0]])
    for node in graph.nodes_reversed:
        graph.erase(node)
    assert len(graph) == 0
    assert list(graph.nodes) == []


def test_order_stays_right_through_many_insertions_at_one_place() -> None:
    graph, (first, last) = chain(2)
    for _ in range(200):
        Builder(graph, before=last).tanh(first.result)
    nodes = list(graph.nodes)
    assert all(a.is_before(b) for a, b in pairwise(nodes))
    assert len(graph) == 202


def test_insertion_at_the_front() -> None:
    graph, (first,) = chain(1)
    for _ in range(100):
        head = next(graph.nodes)
        Builder(graph, before=head).tanh(graph.inputs[0])
    nodes = list(graph.nodes)
    assert all(a.is_before(b) for a, b in pairwise(nodes))
    assert nodes[-1] is first


def test_move_before_keeps_uses() -> None:
    graph = Graph()
    x = graph.add_input(VECTOR, "x")
    b = Builder(graph)
    first, second = b.relu(x, name="first"), b.tanh(x, name="second")
    third = b.add(first, second)
    graph.set_outputs([third])
    graph.move_before(node_of(second), node_of(first))
    assert [n.op.name for n in graph.nodes] == ["tanh", "relu", "add"]
    assert second.uses == (Use(node_of(third), 1),)
    verify(graph)


def test_retype_touches_producer_and_users() -> None:
    graph, (first, second, third) = chain(3)
    graph.take_touched()
    graph.retype(first.result, TensorType(F32, (5,)))
    assert set(graph.take_touched()) == {first, second}
    assert third.result.type == VECTOR


def test_touched_nodes_are_told_once_and_only_while_they_stand() -> None:
    graph, (first, last) = chain(2)
    assert graph.take_touched() == [first, last]
    assert graph.take_touched() == []
    new = Builder(graph).tanh(first.result)
    graph.replace_uses(last.result, new)
    graph.erase(last)
    assert graph.take_touched() == [node_of(new)]


def test_outputs_without_names_are_called_as_their_values() -> None:
    graph = Graph()
    x = graph.add_input(VECTOR, "x")
    y = Builder(graph).relu(x)
    graph.set_outputs([x, y])
    assert graph.output_names == ("x", "out1")
    with pytest.raises(IRError, match="2 outputs cannot have 1 names"):
        graph.set_outputs([x, y], ["a"])


def test_copy_is_independent_and_equal() -> None:
    graph, _ = chain(3)
    twin = graph.copy()
    assert difference(graph, twin, locations=True) is None
    twin.set_outputs([twin.inputs[0]])
    assert len(graph) == 3
    assert graph.outputs[0].name == "n2"
    assert difference(graph, twin) is not None


def test_difference_names_the_first_difference() -> None:
    graph, _ = chain(2)
    other, (first, _) = chain(2)
    first.loc = Loc("onnx", ("a",))
    assert difference(graph, other) is None
    assert "locations" in (difference(graph, other, locations=True) or "")
    longer, _ = chain(3)
    assert difference(graph, longer) == "2 nodes and 3 nodes"


def test_builder_lifts_numbers_to_the_other_operands_type() -> None:
    graph = Graph()
    x = graph.add_input(TensorType(I64, (symbol("N"),)), "x")
    b = Builder(graph)
    y = b.add(x, 1)
    assert y.type == x.type
    assert node_of(y).operands[1] is not None
    with pytest.raises(IRError, match=r"1\.5 is no i64"):
        b.add(x, 1.5)


def test_locations_merge() -> None:
    a, c = Loc("onnx", ("a",)), Loc("onnx", ("c", "a"))
    assert Loc.merge([a, None, c]) == Loc("onnx", ("a", "c"))
    assert Loc.merge([None]) is None


def test_to_networkx_has_an_edge_for_each_flow() -> None:
    graph, nodes = chain(3)
    flow = graph.to_networkx()
    assert list(flow.nodes) == nodes
    assert flow.number_of_edges() == 2
    assert flow.edges[nodes[0], nodes[1]]["value"] is nodes[0].result
