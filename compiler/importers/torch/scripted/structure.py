"""What the values of a script are made of, so that they can cross the border of a region as tensors and come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from isthmus.compiler.importers.torch.args import common_dtype, tensor
from isthmus.compiler.importers.torch.scripted.frame import Frame
from isthmus.compiler.importers.torch.scripted.refs import UNSET, Items, Maybe, Ref, Slot, Stacked, Table, Tensor
from isthmus.ir.dim import UNKNOWN, Dim, DimExpr, symbols
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, F32, I64, DType, TensorType


@dataclass(frozen=True)
class Fixed:
    """Something that is the same on every path: no tensor crosses for it."""

    value: Any

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fixed) or type(self.value) is not type(other.value):
            return False
        return self.value is other.value or bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(type(self.value))


@dataclass(frozen=True)
class Leaf:
    """One tensor, or a number as a 0-d tensor."""

    type: TensorType
    is_number: bool


@dataclass(frozen=True)
class Group:
    """A tuple, list or dict of known length."""

    kind: type
    keys: tuple[Any, ...]
    parts: tuple[Structure, ...]


@dataclass(frozen=True)
class Stack:
    """A list of any length, whose elements are alike."""

    element: Structure


@dataclass(frozen=True)
class Option:
    """None, or something."""

    inner: Structure


Structure: TypeAlias = Fixed | Leaf | Group | Stack | Option


def describe(frame: Frame, thing: Any) -> Structure:
    """What `thing` is made of, as seen from `frame`."""
    if isinstance(thing, Slot):
        return describe(frame, frame.read(thing))
    if isinstance(thing, Tensor):
        return Leaf(frame.read(thing).type, False)
    if isinstance(thing, Value):
        return Leaf(thing.type, True)
    if isinstance(thing, Items):
        content = frame.read(thing)
        return Stack(content.element) if isinstance(content, Stacked) else _group(frame, list, (), content)
    if isinstance(thing, Table):
        content = frame.read(thing)
        return _group(frame, dict, tuple(content), list(content.values()))
    if isinstance(thing, tuple):
        return _group(frame, tuple, (), thing)
    return Option(describe(frame, thing.inner)) if isinstance(thing, Maybe) else Fixed(thing)


def join(a: Structure, b: Structure) -> Structure:
    """What holds `a` on one path and `b` on another. UnsupportedModel where nothing can."""
    if a == b:
        return a
    for first, second in ((a, b), (b, a)):
        if isinstance(first, Fixed) and first.value is UNSET:
            is_size = isinstance(second, Fixed) and isinstance(second.value, DimExpr)
            return Leaf(TensorType(I64, ()), True) if is_size else second
    if any(isinstance(each, Option) or each == Fixed(None) for each in (a, b)):
        inside = [i for i in map(_present, (a, b)) if i is not None]
        return Option(join(*inside) if len(inside) == 2 else inside[0])
    if (number := _joined_numbers(a, b)) is not None:
        return number
    if isinstance(a, Leaf) and isinstance(b, Leaf) and _same_kind(a, b):
        return Leaf(_joined_types(a.type, b.type), a.is_number)
    if isinstance(a, Group) and isinstance(b, Group) and _same_keys(a, b):
        return replace(a, parts=tuple(map(join, a.parts, b.parts)))
    if _is_list(a) and _is_list(b):
        return Stack(_joined([*_elements(a), *_elements(b)]))
    raise UnsupportedModel(
        f"a variable is {show(a)} on one path and {show(b)} on another",
        hint="give it one kind, rank and keys on every path",
    )


def alike(a: Structure, b: Structure) -> bool:
    """Whether two structures differ in their tensors' sizes at most."""
    return _sizeless(a) == _sizeless(b)


def loosened(structure: Structure) -> Structure:
    """The structure with tensors for all its numbers, known ones too."""
    if isinstance(structure, Fixed) and (dtype := _number_type(structure)) is not None:
        return Leaf(TensorType(dtype, ()), True)
    if isinstance(structure, Group):
        return replace(structure, parts=tuple(map(loosened, structure.parts)))
    return Option(loosened(structure.inner)) if isinstance(structure, Option) else structure


