"""Resampling of [N, C, *spatial] tensors."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.tvm import carriers, maths
from isthmus.backends.tvm.api import kind, tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.tensors import Formula, Index, Scope, Stored, Tensor
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node
from isthmus.ir.ops.sampling import interpolation_matrix
from isthmus.ir.types import F32, F64, I64, Array, TensorType


def _open_size(node: Node) -> str | None:
    sizes = [(node.inputs[0].shape[a], s) for a, s in zip(node.attrs["axes"], node.attrs["sizes"], strict=True)]
    if all(isinstance(d, int) for pair in sizes for d in pair):
        return None
    return "interpolation weights are worked out when compiling, which needs known sizes along the resized axes"


@emits("resize", unless=_open_size)
def resize(
    n: Network,
    x: Tensor,
    *,
    axes: tuple[int, ...],
    sizes: tuple[Dim, ...],
    scales: tuple[float, ...],
    mode: str,
    coordinates: str,
    nearest: str,
    cubic_coefficient: float,
    exclude_outside: bool,
    antialias: bool,
) -> Tensor:
    """One axis after another, by the few weights of each place; integers are rounded once, at the end."""
    result: Tensor = n.memory(x)
    dtype = n.x.dtype
    exact = F64 if dtype.is_integer or dtype == F64 else F32
    for axis, size, scale in zip(axes, sizes, scales, strict=True):
        given = result.type.shape[axis]
        assert isinstance(given, int)
        assert isinstance(size, int)
        if mode != "nearest" and given == size and scale == 1.0:
            continue
        matrix = interpolation_matrix(
            given, size, scale, mode, coordinates, nearest, cubic_coefficient, exclude_outside, antialias
        )
        shape = tuple(size if i == axis else d for i, d in enumerate(result.type.shape))
        kind = dtype if mode == "nearest" else exact
        source = n.memory(_as(n, result, carriers.computed(kind), TensorType(kind, result.type.shape)))
        result = n.memory(_resampled(n, source, axis, matrix, TensorType(kind, shape), picks=mode == "nearest"))
    return _finished(n, result)


def _as(n: Network, x: Tensor, kind: str, type: TensorType) -> Tensor:
    if x.type.dtype == type.dtype:
        return x
    return n.formula(lambda scope, at: scope.read(x, at).astype(kind), x, type=type)


def _resampled(n: Network, x: Stored, axis: int, matrix: Array, type: TensorType, *, picks: bool) -> Formula:
    taps = 1 if picks else max(int((matrix != 0).sum(axis=1).max(initial=1)), 1)
    order = np.argsort(-np.abs(matrix), axis=1, kind="stable")[:, :taps].astype(np.int64)
    kind = carriers.computed(type.dtype)
    places = n.constant(order, I64)
    weights = n.constant(np.take_along_axis(matrix, order, 1), F64)

    def element(scope: Scope, at: Index) -> Expr:
        total: Expr = None
        for tap in range(taps):
            entry = [at[axis], int64(tap)]
            value = scope.read(x, [*at[:axis], _entry(scope, places, entry), *at[axis + 1 :]])
            if picks:
                return value
            part = value * _entry(scope, weights, entry).astype(kind)
            total = part if total is None else scope.bind(total + part)
        return total

    return n.formula(element, x, places, weights, type=type)


def _entry(scope: Scope, table: Tensor, entry: list[Any]) -> Expr:
    return scope.read(table, entry)


def _finished(n: Network, x: Tensor) -> Tensor:
    """In the op's own type: integers rounded to nearest even and clamped."""
    if x.type.dtype == n.type.dtype:
        return x
    target, is_integer = carriers.computed(n.type.dtype), n.type.dtype.is_integer

    def element(scope: Scope, at: Index) -> Expr:
        value = scope.read(x, at)
        if not is_integer:
            return value.astype(target)
        least, most = (
            tirx.const(float(bound.value), kind(value)) for bound in (tirx.min_value(target), tirx.max_value(target))
        )
        level = maths.nearest(value)
        return select(
            level <= least, tirx.min_value(target), select(level >= most, tirx.max_value(target), level.astype(target))
        )

    return n.formula(element, x)


