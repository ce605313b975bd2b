"""Lists, dicts and texts of scripts. A list whose length only running can tell is kept as stacked tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isthmus.compiler.importers.torch.args import tensor
from isthmus.compiler.importers.torch.scripted.frame import Frame
from isthmus.compiler.importers.torch.scripted.numbers import compute
from isthmus.compiler.importers.torch.scripted.refs import Items, Stacked, Table, Tensor
from isthmus.compiler.importers.torch.scripted.structure import (
    describe,
    element_of,
    join,
    stacked_of,
    take_apart,
    types_of,
)
from isthmus.compiler.importers.torch.scripted.writing import replaced
from isthmus.ir.dim import DimExpr
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


def length(frame: Frame, thing: Any) -> Any:
    """`len(thing)`: a number, or a dimension."""
    if isinstance(thing, Tensor):
        return frame.read(thing).shape[0]
    content = frame.read(thing) if isinstance(thing, Items | Table) else thing
    return content.leaves[0].shape[0] if isinstance(content, Stacked) else len(content)


def listed(frame: Frame, thing: Any) -> list[Any]:
    """A list or tuple as a Python list. UnsupportedModel where its length depends on data."""
    content = frame.read(thing) if isinstance(thing, Items) else thing
    if not isinstance(content, Stacked):
        return list(content)
    count = content.leaves[0].shape[0]
    if not isinstance(count, int):
        raise UnsupportedModel("a list whose length depends on data is taken apart")
    return [element_of(frame, content, i) for i in range(count)]


def get_item(frame: Frame, thing: Any, key: Any) -> Any:
    """`thing[key]`."""
    if isinstance(thing, Table):
        return frame.read(thing)[key]
    content = frame.read(thing) if isinstance(thing, Items) else thing
    if isinstance(key, int) and not isinstance(content, Stacked):
        return content[key]
    if isinstance(thing, tuple):
        raise UnsupportedModel("an element of a tuple is taken by a computed index")
    stacked = stacked_of(frame, content)
    return element_of(frame, stacked, _from_front(frame, stacked, key))


def set_item(frame: Frame, thing: Any, key: Any, item: Any) -> Any:
    """`thing[key] = item`."""
    content = frame.read(thing)
    if isinstance(thing, Table):
        frame.write(thing, {**content, key: item})
        return thing
    if isinstance(key, int) and not isinstance(content, Stacked):
        changed = list(content)
        changed[key] = item
        frame.write(thing, changed)
        return thing
    stacked = stacked_of(frame, content)
    at = tensor(frame.b, _from_front(frame, stacked, key), I64)
    parts = take_apart(frame, item, join(stacked.element, describe(frame, item)))
    leaves = [replaced(frame.b, leaf, part, 0, at) for leaf, part in zip(stacked.leaves, parts, strict=True)]
    frame.write(thing, Stacked(stacked.element, tuple(leaves)))
    return thing


def append(frame: Frame, items: Items, item: Any) -> Items:
    """`items.append(item)`."""
    return extend(frame, items, frame.items([item]))


def extend(frame: Frame, items: Items, more: Any) -> Items:
    """`items.extend(more)`."""
    content, added = frame.read(items), frame.read(more)
    frame.write(items, _joined(frame, content, added))
    return items


def _add(frame: Frame, a: Items, c: Items) -> Items:
    return frame.items(_joined(frame, frame.read(a), frame.read(c)))


def _joined(frame: Frame, a: list[Any] | Stacked, c: list[Any] | Stacked) -> list[Any] | Stacked:
    if isinstance(a, list) and isinstance(c, list):
        return [*a, *c]
    if not (a and c):
        return a or c
    first, second = stacked_of(frame, a), stacked_of(frame, c)
    if len(first.leaves) != len(second.leaves):
        raise UnsupportedModel("a list holds elements of different kinds")
    element = join(first.element, second.element)
    pairs = zip(first.leaves, second.leaves, strict=True)
    return Stacked(element, tuple(frame.b.concat(x, y, axis=0) for x, y in pairs))


def _pop(frame: Frame, items: Items, index: Any = -1) -> Any:
    content = frame.read(items)
    if isinstance(content, list) and isinstance(index, int):
        rest = list(content)
        item = rest.pop(index)
        frame.write(items, rest)
        return item
    stacked = stacked_of(frame, content)
    item = get_item(frame, items, index)
    if index not in (0, -1):
        raise UnsupportedModel("pop from the middle of a list whose length depends on data")
    count = stacked.leaves[0].shape[0]
    first, last = (1, count) if index == 0 else (0, count - 1)
    kept = [frame.b.slice(x, axes=(0,), starts=(first,), stops=(last,), steps=(1,)) for x in stacked.leaves]
    frame.write(items, Stacked(stacked.element, tuple(kept)))
    return item


def _insert(frame: Frame, items: Items, index: Any, item: Any) -> None:
    if index == 0:
        frame.write(items, _joined(frame, [item], frame.read(items)))
        return
    changed = listed(frame, items)
    changed.insert(index, item)
    frame.write(items, changed)


def _slice(frame: Frame, thing: Any, start: Any = None, end: Any = None, step: Any = 1) -> Any:
    if isinstance(thing, str | tuple):
        return thing[start:end:step]
    content = frame.read(thing)
    if isinstance(content, list) and all(b is None or isinstance(b, int) for b in (start, end, step)):
        return frame.items(content[start:end:step])
    raise UnsupportedModel("a slice of a list that depends on data", hint="stack the list, and slice the tensor")


def _contains(frame: Frame, thing: Any, item: Any) -> Any:
    if isinstance(thing, Table):
        return item in frame.read(thing)
    if isinstance(thing, str):
        return item in thing
    found: Any = False
    for each in listed(frame, thing):
        found = compute(frame.b, "__or__", found, compute(frame.b, "eq", each, item))
    return found


def _clear(frame: Frame, thing: Any) -> None:
    frame.write(thing, [] if isinstance(thing, Items) else {})


def _delete(frame: Frame, thing: Any, key: Any) -> None:
    if isinstance(thing, Items):
        _pop(frame, thing, key)
        return
    frame.write(thing, {k: v for k, v in frame.read(thing).items() if k != key})


def _reverse(frame: Frame, items: Items) -> None:
    content = frame.read(items)
    if isinstance(content, Stacked):
        frame.write(items, Stacked(content.element, tuple(frame.b.reverse(x, axes=(0,)) for x in content.leaves)))
    else:
        frame.write(items, content[::-1])


def _copied(frame: Frame, thing: Any) -> Any:
    if isinstance(thing, str):
        return frame.items(list(thing))
    content = frame.read(thing) if isinstance(thing, Items) else list(thing)
    return frame.items(content if isinstance(content, Stacked) else list(content))


def _repeated(frame: Frame, items: Items, count: Any) -> Items:
    if not isinstance(count, int):
        raise UnsupportedModel("a list is repeated as often as a computed number says")
    return frame.items(listed(frame, items) * count)


def _same(frame: Frame, a: Items, c: Items) -> Any:
    first, second = listed(frame, a), listed(frame, c)
    found: Any = len(first) == len(second)
    for x, y in zip(first, second, strict=False):
        found = compute(frame.b, "__and__", found, compute(frame.b, "eq", x, y))
    return found


def _different(frame: Frame, a: Items, c: Items) -> Any:
    return compute(frame.b, "__not__", _same(frame, a, c))


def _folded(op: str, begin: Any) -> Any:
    """A list of numbers as one number."""

    def fold(frame: Frame, items: Items, *options: Any) -> Any:
        found = begin
        for each in listed(frame, items):
            found = compute(frame.b, op, found, each)
        return found

    return fold


def _index(frame: Frame, items: Items, item: Any) -> int:
    return listed(frame, items).index(item)


def _sorted(frame: Frame, items: Items, reverse: bool = False) -> Items:
    found = listed(frame, items)
    if not all(isinstance(each, bool | int | float | str) for each in found):
        raise UnsupportedModel("a list is sorted whose elements depend on data", hint="use torch.sort")
    return frame.items(sorted(found, reverse=reverse))


def _sort(frame: Frame, items: Items, reverse: bool = False) -> None:
    frame.write(items, frame.read(_sorted(frame, items, reverse)))


def _get(frame: Frame, table: Table, key: Any, default: Any = None) -> Any:
    return frame.read(table).get(key, default)


def _setdefault(frame: Frame, table: Table, key: Any, default: Any) -> Any:
    if key not in frame.read(table):
        set_item(frame, table, key, default)
    return frame.read(table)[key]


def _pop_any(frame: Frame, thing: Any, *options: Any) -> Any:
    if isinstance(thing, Items):
        return _pop(frame, thing, *options)
    content = dict(frame.read(thing))
    found = content.pop(*options)
    frame.write(thing, content)
    return found


def _from_front(frame: Frame, stacked: Stacked, key: Any) -> Any:
    count = stacked.leaves[0].shape[0]
    if isinstance(key, int):
        return key if key >= 0 else count + key
    if isinstance(key, DimExpr):
        return key
    b = frame.b
    at = tensor(b, key, I64)
    return b.where(b.less(at, b.const(0)), b.add(at, tensor(b, count, I64)), at)


def stack_of(frame: Frame, items: Any) -> Value | None:
    """The tensor that a list of tensors of unknown length is stacked in; None for other lists."""
    content = frame.read(items) if isinstance(items, Items) else None
    single = isinstance(content, Stacked) and len(types_of(content.element)) == 1
    return content.leaves[0] if single and isinstance(content, Stacked) else None


ON_CONTAINERS: dict[str, Callable[..., Any]] = {
    "__getitem__": get_item,
    "_set_item": set_item,
    "append": append,
    "extend": extend,
    "add": _add,
    "add_": extend,
    "mul": _repeated,
    "eq": _same,
    "ne": _different,
    "pop": _pop_any,
    "insert": _insert,
    "slice": _slice,
    "__contains__": _contains,
    "clear": _clear,
    "Delete": _delete,
    "reverse": _reverse,
    "list": _copied,
    "copy": lambda frame, thing: (
        frame.table(dict(frame.read(thing))) if isinstance(thing, Table) else _copied(frame, thing)
    ),
    "dict": lambda frame, table: frame.table(dict(frame.read(table))),
    "get": _get,
    "setdefault": _setdefault,
    "sum": _folded("add", 0),
    "any": _folded("__or__", False),
    "all": _folded("__and__", True),
    "index": _index,
    "count": lambda frame, items, item: listed(frame, items).count(item),
    "sorted": _sorted,
    "sort": _sort,
    "keys": lambda frame, table: frame.items(list(frame.read(table))),
    "values": lambda frame, table: frame.items(list(frame.read(table).values())),
    "items": lambda frame, table: frame.items(list(frame.read(table).items())),
    "update": lambda frame, table, more: frame.write(table, {**frame.read(table), **frame.read(more)}),
}
"""By TorchScript's name, for a first argument that is a list, tuple, dict or text."""
