"""Running products.

They are made one by one: a product of a stretch in the middle may leave the range where none from the start does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.recurrence import over_time
from isthmus.ir.graph import Value

_Values: TypeAlias = Sequence[Value]


def running_product(b: ImportBuilder, x: Value, axis: int, *, exclusive: bool = False) -> Value:
    """The product of all elements of x (rank 1 or more) up to each one along `axis`, without itself if `exclusive`."""

    def turn(inner: ImportBuilder, state: _Values, elements: _Values, _: _Values) -> tuple[_Values, _Values]:
        product = inner.mul(state[0], elements[0])
        return [product], [state[0] if exclusive else product]

    order = (axis, *(i for i in range(x.rank) if i != axis))
    rows = x if axis == 0 else b.transpose(x, perm=order)
    one = b.full(b.const(1, x.dtype), shape=rows.shape[1:])
    _, (found,) = over_time(b, turn, [one], [rows])
    return found if axis == 0 else b.transpose(found, perm=tuple(order.index(i) for i in range(x.rank)))
