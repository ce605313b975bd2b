"""What kind of thing a script holds, where it asks with isinstance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.compiler.importers.torch.scripted.frame import Frame
from isthmus.compiler.importers.torch.scripted.refs import Items, Tensor
from isthmus.ir.errors import UnsupportedModel

_KINDS: dict[str, type] = {
    "TensorType": Tensor,
    "AnyListType": Items,
    "AnyTupleType": tuple,
    "IntType": int,
    "FloatType": float,
    "BoolType": bool,
    "StringType": str,
    "NoneType": type(None),
}
"""torch's kinds of types, and how what is of them is held. A bool is no int, as in TorchScript."""


def is_instance(frame: Frame, args: Sequence[Any], node: Any) -> list[bool]:
    """Whether the one argument is of any of the node's types. UnsupportedModel where its kind is not plain."""
    asked = node.tys("types")
    held = Tensor if isinstance(args[0], Tensor) else type(args[0])
    if held not in _KINDS.values() or any(each.kind() not in _KINDS for each in asked):
        raise UnsupportedModel(f"isinstance of a {held.__name__}, which may be {', '.join(map(str, asked))}")
    return [any(held is _KINDS[each.kind()] for each in asked)]