@emits("grid_sample")
def grid_sample(n: Network, x: Tensor, grid: Tensor, *, mode: str, padding: str, align_corners: bool) -> Tensor:
    """Coordinates in f64, as a rounded one samples another pixel; every tap is read inside and masked."""
    source, places = n.memory(x), n.row_major(grid)
    shape, rank = n.x.shape, n.x.rank - 2

    def element(scope: Scope, at: Index) -> Expr:
        image, channel, *output = at
        sizes = [int64(scope.size(d)) for d in shape[2:]]
        taps: list[list[tuple[Expr, Expr]]] = []
        for axis, size in enumerate(sizes):
            unit = scope.read(places, [image, *output, int64(rank - 1 - axis)]).astype("float64")
            where = scope.bind(_coordinate(unit, size.astype("float64"), align_corners))
            if mode != "cubic":
                where = scope.bind(_brought_inside(where, size, padding, align_corners))
            taps.append([(scope.bind(p), scope.bind(w)) for p, w in _taps(where, mode)])
        total: Expr = tirx.const(0, "float64")
        for choice in product(*taps):
            positions: list[Expr] = []
            inside: list[Expr] = []
            weight: Expr = tirx.const(1, "float64")
            for (position, part), size in zip(choice, sizes, strict=True):
                own = position if padding == "zeros" else _brought_inside(position, size, padding, align_corners)
                last = size.astype("float64") - _number(1)
                inside += [own >= _number(0), own <= last]
                positions.append(_clamped(own, last).astype("int64"))
                weight = weight * part
            value = scope.read(source, [image, channel, *positions]).astype("float64")
            # by a product, as the meaning has it: what is outside is zero times its weight
            total = scope.bind(total + weight * select(tirx.all(*inside), value, _number(0)))
        return total.astype(kind)

    kind = carriers.computed(n.type.dtype)
    return n.formula(element, source, places)


def _number(value: float) -> Expr:
    return tirx.const(value, "float64")


def _clamped(x: Expr, last: Expr) -> Expr:
    """Inside 0..last; NaN at 0."""
    return select(x > last, last, select(x > _number(0), x, _number(0)))


def _coordinate(unit: Expr, size: Expr, align_corners: bool) -> Expr:
    if align_corners:
        return (unit + _number(1)) / _number(2) * (size - _number(1))
    return ((unit + _number(1)) * size - _number(1)) / _number(2)


def _brought_inside(at: Expr, size: Expr, padding: str, align_corners: bool) -> Expr:
    last = size.astype("float64") - _number(1)
    if padding == "border":
        return select(at > last, last, select(at < _number(0), _number(0), at))
    if padding == "zeros":
        return at
    low = _number(0) if align_corners else _number(-0.5)
    period = last - low - low
    double = select(period > _number(0), period, _number(1)) * _number(2)
    off = at - low
    folded = off - tirx.floor(off / double) * double
    mirrored = select(folded > period, _number(2) * period - folded, folded) + low
    clamped = select(mirrored > last, last, select(mirrored < _number(0), _number(0), mirrored))
    return select(period > _number(0), clamped, _number(0))


def _taps(at: Expr, mode: str) -> list[tuple[Expr, Expr]]:
    if mode == "nearest":
        return [(maths.nearest(at), _number(1))]
    base = tirx.floor(at)
    offsets = (0, 1) if mode == "linear" else (-1, 0, 1, 2)
    found = []
    for offset in offsets:
        place = base + _number(offset)
        distance = tirx.abs(at - place)
        found.append((place, _number(1) - distance if mode == "linear" else _cubic(distance)))
    return found


def _cubic(d: Expr) -> Expr:
    """Keys' kernel with a = -3/4."""
    a = -0.75
    near = (_number(a + 2) * d - _number(a + 3)) * d * d + _number(1)
    far = ((_number(a) * d - _number(5 * a)) * d + _number(8 * a)) * d - _number(4 * a)
    return select(d <= _number(1), near, select(d < _number(2), far, _number(0)))


MISSING = lacks(
    depth_to_space="taken apart into reshapes and a transpose",
    space_to_depth="taken apart into reshapes and a transpose",
)
"""Composites that only move elements."""
