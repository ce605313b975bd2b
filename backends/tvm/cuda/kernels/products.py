"""linear, matmul and conv as sums of products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from isthmus.backends.base import Refused
from isthmus.backends.tvm import carriers
from isthmus.backends.tvm.api import ir_builder, script, tirx
from isthmus.backends.tvm.cuda.kernels import simt, tensorcores
from isthmus.backends.tvm.cuda.kernels.contraction import Contraction, Operand, Place
from isthmus.backends.tvm.cuda.kernels.positions import Size, position_type, unravel, volume
from isthmus.backends.tvm.kernels import (
    Buffer,
    Expr,
    Group,
    Kernel,
    Machine,
    Offer,
    Packed,
    Perm,
    PrimFunc,
    Sizes,
    Stored,
    Tail,
    declare,
)
from isthmus.ir.graph import Value
from isthmus.ir.types import Array, TensorType

FEWEST = 16
"""Rows and columns from which tiles pay: what has fewer is bound by memory, and better off without."""

OPEN = 1 << 10
"""What a size that is not known is taken for."""

MANY_BLOCKS = 128
"""Blocks that keep every multiprocessor of a GPU busy: a tile is chosen so that there are as many, if it can be."""

WIDEST = 16
"""Bytes that a thread moves at once, at most."""


def linear(group: Group, machine: Machine) -> Offer:
    """x [..., K] @ weight [K, N], plus bias [N]."""
    x, weight, *_ = group.anchor.inputs
    return _product(group, x, weight)


def matmul(group: Group, machine: Machine) -> Offer:
    """x [..., M, K] @ y [..., K, N], leading dimensions broadcasting."""
    x, y = group.anchor.inputs
    if x.rank < 2 or y.rank < 2:
        return Refused("a vector is an operand")
    return _product(group, x, y)


def _product(group: Group, x: Value, y: Value) -> Offer:
    result = group.anchor.results[0].type
    is_flat = y.rank == 2
    columns = y.shape[1] if is_flat else y.shape[-1]
    rows = _count(x.shape[:-1]) if is_flat else _count(x.shape[-2:-1])
    batch = 1 if is_flat else _count(result.shape[:-2])
    chosen = _schedule(x, batch, rows, columns, x.shape[-1])
    if isinstance(chosen, Refused):
        return chosen

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        lead = [sizes(d) for d in result.shape[: -1 if is_flat else -2]]
        k, n = sizes(x.shape[-1]), sizes(columns)
        m = volume(lead) if is_flat else sizes(x.shape[-2])

        def left(s: Expr, i: Expr, k: Expr) -> Place:
            if is_flat:
                return [*unravel(i, lead), k], []
            return [*_broadcast(unravel(s, lead), x.shape[:-2], sizes), i, k], []

        def right(s: Expr, k: Expr, j: Expr) -> Place:
            if is_flat:
                return [k, j], []
            return [*_broadcast(unravel(s, lead), y.shape[:-2], sizes), k, j], []

        def at(s: Expr, i: Expr, j: Expr) -> list[Expr]:
            return [*unravel(i, lead), j] if is_flat else [*unravel(s, lead), i, j]

        shapes = [(x.type, [sizes(d) for d in x.shape]), (y.type, [sizes(d) for d in y.shape])]
        work = Work(1 if is_flat else volume(lead), m, n, k, left, right, at, k, n)
        return written(group, tail, sizes, shapes, [sizes(d) for d in result.shape], row_major(result), work, chosen)

    operands = tuple(Stored(row_major(v.type)) for v in group.anchor.inputs)
    return Kernel(
        (group.anchor.op.name, "cuda", tuple(v.type for v in group.anchor.inputs), chosen),
        write,
        operands,
        row_major(result),
        f"{chosen.title} matmul",
    )


def conv(group: Group, machine: Machine) -> Offer:
    """Implicit matrix products: rows are places of the result, k runs over the taps and the channels of each."""
    x, weight, *_ = group.anchor.inputs
    attrs = group.anchor.attrs
    groups, strides, pads, dilations = (attrs[name] for name in ("groups", "strides", "pads", "dilations"))
    if weight.constant is None or not weight.type.is_static:
        return Refused("the weight is not constant")
    outputs, inputs, *taps = (int(d) for d in weight.shape)  # type: ignore[arg-type]
    result, rank = group.anchor.results[0].type, x.rank
    perm = (0, *range(2, rank), 1)
    per_group, inner = outputs // groups, inputs * int(np.prod(taps))
    rows = _count([result.shape[0], *result.shape[2:]])
    chosen = _schedule(x, groups, rows, per_group, inner)
    if isinstance(chosen, Refused):
        return chosen

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        lead = [sizes(d) for d in (result.shape[0], *result.shape[2:])]
        extents = [sizes(d) for d in x.shape[2:]]

        def left(s: Expr, i: Expr, k: Expr) -> Place:
            image, *position = unravel(i, lead)
            *offsets, channel = unravel(k, [*taps, inputs])
            inside: list[Expr] = []
            places: list[Expr] = []
            for p, tap, stride, (low, high), dilation, extent in zip(
                position, offsets, strides, pads, dilations, extents, strict=True
            ):
                place = p * stride + tap * dilation - low
                place = script.bind(place)
                inside += [place >= 0] if low else []
                inside += [place < extent] if high else []
                places.append(place)
            return [image, *places, s * inputs + channel if groups > 1 else channel], inside

        def right(s: Expr, k: Expr, j: Expr) -> Place:
            return [s, k, j], []

        def at(s: Expr, i: Expr, j: Expr) -> list[Expr]:
            image, *position = unravel(i, lead)
            return [image, s * per_group + j if groups > 1 else j, *position]

        stored = [lead[0], *extents, sizes(x.shape[1])]
        shapes = [(x.type, stored), (weight.type, [groups, inner, per_group])]
        work = Work(groups, volume(lead), per_group, inner, left, right, at, inputs, per_group)
        return written(group, tail, sizes, shapes, [*lead, outputs], perm, work, chosen)

    packed = Packed(partial(_packed, groups=groups))
    bias = tuple(Stored((0,)) for _ in group.anchor.inputs[2:])
    return Kernel(
        ("conv", "cuda", x.type, weight.type, tuple(attrs.items()), len(bias), chosen),
        write,
        (Stored(perm), packed, *bias),
        perm,
        f"{chosen.title} conv",
    )


def _packed(weight: Array, groups: int) -> Array:
    """[groups, taps and channels, outputs of a group]."""
    outputs, inputs, *taps = weight.shape
    parts = weight.reshape(groups, outputs // groups, inputs, *taps)
    order = (0, *range(3, parts.ndim), 2, 1)
    return np.ascontiguousarray(parts.transpose(order)).reshape(groups, -1, outputs // groups)


@dataclass(frozen=True)
class Schedule:
    """How the products are computed."""

    title: str
    tile: tensorcores.Tile | int
    """The tile of tensor cores, or how many rows and columns a thread has."""


def _schedule(x: Value, batch: int | None, rows: Any, columns: Any, inner: Any) -> Schedule | Refused:
    """Tensor cores for f16; the largest tile of which there are enough. What is not known may be large."""
    if carriers.computed(x.dtype) != "float32" or x.dtype.name not in ("f32", "f16"):
        return Refused(f"products of {x.dtype.name}")
    rows, columns, inner = (d if isinstance(d, int) else OPEN for d in (rows, columns, inner))
    if min(rows, columns, inner) < FEWEST:
        return Refused("too few rows, columns or terms for tiles")

    def blocks(height: int, width: int) -> int:
        tiles: int = (batch or 1) * -(-rows // height) * -(-columns // width)
        return tiles

    if x.dtype.name == "f16":
        tiles = [t for t in (tensorcores.LARGE, tensorcores.SMALL) if blocks(t.height, t.width) >= MANY_BLOCKS]
        tile = tiles[0] if tiles else tensorcores.SMALL
        return Schedule(f"tensor core {tile.height}x{tile.width}", tile)
    fitting = [each for each in (4, 2) if blocks(16 * each, 16 * each) >= MANY_BLOCKS]
    each = fitting[0] if fitting else 2
    return Schedule(f"shared {16 * each}x{16 * each}", each)


@dataclass(frozen=True)
class Work:
    """What a kind of product says of itself."""

    batch: Size
    rows: Size
    columns: Size
    inner: Size
    left: Callable[[Expr, Expr, Expr], Place]
    right: Callable[[Expr, Expr, Expr], Place]
    at: Callable[[Expr, Expr, Expr], list[Expr]]
    """The logical index of s, i, j."""
    left_run: Size
    """Of how many elements along k each run that lies side by side is a multiple."""
    right_run: Size


def written(
    group: Group,
    tail: Tail,
    sizes: Sizes,
    shapes: Sequence[tuple[TensorType, Sequence[Size]]],
    result: Sequence[Size],
    perm: Perm,
    work: Work,
    schedule: Schedule,
) -> PrimFunc:
    """The function of a product; a bias is the third operand."""
    x = group.anchor.inputs[0]
    has_bias = len(group.anchor.inputs) > 2
    builder = ir_builder.IRBuilder()
    with builder, script.prim_func(is_private=True, s_tir=True):
        script.func_name("kernel")
        given = [declare(f"x{i}", shape, carriers.carrier(t.dtype)) for i, (t, shape) in enumerate(shapes)]
        if has_bias:
            b = group.anchor.inputs[2].type
            given.append(declare("bias", [sizes(d) for d in b.shape], carriers.carrier(b.dtype)))
        more = [declare(f"t{i}", [sizes(d) for d in s], dtype) for i, (s, dtype) in enumerate(tail.buffers)]
        for parameter in sizes.parameters:
            script.arg(parameter.name, parameter)
        made = declare("result", result, tail.dtype)

        kind = position_type([*(shape for _, shape in shapes), result])

        def finish(s: Expr, i: Expr, j: Expr, value: Expr) -> None:
            at = work.at(s, i, j)
            if has_bias:
                channel = at[1] if group.anchor.op.name == "conv" else at[-1]
                value = value + carriers.widen(given[2][channel], x.dtype)
            found = tail(script.bind(value), at, more)
            script.buffer_store(made, found, [at[axis] for axis in perm])

        with script.sblock("root"):
            script.reads([])
            script.writes([])
            _write(work, given, x, finish, schedule, kind)
    return builder.get()


def _write(work: Work, given: Sequence[Buffer], x: Value, finish: Any, schedule: Schedule, kind: str) -> None:
    dtype = carriers.carrier(x.dtype)
    widest = WIDEST // x.dtype.numpy.itemsize

    def operand(buffer: Buffer, place: Callable[[Expr, Expr, Expr], Place], run: Size) -> Operand:
        lanes = widest if isinstance(run, int) and run % widest == 0 else 1
        return Operand(buffer, place, lanes, dtype, lambda v: carriers.widen(v, x.dtype))

    left, right = operand(given[0], work.left, work.left_run), operand(given[1], work.right, work.right_run)
    contraction = Contraction(kind, work.batch, work.rows, work.columns, work.inner, left, right, finish)
    if isinstance(schedule.tile, tensorcores.Tile):
        tensorcores.write(contraction, schedule.tile)
    else:
        simt.write(contraction, schedule.tile)


def row_major(type: TensorType) -> Perm:
    """Axes in their own order."""
    return tuple(range(type.rank))


def _known(dims: Sequence[Any]) -> bool:
    return all(isinstance(d, int) for d in dims)


def _count(dims: Sequence[Any]) -> int | None:
    return int(np.prod([int(d) for d in dims])) if _known(dims) else None


def _broadcast(at: Sequence[Expr], shape: Sequence[Any], sizes: Sizes) -> list[Expr]:
    """The leading index into an operand whose leading dimensions broadcast."""
    own = list(at)[len(at) - len(shape) :]
    found: list[Expr] = []
    for position, dim in zip(own, shape, strict=True):
        size = sizes(dim)
        found.append(tirx.const(0, "int32") if isinstance(size, int) and size == 1 else tirx.min(position, size - 1))
    return found
