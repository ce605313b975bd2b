"""How reshapes and transposes work together: which dimensions of one shape are those of another, regrouped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from operator import mul
from typing import TypeVar

from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim, Shape
from isthmus.ir.graph import Value

_Item = TypeVar("_Item")


def groups(before: Shape, after: Shape) -> list[tuple[range, range]]:
    """The smallest runs of dimensions of `before` that a reshape makes runs of `after`.

    Sizes of 1 at the ends of a run are runs of their own, which stand for nothing in the other shape.
    """
    lefts, rights = ([i for i, d in enumerate(shape) if d != 1] for shape in (before, after))
    found = [
        (range(lefts[a], lefts[c - 1] + 1), range(rights[b], rights[d - 1] + 1))
        for (a, b), (c, d) in pairwise(_cuts([before[i] for i in lefts], [after[j] for j in rights]))
    ]
    left_alone = set(range(len(before))).difference(*(left for left, _ in found))
    right_alone = set(range(len(after))).difference(*(right for _, right in found))
    found += [(range(i, i + 1), range(0)) for i in sorted(left_alone)]
    return found + [(range(0), range(j, j + 1)) for j in sorted(right_alone)]


def _cuts(before: Sequence[Dim], after: Sequence[Dim]) -> list[tuple[int, int]]:
    """Where both shapes hold equally many elements so far, from nothing to everything."""
    lefts, rights = (list(accumulate(shape, mul, initial=1)) for shape in (before, after))
    cuts = [(0, 0)]
    for i in range(1, len(before)):
        j = next((j for j in range(cuts[-1][1] + 1, len(after)) if rights[j] == lefts[i]), None)
        if j is not None:
            cuts.append((i, j))
    return [*cuts, (len(before), len(after))] if before and after else cuts


def moved_before(x: Shape, perm: Sequence[int], after: Shape) -> tuple[Shape, tuple[int, ...]] | None:
    """(s, q) such that reshape(transpose(x, perm), after) is transpose(reshape(x, s), q); None where there is none.

    Dimensions that become one must follow each other in x too.
    """
    parts = groups(tuple(x[i] for i in perm), after)
    sources = [tuple(perm[i] for i in left) for left, _ in parts]
    if any(list(s) != list(range(s[0], s[0] + len(s))) for s in sources if s):
        return None
    owner = {j: i for i, (_, right) in enumerate(parts) for j in right}
    standing: dict[int, tuple[int, bool]] = {}
    last = -1
    for j in range(len(after)):
        last = sources[owner[j]][-1] if sources[owner[j]] else last
        standing[owner[j]] = (last, not sources[owner[j]])  # a new 1 stays behind what it follows: they may become one
    shape: list[Dim] = []
    places: dict[int, int] = {}
    for i in sorted(standing, key=standing.__getitem__):
        for j in parts[i][1]:
            places[j] = len(shape)
            shape.append(after[j])
    return tuple(shape), tuple(places[j] for j in range(len(after)))


def moved_behind(before: Shape, shape: Shape, perm: Sequence[int]) -> tuple[tuple[int, ...], Shape] | None:
    """(q, s) such that transpose(reshape(x, shape), perm) is reshape(transpose(x, q), s), for x of shape `before`.

    None where the transpose tears apart dimensions that were one.
    """
    parts = groups(before, shape)
    owner = {j: i for i, (_, right) in enumerate(parts) for j in right}
    runs = [list(right) for _, right in parts]
    at, order = 0, []
    while at < len(perm):
        part = owner[perm[at]]
        if list(perm[at : at + len(runs[part])]) != runs[part]:
            return None
        order.append(part)
        at += len(runs[part])
    order += [i for i, run in enumerate(runs) if not run]
    return tuple(i for part in order for i in parts[part][0]), tuple(shape[i] for i in perm)


def composed(p: Sequence[_Item], q: Iterable[int]) -> tuple[_Item, ...]:
    """The items of p as q orders them: for permutations, one transpose for that by p and then by q."""
    return tuple(p[i] for i in q)


def transposed(b: Builder, x: Value, perm: tuple[int, ...]) -> Value:
    """x transposed: in one transpose where x is one already, in none where nothing moves."""
    maker = x.node
    if maker is not None and maker.op.name == "transpose":
        x, perm = maker.inputs[0], composed(maker.attrs["perm"], perm)
    return x if perm == tuple(range(len(perm))) else b.transpose(x, perm=perm)
