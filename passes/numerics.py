"""Do two graphs compute the same numbers? Seeded and hostile inputs, and what counts as close.

The measure is the relative L2 error. Where infinities and NaN stand must agree exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from isthmus.ir.dim import resolve
from isthmus.ir.errors import EvaluationError, IsthmusError
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array, DType, dtype_of

Inputs: TypeAlias = dict[str, Array]

TOLERANCES: Mapping[str, float] = {"f64": 1e-12, "f32": 1e-5, "f16": 5e-3, "bf16": 4e-2, "f8e4m3": 0.2, "f8e5m2": 0.4}
"""The relative L2 error that reordering operations may cause, by element type. Other types must agree exactly."""

HOSTILE = ("nan", "inf", "zeros", "denormal", "large", "integers")
"""Kinds of input that break careless laws. The last: integers that are negative or large, where they index nothing."""

_WIDE = 100
_BASES = (2, 5, 13, 40, 100)


def relative_error(a: Array, b: Array) -> float:
    """||a - b|| / ||b||; infinite where shapes differ, or NaN or infinities stand elsewhere."""
    if a.shape != b.shape:
        return np.inf
    x, y = a.astype(np.float64).reshape(-1), b.astype(np.float64).reshape(-1)
    finite = np.isfinite(x) & np.isfinite(y)
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return np.inf
    x, y = x[finite], y[finite]
    scale = float(np.max(np.abs(y), initial=0.0))
    if scale == 0.0:
        return 0.0 if not x.any() else np.inf
    return float(np.linalg.norm((x - y) / scale) / np.linalg.norm(y / scale))


def close(a: Array, b: Array, dtype: DType | None = None) -> bool:
    """Whether two results agree as well as `dtype` (by default b's own type) lets reordered operations agree."""
    return relative_error(a, b) <= TOLERANCES.get((dtype or dtype_of(b)).name, 0.0)


def sizes(graph: Graph, base: int = 2) -> dict[str, int]:
    """A size for each symbol of the inputs: near `base`, within bounds, different where bounds allow it."""
    symbols = {s.name: s for v in graph.inputs for s in sorted(v.type.symbols(), key=str)}
    chosen = {}
    for i, (name, symbol) in enumerate(symbols.items()):
        wanted = max(base + i, symbol.low)
        chosen[name] = wanted if symbol.high is None else min(wanted, symbol.high)
    return chosen


def seeded_inputs(graph: Graph, seed: int, bindings: Mapping[str, int] | None = None, hostile: str = "") -> Inputs:
    """Inputs that depend on the seed and each input's place only. Floats are normal, a few made `hostile` if asked.

    Integers that index a table are within it. `bindings` gives the symbols sizes; by default `sizes(graph)`.
    """
    bound = sizes(graph) if bindings is None else bindings
    return {v.name: _draw(v, np.random.default_rng([seed, i]), bound, hostile) for i, v in enumerate(graph.inputs)}


def samples(graph: Graph, seed: int = 0, hostile: bool = True) -> Iterator[Inputs]:
    """Inputs on which `graph` runs: random ones for two choices of sizes, and each hostile kind."""
    found = 0
    for base in _BASES:
        bindings = sizes(graph, base)
        inputs = seeded_inputs(graph, seed + base, bindings)
        if not _runs(graph, inputs):
            continue
        yield inputs
        if not found and hostile:
            yield from (seeded_inputs(graph, seed, bindings, kind) for kind in _kinds(graph))
        found += 1
        if found == 2 or not bindings:
            return


def worst_output(before: Graph, after: Graph, inputs: Inputs) -> tuple[str, float] | None:
    """The output of `after` that moved furthest beyond its tolerance, with its relative error; None where all agree.

    Inputs on which `before` does not run prove nothing.
    """
    try:
        wanted = evaluate(before, inputs)
    except EvaluationError:
        return None
    found = evaluate(after, inputs)
    moved = [
        (relative_error(found[name], wanted[name]), name) for name in wanted if not close(found[name], wanted[name])
    ]
    error, name = max(moved, default=(0.0, ""))
    return (name, error) if moved else None


def _kinds(graph: Graph) -> tuple[str, ...]:
    integers = any(v.dtype.is_integer for v in graph.inputs)
    return HOSTILE if integers else tuple(kind for kind in HOSTILE if kind != "integers")


def _runs(graph: Graph, inputs: Inputs) -> bool:
    try:
        evaluate(graph, inputs)
    except IsthmusError:
        return False
    return True


def _draw(value: Value, rng: np.random.Generator, bindings: Mapping[str, int], hostile: str) -> Array:
    shape = tuple(resolve(d, bindings) for d in value.shape)
    dtype = value.dtype
    if dtype.name == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.is_integer:
        if hostile == "integers" and not _leads_to_indices(value):
            return _wide_integers(rng, shape, dtype)
        return rng.integers(0, _index_bound(value, bindings), shape).astype(dtype.numpy)
    array = np.asarray(rng.standard_normal(shape)).astype(dtype.numpy)
    if hostile not in ("", "integers") and array.size:
        _spoil(array, rng, hostile, dtype)
    return array


def _spoil(array: Array, rng: np.random.Generator, kind: str, dtype: DType) -> None:
    """Overwrite about a sixteenth of the elements, at least one."""
    info: Any = ml_dtypes.finfo(dtype.numpy)
    low = float(info.smallest_subnormal)
    choices = {
        "nan": [np.nan],
        "inf": [np.inf, -np.inf],
        "zeros": [0.0, -0.0],
        "denormal": [low, -low, 3 * low],
        "large": [float(info.max) ** 0.25, -(float(info.max) ** 0.25)],
    }[kind]
    places = rng.choice(array.size, max(array.size // 16, 1), replace=False)
    array.reshape(-1)[places] = np.array(choices, array.dtype)[rng.integers(0, len(choices), places.size)]


def _wide_integers(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Array:
    """Far enough from zero for signs and carries to matter. One at least is negative, however few there are."""
    info: Any = ml_dtypes.iinfo(dtype.numpy)
    low, high = max(int(info.min), -_WIDE), min(int(info.max), _WIDE) + 1
    array = rng.integers(low, high, shape)
    if low < 0 and array.size:
        array.reshape(-1)[rng.integers(array.size)] = rng.integers(low, 0)
    return array.astype(dtype.numpy)


def _leads_to_indices(value: Value) -> bool:
    """Whether an index, a shape or a number of turns may be worked out from it: then it must stay small."""
    seen, waiting = {value}, [value]
    while waiting:
        current = waiting.pop()
        for user in current.users:
            if user.regions or any(
                each is current and user.op.operand(i).among.name == "index" for i, each in enumerate(user.operands)
            ):
                return True
            made = [v for v in user.results if v not in seen and v.dtype.is_integer]
            seen.update(made)
            waiting += made
    return False


def _index_bound(value: Value, bindings: Mapping[str, int]) -> int:
    """One above the integers to draw: no larger than any table the value indexes."""
    tables = [
        user.operands[0].shape[user.attrs["axis"]]
        for user in value.users
        if user.op.name in ("gather", "gather_elements") and user.operands[1] is value and user.operands[0] is not None
    ]
    known = [d for d in tables if isinstance(d, int) and d > 0]
    return min([*known, 4])
