"""What a node's numbers allow: reasons to keep it in f32 that come from constants, bounded ops and measurement."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import F32, Array
from isthmus.passes.precision.narrow import Narrow
from isthmus.passes.precision.profile import Profile
from isthmus.passes.precision.ranges import UNKNOWN, Range, Ranges, known_ranges

_MARGIN = 2.0
"""Other inputs may reach further than those measured, by this factor."""
_ROOM = 16.0
"""What a value nothing is known of may reach: a weight must leave room for products with it."""
_SMALL = 2.0**-8
"""Constants that reach further lose nothing that matters beside their largest elements."""
_SHIFT = 2.0**-4
"""The largest absolute error in an exponent that is worth less than the precision of the result."""


@dataclass(frozen=True)
class Facts:
    """What is known, and what was measured, of the values of a graph and its regions."""

    known: Ranges
    profile: Profile = field(default_factory=Profile)

    @staticmethod
    def of(graph: Graph, profile: Profile | None = None) -> Facts:
        """Facts about every value; without a profile, only what can be told without running."""
        known: dict[Value, Range] = {}
        for each in graphs(graph):
            known.update(known_ranges(each))
        return Facts(known, profile or Profile())

    def known_range(self, value: Value) -> Range:
        """Sure bounds."""
        return self.known.get(value, UNKNOWN)

    def measured(self, value: Value) -> Range | None:
        """The range that was seen, if the graph ran."""
        return self.profile.ranges.get(value)

    def gap(self, value: Value) -> float:
        """How far the value keeps away from zero: surely, or as measured with a margin."""
        seen = self.measured(value)
        return max(self.known_range(value).gap, 0.0 if seen is None else seen.gap / _MARGIN)


def graphs(graph: Graph) -> Iterator[Graph]:
    """The graph and every region in it."""
    yield graph
    for node in graph.nodes:
        for region in node.regions.values():
            yield from graphs(region)


def refusal(node: Node, narrow: Narrow, facts: Facts) -> str | None:
    """Why the numbers of a node do not fit the narrow type, or None."""
    mask = mask_slot(node, narrow, facts)
    if mask is not None and (reason := _mask_refusal(node, mask, narrow, facts)) is not None:
        return reason
    for i, value in enumerate(node.operands):
        if value is None or value.dtype != F32 or i == mask:
            continue
        if value.constant is not None:
            reason = _constant_refusal(node, i, value, narrow, facts)
        else:
            reason = _range_refusal(value, narrow, facts, ceiling_only=_is_softmax(node))
        if reason is not None:
            return f"operand %{value.name or i} {reason}"
    if _is_softmax(node) and (reason := _shift_refusal(node, narrow, facts)) is not None:
        return reason
    for value in node.results:
        if value.dtype == F32:
            reason = _range_refusal(value, narrow, facts, ceiling_only=mask is not None)
            if reason is not None:
                return reason
    return None


def mask_slot(node: Node, narrow: Narrow, facts: Facts) -> int | None:
    """Which operand is an additive mask that reaches below the narrow type: of attention, or of an add for softmax."""
    if node.op.name == "attention":
        slots = [3] if len(node.operands) > 3 else []
    elif node.op.name == "add" and node.result.users and all(map(_is_row_softmax, node.result.users)):
        slots = [0, 1]
    else:
        return None
    for slot in slots:
        value = node.operands[slot]
        if value is None or value.dtype != F32:
            continue
        for seen in (facts.measured(value), facts.known_range(value)):
            if seen is None or math.isinf(seen.peak):
                continue
            if -seen.low > narrow.largest and seen.high * _MARGIN < narrow.largest:
                return slot
    return None


def _is_softmax(node: Node) -> bool:
    return node.op.name in ("softmax", "log_softmax")


def _is_row_softmax(node: Node) -> bool:
    return _is_softmax(node) and bool(node.attrs["axis"] == node.result.rank - 1)


def _mask_refusal(node: Node, slot: int, narrow: Narrow, facts: Facts) -> str | None:
    """A mask may end at a number that f16 has, unless a whole row is masked: there the scores would show again."""
    value = node.operands[slot]
    if value is None or not narrow.is_cramped:
        return None
    array = value.array
    if array is not None:
        closed = bool(array.ndim == 0 or (array.size and (array.max(axis=-1) < narrow.mask).any()))
        evidence = "has"
    elif facts.measured(value) is None:
        closed, evidence = True, "may have"
    else:
        closed, evidence = value in facts.profile.closed, "has, as measured,"
    low = facts.known_range(value).low if math.isfinite(facts.known_range(value).low) else narrow.mask
    return f"mask %{value.name or slot} of {low:.3g} {evidence} rows masked everywhere" if closed else None


def _constant_refusal(node: Node, index: int, value: Value, narrow: Narrow, facts: Facts) -> str | None:
    array = value.array
    if array is None or not array.size:
        return None
    seen = facts.known_range(value)
    if node.op.name == "clip" and index > 0:
        return None  # a bound beyond the type bounds nothing in it
    if seen.peak > narrow.largest:
        return f"holds {_farthest(seen):.3g}, {narrow} ends at {narrow.largest:.5g}"
    if not narrow.is_cramped or seen.peak == 0.0:
        return None
    if seen.peak < _SMALL and _magnitude(array) < narrow.smallest / 4:
        return f"of magnitude {seen.peak:.3g} vanishes in {narrow}"
    room = narrow.largest / seen.peak
    if node.op.precision.policy.name == "LOW" and room < _ROOM and facts.measured(node.results[0]) is None:
        return f"holds {_farthest(seen):.5g}: its product with {room:.3g} leaves {narrow}, and no range was measured"
    return None


def _range_refusal(value: Value, narrow: Narrow, facts: Facts, *, ceiling_only: bool) -> str | None:
    seen, known = facts.measured(value), facts.known_range(value)
    if seen is not None:
        peak = seen.high if ceiling_only else seen.peak
        if peak * _MARGIN > narrow.largest:
            return f"reaches {peak:.4g} as measured, {narrow} ends at {narrow.largest:.5g}"
        if 0.0 < seen.peak < narrow.smallest * _MARGIN:
            return f"stays below {seen.peak:.3g} as measured, which vanishes in {narrow}"
    is_above = narrow.largest < known.high < math.inf
    if known.reached > narrow.largest and (is_above or not ceiling_only):
        return f"reaches {known.reached:.4g} by its constants, {narrow} ends at {narrow.largest:.5g}"
    return None


def _shift_refusal(node: Node, narrow: Narrow, facts: Facts) -> str | None:
    """exp turns an absolute error of its operand into a relative one."""
    value = node.inputs[0]
    seen, known = facts.measured(value), facts.known_range(value)
    top = max(-math.inf if seen is None else seen.high, known.high if known.reached >= known.high else -math.inf)
    shift = top * narrow.ulp
    return f"logits reach {top:.4g}: {narrow} rounds them by up to {shift:.2g}" if shift > _SHIFT else None


def _magnitude(array: Array) -> float:
    """The root mean square of the finite elements."""
    finite = array[np.isfinite(array)].astype(np.float64)
    return float(np.sqrt(np.mean(np.square(finite))))


def _farthest(seen: Range) -> float:
    return seen.low if -seen.low > seen.high else seen.high
