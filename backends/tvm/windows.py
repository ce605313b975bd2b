"""Convolutions and poolings as reductions over windows, channels innermost in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.orders import channels_last
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.tensors import Index, Scope, Stored, Tensor
from isthmus.ir.types import TensorType

Ints: TypeAlias = tuple[int, ...]
Pads: TypeAlias = Sequence[tuple[int, int]]


def padded(n: Network, x: Tensor, pads: Pads, fill: Expr) -> Stored:
    """x [N, C, *spatial] in memory with its spatial dimensions padded, channels innermost."""
    perm = channels_last(x.type.rank)
    if not any(map(any, pads)):
        return n.memory(x, perm)
    source = n.memory(x, perm)
    shape = source.type.shape
    wide = (*shape[:2], *(d + low + high for d, (low, high) in zip(shape[2:], pads, strict=True)))
    type = TensorType(source.type.dtype, wide)

    def element(scope: Scope, at: Index) -> Expr:
        inside: list[Expr] = []
        places = list(at[:2])
        for axis, (low, _) in enumerate(pads, 2):
            size, place = int64(scope.size(shape[axis])), at[axis] - int64(low)
            inside += [place >= int64(0), place < size]
            places.append(tirx.min(tirx.max(place, int64(0)), size - int64(1)))
        return select(tirx.all(*inside), scope.read(source, places), fill)

    return n.memory(n.formula(element, source, type=type), perm)


def placed(index: Sequence[Any], taps: Sequence[Any], strides: Sequence[int], dilations: Sequence[int]) -> list[Any]:
    """Where the taps of a window stand in the padded spatial dimensions."""
    return [
        position * int64(stride) + tap * int64(dilation)
        for position, tap, stride, dilation in zip(index, taps, strides, dilations, strict=True)
    ]
