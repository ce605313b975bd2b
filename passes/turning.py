"""Ops on tensors whose dimensions stand in another order.

A permutation says how a tensor comes back: original = transpose(turned, perm). Axis a of the original is therefore axis
perm[a] of the turned one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node, Value
from isthmus.ir.op import Trait
from isthmus.passes.rules.grouping import composed, moved_before

Perm: TypeAlias = tuple[int, ...]
Attributes: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Turned:
    """How a node is written on turned operands: its attributes, and how operands and results come back."""

    attrs: Attributes
    operands: Perm
    results: Perm


def turned(node: Node, perm: Perm) -> Turned | None:
    """The node on images that come back by `perm`; None where it cannot be written on them."""
    if node.op.has(Trait.ELEMENTWISE):
        return Turned(node.attrs, perm, perm) if node.result.rank == len(perm) else None
    write = _WRITERS.get(node.op.name)
    found = None if write is None else write(node, perm)
    return None if found is None else Turned(found[0], perm, found[1])


def images(node: Node) -> Sequence[int]:
    """Which operands are turned with the node: all that broadcast or join, else the first alone."""
    if node.op.has(Trait.ELEMENTWISE) or node.op.name == "concat":
        return range(len(node.operands))
    return range(min(1, len(node.operands)))


def inverse(perm: Perm) -> Perm:
    """The permutation that undoes `perm`."""
    return tuple(perm.index(i) for i in range(len(perm)))


def moves_ones(shape: Sequence[Dim], perm: Perm) -> bool:
    """Whether transposing a tensor of this shape moves only dimensions of size 1, and so no element."""
    moved = [i for i in perm if shape[i] != 1]
    return moved == sorted(moved)


def as_whole(value: Value, rank: int) -> tuple[Dim, ...]:
    """The value's shape with leading ones up to `rank`, as it broadcasts."""
    return (*[1] * (rank - value.rank), *value.shape)


# -- a writer for each op that works in any order of dimensions --------------------------------------------------------

_Written: TypeAlias = tuple[Attributes, Perm]
"""Attributes on turned operands, and by which permutation the results come back."""

_Writer: TypeAlias = Callable[[Node, Perm], _Written | None]


def _axis(node: Node, perm: Perm) -> _Written:
    axis = node.attrs["axis"]
    return {**node.attrs, "axis": None if axis is None else perm[axis]}, perm


def _by_axes(*names: str) -> _Writer:
    """`axes`, and attributes with an item for each of them, in the order of the axes."""

    def write(node: Node, perm: Perm) -> _Written:
        axes = [perm[a] for a in node.attrs["axes"]]
        order = sorted(range(len(axes)), key=axes.__getitem__)
        lists = {"axes": axes} | {name: node.attrs[name] for name in names}
        return {**node.attrs, **{name: tuple(items[i] for i in order) for name, items in lists.items()}}, perm

    return write


def _by_dimension(name: str) -> _Writer:
    """An attribute with an item for each dimension of operand and result."""

    def write(node: Node, perm: Perm) -> _Written | None:
        if len(node.attrs[name]) != len(perm):
            return None
        return {**node.attrs, name: composed(node.attrs[name], inverse(perm))}, perm

    return write


def _reduction(node: Node, perm: Perm) -> _Written:
    axes = tuple(sorted(perm[a] for a in node.attrs["axes"]))
    return {**node.attrs, "axes": axes}, perm if node.attrs["keepdims"] else _without(perm, axes)


def _selection(node: Node, perm: Perm) -> _Written:
    axis = perm[node.attrs["axis"]]
    return {**node.attrs, "axis": axis}, perm if node.attrs["keepdims"] else _without(perm, (axis,))


def _without(perm: Perm, axes: Sequence[int]) -> Perm:
    """How what is left comes back once `axes` of the turned tensor are gone."""
    left = [i for i in perm if i not in axes]
    return tuple(sorted(left).index(i) for i in left)


def _gather(node: Node, perm: Perm) -> _Written | None:
    return _axis(node, perm) if node.inputs[1].rank == 1 else None


def _reshape(node: Node, perm: Perm) -> _Written | None:
    after = node.attrs["shape"]
    found = moved_before(composed(node.inputs[0].shape, inverse(perm)), perm, after)
    if found is None:
        return None
    shape, back = found
    if moves_ones(shape, back):
        return {"shape": after}, tuple(range(len(after)))
    return {"shape": shape}, back


_WRITERS: Mapping[str, _Writer] = {
    "argmax": _selection,
    "argmin": _selection,
    "concat": _axis,
    "cumsum": _axis,
    "dequantize": _axis,
    "expand": _by_dimension("shape"),
    "gather": _gather,
    "log_softmax": _axis,
    "log_sum_exp": _reduction,
    "pad": _by_dimension("pads"),
    "quantize": _axis,
    "reduce_all": _reduction,
    "reduce_any": _reduction,
    "reduce_max": _reduction,
    "reduce_mean": _reduction,
    "reduce_min": _reduction,
    "reduce_prod": _reduction,
    "reduce_sum": _reduction,
    "reshape": _reshape,
    "resize": _by_axes("sizes", "scales"),
    "reverse": _by_axes(),
    "slice": _by_axes("starts", "stops", "steps"),
    "softmax": _axis,
    "split": _axis,
    "tile": _by_dimension("repeats"),
    "topk": _axis,
}