def stacked_of(frame: Frame, content: list[Any] | Stacked) -> Stacked:
    """A list's content as stacked tensors. UnsupportedModel where its elements differ."""
    if isinstance(content, Stacked):
        return content
    if not content:
        raise UnsupportedModel("an element of an empty list is taken by a computed index")
    element = _joined([describe(frame, each) for each in content])
    return Stacked(element, tuple(_stacks(frame, content, element)))


def element_of(frame: Frame, content: Stacked, index: Any) -> Any:
    """Element number `index` (counted from the front) of a stacked list."""
    at = tensor(frame.b, index, I64)
    return rebuild(frame, content.element, iter([frame.b.gather(leaf, at, axis=0) for leaf in content.leaves]))


def take_apart(frame: Frame, thing: Any, structure: Structure) -> list[Value]:
    """The tensors in `thing` seen as a `structure` that its own was joined to."""
    b = frame.b
    if isinstance(thing, Slot):
        return take_apart(frame, frame.read(thing), structure)
    if isinstance(structure, Fixed):
        return []
    if thing is UNSET:
        return [_zeros(frame, type) for type in types_of(structure)]
    if isinstance(structure, Option):
        flag, inner = (thing.present, thing.inner) if isinstance(thing, Maybe) else (b.const(thing is not None), thing)
        return [flag, *take_apart(frame, UNSET if inner is None else inner, structure.inner)]
    if isinstance(structure, Leaf):
        found = frame.read(thing) if isinstance(thing, Tensor) else tensor(b, thing, structure.type.dtype)
        return [found]
    if isinstance(structure, Stack):
        content = frame.read(thing)
        return list(content.leaves) if isinstance(content, Stacked) else _stacks(frame, content, structure.element)
    parts = thing if isinstance(thing, tuple) else frame.read(thing)
    parts = list(parts.values()) if isinstance(parts, dict) else parts
    return [v for part, inside in zip(parts, structure.parts, strict=True) for v in take_apart(frame, part, inside)]


def rebuild(frame: Frame, structure: Structure, values: Iterator[Value]) -> Any:
    """A new thing of that structure from its tensors."""
    if isinstance(structure, Fixed):
        return structure.value
    if isinstance(structure, Leaf):
        value = next(values)
        return value if structure.is_number else frame.tensor(value)
    if isinstance(structure, Option):
        return Maybe(next(values), rebuild(frame, structure.inner, values))
    if isinstance(structure, Stack):
        leaves = tuple(next(values) for _ in types_of(structure.element))
        return frame.items(Stacked(structure.element, leaves))
    parts = [rebuild(frame, each, values) for each in structure.parts]
    if structure.kind is tuple:
        return tuple(parts)
    return frame.items(parts) if structure.kind is list else frame.table(dict(zip(structure.keys, parts, strict=True)))


def refill(frame: Frame, ref: Ref, structure: Structure, values: Iterator[Value]) -> None:
    """Let `ref` hold a new content of that structure."""
    made = rebuild(frame, structure, values)
    frame.write(ref, made if isinstance(ref, Slot) else frame.read(made))


def types_of(structure: Structure) -> list[TensorType]:
    """The types of the tensors, in order; a size that differs from path to path is UNKNOWN."""
    if isinstance(structure, Fixed):
        return []
    if isinstance(structure, Leaf):
        return [structure.type]
    if isinstance(structure, Option):
        return [TensorType(BOOL, ()), *types_of(structure.inner)]
    if isinstance(structure, Stack):
        return [t.with_shape((UNKNOWN, *t.shape)) for t in types_of(structure.element)]
    return [type for part in structure.parts for type in types_of(part)]


def names_of(structure: Structure, name: str) -> list[str]:
    """A readable name for each tensor: `state_left_0`."""
    if isinstance(structure, Fixed):
        return []
    if isinstance(structure, Group):
        keys = structure.keys or range(len(structure.parts))
        return [n for key, part in zip(keys, structure.parts, strict=True) for n in names_of(part, f"{name}_{key}")]
    if isinstance(structure, Option):
        return [f"{name}_is_set", *names_of(structure.inner, name)]
    inside = structure.element if isinstance(structure, Stack) else None
    return [name] if inside is None else names_of(inside, name)


