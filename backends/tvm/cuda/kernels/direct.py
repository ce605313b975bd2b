"""Convolutions that reuse little: a thread for each element of the result, neighbours in neighbouring channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from isthmus.backends.base import Refused
from isthmus.backends.tvm import carriers
from isthmus.backends.tvm.api import ir_builder, script, tirx
from isthmus.backends.tvm.cuda.kernels.positions import (
    Size,
    ceil_div,
    grid,
    guarded,
    position_type,
    unravel,
    volume,
    within,
)
from isthmus.backends.tvm.cuda.threads import THREADS
from isthmus.backends.tvm.kernels import (
    Expr,
    Group,
    Kernel,
    Machine,
    Offer,
    Packed,
    PrimFunc,
    Sizes,
    Stored,
    Tail,
    declare,
)


def conv(group: Group, machine: Machine) -> Offer:
    """Depthwise and grouped ones, and those with few channels."""
    x, weight, *_ = group.anchor.inputs
    attrs = group.anchor.attrs
    groups, strides, pads, dilations = (attrs[name] for name in ("groups", "strides", "pads", "dilations"))
    if carriers.computed(x.dtype) != "float32":
        return Refused(f"a convolution of {x.dtype.name}")
    if weight.constant is None or not weight.type.is_static:
        return Refused("the weight is not constant")
    outputs, inputs, *taps = (int(d) for d in weight.shape)  # type: ignore[arg-type]
    result, perm = group.anchor.results[0].type, (0, *range(2, x.rank), 1)
    per_group = outputs // groups

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        extents = [sizes(d) for d in x.shape[2:]]
        shape = [sizes(result.shape[0]), *(sizes(d) for d in result.shape[2:]), outputs]
        builder = ir_builder.IRBuilder()
        with builder, script.prim_func(is_private=True, s_tir=True):
            script.func_name("kernel")
            kinds = [carriers.carrier(v.dtype) for v in group.anchor.inputs]
            source = [sizes(x.shape[0]), *extents, sizes(x.shape[1])]
            image = declare("x0", source, kinds[0])
            filters = declare("x1", [*taps, inputs, outputs], kinds[1])
            bias = [declare("bias", [outputs], kind) for kind in kinds[2:]]
            more = [declare(f"t{i}", [sizes(d) for d in s], dtype) for i, (s, dtype) in enumerate(tail.buffers)]
            for parameter in sizes.parameters:
                script.arg(parameter.name, parameter)
            made = declare("result", shape, tail.dtype)

            def element(at: Sequence[Expr]) -> None:
                number, *position, output = at
                total = script.alloc_buffer((1,), "float32", scope="local")
                script.buffer_store(total, tirx.const(0, "float32"), [0])
                first = tirx.truncdiv(output, per_group) * inputs
                with script.grid(*taps, inputs) as (*offsets, channel):
                    places, inside = _places(position, offsets, strides, pads, dilations, extents)
                    with guarded(inside):
                        value = carriers.widen(image[(number, *places, first + channel)], x.dtype)
                        factor = carriers.widen(filters[(*offsets, channel, output)], x.dtype)
                        script.buffer_store(total, total[0] + value * factor, [0])
                found = total[0] + carriers.widen(bias[0][output], x.dtype) if bias else total[0]
                stored = tail(script.bind(found), [number, output, *position], more)
                script.buffer_store(made, stored, list(at))

            with script.sblock("root"):
                script.reads([])
                script.writes([])
                each_element(shape, position_type([shape, source]), element)
        return builder.get()

    packed = Packed(partial(np.transpose, axes=(*range(2, x.rank), 1, 0)))
    rest = tuple(Stored((0,)) for _ in group.anchor.inputs[2:])
    key = ("conv", "cuda direct", x.type, weight.type, tuple(attrs.items()), len(rest))
    return Kernel(key, write, (Stored(perm), packed, *rest), perm, "direct conv")


def _places(
    position: Sequence[Expr],
    offsets: Sequence[Expr],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    dilations: Sequence[int],
    extents: Sequence[Size],
) -> tuple[list[Expr], list[Expr]]:
    """Where taps stand in the image, and when they do."""
    places: list[Expr] = []
    inside: list[Expr] = []
    for p, tap, stride, (low, high), dilation, extent in zip(
        position, offsets, strides, pads, dilations, extents, strict=True
    ):
        place = script.bind(p * stride + tap * dilation - low)
        inside += [place >= 0] if low else []
        inside += [place < extent] if high else []
        places.append(place)
    return places, inside


def each_element(shape: Sequence[Size], kind: str, body: Callable[[Sequence[Expr]], None]) -> None:
    """A grid with a thread for each index into a shape, the last axis fastest."""
    count = volume(shape)
    with grid(ceil_div(count, THREADS), THREADS, kind) as (block, thread):
        number = script.bind(block * THREADS + thread)
        with guarded(within(number, count, THREADS)):
            body(unravel(number, shape))
