"""What a loop variable is to the node the loop becomes, and a body read with such roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from isthmus.compiler.importers.tensorflow.operands import KINDS, Operand, ReservedList, TensorList
from isthmus.compiler.importers.tensorflow.scope import Scope
from isthmus.compiler.importers.tensorflow.trips import Count
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import TensorType


@dataclass(frozen=True)
class Fixed:
    """The variable is the same in every iteration."""


@dataclass(frozen=True)
class Carried:
    """The variable is a tensor of this type, or a list whose buffer is."""

    type: TensorType


@dataclass(frozen=True)
class Listed:
    """The variable is a list; what is done to it is not known yet, or is one element in each iteration."""


Role: TypeAlias = Fixed | Carried | Listed | Count


@dataclass
class Reading:
    """The body, read with certain roles."""

    scope: Scope
    counter: Value
    """The iteration, from 0."""
    inputs: list[Operand] = field(default_factory=list)
    """What stands for each variable inside."""
    carried: dict[int, Value] = field(default_factory=dict)
    """The region's input for each variable that is carried."""
    outputs: Sequence[Operand] = ()


def first_role(start: Operand, fixed: bool) -> Role:
    """The role a variable starts with: carried unless it is `fixed` or a list. UnsupportedModel for other kinds."""
    if fixed:
        return Fixed()
    if isinstance(start, Value):
        return Carried(start.type)
    if isinstance(start, ReservedList | TensorList):
        return Listed()
    raise UnsupportedModel(f"the loop changes {KINDS[type(start)]}, which is not supported")
