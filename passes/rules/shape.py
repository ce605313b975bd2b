"""Laws of ops that move elements about."""

from __future__ import annotations

from typing import Any

from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim, bounds
from isthmus.ir.graph import Node, Value
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.conditions import keeps_type


def _moves_ones(x: Value, p: tuple[int, ...]) -> str | None:
    moved = [i for i in p if x.shape[i] != 1]
    return None if moved == sorted(moved) else f"perm {list(p)} changes the order of sizes other than 1"


def _is_whole(
    x: Value, axes: tuple[int, ...], starts: tuple[Dim, ...], stops: tuple[Dim, ...], steps: tuple[int, ...]
) -> str | None:
    whole = all(
        start == 0 and step == 1 and stop == x.shape[axis]
        for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True)
    )
    return None if whole else "the slice leaves something out"


def _slices(k: dict[str, Any]) -> dict[int, tuple[Dim, Dim, int]]:
    bounds = zip(k["starts"], k["stops"], k["steps"], strict=True)
    return dict(zip(k["axes"], bounds, strict=True))


def _slice_of_slice(b: Builder, x: Value, k: dict[str, Any], j: dict[str, Any]) -> Value:
    """Elements start + step * (start', start' + step', ...) of each axis."""
    found = _slices(k)
    for axis, (start, stop, step) in _slices(j).items():
        base, _, pace = found.get(axis, (0, x.shape[axis], 1))
        last = base + stop if pace == 1 else base + (stop - 1) * pace + 1
        found[axis] = (base + start * pace, last, step * pace)
    axes = tuple(sorted(found))
    starts, stops, steps = zip(*(found[a] for a in axes), strict=True)
    return b.slice(x, axes=axes, starts=starts, stops=stops, steps=steps)


def _composes(k: dict[str, Any], root: Node) -> str | None:
    """With inner steps, the last element of the outer slice counts: there must be one."""
    if all(step == 1 for step in k["steps"]):
        return None
    lows = (bounds(d)[0] for d in root.result.shape)
    return None if all(low is not None and low > 0 for low in lows) else "the slice may be empty"


def _inner_concat(xs: tuple[Value, ...], a: int) -> int | None:
    for i, x in enumerate(xs):
        if x.node is not None and x.node.op.name == "concat" and x.node.attrs["axis"] == a and x.use_count == 1:
            return i
    return None


def _flat_concat(b: Builder, xs: tuple[Value, ...], a: int) -> Value:
    i = _inner_concat(xs, a)
    assert i is not None
    maker = xs[i].node
    assert maker is not None
    return b.concat(*xs[:i], *maker.inputs, *xs[i + 1 :], axis=a)


def _parts_in_order(xs: tuple[Value, ...], a: int) -> str | None:
    maker = xs[0].node
    if maker is None or maker.op.name != "split" or maker.attrs["axis"] != a:
        return "the operands are not the parts of a split along the same axis"
    return None if maker.results == xs else "some parts are missing or stand in another order"


def _kept(xs: tuple[Value, ...], a: int) -> list[Value]:
    return [x for x in xs if x.shape[a] != 0]


