"""Which numbers a value holds: what constants and bounded ops tell, without running anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from isthmus.ir.constant import Constant
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import Array


@dataclass(frozen=True)
class Range:
    """Where a value's finite elements lie.

    `low` and `high` are sure bounds, `least` one for the magnitudes from below. `reached` is a magnitude that is to be
    expected, which makes it a reason and not only a possibility; 0 where none is known.
    """

    low: float = -math.inf
    high: float = math.inf
    least: float = 0.0
    reached: float = 0.0

    @property
    def peak(self) -> float:
        """The largest magnitude, infinite where it is not known."""
        return max(abs(self.low), abs(self.high))

    @property
    def gap(self) -> float:
        """How far the elements keep away from zero."""
        return max(self.least, self.low, -self.high, 0.0)

    def __or__(self, other: Range) -> Range:
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Range(low, high, min(self.gap, other.gap), max(self.reached, other.reached))


def _range(low: float, high: float, least: float = 0.0, reached: float = 0.0) -> Range:
    """A range from computed ends: NaN is no bound, and nothing is reached outside the bounds."""
    low, high = -math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high
    most = max(abs(low), abs(high))
    return Range(low, high, least, 0.0 if math.isnan(reached) else min(reached, most))


UNKNOWN = Range()
Ranges: TypeAlias = Mapping[Value, Range]
Transfer: TypeAlias = Callable[[Node, list[Range]], Range]


def known_ranges(graph: Graph) -> dict[Value, Range]:
    """A range for every floating-point value of which anything is known; regions are graphs of their own."""
    found: dict[Value, Range] = {}
    of_constants: dict[int, Range] = {}
    for node in graph.nodes:
        if not any(r.dtype.is_float for r in node.results):
            continue
        if node.op.name == "const":
            data: Constant = node.attrs["data"]
            if id(data) not in of_constants:
                of_constants[id(data)] = range_of(data.array)
            found[node.result] = of_constants[id(data)]
            continue
        transfer = _TRANSFERS.get(node.op.name)
        if transfer is None:
            continue
        operands = [UNKNOWN if v is None else found.get(v, UNKNOWN) for v in node.operands]
        told = transfer(node, operands)
        if told != UNKNOWN:
            found.update({r: told for r in node.results if r.dtype.is_float})
    return found


def range_of(array: Array) -> Range:
    """The range of given elements; infinities and NaN count as not there."""
    flat = array.reshape(-1)
    flat = flat.astype(np.float32) if array.dtype.itemsize < 4 else flat
    if not flat.size:
        return Range(0.0, 0.0)
    low, high = float(flat.min()), float(flat.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        flat = flat[np.isfinite(flat)]
        if not flat.size:
            return Range(0.0, 0.0)
        low, high = float(flat.min()), float(flat.max())
    least = 0.0 if not flat.all() else float(np.abs(flat).min())
    return Range(low, high, least, max(abs(low), abs(high)))


def _span(corners: Iterable[float]) -> tuple[float, float]:
    """The least and greatest corner; 0 times infinity is 0, an end that is never reached."""
    values = [0.0 if math.isnan(c) else c for c in corners]
    return min(values), max(values)


def _within(low: float, high: float) -> Transfer:
    return lambda node, xs: Range(low, high, reached=max(abs(low), abs(high)))


def _same(node: Node, xs: list[Range]) -> Range:
    return xs[0]


def _union(node: Node, xs: list[Range]) -> Range:
    total = xs[0]
    for each in xs[1:]:
        total = total | each
    return total


def _padded(node: Node, xs: list[Range]) -> Range:
    if node.attrs["mode"] != "constant":
        return xs[0]
    return xs[0] | (xs[1] if len(xs) > 1 else Range(0.0, 0.0))


def _add(node: Node, xs: list[Range]) -> Range:
    x, y = xs
    return _range(x.low + y.low, x.high + y.high, reached=max(x.reached, y.reached))


def _sub(node: Node, xs: list[Range]) -> Range:
    x, y = xs
    return _range(x.low - y.high, x.high - y.low, reached=max(x.reached, y.reached))


def _mul(node: Node, xs: list[Range]) -> Range:
    x, y = xs
    reached, least = x.reached * y.reached, x.gap * y.gap
    if node.operands[0] is node.operands[1]:
        return _range(least, x.peak * x.peak, least, reached)
    low, high = _span(a * b for a in (x.low, x.high) for b in (y.low, y.high))
    return _range(low, high, least, reached)


def _div(node: Node, xs: list[Range]) -> Range:
    x, y = xs
    if not y.gap:
        return UNKNOWN
    high = x.peak / y.gap
    return _range(0.0 if min(x.low, y.low) >= 0 else -high, high, reached=x.reached / y.peak)


def _neg(node: Node, xs: list[Range]) -> Range:
    return replace(xs[0], low=-xs[0].high, high=-xs[0].low)


def _abs(node: Node, xs: list[Range]) -> Range:
    return _range(xs[0].gap, xs[0].peak, xs[0].gap, xs[0].reached)


def _relu(node: Node, xs: list[Range]) -> Range:
    return _range(max(xs[0].low, 0.0), max(xs[0].high, 0.0), reached=xs[0].reached)


def _minimum(node: Node, xs: list[Range]) -> Range:
    return _range(min(x.low for x in xs), min(x.high for x in xs), reached=max(x.reached for x in xs))


def _maximum(node: Node, xs: list[Range]) -> Range:
    return _range(max(x.low for x in xs), max(x.high for x in xs), reached=max(x.reached for x in xs))


def _clip(node: Node, xs: list[Range]) -> Range:
    low = xs[1].low if len(xs) > 1 and node.operands[1] is not None else -math.inf
    high = xs[2].high if len(xs) > 2 and node.operands[2] is not None else math.inf
    return _range(min(max(xs[0].low, low), high), min(max(xs[0].high, low), high), reached=xs[0].reached)


def _sqrt(node: Node, xs: list[Range]) -> Range:
    low, high = max(xs[0].low, 0.0), max(xs[0].high, 0.0)
    return _range(math.sqrt(low), math.sqrt(high), reached=math.sqrt(xs[0].reached))


def _exp(node: Node, xs: list[Range]) -> Range:
    x = xs[0]
    return _range(_safe_exp(x.low), _safe_exp(x.high), reached=_safe_exp(x.high) if x.reached >= x.high > 0 else 0.0)


def _safe_exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf


def _where(node: Node, xs: list[Range]) -> Range:
    return xs[1] | xs[2]


def _sum(node: Node, xs: list[Range]) -> Range:
    count = 1
    for axis in node.attrs["axes"]:
        size = node.inputs[0].shape[axis]
        if not isinstance(size, int):
            return UNKNOWN if xs[0].low < 0 else Range(0.0)
        count *= size
    return _range(*_span((xs[0].low * count, xs[0].high * count)), reached=xs[0].reached)


def _products(node: Node, xs: list[Range]) -> Range:
    """A bound for sums of products with constant weights: every row or filter at its worst at once."""
    weight = node.inputs[1].array
    if weight is None or not math.isfinite(xs[0].peak) or weight.ndim < 2:
        return UNKNOWN
    sums = np.abs(weight).sum(axis=tuple(range(1, weight.ndim)) if node.op.name == "conv" else -2)
    bound = float(np.max(sums, initial=0.0)) * xs[0].peak + (xs[2].peak if len(xs) > 2 else 0.0)
    return _range(-bound, bound)


_UNIT = _within(-1.0, 1.0)
_SHARE = _within(0.0, 1.0)
_TRANSFERS: Mapping[str, Transfer] = {
    **dict.fromkeys(("sigmoid", "hard_sigmoid", "softmax"), _SHARE),
    **dict.fromkeys(("tanh", "erf", "sin", "cos", "softsign", "sign"), _UNIT),
    **dict.fromkeys(("atan", "asin"), _within(-math.pi / 2, math.pi / 2)),
    **dict.fromkeys(("acos",), _within(0.0, math.pi)),
    **dict.fromkeys(("reshape", "dynamic_reshape", "transpose", "expand", "dynamic_expand", "slice"), _same),
    **dict.fromkeys(("dynamic_slice", "reverse", "tile", "dynamic_tile", "split", "full", "gather"), _same),
    **dict.fromkeys(("gather_elements", "gather_nd", "depth_to_space", "space_to_depth", "topk"), _same),
    **dict.fromkeys(("max_pool", "reduce_max", "reduce_min", "reduce_mean"), _same),
    "concat": _union,
    "pad": _padded,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "abs": _abs,
    "relu": _relu,
    "minimum": _minimum,
    "maximum": _maximum,
    "clip": _clip,
    "sqrt": _sqrt,
    "exp": _exp,
    "where": _where,
    "reduce_sum": _sum,
    **dict.fromkeys(("linear", "matmul", "conv"), _products),
}
"""Op name -> what its result's range is, given those of its operands."""
