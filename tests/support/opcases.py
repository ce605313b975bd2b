"""Single-op cases for every row of the op table, derived from its signature as far as that goes.

Operand element types come from each operand's `Among`, values from their kind and the op's domain, attributes from
names and annotations: each case changes one attribute from a base. Rows whose operands depend on one another are
listed by hand in `opcases_by_hand`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args, get_origin

import numpy as np

from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim, symbol
from isthmus.ir.errors import IsthmusError
from isthmus.ir.graph import Graph, Value
from isthmus.ir.op import Attribute, Op, Trait
from isthmus.ir.types import BF16, BOOL, F16, F32, F64, I8, I16, I32, I64, U8, U16, Array, DType, TensorType, type_of
from tests.support.opcases_by_hand import BY_HAND

PREFERRED: tuple[DType, ...] = (F32, I64, I32, I8, U8, I16, U16, BOOL)
"""Element types tried where an operand admits several; F64, F16 and BF16 are tried once, on the first shapes."""

SHAPES: tuple[tuple[int, ...], ...] = ((2, 3, 4),)
BROADCASTS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((2, 3, 4), (2, 3, 4), (2, 3, 4)),
    ((2, 3, 4), (3, 1), (4,)),
    ((3, 1), (2, 1, 4), ()),
)


@dataclass(frozen=True, eq=False)
class Case:
    """One op on given arrays. Operands numbered in `constant` are constants of the graph, the others its inputs."""

    op: str
    operands: tuple[Array | None, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    regions: Mapping[str, Graph] = field(default_factory=dict)
    constant: frozenset[int] = frozenset()
    symbolic: bool = False
    """Sizes above 1 of the inputs, and the same numbers among dimension attributes, are symbols."""
    note: str = ""

    def __str__(self) -> str:
        types = ", ".join("none" if a is None else str(type_of(a)) for a in self.operands)
        attrs = ", ".join(f"{k}={v}" for k, v in self.attrs.items() if k != "data")
        form = " symbolic" if self.symbolic else ""
        return f"{self.op}({types}){{{attrs}}}{form}{self.note and ' ' + self.note}"

    @property
    def inputs(self) -> list[Array]:
        """The arrays the graph takes, in order."""
        return [a for i, a in enumerate(self.operands) if a is not None and i not in self.constant]

    @cached_property
    def _symbols(self) -> dict[int, Dim]:
        sizes = {size for array in self.inputs for size in array.shape if size > 1} if self.symbolic else set()
        return {size: symbol(f"s{size}", 1, 64) for size in sorted(sizes)}

    def graph(self) -> Graph:
        """A graph of the one node, its operands and its results. IsthmusError if the op does not admit the case."""
        graph = Graph(self.op)
        results = self.add_to(Builder(graph))
        graph.set_outputs(results, [f"y{i}" for i in range(len(results))])
        return graph

    def add_to(self, b: Builder, prefix: str = "x") -> tuple[Value, ...]:
        """Append the node to a graph, with inputs of its own named after `prefix`; returns its results.

        Symbols are named after their size, so cases may share a graph.
        """
        values: list[Value | None] = []
        for i, array in enumerate(self.operands):
            if array is None:
                values.append(None)
            elif i in self.constant:
                values.append(b.const(array))
            else:
                shape = self._dims(array.shape)
                values.append(b.graph.add_input(TensorType(type_of(array).dtype, shape), f"{prefix}{i}"))
        attrs = {k: self._dims(v) if _is_dims(self.op, k) else v for k, v in self.attrs.items()}
        regions = {name: region.copy() for name, region in self.regions.items()}
        return b.create(self.op, values, attrs, regions).results

    def _dims(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(self._dims(item) for item in value)
        return self._symbols.get(value, value)


def cases_for(op: Op) -> list[Case]:
    """Every case of one row; those its type rule does not admit are left out."""
    found = (
        [replace(Case(op.name), **fields) for fields in BY_HAND[op.name]()]
        if op.name in BY_HAND
        else list(_derived(op))
    )
    admitted = [case for case in found if _builds(case)]
    symbolic = [replace(case, symbolic=True) for case in admitted]
    return admitted + [case for case in symbolic if any(d > 1 for a in case.inputs for d in a.shape) and _builds(case)]


def random_array(dtype: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Ordinary values: normal floats, small integers, even odds."""
    if dtype == BOOL:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.is_float:
        return rng.normal(size=shape).astype(dtype.numpy)
    low = 0 if dtype.kind == "uint" else -9
    return rng.integers(low, 10, shape).astype(dtype.numpy)


