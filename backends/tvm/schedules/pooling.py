"""max_pool and avg_pool of images with the channels innermost: a vector of channels at a time.

Windows are cut to the image by the bounds of their loops, so padding is neither read nor written; means are divided by
the number of elements that the op counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier, computed
from isthmus.backends.tvm.kernels import Buffer, Expr, Group, Kernel, Machine, Offer, PrimFunc, Sizes, Stored, Tail
from isthmus.backends.tvm.orders import channels_last
from isthmus.backends.tvm.schedules.indexing import view
from isthmus.backends.tvm.schedules.mathfunctions import maximum
from isthmus.backends.tvm.schedules.windows import Windows, taps_inside, windows_of
from isthmus.backends.tvm.schedules.write import (
    Finish,
    each_lane,
    function,
    load,
    lowest,
    registers,
    splat,
    store,
    tasks,
    widened,
)
from tvm import tirx
from tvm.tirx.script import builder as tir


def pool(group: Group, machine: Machine) -> Offer:
    """max_pool and avg_pool over [N, C, H, W] or [N, C, W] with known sizes but N."""
    [x] = group.anchor.inputs
    attrs, name = group.anchor.attrs, group.anchor.op.name
    if computed(x.dtype) != "float32":
        return Refused(f"{name} of {x.dtype.name}")
    w = windows_of(x.type, group.result.type, attrs["kernel"], attrs)
    if w is None:
        return Refused(f"an image of {x.type}: one or two known spatial sizes are needed")
    rank, images = x.rank, x.shape[0]
    counted = _counted(w, attrs["pads"]) if attrs.get("count_include_pad") else None

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        n = sizes(images)

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            image, squared = view(operands[0], (n, *w.size, w.channels)), view(result, (n, *w.result, w.channels))
            with tasks(n * w.result[0], machine.threads, n * w.result[0] * w.result[1] * w.channels) as line:
                i, row = tir.bind(line // w.result[0]), tir.bind(line % w.result[0])
                down = Span.at(row, 0, w, counted)
                with tir.serial(0, w.result[1]) as column:
                    right = Span.at(column, 1, w, counted)

                    def vector(channel: Expr | int, lanes: int) -> None:
                        best = registers(lanes)
                        store(best, splat(-inf if name == "max_pool" else 0.0, lanes), [0], lanes)
                        with tir.serial(down.begin, down.end) as kh, tir.serial(right.begin, right.end) as kw:
                            place = [i, down.first + kh * w.dilations[0], right.first + kw * w.dilations[1], channel]
                            found = tir.bind(widened(load(image, place, lanes), x.dtype))
                            now = load(best, [0], lanes)
                            store(best, maximum(now, found) if name == "max_pool" else now + found, [0], lanes)
                        share = tir.float32(1.0)
                        if name == "avg_pool":
                            share = tir.bind(share / tirx.Cast("float32", down.count * right.count))
                        with each_lane(lanes) as lane:
                            at = [i, channel + lane, row, column] if rank == 4 else [i, channel + lane, column]
                            store(squared, finish(best[lane] * share, at), [i, row, column, channel + lane])

                    whole, rest = divmod(w.channels, machine.lanes)
                    if whole:
                        with tir.serial(0, whole) as c:
                            vector(c * machine.lanes, machine.lanes)
                    if rest:
                        vector(whole * machine.lanes, rest)

        shape = [n, *(sizes(d) for d in x.shape[2:]), w.channels]
        made = [n, *(sizes(d) for d in group.result.shape[2:]), w.channels]
        return function([("x", shape, carrier(x.dtype))], made, body, tail, sizes)

    perm = channels_last(rank)
    return Kernel(
        (name, x.type, w, counted, machine), write, (Stored(perm),), perm, f"{name} {w.kernel[0]}x{w.kernel[1]}"
    )


@dataclass(frozen=True)
class Span:
    """The taps of a window along one axis that lie inside the image, and how many a mean counts."""

    first: Expr
    """Where tap 0 would be."""
    begin: Expr
    end: Expr
    count: Expr

    @staticmethod
    def at(position: Expr, axis: int, w: Windows, counted: tuple[int, int] | None) -> Span:
        """The window at a position of the result; `counted` are the padded image's sizes if padding counts."""
        first = tir.bind(position * w.strides[axis] - w.before[axis])
        begin, end = taps_inside(first, w.size[axis], w.kernel[axis], w.dilations[axis])
        begin, end = tir.bind(begin), tir.bind(end)
        if counted is None:
            return Span(first, begin, end, end - begin)
        room = counted[axis] - position * w.strides[axis]
        return Span(
            first, begin, end, lowest(w.kernel[axis], tir.truncdiv(room + w.dilations[axis] - 1, w.dilations[axis]))
        )


def _counted(w: Windows, pads: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """Height and width with the padding that was asked for, which a window may still reach beyond."""
    sizes = [size + low + high for size, (low, high) in zip(w.size[-len(pads) :], pads, strict=True)]
    return (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])
