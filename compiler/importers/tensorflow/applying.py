"""A lowering applied to a node: its operands and attributes are checked against what the lowering's signature says."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from isthmus.compiler.importers.lowering import Lowering
from isthmus.compiler.importers.tensorflow.attributes import attributes_of
from isthmus.compiler.importers.tensorflow.frame import Frame, TfBuilder
from isthmus.compiler.importers.tensorflow.operands import KINDS, Complex, Operand
from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.tensors import MAX_RANK
from isthmus.ir.errors import TypeRuleError, UnsupportedModel
from isthmus.ir.graph import Loc, Value

if TYPE_CHECKING:
    from isthmus.compiler.importers.tensorflow.importer import Walk

_REARRANGING = frozenset(
    (
        "BroadcastTo",
        "ConcatV2",
        "ExpandDims",
        "GatherV2",
        "Pack",
        "Pad",
        "Reshape",
        "ReverseV2",
        "Slice",
        "Split",
        "Squeeze",
        "StridedSlice",
        "Tile",
        "Transpose",
        "Unpack",
    )
)
"""What these do to complex tensors they do to each of their parts."""
_REAL, _IMAGINARY = attrgetter("real"), attrgetter("imaginary")


def lowered(
    lowering: Lowering, walk: Walk, frame: Frame, node: Message, operands: Sequence[Operand]
) -> tuple[Operand, ...]:
    """What the node makes of operands of its scope. UnsupportedModel or MalformedModel where they do not fit."""
    if node.op in _REARRANGING and any(isinstance(x, Complex) for x in operands):
        sides = [[part(x) if isinstance(x, Complex) else x for x in operands] for part in (_REAL, _IMAGINARY)]
        pairs = zip(*(lowered(lowering, walk, frame, node, side) for side in sides), strict=True)
        return tuple(Complex(*pair) if isinstance(pair[0], Value) else pair[0] for pair in pairs)
    b = frame.scope.builder
    assert isinstance(b, TfBuilder)
    lowering.check_inputs(node.op, operands)
    for i, (operand, kinds) in enumerate(zip(operands, _kinds(lowering, len(operands)), strict=True)):
        if kinds and not isinstance(operand, kinds):
            raise UnsupportedModel(f"{node.op}: input {i} is {KINDS[type(operand)]}, which is not supported")
    attributes = lowering.bind_attributes(node.op, attributes_of(node, frame, walk, lowering.attributes))
    b.frame, b.node, b.walk = frame, node, walk
    b.loc = Loc("tensorflow", (f"{frame.path}{node.name}",))
    try:
        found = lowering.function(b, *operands, **attributes)
    except TypeRuleError as error:
        if "must be one of" not in error.reason:
            raise
        raise UnsupportedModel(f"{node.op} in this form is not supported: {error.reason}") from error
    results = found if isinstance(found, tuple) else (found,)
    for value in results:
        if isinstance(value, Value):
            if value.rank > MAX_RANK:
                raise UnsupportedModel(f"the result has rank {value.rank}, more than {MAX_RANK}")
            value.name = value.name or node.name
    return results


@cache
def _signature(function: Callable[..., Any]) -> tuple[tuple[Any, ...], tuple[type, ...] | None]:
    hints = typing.get_type_hints(function)
    plain, rest = [], None
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            rest = _classes(hints[name])
        elif parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            plain.append(_classes(hints[name]))
    return tuple(plain), rest


def _kinds(lowering: Lowering, count: int) -> Iterable[tuple[type, ...]]:
    """For each operand, the classes its annotation admits; none where it admits all."""
    plain, rest = _signature(lowering.function)
    return (*plain, *[rest or ()] * count)[:count]


def _classes(annotation: Any) -> tuple[type, ...]:
    parts = typing.get_args(annotation) or (annotation,)
    return tuple(part for part in parts if part is not type(None))