def hostile_array(dtype: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Values that find careless code: NaN, infinities, -0, denormals; the extremes of an integer type."""
    if dtype.is_float:
        pool = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, 1.0, -1.0, 0.5, 2.5, -1.5, 1e30, 3e-7, -7.25])
    elif dtype == BOOL:
        pool = np.array([True, False])
    else:
        info = np.iinfo(dtype.numpy)
        top, bottom = (
            (int(np.iinfo(np.int32).max), int(np.iinfo(np.int32).min)) if dtype.bits == 64 else (info.max, info.min)
        )
        pool = np.array([top, top - 1, bottom, bottom + 1, 0, 1, 2, 5, top // 2 + 1, top // 3], dtype.numpy)
    with np.errstate(over="ignore"):
        return rng.choice(pool, shape).astype(dtype.numpy)


def _derived(op: Op) -> Iterator[Case]:
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    count = 2 if op.operands and op.operands[-1].variadic else len(op.operands)
    required = sum(not (o.optional or o.variadic) for o in op.operands)
    for dtypes in _dtype_choices(op):
        main = dtypes[op.operand(0).among.name] if count else F32
        layouts = BROADCASTS if op.has(Trait.ELEMENTWISE) and count > 1 else [((2, 3, 4),) * max(count, 1)]
        if main in (F64, F16, BF16):
            layouts = layouts[:1]
        for layout in layouts:
            shapes = [() if op.operand(i).optional else layout[i] for i in range(count)]
            kinds = [dtypes[op.operand(i).among.name] for i in range(count)]
            for attrs in _attribute_choices(op, max((len(s) for s in shapes), default=3)):
                plain = [
                    within(op, i, random_array(t, s, rng)) for i, (t, s) in enumerate(zip(kinds, shapes, strict=True))
                ]
                yield Case(op.name, tuple(plain), attrs)
                if required < count:
                    yield Case(op.name, tuple(plain[:required]), attrs)
                if op.has(Trait.ELEMENTWISE) and layout == layouts[0]:
                    wild = [within(op, i, hostile_array(t, (4, 16), rng)) for i, t in enumerate(kinds)]
                    shaped = [a if s else a[0, 0] for a, s in zip(wild, shapes, strict=True)]
                    yield Case(op.name, tuple(np.asarray(a) for a in shaped), attrs, note="hostile")


def _dtype_choices(op: Op) -> Iterator[dict[str, DType]]:
    """One element type for each group of operands that must agree: each preferred one at least once."""
    groups = {o.among.name: o.among.dtypes for o in op.operands}
    admitted = {name: [t for t in (*PREFERRED, F64, F16, BF16) if t in among] for name, among in groups.items()}
    for i in range(max((len(types) for types in admitted.values()), default=1)):
        yield {name: types[(i + 2 * j) % len(types)] for j, (name, types) in enumerate(admitted.items())}


def _attribute_choices(op: Op, rank: int) -> Iterator[dict[str, Any]]:
    choices = {name: attribute_values(spec, rank) for name, spec in op.attributes.items()}
    base = {name: values[0] for name, values in choices.items()}
    yield base
    for name, values in choices.items():
        for value in values[1:]:
            yield {**base, name: value}


def attribute_values(spec: Attribute, rank: int) -> list[Any]:
    """Values of one attribute that suit an operand of that rank, by the attribute's name and annotation."""
    named: dict[str, list[Any]] = {
        "axis": list(range(rank)),
        "axes": [(rank - 1,), (0, rank - 1), (1,), ()],
        "perm": [tuple(reversed(range(rank))), (1, 0, *range(2, rank))],
        "dtype": list(PREFERRED),
        "shape": [(2, 3, 4)],
    }
    if spec.name in named:
        return named[spec.name]
    if get_origin(spec.annotation) is Literal:
        return list(get_args(spec.annotation))
    if spec.annotation is bool:
        return [False, True]
    if spec.annotation is float:
        return [0.75, 1.5] if spec.required else [spec.default, spec.default * 1.5 or 0.5]
    return [3, 1] if spec.required else [spec.default]


def within(op: Op, index: int, array: Array) -> Array:
    """`array` brought into the domain where the op is defined."""
    if array.dtype.kind in "iu" and index == 1:
        if op.name in ("trunc_div", "floor_div", "mod", "fmod"):
            return np.where(array == 0, array.dtype.type(3), array)
        if op.name in ("shift_left", "shift_right"):
            return (array.astype(np.int64) % (8 * array.dtype.itemsize)).astype(array.dtype)
        if op.name == "pow":
            return np.asarray(abs(array.astype(np.int64)) % 4).astype(array.dtype)
    return array


def _is_dims(op: str, attribute: str) -> bool:
    annotation = ops.TABLE[op].attributes[attribute].annotation
    return _mentions_dim(annotation)


def _mentions_dim(annotation: Any) -> bool:
    return annotation == Dim or any(
        _mentions_dim(part) for part in get_args(annotation) if get_origin(annotation) is tuple
    )


def _builds(case: Case) -> bool:
    try:
        case.graph()
    except IsthmusError:
        return False
    return True