RULES: tuple[Rule, ...] = (
    # -- transpose ---------------------------------------------------------------------------------
    rule(
        "transpose of transpose composes",
        exact,
        match=lambda b, x, p, q: b.transpose(b.transpose(x, perm=p), perm=q),
        replace=lambda b, x, p, q: b.transpose(x, perm=tuple(p[i] for i in q)),
        shared=True,
    ),
    rule(
        "transpose in order is nothing",
        exact,
        match=lambda b, x, p: b.transpose(x, perm=p),
        replace=lambda b, x: x,
        where=lambda p: None if p == tuple(range(len(p))) else "the order of dimensions changes",
    ),
    rule(
        "transpose that moves only sizes of 1 is reshape",
        exact,
        match=lambda b, x, p: b.transpose(x, perm=p),
        replace=lambda b, x, root: b.reshape(x, shape=root.result.shape),
        where=_moves_ones,
    ),
    # -- reshape -----------------------------------------------------------------------------------
    rule(
        "reshape to the same shape is nothing",
        exact,
        match=lambda b, x, s: b.reshape(x, shape=s),
        replace=lambda b, x: x,
        where=keeps_type,
    ),
    rule(
        "reshape of reshape is the last one",
        exact,
        match=lambda b, x, r, s: b.reshape(b.reshape(x, shape=r), shape=s),
        replace=lambda b, x, s: b.reshape(x, shape=s),
        shared=True,
    ),
    # -- expand, tile, pad, reverse ----------------------------------------------------------------
    rule(
        "expand to the same shape is nothing",
        exact,
        match=lambda b, x, s: b.expand(x, shape=s),
        replace=lambda b, x: x,
        where=keeps_type,
    ),
    rule(
        "expand of expand is the last one",
        exact,
        match=lambda b, x, r, s: b.expand(b.expand(x, shape=r), shape=s),
        replace=lambda b, x, s: b.expand(x, shape=s),
        shared=True,
    ),
    rule(
        "tile by ones is nothing",
        exact,
        match=lambda b, x, r: b.tile(x, repeats=r),
        replace=lambda b, x: x,
        where=lambda r: None if all(n == 1 for n in r) else "something repeats",
    ),
    rule(
        "pad by nothing is nothing",
        exact,
        match=lambda b, x, v, p, m: b.pad(x, b.optional(v), pads=p, mode=m),
        replace=lambda b, x: x,
        where=lambda p: None if all(pair == (0, 0) for pair in p) else "something is added",
    ),
    rule(
        "reverse twice is nothing",
        exact,
        match=lambda b, x, a: b.reverse(b.reverse(x, axes=a), axes=a),
        replace=lambda b, x: x,
        shared=True,
    ),
    # -- slice -------------------------------------------------------------------------------------
    rule(
        "slice of everything is nothing",
        exact,
        match=lambda b, x, axes, starts, stops, steps: b.slice(x, axes=axes, starts=starts, stops=stops, steps=steps),
        replace=lambda b, x: x,
        where=_is_whole,
    ),
    rule(
        "slice of slice composes",
        exact,
        match=lambda b, x, k, j: b.slice(b.slice(x, **k), **j),
        replace=_slice_of_slice,
        where=_composes,
        shared=True,
    ),
    # -- concat and split --------------------------------------------------------------------------
    rule("concat of one is nothing", exact, match=lambda b, x, a: b.concat(x, axis=a), replace=lambda b, x: x),
    rule(
        "concat of concat is flat",
        exact,
        match=lambda b, xs, a: b.concat(*xs, axis=a),
        replace=_flat_concat,
        where=lambda xs, a: None if _inner_concat(xs, a) is not None else "no operand is such a concat used only here",
    ),
    rule(
        "concat leaves out empty parts",
        exact,
        match=lambda b, xs, a: b.concat(*xs, axis=a),
        replace=lambda b, xs, a: b.concat(*_kept(xs, a), axis=a),
        where=lambda xs, a: None if 0 < len(_kept(xs, a)) < len(xs) else "no part is empty",
    ),
    rule(
        "concat of all parts of a split is nothing",
        exact,
        match=lambda b, xs, a: b.concat(*xs, axis=a),
        replace=lambda b, xs: xs[0].node.inputs[0],
        where=_parts_in_order,
    ),
    rule(
        "split into one part is nothing",
        exact,
        match=lambda b, x, a, s: b.split(x, axis=a, sizes=s),
        replace=lambda b, x: (x,),
        where=lambda x, root: None if [r.type for r in root.results] == [x.type] else "there are several parts",
    ),
    # -- resize ------------------------------------------------------------------------------------
    rule(
        "resize by nothing is nothing",
        exact,
        match=lambda b, x, k: b.resize(x, **k),
        replace=lambda b, x: x,
        where=lambda x, k, root: (
            keeps_type(x, root)
            or (None if set(k["scales"]) <= {1.0} else "a scale is not 1")
            or (None if k["mode"] == "nearest" else "interpolation spreads NaN and infinities to neighbours")
        ),
    ),
)
