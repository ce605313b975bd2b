"""Small things that lowerings of several families need: element types, axes, numbers as tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import torch

from isthmus.compiler.importers.torch.builder import Number, Scalar, TorchBuilder
from isthmus.compiler.importers.torch.types import dtype_from, torch_dtype
from isthmus.ir.dim import Dim, DimExpr
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, I64, DType


def cast(b: TorchBuilder, x: Value, dtype: DType) -> Value:
    """x in another element type; x itself where it has it."""
    return x if x.dtype == dtype else b.cast(x, dtype=dtype)


def tensor(b: TorchBuilder, x: Scalar, dtype: DType) -> Value:
    """A tensor or a number as a tensor of `dtype`."""
    if isinstance(x, Value):
        return cast(b, x, dtype)
    if isinstance(x, DimExpr):
        return cast(b, b.reshape(b.dims((x,)), shape=()), dtype)
    if dtype == BOOL:
        return b.const(bool(x), dtype)
    if dtype.is_integer and isinstance(x, float):
        return b.const(math.trunc(x), dtype)  # as torch converts a Scalar
    return b.const(x, dtype)


def common_dtype(*xs: Scalar) -> DType:
    """The element type torch's promotion gives operands: tensors before 0-d tensors before numbers, by category.

    https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
    """
    groups: list[list[DType]] = [[], [], []]
    for x in xs:
        if isinstance(x, Value):
            groups[0 if x.rank else 1].append(x.dtype)
        else:
            groups[2].append(_dtype_of_number(x))
    found: DType | None = None
    for group in groups:
        if group:
            joined = reduce(_promoted, group)
            found = joined if found is None or _category(joined) > _category(found) else found
    assert found is not None, "an op has no operands"
    return found


def promoted(b: TorchBuilder, *xs: Scalar) -> list[Value]:
    """The operands in their common element type."""
    dtype = common_dtype(*xs)
    return [tensor(b, x, dtype) for x in xs]


def floated(b: TorchBuilder, x: Value) -> Value:
    """x as the float type of the result, where integers are computed as floats."""
    return x if x.dtype.is_float else b.cast(x, dtype=b.wanted_dtype())


def truth(b: TorchBuilder, x: Scalar) -> Value:
    """Whether x differs from zero."""
    return tensor(b, x, BOOL)


def axis_of(axis: int, rank: int) -> int:
    """The axis counted from the front; a scalar counts as a vector, as in torch."""
    rank = max(rank, 1)
    if not -rank <= axis < rank:
        raise MalformedModel(f"axis {axis} does not exist in rank {rank}")
    return axis % rank


def axes_of(axes: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """The axes counted from the front; none given means all."""
    if axes is None or (not isinstance(axes, int) and not axes):
        return tuple(range(rank))
    given = (axes,) if isinstance(axes, int) else axes
    return tuple(axis_of(a, rank) for a in given) if rank else ()


def reshaped(b: TorchBuilder, x: Value, shape: Sequence[Dim]) -> Value:
    """x in another shape; x itself where it has it."""
    return x if x.shape == tuple(shape) else b.reshape(x, shape=tuple(shape))


def expanded(b: TorchBuilder, x: Value, shape: Sequence[Dim]) -> Value:
    """x broadcast to a shape; x itself where it has it."""
    return x if x.shape == tuple(shape) else b.expand(x, shape=tuple(shape))


def permuted(b: TorchBuilder, x: Value, perm: Sequence[int]) -> Value:
    """x with its axes in another order; x itself where that is the same."""
    return x if list(perm) == list(range(x.rank)) else b.transpose(x, perm=tuple(perm))


def index_of(b: TorchBuilder, x: Value) -> Value:
    """Indices in a type the IR indexes with."""
    return x if x.dtype.name in ("i32", "i64") else b.cast(x, dtype=I64)


def number_of(b: TorchBuilder, x: Scalar, what: str) -> float:
    """A number that must be known now."""
    if isinstance(x, int | float):
        return x
    if isinstance(x, Value) and (found := b.numbers(x)) is not None and found.size == 1:
        return float(found.item())
    raise UnsupportedModel(f"{what} must be constant, but is computed from inputs")


def static_sizes(dims: Sequence[Dim], what: str) -> tuple[int, ...]:
    """Sizes that must be numbers."""
    found = tuple(d for d in dims if isinstance(d, int))
    if len(found) < len(dims):
        raise UnsupportedModel(f"{what} has symbolic sizes", hint="give fixed sizes with inputs=")
    return found


def spread(given: int | Sequence[int] | None, count: int, default: int | None = None) -> tuple[int, ...]:
    """A value for each of `count` spatial axes, from one for all or one for each."""
    items = [default] if given is None or (not isinstance(given, int) and not given) else given
    items = [items] if isinstance(items, int) else list(items)
    found = [each for each in (items * count if len(items) == 1 else items) if each is not None]
    if len(found) != count:
        raise MalformedModel(f"{given} has not one item for each of {count} axes")
    return tuple(found)


def _dtype_of_number(x: Number) -> DType:
    if isinstance(x, bool):
        return BOOL
    if isinstance(x, float):
        return dtype_from(torch.get_default_dtype(), "a number")
    return I64


def _promoted(a: DType, c: DType) -> DType:
    return a if a == c else dtype_from(torch.promote_types(torch_dtype(a), torch_dtype(c)), "the result")


def _category(dtype: DType) -> int:
    return 2 if dtype.is_float else 1 if dtype.is_integer else 0
