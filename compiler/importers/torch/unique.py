"""The different elements of a tensor, where they stand and how often."""

from __future__ import annotations

from typing import TypeAlias

from isthmus.compiler.importers.runs import before, runs
from isthmus.compiler.importers.torch.args import cast
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, I32

Found: TypeAlias = tuple[Value, Value | None, Value | None]
"""The different elements; for each element which of them it is; how often each occurs."""


@aten("_unique2")
def unique(
    b: TorchBuilder, x: Value, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> Found:
    """Always sorted: an unsorted result may stand in any order. No NaN is like another."""
    flat = b.reshape(x, shape=(x.type.numel(),))
    flat = cast(b, flat, I32) if x.dtype == BOOL else flat
    ordered, places = b.topk(flat, k=flat.shape[0], axis=0, largest=False)
    values, groups, counts = _groups(b, ordered)
    inverse = b.scatter_elements(b.full(b.const(0), shape=flat.shape), places, groups, axis=0)
    return cast(b, values, x.dtype), b.reshape(inverse, shape=x.shape) if return_inverse else None, counts


@aten("unique_consecutive")
def unique_consecutive(
    b: TorchBuilder, x: Value, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Found:
    """Only elements that follow each other count as one."""
    if dim is not None and x.rank != 1:
        raise UnsupportedModel("unique_consecutive of slices along an axis")
    flat = b.reshape(x, shape=(x.type.numel(),))
    values, groups, counts = _groups(b, cast(b, flat, I32) if x.dtype == BOOL else flat)
    return cast(b, values, x.dtype), b.reshape(groups, shape=x.shape) if return_inverse else None, counts


def _groups(b: TorchBuilder, x: Value) -> tuple[Value, Value, Value]:
    """Of a vector: the first element of each run of equal ones, the run each element is in, and the runs' lengths."""
    starts, groups, counts = runs(b, b.not_equal(x, before(b, x)))
    return b.gather(x, starts, axis=0), groups, counts
