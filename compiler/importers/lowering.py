"""How a source op is written in the IR: one decorated function, whose signature is the source op's schema.

After the builder, positional parameters are the source op's inputs (`= None` where it may be absent, `*xs`
variadic); keyword-only parameters are its attributes with the format's own defaults. What the signature lacks is
refused by name, so nothing a model says is ignored.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from isthmus.ir.errors import MalformedModel, TypeRuleError, UnsupportedModel
from isthmus.ir.op import Attribute, coerce


@dataclass(frozen=True, eq=False)
class Lowering:
    """One source op, from version `since` on, as a function from a builder and values to values."""

    ops: tuple[str, ...]
    since: int
    function: Callable[..., Any]
    least: int
    """How many inputs must be given."""
    most: int | None
    """How many may be; None is any number."""
    attributes: Mapping[str, Attribute]
    lists: frozenset[int] = frozenset()
    """The inputs, by position, that are lists of tensors."""

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The function itself, so that lowerings can be written in terms of each other."""
        return self.function(*args, **keywords)

    def check_inputs(self, op: str, inputs: Sequence[object]) -> None:
        """MalformedModel unless as many inputs are present as the signature says."""
        if len(inputs) < self.least or any(x is None for x in inputs[: self.least]):
            raise MalformedModel(f"{op} needs {self.least} inputs, got {sum(x is not None for x in inputs)}")
        if self.most is not None and len(inputs) > self.most:
            raise MalformedModel(f"{op} takes at most {self.most} inputs, got {len(inputs)}")

    def bind_attributes(self, op: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` as the annotations want it. UnsupportedModel for unknown attributes, MalformedModel for ill-typed."""
        bound = {}
        for name, value in given.items():
            spec = self.attributes.get(name)
            if spec is None:
                known = ", ".join(self.attributes) or "none"
                raise UnsupportedModel(f"{op}: attribute {name!r} is not supported", hint=f"supported are: {known}")
            bound[name] = _fitted(spec.annotation, value, f"{op}: attribute {name}")
        for spec in self.attributes.values():
            if spec.required and spec.name not in given:
                raise MalformedModel(f"{op}: attribute {spec.name!r} is missing")
        return bound


def lowers(*ops: str, since: int = 1) -> Callable[[Callable[..., Any]], Lowering]:
    """Decorator: the function writes these source ops in the IR, as they are from version `since` on."""

    def mark(function: Callable[..., Any]) -> Lowering:
        hints = typing.get_type_hints(function)
        least, most, lists = 0, 0, set()
        attributes = {}
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
            if _is_list(hints[name]):
                lists.add(most)
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                most = -1
            elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                attributes[name] = Attribute(name, hints[name], parameter.default)
            else:
                most += 1
                least += parameter.default is inspect.Parameter.empty
        return Lowering(ops, since, function, least, None if most < 0 else most, attributes, frozenset(lists))

    return mark


class LoweringTable:
    """The lowerings of a format, by source op and version."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self._rows: dict[str, list[Lowering]] = {}
        for module in modules:
            for row in vars(module).values():
                for lowering in row if isinstance(row, tuple) else (row,):
                    if isinstance(lowering, Lowering):
                        for op in lowering.ops:
                            self._rows.setdefault(op, []).append(lowering)
        for rows in self._rows.values():
            rows.sort(key=lambda lowering: -lowering.since)

    @property
    def ops(self) -> list[str]:
        """Every source op that has a lowering."""
        return sorted(self._rows)

    def find(self, op: str, version: int) -> Lowering | None:
        """The lowering that describes `op` as it is in `version`."""
        return next((row for row in self._rows.get(op, ()) if row.since <= version), None)


def _is_list(annotation: Any) -> bool:
    """Whether a parameter's class is a kind of tuple: a format's own list of tensors."""
    return isinstance(annotation, type) and issubclass(annotation, tuple)


def _fitted(annotation: Any, value: Any, what: str) -> Any:
    if annotation is bool and isinstance(value, int):
        return bool(value)
    if isinstance(annotation, type) and isinstance(value, annotation):
        return value
    try:
        return coerce(annotation, value, what)
    except TypeRuleError as error:
        raise MalformedModel(error.reason) from None
