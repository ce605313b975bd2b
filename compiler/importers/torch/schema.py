"""How an ATen op is written in the IR: one decorated function, whose signature is the op's schema.

The function is given a builder and then the schema's arguments by name; its first parameter after the builder, `x`, is
the schema's first argument, whatever that is called. One function serves every overload whose arguments it names. An
argument it does not name may only have its default, so nothing a model says is ignored.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar

from isthmus.ir.errors import UnsupportedModel

WITHOUT_MEANING = frozenset(
    ("layout", "device", "pin_memory", "memory_format", "non_blocking", "requires_grad", "implicit", "copy")
)
"""Arguments that say where and how memory lies: nothing the IR knows."""


Made = TypeVar("Made")
"""What a lowering makes: a value, several, or None for those nobody can use."""


@dataclass(frozen=True, eq=False)
class AtenLowering(Generic[Made]):
    """Some ATen ops as a function from a builder and arguments to values."""

    ops: tuple[str, ...]
    """Names of ops, or of single overloads: `max` and `max.dim`."""
    function: Callable[..., Made]
    parameters: Sequence[str]
    """What the function takes after the builder."""
    rest: bool = False
    """Whether it takes all arguments by position, whatever they are called."""

    def __call__(self, *args: Any, **keywords: Any) -> Made:
        """The function itself, so that lowerings can be written in terms of each other."""
        return self.function(*args, **keywords)

    def bind(self, overload: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments for the function. UnsupportedModel where one is given that it lacks."""
        arguments = overload._schema.arguments
        given = dict(zip((each.name for each in arguments), args, strict=False)) | dict(keywords)
        if self.rest:
            return [given.get(each.name, each.default_value) for each in arguments], {}
        first = next(iter(arguments), None)
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for each in arguments:
            known = each.has_default_value() or each.name in given
            value = given.get(each.name, each.default_value)
            if each is first and self.parameters and self.parameters[0] == "x":
                positional.append(value)
            elif each.name in self.parameters:
                if known:
                    named[each.name] = value
            elif each.name not in WITHOUT_MEANING and each.name in given and not _same(value, each.default_value):
                raise UnsupportedModel(f"{overload}: argument {each.name} = {value!r} is not supported")
        return positional, named


def aten(*ops: str) -> Callable[[Callable[..., Made]], AtenLowering[Made]]:
    """Decorator: the function writes these ATen ops (every overload, or the one named) in the IR."""

    def mark(function: Callable[..., Made]) -> AtenLowering[Made]:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        rest = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
        return AtenLowering(ops, function, tuple(p.name for p in parameters), rest)

    return mark


class AtenTable:
    """The lowerings by op and overload."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self.rows: dict[str, AtenLowering[Any]] = {}
        for module in modules:
            for row in vars(module).values():
                for lowering in row if isinstance(row, tuple) else (row,):
                    if isinstance(lowering, AtenLowering):
                        for op in lowering.ops:
                            assert self.rows.setdefault(op, lowering) is lowering, f"two lowerings of {op}"

    def find(self, overload: Any) -> AtenLowering[Any] | None:
        """The lowering of an OpOverload: that of the overload itself, else that of the op.

        `relu_` is found as `relu`: what writes into its argument gets this far only where nobody sees it.
        """
        namespace, _, op = overload._schema.name.partition("::")
        if overload._schema.is_mutable and not op.endswith("__"):
            op = op.removesuffix("_")
        if namespace != "aten":
            op = f"{namespace}::{op}"
        return self.rows.get(f"{op}.{overload._overloadname}") or self.rows.get(op)


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return list(value) == list(default)
    return bool(type(value) in (type(default), int, float, bool) and value == default)