def show(structure: Structure) -> str:
    """The structure in words."""
    if isinstance(structure, Fixed):
        return repr(structure.value)
    if isinstance(structure, Leaf):
        return f"a number ({structure.type.dtype})" if structure.is_number else str(structure.type)
    if isinstance(structure, Option):
        return f"None or {show(structure.inner)}"
    if isinstance(structure, Stack):
        return f"a list of {show(structure.element)}"
    return f"a {structure.kind.__name__} of ({', '.join(map(show, structure.parts))})"


def _group(frame: Frame, kind: type, keys: tuple[Any, ...], parts: Sequence[Any]) -> Group:
    return Group(kind, keys, tuple(describe(frame, part) for part in parts))


def _sizeless(structure: Structure) -> Structure:
    if isinstance(structure, Leaf):
        return replace(structure, type=structure.type.with_shape((UNKNOWN,) * structure.type.rank))
    if isinstance(structure, Group):
        return replace(structure, parts=tuple(map(_sizeless, structure.parts)))
    if isinstance(structure, Option):
        return Option(_sizeless(structure.inner))
    return Stack(_sizeless(structure.element)) if isinstance(structure, Stack) else structure


def _present(structure: Structure) -> Structure | None:
    """What there is where it is not None; None where it always is."""
    if isinstance(structure, Option):
        return structure.inner
    return None if structure == Fixed(None) else structure


def _is_list(structure: Structure) -> bool:
    return isinstance(structure, Stack) or (isinstance(structure, Group) and structure.kind is list)


def _elements(structure: Structure) -> Sequence[Structure]:
    return (structure.element,) if isinstance(structure, Stack) else structure.parts  # type: ignore[union-attr]


def _joined(elements: Sequence[Structure]) -> Structure:
    """The structure of every element of a list: its numbers are tensors, even where all are the same."""
    found = elements[0]
    for each in elements[1:]:
        found = join(found, each)
    if isinstance(found, Stack):
        raise UnsupportedModel("a list of lists whose lengths depend on data")
    return loosened(found)


def _joined_numbers(a: Structure, b: Structure) -> Leaf | None:
    first, second = _number_type(a), _number_type(b)
    if first is None or second is None:
        return None
    return Leaf(TensorType(first if first == second else F32 if F32 in (first, second) else I64, ()), True)


def _number_type(structure: Structure) -> DType | None:
    if isinstance(structure, Leaf):
        return structure.type.dtype if structure.is_number else None
    value = structure.value if isinstance(structure, Fixed) else None
    if not isinstance(value, bool | int | float | DimExpr):
        return None
    return BOOL if isinstance(value, bool) else F32 if isinstance(value, float) else common_dtype(value)


def _same_kind(a: Leaf, b: Leaf) -> bool:
    return a.is_number == b.is_number and a.type.dtype == b.type.dtype and a.type.rank == b.type.rank


def _same_keys(a: Group, b: Group) -> bool:
    return a.kind is b.kind and a.keys == b.keys and len(a.parts) == len(b.parts)


def _joined_types(a: TensorType, b: TensorType) -> TensorType:
    return a.with_shape(d if d == e else UNKNOWN for d, e in zip(a.shape, b.shape, strict=True))


def _stacks(frame: Frame, things: Sequence[Any], element: Structure) -> list[Value]:
    """The tensors of all elements, each column stacked on a new axis 0."""
    b = frame.b
    types = types_of(element)
    if not types:
        raise UnsupportedModel(f"a list whose length depends on data, of {show(element)}")
    if not things:
        return [_zeros(frame, t.with_shape((0, *t.shape))) for t in types]
    rows = [take_apart(frame, each, element) for each in things]
    wide = [[b.reshape(v, shape=(1, *v.shape)) for v in column] for column in zip(*rows, strict=True)]
    return [column[0] if len(column) == 1 else b.concat(*column, axis=0) for column in wide]


def _zeros(frame: Frame, type: TensorType) -> Value:
    """Zeros for a place that nothing reads; 0 stands for sizes that are not known here."""
    known = frame.symbols() if type.symbols() else frozenset()

    def size(dim: Dim) -> Dim:
        return dim if symbols(dim) <= known else 0

    return frame.b.full(frame.b.const(0, type.dtype), shape=tuple(map(size, type.shape)))
