"""Control flow: regions are written into the same network, between layers that mark where they begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.backends.tensorrt.shape_values import is_shape_value
from isthmus.ir.graph import Node, Value
from isthmus.ir.types import I64


def _no_results(node: Node) -> str | None:
    return None if node.results else "a node without results has no place in a network"


def _unfit_if(node: Node) -> str | None:
    then, other = (node.regions[name].outputs for name in ("then", "else"))
    for a, b in zip(then, other, strict=True):
        if a.shape != b.shape:
            return f"both branches must give equal sizes to the engine, and give {a.type} and {b.type}"
    inner = [each for region in node.regions.values() for each in region.walk()]
    if any(each.op.name == "if" and _is_resized(each) and _holds(each, _LOOPS) for each in inner):
        return "the engine takes no loop in a branch within another branch where sizes vary"
    if any(each.op.name in _LOOPS and _holds(each, ("if",)) for each in inner):
        return "the engine takes no branches in a loop within another branch"
    return _no_results(node)


_LOOPS = ("loop", "scan")


def _is_resized(node: Node) -> bool:
    """Whether the engine learns the sizes of some results at run time only."""
    return not all(result.type.is_static for result in node.results)


def _holds(node: Node, ops: Sequence[str]) -> bool:
    return any(each.op.name in ops for region in node.regions.values() for each in region.walk())


@emits("if", unless=_unfit_if)
def if_(n: Network, condition: Handle, *captures: Handle) -> list[Handle]:
    """Both branches take every capture; the engine computes what the branch that is taken needs.

    It does not build a conditional within another one if results vary in size: there both branches are computed, and
    one is selected.
    """
    if n.is_conditional and _is_resized(n.node):
        branches = (_write(n, n.node.regions[name], captures) for name in ("then", "else"))
        return [n.select(condition, *pair) for pair in zip(*branches, strict=True)]
    conditional = n.definition.add_if_conditional()
    conditional.set_condition(condition)

    def enter(x: Handle) -> Handle:
        return n.of(conditional.add_input(x))

    entered = [enter(x) for x in captures]
    then, other = (_apart(n, _write(n, n.node.regions[name], entered, enter)) for name in ("then", "else"))
    return [n.of(conditional.add_output(a, b)) for a, b in zip(then, other, strict=True)]


def _apart(n: Network, results: Sequence[Handle]) -> list[Handle]:
    """Results of a branch, each a tensor of its own: the engine takes none twice."""
    found: list[Handle] = []
    for each in results:
        twice = any(each is other for other in found)
        found.append(n.of(n.definition.add_identity(each)) if twice else each)
    return found


_LONGEST = 1 << 16
"""Trips of a loop that results are stacked for."""


def _unfit_loop(node: Node) -> str | None:
    body, carried = node.regions["body"], node.attrs["carried"]
    trip_count = node.operands[0]
    starts = [v for v in node.operands[2 : 2 + carried] if v is not None]
    resized = _resized(node, starts, body.inputs[1 : 1 + carried], body.outputs[1 : 1 + carried])
    if resized or len(node.results) == carried:
        return resized or _no_results(node)
    if trip_count is None or not is_shape_value(trip_count):
        return (
            "the engine must know how many results a loop may stack, and the trip count is no constant, size or input"
        )
    if trip_count.array is not None and trip_count.array > _LONGEST:
        return f"memory is taken for all stacked results beforehand, and the loop may run {trip_count.array} times"
    return _unknown_elements(node, carried, body.outputs[1 + carried :])


def _resized(node: Node, starts: Sequence[Value], inside: Sequence[Value], again: Sequence[Value]) -> str | None:
    for start, value, after in zip(starts, inside, again, strict=True):
        if not start.shape == value.shape == after.shape:
            return f"carried values must keep their sizes in the engine: {start.type} becomes {after.type}"
    return None


def _unknown_elements(node: Node, carried: int, elements: Sequence[Value]) -> str | None:
    for stacked, element in zip(node.results[carried:], elements, strict=True):
        if stacked.shape[1:] != element.shape:
            return f"the engine must know the size of stacked results before the loop runs, and they are {element.type}"
    return None


@emits("loop", unless=_unfit_loop)
def loop(n: Network, trip_count: Handle | None, condition: Handle | None, *xs: Handle, carried: int) -> list[Handle]:
    """Ended by the engine's counter where nothing else ends the loop, else by a condition.

    The engine stacks as many results as the loop runs, which it must know: a loop that stacks and may end early runs
    to its trip count, keeps the state it ended with, and what it stacked afterwards is cut off.
    """
    body = n.node.regions["body"]
    written = n.definition.add_loop()
    limit = None if trip_count is None else _limit(n, trip_count)
    index = _recurrence(n, written, n.scalar(0))
    states = [_recurrence(n, written, x) for x in xs[:carried]]
    inner = [n.output(layer, 0) for layer in (index, *states)]
    following = n.elementwise("SUM", inner[0], n.scalar(1))
    endless = _always(n.node.operands[1]) and _always(body.outputs[0])
    more, *results = _write(n, body, [*inner, *xs[carried:]])
    count = None
    if limit is not None and (endless or len(results) > carried):
        n.layer(written.add_trip_limit(limit, n.trt.TripLimit.COUNT))
        if not endless:
            running, count = _count_until(n, written, condition, more)
            results[:carried] = [n.select(running, *pair) for pair in zip(results, inner[1:], strict=False)]
    else:
        _end_by_condition(n, written, limit, condition, following, more)
    for layer, after in zip((index, *states), (following, *results[:carried]), strict=True):
        layer.set_input(1, after)
    last = [_last(n, written, layer) for layer in states]
    stacks = [_stack(n, written, each, limit) for each in results[carried:]]
    return last + (stacks if count is None else _cut(n, stacks, _last(n, written, count)))


def _limit(n: Network, trip_count: Handle) -> Handle:
    """A trip count as the engine takes it: a negative one means none."""
    value = n.node.operands[0]
    if value is not None and value.array is not None:
        return n.scalar(max(int(value.array), 0))
    return n.elementwise("MAX", n.cast(trip_count, I64), n.scalar(0))


def _end_by_condition(
    n: Network, written: Any, limit: Handle | None, condition: Handle | None, following: Handle, more: Handle
) -> None:
    """The engine looks at a boolean before each trip: the first time at `condition`, then at `more`."""
    begins = n.constant(np.array(True)) if condition is None else condition
    if limit is not None:
        begins = n.elementwise("AND", begins, n.elementwise("LESS", n.scalar(0), limit))
        more = n.elementwise("AND", more, n.elementwise("LESS", following, limit))
    runs = _recurrence(n, written, begins)
    n.layer(written.add_trip_limit(n.output(runs, 0), n.trt.TripLimit.WHILE))
    runs.set_input(1, more)


def _count_until(n: Network, written: Any, condition: Handle | None, more: Handle) -> tuple[Handle, Any]:
    """Whether the conditions held before the trip, and the recurrence that counts the trips before which they did."""
    runs = _recurrence(n, written, n.constant(np.array(True)) if condition is None else condition)
    count = _recurrence(n, written, n.scalar(0))
    running, counted = n.output(runs, 0), n.output(count, 0)
    runs.set_input(1, n.elementwise("AND", running, more))
    count.set_input(1, n.elementwise("SUM", counted, n.cast(running, I64)))
    return running, count


def _cut(n: Network, stacks: Sequence[Handle], count: Handle) -> list[Handle]:
    length = n.reshape(count, (1,))
    found = []
    for stack in stacks:
        rank = len(stack.shape)
        layer = n.layer(n.definition.add_slice(stack, (0,) * rank, (1,) * rank, (1,) * rank))
        rest = n.of(n.definition.add_slice(n.shape_of(stack), (1,), (rank - 1,), (1,))) if rank > 1 else None
        layer.set_input(2, length if rest is None else n.concat([length, rest], 0))
        found.append(n.of(layer))
    return found


def _unfit_scan(node: Node) -> str | None:
    body, carried = node.regions["body"], node.attrs["carried"]
    resized = _resized(node, node.inputs[:carried], body.inputs[:carried], body.outputs[:carried])
    return resized or _unknown_elements(node, carried, body.outputs[carried:]) or _no_results(node)


@emits("scan", unless=_unfit_scan)
def scan(n: Network, *xs: Handle, carried: int, scanned: int) -> list[Handle]:
    """A loop over the length of axis 0, whose iterators give the elements."""
    body, length = n.node.regions["body"], n.dim(n.node.inputs[carried].shape[0])
    written = n.definition.add_loop()
    n.layer(written.add_trip_limit(length, n.trt.TripLimit.COUNT))
    states = [_recurrence(n, written, x) for x in xs[:carried]]
    elements = [n.of(written.add_iterator(x, 0, False)) for x in xs[carried : carried + scanned]]
    inner = [*(n.output(layer, 0) for layer in states), *elements, *xs[carried + scanned :]]
    results = _write(n, body, inner)
    for layer, after in zip(states, results[:carried], strict=True):
        layer.set_input(1, after)
    last = [_last(n, written, layer) for layer in states]
    return last + [_stack(n, written, each, length) for each in results[carried:]]


def _recurrence(n: Network, written: Any, start: Handle) -> Any:
    return n.layer(written.add_recurrence(start))


def _last(n: Network, written: Any, recurrence: Any) -> Handle:
    return n.of(written.add_loop_output(n.output(recurrence, 0), n.trt.LoopOutput.LAST_VALUE, 0))


def _stack(n: Network, written: Any, element: Handle, length: Handle | None) -> Handle:
    layer = n.layer(written.add_loop_output(element, n.trt.LoopOutput.CONCATENATE, 0))
    layer.set_input(1, length)
    return n.of(layer)


def _always(condition: Value | None) -> bool:
    """Whether a condition is absent or known to hold."""
    return condition is None or (condition.array is not None and bool(condition.array))


def _write(n: Network, region: Any, inputs: Sequence[Handle], enter: Any = None) -> list[Handle]:
    from isthmus.backends.tensorrt.write import write_nodes

    with n.region(enter):
        return write_nodes(n, region, inputs)
