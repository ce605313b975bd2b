"""Ops that rearrange elements. What they are given as tensors becomes attributes where it is known."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import axes_from, normal_axes, normal_axis, rank_from, reshaped
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.dim import Dim, Shape, ceildiv, equal, floordiv, minimum, product
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

# -- what is the same tensor ------------------------------------------------------------------------------------------


@lowers("Identity")
def identity(b: OnnxBuilder, x: Value) -> Value:
    return x


@lowers("Shape")
def shape(b: OnnxBuilder, x: Value, *, start: int = 0, end: int | None = None) -> Value:
    first, last, _ = slice(start, end).indices(x.rank)
    if (first, last) == (0, x.rank):
        return b.shape_of(x)
    return b.slice(b.shape_of(x), axes=(0,), starts=(first,), stops=(max(first, last),), steps=(1,))


@lowers("Size")
def size(b: OnnxBuilder, x: Value) -> Value:
    return b.reshape(b.dims((x.type.numel(),)), shape=())


@lowers("Flatten")
def flatten(b: OnnxBuilder, x: Value, *, axis: int = 1) -> Value:
    if not -x.rank <= axis <= x.rank:
        raise MalformedModel(f"Flatten: axis {axis} does not exist in rank {x.rank}")
    at = axis + x.rank if axis < 0 else axis
    return reshaped(b, x, (product(x.shape[:at]), product(x.shape[at:])))


@lowers("Squeeze")
def squeeze(
    b: OnnxBuilder, x: Value, axes_operand: Value | None = None, *, axes: tuple[int, ...] | None = None
) -> Value:
    """Axes became an operand in operator set 13; without them every dimension of size 1 goes."""
    gone = axes_from(b, axes_operand, axes, x.rank)
    if gone is None:
        if any(not isinstance(d, int) for d in x.shape):
            raise UnsupportedModel(f"Squeeze without axes of {x}: a symbolic size may be 1")
        gone = tuple(i for i, d in enumerate(x.shape) if d == 1)
    for axis in gone:
        if equal(x.shape[axis], 1) is False:
            raise MalformedModel(f"Squeeze: axis {axis} of {x} is not 1")
    return reshaped(b, x, [d for i, d in enumerate(x.shape) if i not in gone])


@lowers("Unsqueeze")
def unsqueeze(
    b: OnnxBuilder, x: Value, axes_operand: Value | None = None, *, axes: tuple[int, ...] | None = None
) -> Value:
    given = axes if axes_operand is None else b.integers(axes_operand, "axes")
    if given is None:
        raise MalformedModel("Unsqueeze has no axes")
    rank = x.rank + len(given)
    new = normal_axes(given, rank)
    old = iter(x.shape)
    return reshaped(b, x, [1 if i in new else next(old) for i in range(rank)])


# -- reshape and broadcast --------------------------------------------------------------------------------------------


@lowers("Reshape", since=5)
def reshape(b: OnnxBuilder, x: Value, target: Value, *, allowzero: bool = False) -> Value:
    wanted = b.sizes(target)
    if wanted is not None:
        return reshaped(b, x, resolved_shape(x, wanted, allowzero))
    rank = rank_from(target, "Reshape")
    if not allowzero:
        target = _with_zeros_copied(b, x, target, rank)
    return b.dynamic_reshape(x, target)


@lowers("Reshape")
def reshape_by_attribute(b: OnnxBuilder, x: Value, *, shape: tuple[int, ...]) -> Value:
    return reshaped(b, x, resolved_shape(x, shape, False))


def resolved_shape(x: Value, wanted: Shape, allowzero: bool) -> Shape:
    """`wanted` with 0 read as the size x has there (unless allowzero) and -1 as what remains."""
    sizes: list[Dim] = []
    for i, d in enumerate(wanted):
        if d == 0 and not allowzero:
            if i >= x.rank:
                raise MalformedModel(f"Reshape: size {i} is copied from {x}, which has none")
            sizes.append(x.shape[i])
        else:
            sizes.append(d)
    open_ = [i for i, d in enumerate(sizes) if d == -1]
    if len(open_) > 1:
        raise MalformedModel(f"Reshape: more than one -1 in {list(wanted)}")
    if open_:
        kept, counted = _without_common(sizes, x.shape)
        rest = product(d for d in kept if d != -1)
        if rest == 0:
            raise MalformedModel(f"Reshape: {list(wanted)} leaves -1 open for {x}")
        total = product(counted)
        if isinstance(total, int) and isinstance(rest, int) and total % rest:
            raise MalformedModel(f"Reshape: {x} does not fill {list(wanted)}")
        sizes[open_[0]] = floordiv(total, rest)
    return tuple(sizes)


def _without_common(a: list[Dim], b: Shape) -> tuple[list[Dim], list[Dim]]:
    """Both lists without the symbolic factors they share: a size of 0 on both sides says nothing about the rest."""
    left, right = list(a), list(b)
    for d in a:
        if not isinstance(d, int) and d in right:
            left.remove(d)
            right.remove(d)
    return left, right


def _with_zeros_copied(b: OnnxBuilder, x: Value, target: Value, rank: int) -> Value:
    have = b.dims([x.shape[i] if i < x.rank else 0 for i in range(rank)])
    wide = target if target.dtype == I64 else b.cast(target, dtype=I64)
    return b.where(b.equal(wide, 0), have, wide)


@lowers("Expand")
def expand(b: OnnxBuilder, x: Value, target: Value) -> Value:
    rank_from(target, "Expand")
    wanted = b.sizes(target)
    merged = None if wanted is None else _merged(x.shape, wanted)
    if merged is None:
        return b.dynamic_expand(x, target)
    return x if merged == x.shape else b.expand(x, shape=merged)


def _merged(have: Shape, want: Shape) -> Shape | None:
    """The two broadcast against each other; None where it depends on which symbolic size is 1."""
    rank = max(len(have), len(want))
    merged: list[Dim] = []
    for a, d in zip((1,) * (rank - len(have)) + have, (1,) * (rank - len(want)) + want, strict=True):
        if a == d or d == 1:
            merged.append(a)
        elif a == 1:
            merged.append(d)
        elif isinstance(a, int) and isinstance(d, int):
            raise MalformedModel(f"Expand: {list(have)} and {list(want)} do not broadcast")
        elif isinstance(a, int):
            merged.append(a)  # d is a or 1
        else:
            return None
    return tuple(merged)


@lowers("Tile", since=6)
def tile(b: OnnxBuilder, x: Value, repeats: Value) -> Value:
    counts = b.sizes(repeats)
    if counts is None:
        rank_from(repeats, "Tile")
        return b.dynamic_tile(x, repeats)
    return x if all(n == 1 for n in counts) else b.tile(x, repeats=counts)


@lowers("Transpose")
def transpose(b: OnnxBuilder, x: Value, *, perm: tuple[int, ...] | None = None) -> Value:
    return b.transpose(x, perm=tuple(reversed(range(x.rank))) if perm is None else perm)


# -- together and apart -----------------------------------------------------------------------------------------------


@lowers("Concat")
def concat(b: OnnxBuilder, x: Value, *xs: Value, axis: int = 1) -> Value:
    if not xs:
        return x
    return b.concat(x, *xs, axis=normal_axis(axis, x.rank))


@lowers("Split")
def split(
    b: OnnxBuilder,
    x: Value,
    sizes_operand: Value | None = None,
    *,
    axis: int = 0,
    num_outputs: int | None = None,
    split: tuple[int, ...] | None = None,
) -> tuple[Value, ...]:
    """Sizes became an operand in operator set 13; without them the parts are equal, the last one smaller if need be."""
    axis = normal_axis(axis, x.rank)
    sizes: Shape | None = split
    if sizes_operand is not None:
        sizes = b.sizes(sizes_operand)
        if sizes is None:
            raise UnsupportedModel("Split: sizes must depend on nothing but input shapes")
    if sizes is None:
        if num_outputs not in (None, len(b.outputs)):
            raise MalformedModel(f"Split: num_outputs is {num_outputs} but {len(b.outputs)} are named")
        sizes = _equal_parts(x.shape[axis], len(b.outputs))
    return tuple(b.split(x, axis=axis, sizes=sizes))


def _equal_parts(total: Dim, count: int) -> Shape:
    part = ceildiv(total, count)
    if equal(part * count, total) is True:
        return (part,) * count
    return (*[part] * (count - 1), total - minimum(part * (count - 1), total))
