"""Control flow: each region becomes a body, whose inputs are wired one by one.

Sizes that a region's own inputs do not show are captured from outside as further inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.backends.emitter import emits
from isthmus.backends.openvino.body import Body
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.graph import Node


def _no_results(node: Node) -> str | None:
    return None if node.results else "a node without results has no place in a network"


@emits("if", unless=_no_results)
def if_(n: Network, condition: Handle, *captures: Handle) -> list[Handle]:
    """Both branches take every capture; the engine prunes what a branch does not use."""
    then, other = (Body.write(n, n.node.regions[name]) for name in ("then", "else"))
    branch = n.ops.if_op(_output(condition))
    branch.set_then_body(then.model)
    branch.set_else_body(other.model)
    for i, value in enumerate(captures):
        branch.set_input(_output(value), then.parameters[i], other.parameters[i])
    for body, wire in ((then, lambda p: (p, None)), (other, lambda p: (None, p))):
        for symbol, parameter in body.sizes.items():
            branch.set_input(_output(n.dims((symbol,))), *wire(parameter))
    return [branch.set_output(a, b) for a, b in zip(then.results, other.results, strict=True)]


def _never_runs(node: Node) -> str | None:
    fixed = [None if v is None else v.array for v in node.operands[:2]]
    never = any(array is not None and not array > 0 for array in fixed)
    return "the engine does not compile a loop that is known never to run" if never else None


@emits("loop", unless=_never_runs)
def loop(n: Network, trip_count: Handle | None, condition: Handle | None, *xs: Handle, carried: int) -> list[Handle]:
    """The engine's loop; -1 trips means for ever."""
    body = Body.write(n, n.node.regions["body"])
    limit = n.scalar(-1) if trip_count is None else trip_count
    begins = n.ops.constant(True, n.engine.Type.boolean) if condition is None else condition
    iteration, *inner = body.parameters
    written = n.ops.loop(_output(limit), _output(begins))
    written.set_function(body.model)
    written.set_special_body_ports([body.index_of(iteration), 0])
    results = _wire(n, written, body, inner, xs, carried, body.results[1:])
    for i, value in enumerate(n.node.regions["body"].inputs[1 : 1 + carried]):
        if not value.use_count and (condition is not None or trip_count is not None):
            results[i] = _unless_it_runs(n, trip_count, condition, results[i], xs[i])
    return results


def _unless_it_runs(
    n: Network, trip_count: Handle | None, condition: Handle | None, after: Handle, before: Handle
) -> Handle:
    """What a loop carries and never reads: a loop that makes no turn leaves it, where the engine gives a turn's."""
    asked = [] if condition is None else [_output(condition)]
    asked += [] if trip_count is None else [n.ops.greater(_output(trip_count), n.scalar(0)).output(0)]
    runs = asked[0] if len(asked) == 1 else n.ops.logical_and(*asked).output(0)
    branch = n.ops.if_op(runs)
    kept = [n.ops.parameter(_output(x).get_partial_shape(), _output(x).get_element_type()) for x in (after, before)]
    results = [n.ops.result(parameter) for parameter in kept]
    bodies = [n.engine.Model([r], [p], "kept") for r, p in zip(results, kept, strict=True)]
    branch.set_then_body(bodies[0])
    branch.set_else_body(bodies[1])
    branch.set_input(_output(after), kept[0], None)
    branch.set_input(_output(before), None, kept[1])
    return branch.set_output(results[0], results[1])


@emits("scan")
def scan(n: Network, *xs: Handle, carried: int, scanned: int) -> list[Handle]:
    """A loop over the length of axis 0, whose body reads the elements itself."""
    region = n.node.regions["body"]
    sequences = range(carried, carried + scanned)
    body = Body.write(n, region, elements=sequences)
    length = n.dim(n.node.inputs[carried].shape[0])
    written = n.ops.loop(length, n.ops.constant(True, n.engine.Type.boolean))
    written.set_function(body.model)
    assert body.counter is not None
    written.set_special_body_ports([body.index_of(body.counter), 0])
    return _wire(n, written, body, body.parameters, xs, carried, body.results[1:])


def _wire(
    n: Network,
    written: Any,
    body: Body,
    parameters: Sequence[Any],
    values: Sequence[Handle],
    carried: int,
    results: Sequence[Any],
) -> list[Handle]:
    for i, (parameter, value) in enumerate(zip(parameters, values, strict=True)):
        if i < carried:
            written.set_merged_input(parameter, _output(value), results[i].output(0))
        else:
            written.set_invariant_input(parameter, _output(value))
    for symbol, parameter in body.sizes.items():
        written.set_invariant_input(parameter, _output(n.dims((symbol,))))
    states = [written.get_iter_value(r.output(0), -1) for r in results[:carried]]
    stacks = [written.get_concatenated_slices(r.output(0), 0, 1, 1, -1, 0) for r in results[carried:]]
    return states + stacks


def _output(handle: Handle) -> Any:
    return handle if not hasattr(handle, "output") else handle.output(0)
