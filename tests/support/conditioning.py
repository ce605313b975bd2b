"""How far rounding alone moves a graph's outputs, so that a comparison asks for no more than there is.

Chains of random ops amplify: exp of a large sum, a difference of near equals, a floor or a comparison at its edge. An
engine, or a law, that rounds differently by one ulp is right there and yet far off. Instead of a tolerance wide enough
for the worst chain, the graph is evaluated again with the rounding of each step disturbed by a few ulp, and
denormals flushed in one of the runs; a candidate must agree with the undisturbed result

- within the element type's tolerance where that moves the result by less,
- else within `FACTOR` times the movement,
- and exactly in integers, booleans and places of NaN and infinities, save where those moved too.

Only ops that round are disturbed: what merely moves, compares or selects stays exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from isthmus.ir.errors import EvaluationError
from isthmus.ir.evaluate import bind, evaluate, evaluate_node
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import Array, dtype_of
from isthmus.passes.numerics import TOLERANCES

FACTOR = 10.0
TRIALS = 3
ULPS = 4

_EXACT_FAMILIES = ("creation", "shape", "indexing", "control")
_EXACT = frozenset(
    (
        *("abs", "neg", "sign", "ceil", "floor", "round", "is_nan", "is_inf", "cast", "where", "clip", "relu"),
        *("minimum", "maximum", "max_pool", "max_pool_with_indices", "reduce_max", "reduce_min", "thresholded_relu"),
        *("argmax", "argmin", "topk", "depth_to_space", "space_to_depth"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    )
)


@dataclass(frozen=True)
class Truth:
    """An output of the evaluator, and what disturbed runs make of it."""

    array: Array
    trials: tuple[Array, ...]

    def disagreement(self, got: Array) -> str | None:
        """Why `got` is another result, in words; None where it is not."""
        want = self.array
        if any(trial.shape != want.shape for trial in self.trials):
            return None
        if got.shape != want.shape or got.dtype != want.dtype:
            return f"{got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}"
        settled = np.ones(want.shape, np.bool_)
        for trial in self.trials:
            settled &= _same(trial, want)
        wrong = settled & ~_same(got, want)
        if wrong.any():
            return f"{got[wrong][:4]} instead of {want[wrong][:4]}"
        if not dtype_of(want).is_float:
            return None
        finite = settled & np.isfinite(want.astype(np.float64))
        movement = max((_distance(trial[finite], want[finite]) for trial in self.trials), default=0.0)
        allowed = max(TOLERANCES[dtype_of(want).name], FACTOR * movement)
        error = _distance(got[finite], want[finite])
        return None if error <= allowed else f"relative error {error:.2g}, where rounding moves by {movement:.2g}"


def truth(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Truth] | None:
    """Every output with its disturbed runs; None for inputs on which the graph does not run."""
    try:
        plain = evaluate(graph, inputs)
        trials = [_disturbed(graph, inputs, np.random.default_rng(i), flush=i == 0) for i in range(TRIALS)]
    except EvaluationError:
        return None
    return {name: Truth(array, tuple(trial[name] for trial in trials)) for name, array in plain.items()}


def rounds(node: Node) -> bool:
    """Whether the node's results may differ between right implementations."""
    return node.op.family not in _EXACT_FAMILIES and node.op.name not in _EXACT


def _disturbed(graph: Graph, inputs: Mapping[str, Array], rng: np.random.Generator, flush: bool) -> dict[str, Array]:
    values: dict[Value, Array] = {}
    bindings: dict[str, int] = {}
    for value in graph.inputs:
        values[value] = inputs[value.name]
        bind(value.type, values[value], bindings, value.name)
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            operands = [None if v is None else values[v] for v in node.operands]
            if rounds(node):
                operands = [a if a is None else _nudged(a, rng, flush) for a in operands]
            results = evaluate_node(node, operands, bindings)
            if rounds(node):
                results = [_nudged(a, rng, flush) for a in results]
            values.update(zip(node.results, results, strict=True))
    return {name: values[v] for name, v in zip(graph.output_names, graph.outputs, strict=True)}


def _nudged(array: Array, rng: np.random.Generator, flush: bool) -> Array:
    dtype = dtype_of(array)
    if not dtype.is_float or not array.size:
        return array
    info = ml_dtypes.finfo(array.dtype)
    wide = array.astype(np.float64)
    moved = wide * (1 + rng.integers(-ULPS, ULPS + 1, array.shape) * (float(info.eps) / 2))
    if flush:
        moved = np.where(np.abs(moved) < float(info.smallest_normal), np.copysign(0.0, wide), moved)
    return np.asarray(moved).astype(array.dtype)


def _same(a: Array, b: Array) -> Array:
    """Where two results are of one kind: equal integers, both NaN, the same infinity, or both finite."""
    if not dtype_of(b).is_float:
        return np.asarray(a == b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    return np.asarray((np.isfinite(x) & np.isfinite(y)) | (x == y) | (np.isnan(x) & np.isnan(y)))


def _distance(a: Array, b: Array) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    scale = float(np.max(np.abs(y), initial=0.0))
    if scale == 0.0:
        return 0.0 if not x.any() else np.inf
    return float(np.linalg.norm((x - y) / scale) / np.linalg.norm(y / scale))
