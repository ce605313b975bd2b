"""Laws of reductions."""

from __future__ import annotations

from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node, Value
from isthmus.passes.rule import Rule, exact, rule

_REDUCTIONS = [row.name for row in ops.TABLE.values() if list(row.attributes) == ["axes", "keepdims"]]


def _shape(x: Value, axes: tuple[int, ...], keepdims: bool) -> tuple[Dim, ...]:
    return tuple(1 if i in axes else d for i, d in enumerate(x.shape) if keepdims or i not in axes)


def _wanted(x: Value, axes: tuple[int, ...], keep: bool, root: Node) -> str | None:
    wanted = _shape(x, axes, not keep)
    return (
        None if root.result.shape == wanted else f"the result has shape {list(root.result.shape)}, not {list(wanted)}"
    )


def _flipped(b: Builder, x: Value, axes: tuple[int, ...], keep: bool, root: Node) -> Value:
    maker = root.inputs[0].node
    assert maker is not None
    return b.create(maker.op, [x], {"axes": axes, "keepdims": not keep}).result


RULES: tuple[Rule, ...] = (
    rule(
        "a reduction keeps or drops its own dimensions",
        exact,
        match=lambda b, x, axes, keep, s: b.reshape(
            b.any_of(*(getattr(b, name)(x, axes=axes, keepdims=keep) for name in _REDUCTIONS)), shape=s
        ),
        replace=_flipped,
        where=_wanted,
    ),
    rule(
        "a reduction over no axes is nothing",
        exact,
        match=lambda b, x: b.any_of(
            *(
                getattr(b, name)(x, axes=(), keepdims=keep)
                for name in (
                    "reduce_sum",
                    "reduce_mean",
                    "reduce_max",
                    "reduce_min",
                    "reduce_prod",
                    "reduce_all",
                    "reduce_any",
                )
                for keep in (False, True)
            )
        ),
        replace=lambda b, x: x,
    ),
)
