"""What fits an op's first operand, where the other operands and the attributes depend on it.

A fitting is `(picker, x) -> (other operands, attributes)`; it raises Misfit where x does not suit. Attributes it leaves
out are drawn by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st

from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, F16, F32, I8, I32, I64, U8
from tests.support.opcases import random_array
from tests.support.picker import Misfit, Picker, broadcasts

Fit: TypeAlias = tuple[list[Value | None], dict[str, Any]]


def _sized(dim: Dim) -> int:
    if not isinstance(dim, int) or dim == 0:
        raise Misfit
    return dim


def _axis(p: Picker, x: Value) -> int:
    """An axis of known size above zero."""
    found: int = p.among(i for i, d in enumerate(x.shape) if isinstance(d, int) and d > 0)
    return found


def _spatial(x: Value) -> int:
    if x.rank < 3:
        raise Misfit
    return x.rank - 2


def _window(p: Picker, x: Value, kernel: int) -> dict[str, Any]:
    rank = _spatial(x)
    pad = p.number(0, kernel // 2)
    return {"strides": (p.number(1, 2),) * rank, "pads": ((pad, pad),) * rank, "dilations": (1,) * rank}


def _conv(p: Picker, x: Value) -> Fit:
    channels, kernel = _sized(x.shape[1]) if x.rank > 2 else _sized(0), p.among((1, 3))
    groups = p.among(g for g in (1, 2, channels) if channels % g == 0)
    made = groups * p.number(1, 3)
    scale = float((channels // groups * kernel ** _spatial(x)) ** -0.5)
    weight = p.const(x.dtype, made, channels // groups, *(kernel,) * _spatial(x), scale=scale)
    return [weight, p.maybe(lambda: p.const(x.dtype, made))], {**_window(p, x, kernel), "groups": groups}


def _conv_transpose(p: Picker, x: Value) -> Fit:
    channels, kernel = _sized(x.shape[1]) if x.rank > 2 else _sized(0), p.among((1, 3))
    made = p.number(1, 3)
    weight = p.const(x.dtype, channels, made, *(kernel,) * _spatial(x), scale=channels**-0.5)
    bias = p.maybe(lambda: p.const(x.dtype, made))
    return [weight, bias], {**_window(p, x, kernel), "output_padding": (0,) * _spatial(x), "groups": 1}


def _pool(p: Picker, x: Value) -> Fit:
    kernel = p.number(1, 3)
    return [], {"kernel": (kernel,) * _spatial(x), **_window(p, x, kernel)}


def _per_channel(p: Picker, x: Value, count: int, positive: int = 0) -> list[Value | None]:
    if x.rank < 2:
        raise Misfit
    channels = _sized(x.shape[1])
    return [p.const(x.dtype, channels, positive=i >= count - positive) for i in range(count)]


def _batch_norm(p: Picker, x: Value) -> Fit:
    return _per_channel(p, x, 4, positive=1), {}


def _instance_norm(p: Picker, x: Value) -> Fit:
    _spatial(x)
    return _per_channel(p, x, 2), {}


def _group_norm(p: Picker, x: Value) -> Fit:
    _spatial(x)
    return _per_channel(p, x, 2), {"groups": p.among(g for g in (1, 2, 3) if _sized(x.shape[1]) % g == 0)}


def _layer_norm(p: Picker, x: Value) -> Fit:
    axis = _axis(p, x)
    tail = x.shape[axis:]
    return [p.maybe(lambda: p.const(x.dtype, *tail)), p.maybe(lambda: p.const(x.dtype, *tail))], {"axis": axis}


def _rms_norm(p: Picker, x: Value) -> Fit:
    axis = _axis(p, x)
    return [p.maybe(lambda: p.const(x.dtype, *x.shape[axis:]))], {"axis": axis}


def _matmul(p: Picker, x: Value) -> Fit:
    depth = _sized(x.shape[-1]) if x.rank else _sized(0)
    scale = depth**-0.5 if x.dtype.is_float else 1.0
    return [p.const(x.dtype, depth, p.number(1, 5), scale=scale)], {}


def _linear(p: Picker, x: Value) -> Fit:
    (weight,), _ = _matmul(p, x)
    assert weight is not None
    return [weight, p.maybe(lambda: p.const(x.dtype, weight.shape[1]))], {}


def _where(p: Picker, condition: Value) -> Fit:
    like = p.among(v for v in p.values if v.dtype in (F32, I64, I32) and broadcasts(condition.shape, v.shape))
    return [like, p.beside(like, like.dtype, lambda a: a, constant=False)], {}


def _clip(p: Picker, x: Value) -> Fit:
    low, high = np.sort(random_array(x.dtype, (2,), p.rng))
    return [p.maybe(lambda: p.b.const(np.asarray(low))), p.maybe(lambda: p.b.const(np.asarray(high)))], {}


def _pow(p: Picker, x: Value) -> Fit:
    exponent = p.among((2, 3, 1, 0)) if x.dtype.is_integer else p.among((2, 0.5, -1, 3, 1, 0, -0.5))
    return [p.b.const(np.asarray(exponent, x.dtype.numpy))], {}


def _reshape(p: Picker, x: Value) -> Fit:
    shape = list(x.shape)
    match p.among(("merge", "insert", "drop", "split", "flat")):
        case "merge" if x.rank > 1:
            i = p.number(0, x.rank - 2)
            shape[i : i + 2] = [shape[i] * shape[i + 1]]
        case "drop" if 1 in shape:
            shape.remove(1)
        case "split":
            i = p.among(i for i, d in enumerate(shape) if isinstance(d, int) and d % 2 == 0 and d > 0)
            shape[i : i + 1] = [2, shape[i] // 2]
        case "flat":
            shape = [x.type.numel()]
        case _:
            shape.insert(p.number(0, x.rank), 1)
    return [], {"shape": tuple(shape)}


def _expand(p: Picker, x: Value) -> Fit:
    grown = tuple(p.among((1, 2, 3)) if d == 1 else d for d in x.shape)
    return [], {"shape": (p.number(1, 3),) * p.number(0, 1) + grown}


def _transpose(p: Picker, x: Value) -> Fit:
    return [], {"perm": tuple(p.draw(st.permutations(range(x.rank))))}


def _concat(p: Picker, x: Value) -> Fit:
    axis = p.number(0, x.rank - 1) if x.rank else _sized(0)
    lanes = (*x.shape[:axis], *x.shape[axis + 1 :])
    here = [v for v in p.values if v.dtype == x.dtype and v.rank == x.rank]
    alike = [v for v in here if (*v.shape[:axis], *v.shape[axis + 1 :]) == lanes]
    return [p.among(alike) for _ in range(p.number(0, 2))], {"axis": axis}


def _split(p: Picker, x: Value) -> Fit:
    axis = _axis(p, x)
    cut = p.number(0, _sized(x.shape[axis]))
    return [], {"axis": axis, "sizes": (cut, _sized(x.shape[axis]) - cut) if cut else x.shape[axis : axis + 1]}


def _slice(p: Picker, x: Value) -> Fit:
    axis = _axis(p, x)
    start, stop = sorted((p.number(0, _sized(x.shape[axis])), p.number(0, _sized(x.shape[axis]))))
    return [], {"axes": (axis,), "starts": (start,), "stops": (stop,), "steps": (p.number(1, 2),)}


def _pad(p: Picker, x: Value) -> Fit:
    mode = p.among(("constant", "edge", "reflect", "wrap")) if 0 not in x.shape and x.rank else "constant"
    most = {"reflect": 0, "wrap": 1}.get(mode, 2)
    room = [min(most, d) if isinstance(d, int) else min(most, 1) for d in x.shape]
    if mode == "reflect":
        room = [min(2, d - 1) if isinstance(d, int) else 0 for d in x.shape]
    fill = p.maybe(lambda: p.const(x.dtype)) if mode == "constant" else None
    room = [2] * x.rank if mode == "constant" else room
    return [fill], {"pads": tuple((p.number(0, r), p.number(0, r)) for r in room), "mode": mode}


def _tile(p: Picker, x: Value) -> Fit:
    return [], {"repeats": tuple(p.number(1, 2) for _ in x.shape)}


def _gather(p: Picker, x: Value) -> Fit:
    axis = _axis(p, x)
    size = _sized(x.shape[axis])
    shape = p.among(((), (2,), (2, 2)))
    return [p.b.const(p.rng.integers(-size, size, shape, dtype=np.int64))], {"axis": axis}


def _gather_elements(p: Picker, x: Value) -> Fit:
    axis = _axis(p, x)
    size = _sized(x.shape[axis])
    shape = [_sized(d) for d in x.shape]
    return [p.b.const(p.rng.integers(-size, size, shape, dtype=np.int64))], {"axis": axis}


def _topk(p: Picker, x: Value) -> Fit:
    axis = _axis(p, x)
    return [], {"axis": axis, "k": p.number(1, _sized(x.shape[axis]))}


def _depth_to_space(p: Picker, x: Value) -> Fit:
    if x.rank != 4 or _sized(x.shape[1]) % 4:
        raise Misfit
    return [], {"block": 2}


def _space_to_depth(p: Picker, x: Value) -> Fit:
    if x.rank != 4 or any(_sized(d) % 2 for d in x.shape[2:]):
        raise Misfit
    return [], {"block": 2}


def _quantize(p: Picker, x: Value) -> Fit:
    zero = p.among((I8, U8))
    return [p.const(x.dtype, positive=True, scale=0.1), p.b.const(np.asarray(p.number(0, 5), zero.numpy))], {
        "axis": None
    }


def _dequantize(p: Picker, x: Value) -> Fit:
    zero = p.maybe(lambda: p.b.const(np.asarray(p.number(0, 5), x.dtype.numpy)))
    return [p.const(F32, positive=True, scale=0.1), zero], {"axis": None}


def _full(p: Picker, x: Value) -> Fit:
    if x.rank:
        raise Misfit
    return [], {"shape": p.among(v.shape for v in p.values)}


def _cast(p: Picker, x: Value) -> Fit:
    return [], {"dtype": p.among((F32, F32, F16, I64, I32, BOOL, F32))}


FITTING: Mapping[str, Callable[[Picker, Value], Fit]] = {
    "conv": _conv, "conv_transpose": _conv_transpose,
    "max_pool": _pool, "max_pool_with_indices": _pool, "avg_pool": _pool, "lp_pool": _pool,
    "batch_norm": _batch_norm, "instance_norm": _instance_norm, "group_norm": _group_norm,
    "layer_norm": _layer_norm, "rms_norm": _rms_norm,
    "matmul": _matmul, "linear": _linear, "where": _where, "clip": _clip, "pow": _pow, "cast": _cast,
    "reshape": _reshape, "expand": _expand, "transpose": _transpose, "concat": _concat, "split": _split,
    "slice": _slice, "pad": _pad, "tile": _tile, "gather": _gather, "gather_elements": _gather_elements,
    "topk": _topk, "depth_to_space": _depth_to_space, "space_to_depth": _space_to_depth,
    "quantize": _quantize, "dequantize": _dequantize, "full": _full,
}  # fmt: skip


def _above(least: float) -> Callable[[Builder, Value], Value]:
    return lambda b, x: b.add(b.abs(x), least) if x.dtype.is_float else x


def _clipped(b: Builder, x: Value, limit: float) -> Value:
    return b.clip(x, -limit, limit) if x.dtype.is_float else x


def _inside(limit: float) -> Callable[[Builder, Value], Value]:
    return lambda b, x: _clipped(b, x, limit)


TAME: Mapping[str, Callable[[Builder, Value], Value]] = {
    **dict.fromkeys(("sqrt", "rsqrt", "log", "log1p", "reciprocal", "pow"), _above(0.25)),
    "acosh": _above(1.25),
    **dict.fromkeys(("asin", "acos", "atanh"), _inside(0.9)),
    **dict.fromkeys(("exp", "expm1", "sinh", "cosh", "mod", "fmod"), _inside(6.0)),
    **dict.fromkeys(("tan", "reduce_prod"), _inside(1.2)),
    "cast": _inside(90.0),
}
"""How an op's operand is brought to where the op is defined and its result moderate."""
