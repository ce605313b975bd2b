"""Laws of what takes parts out of a whole: slices, splits, gathers with constant indices."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node, Value
from isthmus.passes.rule import Rule, exact, rule

# -- slices that make a split --------------------------------------------------------------------------


def _window(node: Node) -> tuple[int, Dim, Dim] | None:
    """(axis, start, stop) of a slice along one axis without steps."""
    k = node.attrs
    if node.op.name != "slice" or k["steps"] != (1,):
        return None
    return k["axes"][0], k["starts"][0], k["stops"][0]


def _windows(x: Value, axis: int) -> dict[Dim, Dim]:
    """Start -> stop of every part that somebody takes of x along one axis."""
    found: dict[Dim, Dim] = {}
    for user in x.users:
        if (window := _window(user)) is not None and window[0] == axis:
            found.setdefault(window[1], window[2])
        elif user.op.name == "split" and user.attrs["axis"] == axis:
            place: Dim = 0
            for size in user.attrs["sizes"]:
                found[place] = place + size
                place = place + size
    return found


def _covering(x: Value, root: Node) -> tuple[Dim, ...] | None:
    """The starts of parts of x that follow each other and leave nothing out, the root's slice among them."""
    window = _window(root)
    if window is None:
        return None
    axis, start, stop = window
    windows = {**_windows(x, axis), start: stop}
    starts: list[Dim] = []
    place: Dim = 0
    while place in windows and place not in starts:
        starts.append(place)
        place = windows[place]
    return tuple(starts) if place == x.shape[axis] and len(starts) > 1 and start in starts else None


def _part(b: Builder, x: Value, root: Node) -> Value:
    starts, window = _covering(x, root), _window(root)
    assert starts is not None
    assert window is not None
    axis, start, _ = window
    stops = (*starts[1:], x.shape[axis])
    sizes = tuple(stop - start for start, stop in zip(starts, stops, strict=True))
    return _split_once(b, x, axis, sizes, root)[starts.index(start)]


def _split_once(b: Builder, x: Value, axis: int, sizes: tuple[Dim, ...], root: Node) -> Sequence[Value]:
    """x split: by the node that does so before `root` already, if there is one."""
    attrs = {"axis": axis, "sizes": sizes}
    for user in x.users:
        if user.op.name == "split" and user.attrs == attrs and user.is_before(root):
            return user.results
    return b.split(x, axis=axis, sizes=sizes)


# -- slices of a concat --------------------------------------------------------------------------------


def _operands_within(xs: tuple[Value, ...], a: int, root: Node) -> tuple[Value, ...] | None:
    """The operands of a concat that a slice takes, where it takes them whole."""
    window = _window(root)
    if window is None or window[0] != a:
        return None
    places: list[Dim] = [0]
    for x in xs:
        places.append(places[-1] + x.shape[a])
    if window[1] not in places or window[2] not in places:
        return None
    return xs[places.index(window[1]) : places.index(window[2])]


def _joined(b: Builder, xs: tuple[Value, ...], a: int, root: Node) -> Value:
    kept = _operands_within(xs, a, root)
    assert kept
    return kept[0] if len(kept) == 1 else b.concat(*kept, axis=a)


# -- gathers -------------------------------------------------------------------------------------------


def _run(x: Value, i: Value, a: int) -> tuple[int, int] | None:
    """(start, stop) where constant indices along axis a count up by one."""
    array, size = i.array, x.shape[a]
    if array is None or array.ndim != 1 or not array.size or not isinstance(size, int):
        return None
    start = int(array[0]) % size if -size <= int(array[0]) < size else size
    found = [int(each) % size for each in array] == list(range(start, start + array.size))
    return (start, start + array.size) if found and start + array.size <= size else None


def _sliced(b: Builder, x: Value, i: Value, a: int) -> Value:
    run = _run(x, i, a)
    assert run is not None
    return b.slice(x, axes=(a,), starts=run[:1], stops=run[1:], steps=(1,))


def _place(x: Value, i: Value, a: int) -> int | None:
    """The one place along axis a that a constant scalar index names."""
    array, size = i.array, x.shape[a]
    if array is None or array.ndim or not isinstance(size, int) or not -size <= int(array) < size:
        return None
    return int(array) % size


def _sliced_at(b: Builder, x: Value, i: Value, a: int) -> Value:
    place = _place(x, i, a)
    assert place is not None
    return b.slice(x, axes=(a,), starts=(place,), stops=(place + 1,), steps=(1,))


RULES: tuple[Rule, ...] = (
    rule(
        "slices that leave nothing out are a split",
        exact,
        match=lambda b, x, k: b.slice(x, **k),
        replace=_part,
        where=lambda x, root: None if _covering(x, root) else "the slices along its axis leave something out",
    ),
    rule(
        "a slice of whole operands of a concat is those operands",
        exact,
        match=lambda b, xs, a, k: b.slice(b.concat(*xs, axis=a), **k),
        replace=_joined,
        where=lambda xs, a, root: None if _operands_within(xs, a, root) else "the slice cuts an operand",
        shared=True,
    ),
    rule(
        "a gather of indices that count up is a slice",
        exact,
        match=lambda b, x, i, a: b.gather(x, b.const(i), axis=a),
        replace=_sliced,
        where=lambda x, i, a: None if _run(x, i, a) else "the indices do not count up within the axis",
    ),
    rule(
        "a gather of one place, reshaped, is a slice reshaped",
        exact,
        match=lambda b, x, i, a, s: b.reshape(b.gather(x, b.const(i), axis=a), shape=s),
        replace=lambda b, x, i, a, s: b.reshape(_sliced_at(b, x, i, a), shape=s),
        where=lambda x, i, a: None if _place(x, i, a) is not None else "the index is not one known place",
    ),
)
