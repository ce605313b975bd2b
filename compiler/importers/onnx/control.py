"""If, Loop and Scan. Bodies become regions; what they use from outside becomes explicit operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axis, scalar
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.importer import Body, Region
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64, TensorType


@lowers("If")
def if_(b: OnnxBuilder, condition: Value, *, then_branch: Body, else_branch: Body) -> tuple[Value, ...]:
    """A condition that is known while importing leaves only the branch taken."""
    condition = scalar(b, condition)
    known = b.numbers(condition)
    if known is not None:
        return (then_branch if known.item() else else_branch).inline()
    then = then_branch.region(())
    other = else_branch.region((), given=then.scope.captured)
    for value in other.scope.captured:
        then.scope.capture(value)
    if len(then.outputs) != len(other.outputs):
        raise MalformedModel(f"then yields {len(then.outputs)} values, else {len(other.outputs)}")
    for a, c in zip(then.outputs, other.outputs, strict=True):
        if a.dtype != c.dtype or a.rank != c.rank:
            raise UnsupportedModel(f"If yields {a.type} in one branch and {c.type} in the other")
    captured = other.scope.captured
    results = b.if_(condition, *captured, then=then.finish(then.outputs), else_=other.finish(other.outputs))
    return tuple(results)


@lowers("Loop")
def loop(
    b: OnnxBuilder, trip_count: Value | None = None, condition: Value | None = None, *carried: Value | None, body: Body
) -> tuple[Value, ...]:
    """A body runs only while the condition holds, so inside it is true."""
    state = _all_present(carried)
    trip_count = None if trip_count is None else scalar(b, trip_count)
    condition = None if condition is None else scalar(b, condition)
    if condition is not None and (known := b.numbers(condition)) is not None and known.item():
        condition = None

    def read(types: Sequence[TensorType]) -> tuple[Region, Sequence[Value]]:
        region = body.region((TensorType(I64, ()), np.array(True), *types))
        if len(region.outputs) < 1 + len(state):
            raise MalformedModel(f"the body yields {len(region.outputs)} values for {len(state)} carried ones")
        return region, region.outputs[1 : 1 + len(state)]

    region = _settled(b, state, read)
    more = scalar(region.builder, region.outputs[0])
    graph = region.finish((more, *region.outputs[1:]))
    return tuple(b.loop(trip_count, condition, *state, *region.scope.captured, body=graph, carried=len(state)))


@lowers("Scan", since=9)
def scan(
    b: OnnxBuilder,
    *operands: Value | None,
    body: Body,
    num_scan_inputs: int,
    scan_input_axes: tuple[int, ...] | None = None,
    scan_input_directions: tuple[int, ...] | None = None,
    scan_output_axes: tuple[int, ...] | None = None,
    scan_output_directions: tuple[int, ...] | None = None,
) -> tuple[Value, ...]:
    """Axes other than the first, and backward directions, are moved to the front and turned around outside."""
    carried = len(operands) - num_scan_inputs
    if num_scan_inputs < 1 or carried < 0:
        raise MalformedModel(f"Scan: {num_scan_inputs} scanned of {len(operands)} inputs")
    present = _all_present(operands)
    state = present[:carried]
    sequences = [
        _to_front(b, x, _item(scan_input_axes, i), _item(scan_input_directions, i))
        for i, x in enumerate(present[carried:])
    ]
    slices = [x.type.with_shape(x.shape[1:]) for x in sequences]

    def read(types: Sequence[TensorType]) -> tuple[Region, Sequence[Value]]:
        region = body.region((*types, *slices))
        if len(region.outputs) < carried:
            raise MalformedModel(f"the body yields {len(region.outputs)} values for {carried} carried ones")
        return region, region.outputs[:carried]

    region = _settled(b, state, read)
    results = b.scan(
        *state,
        *sequences,
        *region.scope.captured,
        body=region.finish(region.outputs),
        carried=carried,
        scanned=num_scan_inputs,
    )
    stacked = [
        _from_front(b, x, _item(scan_output_axes, i), _item(scan_output_directions, i))
        for i, x in enumerate(results[carried:])
    ]
    return (*results[:carried], *stacked)


def _settled(
    b: OnnxBuilder,
    state: Sequence[Value],
    read: Callable[[Sequence[TensorType]], tuple[Region, Sequence[Value]]],
) -> Region:
    """The body read with carried types that hold in every iteration: sizes that change become symbols of the body."""
    types = [v.type for v in state]
    while True:
        region, produced = read(types)
        changed = False
        for i, (before, after) in enumerate(zip(types, (v.type for v in produced), strict=True)):
            if before.dtype != after.dtype or before.rank != after.rank:
                raise UnsupportedModel(f"a carried value changes from {before} to {after}")
            first = state[i].type.shape
            types[i] = before.with_shape(
                b.fresh.take() if d != e and d == f else d
                for d, e, f in zip(before.shape, after.shape, first, strict=True)
            )
            changed = changed or types[i] != before
        if not changed:
            return region


def _all_present(values: Sequence[Value | None]) -> list[Value]:
    present = [v for v in values if v is not None]
    if len(present) < len(values):
        raise MalformedModel("a carried value is absent")
    return present


def _item(items: tuple[int, ...] | None, index: int) -> int:
    if items is None:
        return 0
    if index >= len(items):
        raise MalformedModel(f"Scan: axes and directions {list(items)} are too few")
    return items[index]


def _to_front(b: OnnxBuilder, x: Value, axis: int, backward: int) -> Value:
    axis = normal_axis(axis, x.rank)
    if axis:
        x = b.transpose(x, perm=(axis, *(i for i in range(x.rank) if i != axis)))
    return b.reverse(x, axes=(0,)) if backward else x


def _from_front(b: OnnxBuilder, x: Value, axis: int, backward: int) -> Value:
    x = b.reverse(x, axes=(0,)) if backward else x
    axis = normal_axis(axis, x.rank)
    return b.transpose(x, perm=(*range(1, axis + 1), 0, *range(axis + 1, x.rank))) if axis else x
