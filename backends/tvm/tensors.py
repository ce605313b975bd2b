"""What stands for an IR value while a graph is written: memory, a formula for its elements, or work that is put off.

Formulas and pending work become kernels when somebody needs their memory. Until then, what uses them joins them:
fusion is nothing but not storing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias

from isthmus.backends.tvm.kernels import Expr, Perm
from isthmus.ir.dim import Dim, Symbol
from isthmus.ir.graph import Node
from isthmus.ir.types import Array, TensorType

Index: TypeAlias = Sequence[Any]
"""A logical index: an int64 expression for each axis."""

Deliver: TypeAlias = Callable[[Index, Expr], None]
"""Called once for each element of a result, with its logical index, in the type it is computed in."""


class Scope(Protocol):
    """One kernel being written, as formulas see it."""

    def read(self, tensor: Tensor, at: Index) -> Expr:
        """An element, in the type it is computed in."""

    def load(self, tensor: Tensor, at: Index) -> Expr:
        """`read`, computed where the expression stands: within a branch that keeps the index inside the tensor."""

    def size(self, dim: Dim) -> Any:
        """A dimension: a number or an int64 expression."""

    def bind(self, value: Expr) -> Expr:
        """A variable that is computed here once."""


@dataclass(frozen=True, eq=False)
class Stored:
    """Memory: a Relax variable whose axes lie in the order `perm`."""

    type: TensorType
    var: Any
    """None for a constant, whose variable is made when a kernel first reads it."""
    perm: Perm
    constant: Array | None = None
    """The contents in logical order, in the numpy type of the IR, where they are known."""

    @property
    def symbols(self) -> frozenset[Symbol]:
        """What its shape mentions."""
        return self.type.symbols()

    @property
    def is_row_major(self) -> bool:
        """Whether the last logical axis is the innermost one, and so on outward."""
        return self.perm == tuple(range(len(self.perm)))


@dataclass(frozen=True, eq=False)
class Formula:
    """Elements that are computed from those of other tensors wherever they are read."""

    type: TensorType
    element: Callable[[Scope, Index], Expr]
    reads: tuple[Tensor, ...]
    symbols: frozenset[Symbol]
    is_elementwise: bool = False
    """Whether the element at an index depends on the elements at its broadcast index alone."""
    is_free: bool = False
    """Whether reading it costs no more than reading memory."""
    calls: bool = False
    """Whether it calls the C library, which keeps kernels from being vectorized."""
    node: Node | None = None
    """The IR node it was made for."""

    @cached_property
    def root(self) -> Pending | None:
        """The pending work that the formula finishes: they are one kernel."""
        return next((r for each in self.reads if (r := root_of(each)) is not None), None)

    @cached_property
    def weight(self) -> int:
        """How many formulas it is made of."""
        return 1 + sum(each.weight for each in self.reads if not isinstance(each, Stored))

    @cached_property
    def uses_libm(self) -> bool:
        """Whether it or what it reads calls the C library."""
        return self.calls or any(each.uses_libm for each in self.reads if isinstance(each, Formula))


@dataclass(frozen=True, eq=False)
class Pending:
    """A kernel that is not written yet."""

    type: TensorType
    prepare: Callable[[], tuple[Callable[[Any, Deliver], None], tuple[Tensor, ...]]]
    """What the default kernel is made of: `write(scope, deliver)`, which makes all elements of the one result, and what
    it reads. Called only where the kernel library offers none.
    """
    symbols: frozenset[Symbol]
    anchor: Node
    perm: Perm
    """How its result is stored."""

    @property
    def weight(self) -> int:
        """As much as a formula may be made of: kernels that end in a long formula stay readable to LLVM."""
        return 1


Tensor: TypeAlias = Stored | Formula | Pending


def root_of(tensor: Tensor) -> Pending | None:
    """The pending work that a tensor is, or finishes."""
    if isinstance(tensor, Pending):
        return tensor
    return tensor.root if isinstance(tensor, Formula) else None


def leaves(tensor: Tensor) -> list[Stored]:
    """All memory that a tensor reads, what pending work reads aside, each once, in the order of first use."""
    found: dict[Stored, None] = {}
    pending: list[Tensor] = [tensor]
    seen: set[Tensor] = set()
    while pending:
        each = pending.pop()
        if each in seen:
            continue
        seen.add(each)
        if isinstance(each, Stored):
            found[each] = None
        elif isinstance(each, Formula):
            pending.extend(reversed(each.reads))
    return list(found)
