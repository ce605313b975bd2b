"""Cases for the rows whose operands or attributes depend on one another, as the fields of a `Case`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from isthmus.ir.builder import Builder
from isthmus.ir.constant import Constant
from isthmus.ir.graph import Graph
from isthmus.ir.types import BF16, BOOL, F16, F32, I8, I32, I64, U8, Array, DType, TensorType

Fields: TypeAlias = Mapping[str, Any]
ANY = (F32, I64, I32, I8, U8, BOOL)
NUM = (F32, I64, I32, I8, U8)


def _data(dtype: DType, *shape: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    if dtype.is_float:
        return rng.normal(size=shape).astype(dtype.numpy)
    if dtype == BOOL:
        return rng.integers(0, 2, shape).astype(np.bool_)
    low, high = (0, 200) if dtype.kind == "uint" else (-100, 100) if dtype.bits == 8 else (-(1 << 28), 1 << 28)
    return rng.integers(low, high, shape).astype(dtype.numpy)


def _f(*shape: int, seed: int = 0) -> Array:
    return _data(F32, *shape, seed=seed)


def _i(*numbers: Any, dtype: DType = I64) -> Array:
    return np.array(numbers, dtype.numpy)


def _case(
    *operands: Array | None, constant: tuple[int, ...] = (), regions: Any = None, note: str = "", **attrs: Any
) -> Fields:
    return {
        "operands": operands,
        "attrs": attrs,
        "constant": frozenset(constant),
        "regions": regions or {},
        "note": note,
    }


# -- creation -----------------------------------------


def _const() -> Iterator[Fields]:
    for dtype in (*ANY, F16, BF16):
        yield _case(data=Constant.of(_data(dtype, 2, 3)))
    yield _case(data=Constant.of(_f()))
    yield _case(data=Constant.of(_f(0, 3)))
    yield _case(data=Constant.of(_i(1 << 40)))


def _dims() -> Iterator[Fields]:
    yield _case(dims=(2, 3))


def _full() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype), shape=(2, 3))
    yield _case(_f(), shape=())


def _dynamic_iota() -> Iterator[Fields]:
    yield _case(_i(2)[0], _i(11)[0], _i(3)[0])
    yield _case(_i(5)[0], _i(-4)[0], _i(-2)[0])
    yield _case(_i(5)[0], _i(2)[0], _i(1)[0], note="empty")
    yield _case(np.float32(0.5) + _f() * 0, np.float32(3.1) + _f() * 0, np.float32(0.25) + _f() * 0)


# -- elementwise -----------------------------------------


def _pow() -> Iterator[Fields]:
    positive = np.abs(_f(2, 3)) + np.float32(0.1)
    yield _case(positive, _f(3, seed=1))
    yield _case(_f(2, 3), np.float32(2) + _f() * 0, constant=(1,))
    yield _case(_f(2, 3), _i(3)[0], constant=(1,))
    for dtype in (I32, I64, I8, U8):
        small = _data(U8, 2, 3) % 11
        for exponent in (0, 1, 2, 5):
            yield _case(small.astype(dtype.numpy), _i(exponent, dtype=dtype)[0], constant=(1,))
        yield _case(small.astype(dtype.numpy), _i(2, 3, 1, dtype=dtype))
    yield _case(_data(I32, 2, 3) % 50, np.float32(2) + _f() * 0, constant=(1,))


def _clip() -> Iterator[Fields]:
    for dtype in (F32, I64, I32, I8, U8):
        x = _data(dtype, 3, 4)
        low, high = (np.sort(_data(dtype, 2, seed=7))[i].reshape(()) for i in (0, 1))
        yield _case(x, low, high)
        yield _case(x, low, high, constant=(1, 2))
        yield _case(x, low, None)
        yield _case(x, None, high, constant=(2,))
    yield _case(_f(5), np.asarray(np.float32(1)), np.asarray(np.float32(-1)), constant=(1, 2), note="crossed")


def _cast() -> Iterator[Fields]:
    for source in (*ANY, F16, BF16):
        for wanted in (*ANY, F16, BF16):
            x = _data(source, 3, 4)
            if source.is_float:
                x = (x * (50 if wanted != U8 else 0)).astype(source.numpy)
            yield _case(x, dtype=wanted)
    yield _case(np.array([np.nan, 0.0, -0.0, np.inf, 1e-40, 0.3], np.float32), dtype=BOOL)
    yield _case(_i(-(1 << 31), 0, 256, dtype=I32), dtype=BOOL)


# -- products -----------------------------------------


def _matmul() -> Iterator[Fields]:
    for a, b in [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (4, 5)),
        ((2, 1, 3, 4), (6, 4, 5)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((4,), (4,)),
    ]:
        yield _case(_f(*a), _f(*b, seed=1))
        yield _case(_f(*a), _f(*b, seed=1), constant=(1,))
    yield _case(_data(I32, 3, 4), _data(I32, 4, 5))
    yield _case(_data(F16, 3, 4), _data(F16, 4, 5))


def _linear() -> Iterator[Fields]:
    for x in ((3, 4), (2, 3, 4), (4,)):
        yield _case(_f(*x), _f(4, 5, seed=1), _f(5, seed=2), constant=(1, 2))
        yield _case(_f(*x), _f(4, 5, seed=1))


def _einsum() -> Iterator[Fields]:
    yield _case(_f(3, 4), _f(4, 5), equation="ij,jk->ik")
    yield _case(_f(2, 3, 4), _f(2, 4, 5), equation="bij, bjk -> bik")
    yield _case(_f(2, 3, 4), equation="abc->cab")
    yield _case(_f(3, 4), equation="ij->j")
    yield _case(_f(2, 6, 3, 4), _f(2, 6, 5, 4), equation="bhqd,bhkd->bhqk")
    yield _case(_f(2, 3, 4), _f(4, 5), equation="...j,jk->...k")
    yield _case(_f(3, 3), equation="ii->i")
    yield _case(_f(3), _f(4), _f(5), equation="a,b,c->abc")


def _attention() -> Iterator[Fields]:
    q, k, v = _f(2, 6, 5, 4), _f(2, 6, 7, 4, seed=1), _f(2, 6, 7, 3, seed=2)
    for causal in (False, True):
        yield _case(q, k, v, scale=0.5, causal=causal)
        yield _case(q, k[:, :, :5], v[:, :, :5], scale=0.5, causal=causal)
        yield _case(q, k, v, _f(2, 1, 5, 7, seed=3), scale=0.5, causal=causal)
        yield _case(q[0], k[0], v[0], scale=0.25, causal=causal)
    yield _case(q, k, v, _f(5, 7, seed=3), scale=0.5)
    yield _case(q, k[:, :1], v[:, :1], scale=0.5)
    yield _case(q[0, 0], k[0, 0], v[0, 0], scale=0.5)
    yield _case(q, k[:, :2], v[:, :2], _f(2, 1, 5, 7, seed=3), scale=0.5)
    yield _case(q, k[0, :3], v[:1], scale=0.5)


def _rotary_embedding() -> Iterator[Fields]:
    x = _f(2, 3, 5, 4)
    yield _case(x, _f(2, 1, 5, 4, seed=1), _f(2, 1, 5, 4, seed=2))
    yield _case(x, _f(5, 4, seed=1), _f(4, seed=2))
    yield _case(x[0, 0, 0], _f(4, seed=1), _f(4, seed=2))


# -- windows -----------------------------------------


def _window(rank: int, **changes: Any) -> dict[str, Any]:
    base = {"strides": (1,) * rank, "pads": ((0, 0),) * rank, "dilations": (1,) * rank}
    return {**base, **changes}


def _windows(rank: int) -> Iterator[dict[str, Any]]:
    yield _window(rank)
    yield _window(rank, strides=(2,) * rank)
    yield _window(rank, pads=((1, 0),) + ((1, 1),) * (rank - 1))
    yield _window(rank, dilations=(2,) * rank, pads=((1, 1),) * rank)


def _conv() -> Iterator[Fields]:
    for rank in (1, 2, 3):
        for window in _windows(rank):
            x, w = _f(2, 4, *(7,) * rank), _f(6, 4, *(3,) * rank, seed=1)
            yield _case(x, w, _f(6, seed=2), constant=(1, 2), **window)
        yield _case(_f(2, 4, *(7,) * rank), _f(6, 2, *(3,) * rank, seed=1), constant=(1,), groups=2, **_window(rank))
        yield _case(_f(2, 4, *(7,) * rank), _f(4, 1, *(3,) * rank, seed=1), _f(4), groups=4, **_window(rank))
        yield _case(_f(2, 4, *(7,) * rank), _f(6, 4, *(3,) * rank, seed=1), **_window(rank))


def _conv_transpose() -> Iterator[Fields]:
    for rank in (1, 2):
        x = _f(2, 4, *(5,) * rank)
        none = (0,) * rank
        for window in _windows(rank):
            yield _case(x, _f(4, 3, *(3,) * rank), _f(3), constant=(1, 2), output_padding=none, **window)
        stretched = _window(rank, strides=(2,) * rank, pads=((1, 1),) * rank)
        yield _case(x, _f(4, 3, *(3,) * rank), constant=(1,), output_padding=(1,) * rank, **stretched)
        yield _case(x, _f(4, 3, *(3,) * rank), constant=(1,), output_padding=none, groups=2, **_window(rank))


def _pooling(**flags: tuple[Any, ...]) -> Callable[[], Iterator[Fields]]:
    def cases() -> Iterator[Fields]:
        for rank in (1, 2, 3):
            for window in _windows(rank):
                base = {"kernel": (3,) * rank, **window, **{name: values[0] for name, values in flags.items()}}
                yield _case(_f(2, 3, *(8,) * rank), **base)
                for name, values in flags.items():
                    for value in values[1:]:
                        yield _case(_f(2, 3, *(8,) * rank), **{**base, name: value})
        overhang = {"kernel": (3, 3), **_window(2, strides=(3, 3), pads=((1, 1), (1, 1)))}
        yield _case(_f(1, 2, 8, 9), **overhang, ceil_mode=True)

    return cases


def _max_pool() -> Iterator[Fields]:
    yield from _pooling(ceil_mode=(False, True))()
    for dtype in (I32, I8, U8):
        yield _case(_data(dtype, 2, 3, 8, 8), kernel=(2, 2), **_window(2, strides=(2, 2)))


# -- normalisation -----------------------------------------


def _batch_norm() -> Iterator[Fields]:
    for x in ((2, 3), (2, 3, 4), (2, 3, 4, 5)):
        parameters = (_f(3, seed=1), _f(3, seed=2), _f(3, seed=3), np.abs(_f(3, seed=4)))
        yield _case(_f(*x), *parameters, constant=(1, 2, 3, 4), epsilon=1e-3)
        yield _case(_f(*x), *parameters)


def _layer_norm() -> Iterator[Fields]:
    x = _f(2, 3, 8) * 3 + 1
    for axis, tail in ((2, (8,)), (1, (3, 8)), (0, (2, 3, 8))):
        yield _case(x, _f(*tail, seed=1), _f(*tail, seed=2), constant=(1, 2), axis=axis)
        yield _case(x, axis=axis, epsilon=1e-2)
    yield _case(x, None, _f(8, seed=2), axis=2)
    yield _case(x, _f(8, seed=2), axis=1)


def _rms_norm() -> Iterator[Fields]:
    yield _case(_f(2, 3, 8), _f(8, seed=1), constant=(1,), axis=2)
    yield _case(_f(2, 3, 8), axis=1)


def _instance_norm() -> Iterator[Fields]:
    for x in ((2, 3, 9), (2, 3, 4, 5), (2, 3, 4, 5, 6)):
        yield _case(_f(*x), _f(3, seed=1), _f(3, seed=2), constant=(1, 2), epsilon=1e-4)


def _group_norm() -> Iterator[Fields]:
    for groups in (1, 2, 6):
        yield _case(_f(2, 6, 4, 5), _f(6, seed=1), _f(6, seed=2), constant=(1, 2), groups=groups)
    yield _case(_f(2, 6, 9), _f(6, seed=1), _f(6, seed=2), groups=3)


def _lrn() -> Iterator[Fields]:
    for size in (1, 3, 4, 5):
        yield _case(_f(2, 7, 3, 4), size=size, alpha=0.1, beta=0.6, bias=1.5)


# -- images -----------------------------------------


def _resize() -> Iterator[Fields]:
    rules = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
    for sizes, scales in [((8, 10), (2.0, 2.0)), ((2, 3), (0.5, 0.6)), ((6, 7), (1.6, 1.4)), ((6, 7), (1.5, 1.4))]:
        for rule in rules:
            for mode in ("nearest", "linear", "cubic"):
                yield _case(_f(1, 2, 4, 5), axes=(2, 3), sizes=sizes, scales=scales, mode=mode, coordinates=rule)
    for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        yield _case(_f(1, 2, 4, 5), axes=(2, 3), sizes=(6, 8), scales=(1.5, 1.6), nearest=nearest)
    flags: tuple[dict[str, Any], ...] = ({"exclude_outside": True}, {"antialias": True})
    for flag in flags:
        for mode in ("linear", "cubic"):
            yield _case(_f(1, 2, 4, 5), axes=(2, 3), sizes=(2, 8), scales=(0.5, 1.6), mode=mode, **flag)
    yield _case(_f(1, 2, 4, 5), axes=(2, 3), sizes=(8, 10), scales=(2.0, 2.0), mode="cubic", cubic_coefficient=-0.5)
    yield _case(_f(1, 2, 4), axes=(2,), sizes=(8,), scales=(2.0,), mode="linear")
    yield _case(_f(1, 2, 3, 4, 5), axes=(2, 3, 4), sizes=(6, 8, 10), scales=(2.0, 2.0, 2.0), mode="linear")
    yield _case(_f(3, 4), axes=(0, 1), sizes=(6, 8), scales=(2.0, 2.0))
    for dtype in (U8, I8, I32):
        for mode in ("nearest", "linear"):
            yield _case(_data(dtype, 1, 2, 4, 5), axes=(2, 3), sizes=(8, 10), scales=(2.0, 2.0), mode=mode)


def _depth_to_space() -> Iterator[Fields]:
    for mode in ("DCR", "CRD"):
        for dtype in (F32, U8, I64):
            yield _case(_data(dtype, 2, 12, 3, 5), block=2, mode=mode)


def _space_to_depth() -> Iterator[Fields]:
    for dtype in (F32, U8, I64):
        yield _case(_data(dtype, 2, 3, 4, 6), block=2)


def _grid_sample() -> Iterator[Fields]:
    for mode in ("linear", "nearest", "cubic"):
        for padding in ("zeros", "border", "reflection"):
            for align in (False, True):
                grid = _f(2, 3, 4, 2, seed=1)
                yield _case(_f(2, 3, 5, 6), grid, mode=mode, padding=padding, align_corners=align)
    yield _case(_f(1, 2, 3, 4, 5), _f(1, 2, 2, 2, 3, seed=1))


# -- selections -----------------------------------------


def _topk() -> Iterator[Fields]:
    for axis in (0, 1):
        for largest in (True, False):
            yield _case(_f(5, 6), k=3, axis=axis, largest=largest)
            yield _case(np.array([[1, 3, 3, 1, 3, 2], [2, 2, 2, 1, 1, 1]], np.float32), k=2, axis=axis, largest=largest)
    for dtype in (I64, I32, I8, U8):
        yield _case(_data(dtype, 5, 6), k=6, axis=1)


def _arg() -> Iterator[Fields]:
    for dtype in NUM:
        for last in (False, True):
            x = _data(dtype, 4, 6) if dtype.bits > 8 else _data(dtype, 4, 6) % 3
            yield _case(x, axis=1, last=last)
            yield _case(x, axis=0, last=last, keepdims=True)
    yield _case(np.round(_f(4, 8)), axis=1, last=True)
    yield _case(np.round(_f(4, 8)), axis=1)


# -- shape -----------------------------------------


def _reshape() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 2, 3, 4), shape=(4, 3, 2))
    for shape in ((24,), (2, 12), (2, 3, 1, 4), (1, 24), (6, 4)):
        yield _case(_f(2, 3, 4), shape=shape)
    yield _case(_f(1, 1), shape=())
    yield _case(_f(0, 3), shape=(3, 0))


def _dynamic_reshape() -> Iterator[Fields]:
    yield _case(_f(2, 3, 4), _i(4, 6))
    yield _case(_f(2, 3, 4), _i(-1, 6))


def _expand() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 3, 1), shape=(2, 3, 4))
    yield _case(_f(), shape=(2, 3))
    yield _case(_f(2, 3), shape=(2, 3))


def _dynamic_expand() -> Iterator[Fields]:
    yield _case(_f(3, 1), _i(2, 1, 4))
    yield _case(_f(2, 3, 4), _i(3, 1))


def _transpose() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 2, 3, 4), perm=(2, 0, 1))
    yield _case(_f(2, 3, 4, 5, 6), perm=(0, 4, 2, 1, 3))
    yield _case(_f(), perm=())


def _concat() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 2, 3), _data(dtype, 2, 4), axis=1)
    yield _case(_f(2, 3), _f(5, 3), _f(1, 3), axis=0)
    yield _case(_f(2, 3), axis=0)


def _split() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 2, 6), axis=1, sizes=(1, 2, 3))
    yield _case(_f(4, 6), axis=0, sizes=(4,))


def _slice() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 5, 6), axes=(0, 1), starts=(1, 0), stops=(4, 6), steps=(1, 2))
    yield _case(_f(5, 6), axes=(1,), starts=(2,), stops=(2,), steps=(1,), note="empty")
    yield _case(_f(5, 6), axes=(), starts=(), stops=(), steps=())


def _dynamic_slice() -> Iterator[Fields]:
    yield _case(_f(5, 6), _i(1, -3), _i(4, 100), axes=(0, 1), steps=(1, 2))
    yield _case(_f(5, 6), _i(100, -1), _i(-100, 0), axes=(0, 1), steps=(-1, -2))


def _pad() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 3, 4), pads=((1, 0), (2, 1)))
        yield _case(_data(dtype, 3, 4), _data(dtype, seed=3), pads=((1, 0), (2, 1)))
        yield _case(_data(dtype, 3, 4), _data(dtype, seed=3), pads=((1, 0), (2, 1)), constant=(1,))
    for mode in ("reflect", "edge", "wrap"):
        yield _case(_f(3, 4), pads=((1, 2), (2, 1)), mode=mode)
        yield _case(_data(I32, 3, 4), pads=((1, 2), (2, 1)), mode=mode)


def _dynamic_pad() -> Iterator[Fields]:
    yield _case(_f(3, 4), _i(1, 0, 2, 1))
    yield _case(_f(3, 4), _i(-1, 1, 0, -2), _f())
    yield _case(_f(3, 4), _i(1, 1, 0, 2), mode="reflect")


def _tile() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 2, 3), repeats=(2, 3))


def _dynamic_tile() -> Iterator[Fields]:
    yield _case(_f(2, 3), _i(2, 2))


# -- indexing -----------------------------------------


def _gather() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 4, 5), _i([0, -1], [2, 1]), axis=1)
    yield _case(_f(4, 5), _i(3, 0, -4, dtype=I32), axis=0)
    yield _case(_f(4, 5), np.array(2), axis=0)


def _gather_elements() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 4, 5), _i([0, -1, 2], [2, 1, -5]), axis=1)
    yield _case(_f(4, 5), _i([0, -1, 2, 3, 1], dtype=I32), axis=0)


def _gather_nd() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case(_data(dtype, 4, 5), _i([0, -1], [2, 1], [-4, 4]))
    yield _case(_f(4, 5, 3), _i([1], [-1]))
    yield _case(_f(2, 5, 3), _i([[1], [-1]], [[0], [2]]), batch_dims=1)


_HOW = ("none", "add", "mul", "max", "min")


def _scatter_elements() -> Iterator[Fields]:
    for dtype in ANY:
        for how in _HOW if dtype != BOOL else _HOW[:1]:
            repeated = _i([0, -1, 2], [2, 1, -3]) if how == "none" else _i([0, 0, 2], [2, 2, -3])
            yield _case(_data(dtype, 4, 5), repeated, _data(dtype, 2, 3, seed=1), axis=1, reduction=how)


def _scatter_nd() -> Iterator[Fields]:
    for dtype in ANY:
        for how in _HOW if dtype != BOOL else _HOW[:1]:
            places = _i([0, -1], [2, 1]) if how == "none" else _i([2, 1], [2, 1])
            yield _case(_data(dtype, 4, 5), places, _data(dtype, 2, seed=1), reduction=how)
    yield _case(_f(4, 5), _i([1], [-1]), _f(2, 5, seed=1))


def _one_hot() -> Iterator[Fields]:
    for dtype in (F32, I64, BOOL):
        for axis in (0, 1, 2):
            yield _case(_i([0, -1, 7], [2, 4, 3]), _data(dtype, 2), depth=5, axis=axis)


def _non_zero() -> Iterator[Fields]:
    for dtype in ANY:
        yield _case((_data(dtype, 3, 4).astype(np.float64) * (np.arange(12).reshape(3, 4) % 3)).astype(dtype.numpy))
    yield _case(np.zeros((2, 2), np.float32), note="none")


def _trilu() -> Iterator[Fields]:
    for dtype in ANY:
        for upper in (True, False):
            yield _case(_data(dtype, 2, 4, 5), upper=upper, k=1)
    yield _case(_f(4, 3), k=-2)


def _non_max_suppression() -> Iterator[Fields]:
    corner = np.random.default_rng(5).random((2, 12, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + 0.4], axis=-1)
    scores = np.random.default_rng(6).random((2, 3, 12)).astype(np.float32)
    for centre in (False, True):
        yield _case(boxes, scores, max_per_class=4, iou_threshold=0.3, score_threshold=0.2, center_point_box=centre)
    yield _case(boxes, scores, max_per_class=0, iou_threshold=0.3, score_threshold=0.2, note="none")


# -- quantization -----------------------------------------


def _quantize() -> Iterator[Fields]:
    for dtype in (I8, U8, I32):
        zero = _i(3, dtype=dtype)
        yield _case(_f(4, 6) * 5, np.asarray(np.float32(0.05)), zero[0].reshape(()))
        yield _case(
            _f(4, 6) * 5, np.array([0.5, 0.1, 0.02, 0.3], np.float32), np.repeat(zero, 4), axis=0, constant=(1, 2)
        )
    yield _case(np.array([0.5, 1.5, 2.5, -0.5, 1e9, -1e9], np.float32), np.asarray(np.float32(1)), _i(0, dtype=I8)[0])


def _dequantize() -> Iterator[Fields]:
    for dtype in (I8, U8, I32):
        zero = _i(3, dtype=dtype)
        yield _case(_data(dtype, 4, 6), np.asarray(np.float32(0.05)), zero[0].reshape(()))
        yield _case(_data(dtype, 4, 6), np.array([0.5, 0.1, 0.02, 0.3], np.float32), np.repeat(zero, 4), axis=0)
        yield _case(_data(dtype, 4, 6), np.asarray(np.float32(0.05)))


# -- control -----------------------------------------


def _body(*inputs: TensorType) -> tuple[Builder, tuple[Any, ...], Graph]:
    graph = Graph("")
    return Builder(graph), tuple(graph.add_input(t) for t in inputs), graph


def _if() -> Iterator[Fields]:
    vector = TensorType(F32, (3,))
    then_b, (x, y), then = _body(vector, vector)
    then.set_outputs([then_b.add(x, y), x], ["a", "b"])
    else_b, (x, y), other = _body(vector, vector)
    other.set_outputs([else_b.sub(x, y), else_b.relu(y)], ["a", "b"])
    for condition in (True, False):
        yield _case(np.array(condition), _f(3), _f(3, seed=1), regions={"then": then, "else": other})


def _loop() -> Iterator[Fields]:
    vector, index = TensorType(F32, (3,)), TensorType(I64, ())
    b, (i, state, step), body = _body(index, vector, vector)
    moved = b.add(state, step)
    more = b.less(b.reduce_sum(moved, axes=(0,)), 100.0)
    body.set_outputs([more, moved, b.mul(moved, b.cast(i, dtype=F32))], ["more", "state", "seen"])
    regions = {"body": body}
    ones = np.ones(3, np.float32)
    yield _case(_i(4)[0], None, _f(3), ones, regions=regions, carried=1)
    yield _case(_i(4)[0], np.array(True), _f(3), ones, regions=regions, carried=1, constant=(0, 1))
    yield _case(None, np.array(True), _f(3), ones * 10, regions=regions, carried=1)
    yield _case(_i(0)[0], None, _f(3), ones, regions=regions, carried=1, note="no trips")
    yield _case(_i(4)[0], np.array(False), _f(3), ones, regions=regions, carried=1, note="never")


def _scan() -> Iterator[Fields]:
    vector = TensorType(F32, (3,))
    b, (state, element, factor), body = _body(vector, vector, vector)
    after = b.add(b.mul(state, factor), element)
    body.set_outputs([after, b.relu(after)], ["state", "out"])
    yield _case(_f(3), _f(5, 3), _f(3, seed=1), regions={"body": body}, carried=1, scanned=1)


BY_HAND: Mapping[str, Callable[[], Iterator[Fields]]] = {
    "const": _const, "dims": _dims, "full": _full, "dynamic_iota": _dynamic_iota,
    "pow": _pow, "clip": _clip, "cast": _cast,
    "matmul": _matmul, "linear": _linear, "einsum": _einsum, "attention": _attention,
    "rotary_embedding": _rotary_embedding,
    "conv": _conv, "conv_transpose": _conv_transpose,
    "max_pool": _max_pool, "max_pool_with_indices": _max_pool,
    "avg_pool": _pooling(ceil_mode=(False, True), count_include_pad=(False, True)),
    "lp_pool": _pooling(p=(2, 1, 3), ceil_mode=(False, True)),
    "batch_norm": _batch_norm, "layer_norm": _layer_norm, "rms_norm": _rms_norm,
    "instance_norm": _instance_norm, "group_norm": _group_norm, "lrn": _lrn,
    "resize": _resize, "depth_to_space": _depth_to_space, "space_to_depth": _space_to_depth,
    "grid_sample": _grid_sample, "topk": _topk, "argmax": _arg, "argmin": _arg,
    "reshape": _reshape, "dynamic_reshape": _dynamic_reshape, "expand": _expand, "dynamic_expand": _dynamic_expand,
    "transpose": _transpose, "concat": _concat, "split": _split, "slice": _slice, "dynamic_slice": _dynamic_slice,
    "pad": _pad, "dynamic_pad": _dynamic_pad, "tile": _tile, "dynamic_tile": _dynamic_tile,
    "gather": _gather, "gather_elements": _gather_elements, "gather_nd": _gather_nd,
    "scatter_elements": _scatter_elements, "scatter_nd": _scatter_nd, "one_hot": _one_hot, "non_zero": _non_zero,
    "trilu": _trilu, "non_max_suppression": _non_max_suppression,
    "quantize": _quantize, "dequantize": _dequantize,
    "if": _if, "loop": _loop, "scan": _scan,
}  # fmt: skip
"""Op name -> its cases."""
