"""Optimization profiles: for each input the least shape, the one to optimize for and the largest, from its symbols."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

from isthmus.backends.tensorrt.options import Profile, Range, TensorRTOptions
from isthmus.ir.dim import Dim, Symbol, as_symbol, bounds, resolve, substitute, symbol
from isthmus.ir.errors import BadArgument
from isthmus.ir.graph import Graph, Value

Sizes: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class ShapeRange:
    """What one input's shape may be in one profile."""

    least: Sizes
    optimal: Sizes
    largest: Sizes

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether an array of this shape may be given."""
        return len(shape) == len(self.least) and all(
            low <= size <= high for low, size, high in zip(self.least, shape, self.largest, strict=True)
        )


ShapeProfile: TypeAlias = Mapping[str, ShapeRange]
"""By name, the inputs with sizes that are not fixed."""


def shape_profiles(graph: Graph, options: TensorRTOptions) -> list[ShapeProfile]:
    """One profile for each that the options give, or one from the bounds of the symbols; none for a static graph.

    A size of 0 stays one where a symbol may be 0: the engine takes empty tensors. BadArgument where a symbol has no
    largest size, and where a profile leaves a symbol's bounds.
    """
    known = _symbols(graph.inputs)
    for given in options.profiles:
        for name in known.keys() & given.keys():
            _check_range(known[name], given[name])
    dynamic = [value for value in graph.inputs if not value.type.is_static]
    if not dynamic:
        return []
    if missing := _without_largest(graph, options):
        raise _missing(graph, missing, [_profile_hint(missing)])
    profiles: Sequence[Profile] = options.profiles or ({},)
    found: list[ShapeProfile] = []
    for given in profiles:
        shapes = _shapes(dynamic, {s.name: given.get(s.name) or _default(s) for s in known.values()})
        if shapes not in found:  # profiles that differ in sizes of another part of the program only
            found.append(shapes)
    return found


def check_inputs(graph: Graph, options: TensorRTOptions) -> None:
    """BadArgument where options name what the graph has not, or the sizes of its inputs are not known well enough.

    One error tells of all inputs, and shows the argument that gives what is missing.
    """
    _check_values(graph, options)
    known = _symbols(v for v in (*graph.inputs, *(r for node in graph.walk() for r in node.results)))
    for name in (name for given in options.profiles for name in given):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            named = f"they are {', '.join(known)}" if known else "all its sizes are fixed"
            raise BadArgument(f"a profile gives sizes for {name!r}, which the model has not", hint=f"{guess}{named}")
    if missing := _without_largest(graph, options):
        raise _missing(graph, missing, [*_input_hint(graph, missing), _profile_hint(missing)])
    shape_profiles(graph, options)


def _without_largest(graph: Graph, options: TensorRTOptions) -> list[str]:
    known = _symbols(graph.inputs).values()
    profiles: Sequence[Profile] = options.profiles or ({},)
    return sorted({s.name for given in profiles for s in known if s.high is None and s.name not in given})


def _default(symbol: Symbol) -> Range:
    """A symbol's bounds, optimized for the largest.

    What suits the largest size is seldom far off for a smaller one, which is done sooner anyway, while a kernel chosen
    for a single row may take many times as long on many.
    """
    assert symbol.high is not None, "symbols without an upper bound are refused before"
    return symbol.low, symbol.high, symbol.high


def _shapes(inputs: Iterable[Value], ranges: Mapping[str, Range]) -> ShapeProfile:
    bounded: dict[str, Dim] = {name: symbol(name, low, high) for name, (low, _, high) in ranges.items()}
    optimal = {name: middle for name, (_, middle, _) in ranges.items()}
    found = {}
    for value in inputs:
        limits = [bounds(substitute(dim, bounded)) for dim in value.shape]
        least = tuple(max(low or 0, 0) for low, _ in limits)
        largest = tuple(_largest(high, dim, value) for (_, high), dim in zip(limits, value.shape, strict=True))
        middle = tuple(resolve(dim, optimal) for dim in value.shape)
        found[value.name] = ShapeRange(least, middle, largest)
    return found


def _largest(high: int | None, dim: Dim, value: Value) -> int:
    if high is None:
        raise BadArgument(
            f"TensorRT must know the largest size of input {value.name!r}, and {dim} has none that can be worked out",
            hint="let the input's shape be a symbol of its own",
        )
    return high


def _symbols(values: Iterable[Value]) -> dict[str, Symbol]:
    found = {s.name: s for value in values for s in value.type.symbols()}
    return dict(sorted(found.items()))


def _check_range(declared: Symbol, sizes: Range) -> None:
    if sizes[0] < declared.low or (declared.high is not None and sizes[2] > declared.high):
        high = "" if declared.high is None else declared.high
        raise BadArgument(
            f"a profile lets {declared.name} be {sizes[0]}..{sizes[2]}, and it is declared {declared.low}..{high}",
            hint="widen the bounds in inputs=, or narrow the profile",
        )


def _check_values(graph: Graph, options: TensorRTOptions) -> None:
    inputs = {value.name: value for value in graph.inputs}
    for name, rows in options.values.items():
        value = inputs.get(name)
        if value is None:
            raise BadArgument(f"option values names {name!r}", hint=f"inputs are: {', '.join(map(str, graph.inputs))}")
        if value.rank > 1 or value.type.numel() != len(rows[0]) or not value.dtype.is_integer:
            raise BadArgument(
                f"option values gives {len(rows[0])} elements for {value}",
                hint="only integer scalars and vectors of a fixed length have ranges, of one number an element",
            )


def _missing(graph: Graph, names: Sequence[str], hints: Sequence[str]) -> BadArgument:
    inputs = "".join(f"\n  {value}" for value in graph.inputs if not value.type.is_static)
    return BadArgument(
        f"TensorRT builds an engine for a range of sizes, and no largest one is known for {', '.join(names)}"
        f" in the inputs{inputs}",
        where=f"@{graph.name}",
        hint="give " + ", or ".join(hints),
    )


def _profile_hint(names: Sequence[str]) -> str:
    profile = ", ".join(f'"{name}": (1, 8, 32)' for name in names)
    text = ",".join(f"{name}:1..8..32" for name in names)
    return (
        f"options=TensorRTOptions(profiles=[{{{profile}}}]), the least, optimal and largest size"
        f" (on the command line: --option profiles={text})"
    )


def _input_hint(graph: Graph, names: Sequence[str]) -> list[str]:
    """The argument `inputs=`, ready to be pasted; none where a size occurs in expressions only."""
    inputs = [value for value in graph.inputs if not value.type.is_static]
    plain = {s.name for value in inputs for dim in value.shape if (s := as_symbol(dim)) is not None}
    if not plain.issuperset(names):
        return []
    spoken: set[str] = set()
    shapes = ", ".join(f'"{value.name}": {_spec(value, names, spoken)}' for value in inputs)
    again: set[str] = set()
    texts = " ".join(f"--shape {value.name}:{_text(value, names, again)}" for value in inputs)
    bounds = ", ".join(f"{name}: 1..32" for name in names)
    return [
        f"inputs={{{shapes}}} with largest sizes of your own (on the command line: {texts}; in IR text: where {bounds})"
    ]


def _spec(value: Value, missing: Sequence[str], spoken: set[str]) -> str:
    """An input's shape as `inputs=` takes it."""
    parts = [json.dumps(each) if isinstance(each, str) else str(each) for each in _dims(value, missing, spoken)]
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def _text(value: Value, missing: Sequence[str], spoken: set[str]) -> str:
    """An input's shape as `--shape` takes it."""
    return "x".join("?" if each is None else str(each) for each in _dims(value, missing, spoken))


def _dims(value: Value, missing: Sequence[str], spoken: set[str]) -> Iterator[int | str | None]:
    """An input's sizes, with a range where a missing symbol first occurs."""
    for axis, dim in enumerate(value.shape):
        name = as_symbol(dim)
        if isinstance(dim, int):
            yield dim
        elif name is None:
            yield None
        elif name.name in missing and name.name not in spoken:
            spoken.add(name.name)
            largest = 32 if axis == 0 else 512
            yield f"{name.name}:{name.low}..{max(largest, name.low)}"
        else:
            yield name.name
