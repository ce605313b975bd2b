"""Draws the parts of one node: values that are here, constants, numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, F32, I8, I32, I64, U8, Array, DType
from tests.support.opcases import random_array


class Misfit(Exception):
    """The op does not suit what is here: draw another."""


class Picker:
    """Draws values, constants and numbers for one node."""

    def __init__(self, draw: st.DrawFn, b: Builder, values: list[Value], rng: np.random.Generator) -> None:
        self.draw = draw
        self.b = b
        self.values = values
        self.rng = rng

    def among(self, choices: Iterable[Any]) -> Any:
        """One of the choices; Misfit if there is none."""
        if not (found := list(choices)):
            raise Misfit
        return self.draw(st.sampled_from(found))

    def number(self, low: int, high: int) -> int:
        """An integer from `low` to `high`."""
        return self.draw(st.integers(low, high))

    def value(self, dtypes: Iterable[DType]) -> Value:
        """A value of one of the types, more often a late one."""
        wanted = frozenset(dtypes)
        found = [v for v in self.values if v.dtype in wanted]
        chosen: Value = self.among([*found, *found[-3:], *found[-1:]])
        return chosen

    def dtype(self, dtypes: Iterable[DType]) -> DType:
        """A common one of the element types."""
        admitted = frozenset(dtypes)
        found: DType = self.among(t for t in (F32, I64, I32, BOOL, I8, U8) if t in admitted)
        return found

    def const(self, dtype: DType, *shape: Dim, positive: bool = False, scale: float = 1.0) -> Value:
        """A constant of ordinary values; Misfit for a symbolic shape."""
        sizes = tuple(d for d in shape if isinstance(d, int))
        if len(sizes) != len(shape):
            raise Misfit
        array = random_array(dtype, sizes, self.rng)
        if positive:
            array = np.asarray(np.abs(array) + dtype.numpy.type(0.5))
        return self.b.const(np.asarray(array * scale).astype(dtype.numpy) if scale != 1.0 else array)

    def maybe(self, value: Callable[[], Value]) -> Value | None:
        """The value, or nothing."""
        return value() if self.draw(st.booleans()) else None

    def beside(self, x: Value, dtype: DType, tame: Callable[[Array], Array], constant: bool) -> Value:
        """A value of the type that broadcasts with x: one that is here, or a constant brought into a domain."""
        here = [v for v in self.values if v.dtype == dtype and broadcasts(x.shape, v.shape)]
        if here and not constant and self.number(0, 2):
            chosen: Value = self.among(here)
            return chosen
        shape = tuple(d if isinstance(d, int) and self.number(0, 1) else 1 for d in x.shape)
        array = random_array(dtype, shape[self.number(0, x.rank) :], self.rng)
        if constant and dtype.is_float:
            array = np.asarray(np.abs(array) + dtype.numpy.type(0.5))
        return self.b.const(tame(array))


def broadcasts(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> bool:
    """Whether the shapes are known to broadcast."""
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False))
