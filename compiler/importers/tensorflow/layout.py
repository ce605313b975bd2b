"""Between TensorFlow's layouts and the IR's, which is [N, C, *spatial]: transposes that passes remove later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

_Item = TypeVar("_Item")
_FIRST = ("NCHW", "NCDHW", "NCW")
_LAST = ("NHWC", "NDHWC", "NWC")


def is_first(data_format: str) -> bool:
    """Whether channels stand behind the batch rather than last."""
    if data_format not in (*_FIRST, *_LAST):
        raise UnsupportedModel(f"data_format {data_format!r}")
    return data_format in _FIRST


def to_first(b: ImportBuilder, x: Value, data_format: str) -> Value:
    """x with its channels behind the batch."""
    if x.rank < 3:
        raise MalformedModel(f"{x} has no spatial axis")
    return x if is_first(data_format) else b.transpose(x, perm=(0, x.rank - 1, *range(1, x.rank - 1)))


def from_first(b: ImportBuilder, x: Value, data_format: str) -> Value:
    """x with its channels where the format has them."""
    return x if is_first(data_format) else b.transpose(x, perm=(0, *range(2, x.rank), 1))


def spatial(items: Sequence[_Item], data_format: str, rank: int, what: str) -> tuple[_Item, ...]:
    """What an attribute with one item a dimension says of the spatial ones. It must say 1 of batch and channels."""
    if len(items) != rank:
        raise MalformedModel(f"{what} has {len(items)} items for rank {rank}")
    channel = 1 if is_first(data_format) else rank - 1
    if items[0] != 1 or items[channel] != 1:
        raise UnsupportedModel(f"{what} {list(items)} is not 1 for batch and channels")
    return tuple(item for i, item in enumerate(items) if i not in (0, channel))
