"""Computing in f32 what loses digits when each of several layers rounds to a narrower type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from isthmus.ir.types import F32

if TYPE_CHECKING:
    from isthmus.backends.tensorrt.network import Handle, Network


def in_f32(n: Network, write: Callable[..., Handle], *xs: Handle) -> Handle:
    """What `write` makes of floats, computed in f32 and rounded once to the type of the node's first result."""
    dtype = n.node.results[0].dtype
    if dtype.bits >= 32:
        return write(*xs)
    return n.cast(write(*(n.cast(x, F32) for x in xs)), dtype)
