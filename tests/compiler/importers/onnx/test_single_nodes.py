"""Ops in forms that onnx's suite lacks, against onnxruntime, onnx's own evaluator, and on the engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

import isthmus
from isthmus.ir.errors import MalformedModel, UnsupportedByBackend, UnsupportedModel
from isthmus.ir.evaluate import evaluate
from tests.compiler.importers.onnx.build import imported
from tests.compiler.importers.onnx.single_nodes import Single, Sizes, by_onnx, by_onnxruntime

Judge = Callable[[Single], list[NDArray[Any]]]
UNIQUE = ("y", "first", "inverse", "counts")


def drawn(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def few(*shape: int) -> NDArray[np.int64]:
    """Of few kinds, so that many are equal."""
    return np.random.default_rng(1).integers(0, 2, shape)


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def regions(count: int) -> dict[str, NDArray[Any]]:
    """Some reach out of the image, one is turned inside out, and one has no area."""
    rng = np.random.default_rng(2)
    corners = rng.uniform(-4, 14, (count, 2))
    rois = np.concatenate([corners, corners + rng.uniform(-1, 9, (count, 2))], 1).astype(np.float32)
    rois[-1:, 2:] = rois[-1:, :2]
    return {"x": drawn(2, 3, 9, 11), "rois": rois, "images": np.arange(count) % 2}


def roi_align(opset: int, count: int = 7, **attributes: Any) -> Single:
    shape = {"output_height": 2, "output_width": 3, "spatial_scale": 0.7}
    return Single("RoiAlign", opset, regions(count), shape | attributes)


def unique(x: NDArray[Any], **attributes: Any) -> Single:
    return Single("Unique", 11, {"x": x}, attributes, outputs=UNIQUE)


def col2im(x: NDArray[Any], image: Sequence[int], block: Sequence[int], **attributes: Any) -> Single:
    return Single("Col2Im", 18, {"x": x}, attributes, {"image": ints(*image), "block": ints(*block)})


def max_unpool(shape: Sequence[int], holds: int, **attributes: Any) -> Single:
    """Each element goes elsewhere in a result that holds so many."""
    x = drawn(*shape)
    places = np.random.default_rng(3).permutation(holds)[: x.size].reshape(shape)
    return Single("MaxUnpool", 11, {"x": x, "places": places}, attributes)


def cumprod(x: NDArray[Any], axis: int, **attributes: Any) -> Single:
    return Single("CumProd", 26, {"x": x}, attributes, {"axis": np.array(axis)})


def deform_conv(**attributes: Any) -> Single:
    feeds = {
        "x": drawn(2, 4, 6, 7),
        "w": drawn(6, 2, 2, 2, seed=1),
        "offset": 2 * drawn(2, 16, 7, 3, seed=2),
        "bias": drawn(6, seed=3),
        "mask": drawn(2, 8, 7, 3, seed=4),
    }
    spread = {"strides": [1, 2], "pads": [2, 0, 1, 1], "dilations": [2, 2], "group": 2, "offset_group": 2}
    return Single("DeformConv", 19, feeds, spread | attributes)


def tensor_scatter(update: Sequence[int], at: NDArray[np.int64] | None, **attributes: Any) -> Single:
    feeds = {"x": drawn(2, 3, 6, 4), "update": drawn(*update, seed=1)}
    return Single("TensorScatter", 24, feeds if at is None else feeds | {"at": at}, attributes)


def det(x: NDArray[Any]) -> Single:
    return Single("Det", 11, {"x": x})


EQUALS: dict[str, NDArray[Any]] = {
    "integers": few(6, 2),
    "floats": few(4, 3).astype(np.float32),
    "one": few(1, 1),
}
"""Whose elements, rows and columns occur more than once."""
SINGULAR = np.array([[[0, 1], [1, 0]], [[1, 2], [2, 4]], [[0, 0], [0, 3]]], np.float32)

CASES: dict[str, Single] = {
    **{
        f"RoiAlign 16 {mode} {ratio} {coordinates}": roi_align(
            16, mode=mode, sampling_ratio=ratio, coordinate_transformation_mode=coordinates
        )
        for mode, ratio, coordinates in product(("avg", "max"), (0, 2), ("half_pixel", "output_half_pixel"))
    },
    **{f"RoiAlign 10 {mode}": roi_align(10, mode=mode) for mode in ("avg", "max")},
    "RoiAlign of no region": roi_align(16, 0),
    **{
        f"Unique {kind} {'sorted' if order else 'as found'} {axis}": unique(
            x, sorted=order, **({} if axis is None else {"axis": axis})
        )
        for (kind, x), order, axis in product(EQUALS.items(), (0, 1), (None, 0, 1, -1))
    },
    "Unique slices": unique(few(2, 7, 2), axis=1),
    "Unique nothing": unique(drawn(0)),
    "Unique number": unique(np.array(3, np.float32)),
    "Col2Im": col2im(drawn(2, 18, 15), (10, 11), (2, 3), strides=[2, 3], pads=[1, 0, 0, 2], dilations=[1, 2]),
    "Col2Im apart": col2im(drawn(1, 12, 6), (4, 9), (2, 3), strides=[2, 3]),
    "MaxUnpool": max_unpool((2, 3, 4, 5), 480, kernel_shape=[2, 2], strides=[2, 2]),
    "MaxUnpool pads": max_unpool((1, 2, 4, 5), 160, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 0]),
    "MaxUnpool 1d": max_unpool((2, 3, 5), 60, kernel_shape=[2], strides=[2]),
    **{
        f"CumProd {reverse}{exclusive} {axis}": cumprod(drawn(3, 1, 4), axis, reverse=reverse, exclusive=exclusive)
        for reverse, exclusive, axis in product((0, 1), (0, 1), (0, 1, -1))
    },
    "CumProd out of range": cumprod(np.array([1e30, 1e30, 0, 3], np.float32), 0),
    "DeformConv": deform_conv(),
    "TensorScatter circular": tensor_scatter((2, 3, 2, 4), ints(5, 1), mode="circular"),
    "TensorScatter axis": tensor_scatter((2, 1, 6, 4), ints(2, 0), axis=1),
    "TensorScatter first": tensor_scatter((2, 3, 6, 2), None, axis=-1),
    "Det singular": det(SINGULAR),
    **{f"Det {n}": det(drawn(2, n, n)) for n in (1, 3, 8)},
}

BY_ONNX: dict[str, Single] = {
    "Unique NaN": unique(np.array([1, np.nan, 0, np.nan, -0.0, 1, np.inf, -np.inf], np.float32)),
    "Unique bool": unique(np.array([True, False, True])),
    "Unique bf16": unique(few(3, 2).astype(ml_dtypes.bfloat16)),
    "Det of nothing": det(drawn(2, 0, 0)),
    "Det large": det(drawn(32, 32) / np.float32(32**0.5)),
    "Col2Im of integers": col2im(few(1, 6, 16), (4, 5), (2, 3), pads=[0, 1, 1, 0]),
    "CumProd NaN": cumprod(np.array([2, np.nan, 0], np.float32), 0),
}
"""What onnxruntime has no kernel for, or takes differently: to it, NaN is like any number."""


@pytest.mark.parametrize("name", [*CASES, *BY_ONNX])
def test_agrees(name: str) -> None:
    case, judge = (CASES[name], by_onnxruntime) if name in CASES else (BY_ONNX[name], by_onnx)
    agree(list(evaluate(imported(case.model()), list(case.feeds.values())).values()), judge(case))


FREE: dict[str, tuple[Single, Sizes]] = {
    "RoiAlign": (roi_align(16), {"x": ("N", 3, "H", "W"), "rois": ("K", 4), "images": ("L",)}),
    "RoiAlign max": (roi_align(16, mode="max"), {"rois": ("K", 4), "images": ("K",)}),
    "DeformConv": (deform_conv(), {"x": ("N", 4, "H", "W"), "offset": ("N", 16, "I", "J"), "mask": ("N", 8, "I", "J")}),
    "Unique": (unique(few(5, 3).astype(np.float32), sorted=0), {"x": ("N", "M")}),
    "Unique rows": (unique(few(5, 3).astype(np.float32), axis=0), {"x": ("N", 3)}),
    "Col2Im": (CASES["Col2Im"], {"x": ("N", 18, "L")}),
    "MaxUnpool": (CASES["MaxUnpool"], {"x": ("N", 3, "H", 5), "places": ("N", 3, "H", 5)}),
    "CumProd": (cumprod(drawn(3, 4), 1), {"x": ("N", "M")}),
    "TensorScatter": (CASES["TensorScatter circular"], {"x": ("N", 3, "S", 4), "update": ("N", 3, "T", 4)}),
    "Det": (CASES["Det 3"], {"x": ("N", 3, 3)}),
}


@pytest.mark.parametrize(
    ("name", "target"),
    [(name, "cpu-fp32") for name in FREE] + [("Unique", "cpu-fp32@tvm")],
)
def test_engines_agree_with_onnxruntime_where_sizes_vary(name: str, target: str) -> None:
    case, sizes = FREE[name]
    program = isthmus.compile(case.model(sizes), target=target)
    agree(list(program(*case.feeds.values()).values()), by_onnxruntime(case))


def test_the_engine_does_not_sort_i64() -> None:
    with pytest.raises(UnsupportedByBackend, match="orders i64 in f32"):
        isthmus.compile(CASES["Unique integers sorted None"].model(), target="cpu-fp32")


def test_unpooling_into_more_puts_zeros_behind() -> None:
    """As onnx's suite has it: the indices do not count through what output_shape adds, as onnxruntime takes them."""
    case = max_unpool((1, 1, 2, 2), 16, kernel_shape=[2, 2], strides=[2, 2])
    larger = Single("MaxUnpool", 11, case.feeds, case.attributes, {"size": ints(1, 1, 5, 7)})
    (plain,), (found,) = by_onnx(case), evaluate(imported(larger.model()), list(case.feeds.values())).values()
    np.testing.assert_array_equal(found, np.pad(plain, ((0, 0), (0, 0), (0, 1), (0, 3))))
    np.testing.assert_array_equal(found, by_onnx(larger)[0])


def test_outcomes_are_drawn_as_often_as_their_probabilities_say() -> None:
    odds = np.array([[0.1, 0.2, 0.0, 0.7], [0.25, 0.25, 0.5, 0.0]])
    with np.errstate(divide="ignore"):
        logarithms = np.log(odds * [[1], [8]]).astype(np.float32)
    many = 4000
    case = Single("Multinomial", 7, {"x": logarithms}, {"sample_size": many, "dtype": TensorProto.INT64, "seed": 5.0})
    (found,) = evaluate(imported(case.model()), [logarithms]).values()
    assert found.dtype == np.int64
    assert found.shape == (2, many)
    shares = np.stack([np.bincount(row, minlength=4) for row in found]) / many
    assert np.all(shares[odds == 0] == 0)
    assert np.abs(shares - odds).max() < 4 * np.sqrt(0.25 / many)  # four standard deviations of the most uncertain


@pytest.mark.parametrize(
    ("case", "error", "reason"),
    [
        (Single("BitCast", 26, {"x": drawn(2)}, {"to": TensorProto.INT32}), UnsupportedModel, "f32 to i32"),
        (Single("BitCast", 26, {"x": few(2)}, {"to": TensorProto.UINT32}), MalformedModel, "sizes differ"),
        (det(drawn(33, 33)), UnsupportedModel, "33 by 33"),
        (det(drawn(2, 3)), MalformedModel, "no square"),
        (col2im(drawn(1, 6, 7), (4, 5), (2, 3)), MalformedModel, "9 blocks"),
        (col2im(drawn(1, 6, 9), (4, 5), (2, 3), strides=[0, 1]), MalformedModel, "must be 1 or more"),
        (col2im(drawn(1, 6, 9), (4, 5), (2, 3), pads=[-1, 0, 1, 0]), MalformedModel, "must be 0 or more"),
        (tensor_scatter((2, 3, 6, 4), None, axis=0), MalformedModel, "axis 0"),
        (tensor_scatter((2, 3, 7, 4), None), MalformedModel, "along axis 2"),
        (tensor_scatter((2, 1, 6, 4), None), MalformedModel, "along axis 2"),
        (roi_align(16, output_height=0), MalformedModel, "0 by 3 bins"),
        (roi_align(16, mode="min"), MalformedModel, "mode"),
        (deform_conv(kernel_shape=[3, 3]), MalformedModel, "kernel_shape"),
        (deform_conv(offset_group=3), MalformedModel, "reshape"),
        (deform_conv(pads=[1, 0, 1, 1]), MalformedModel, "for 6 windows"),
        (
            Single("DeformConv", 19, {"x": drawn(1, 1, 4), "w": drawn(1, 1, 1), "o": drawn(1, 1, 4)}),
            UnsupportedModel,
            "2",
        ),
        (max_unpool((1, 1, 2, 2), 4, kernel_shape=[2]), MalformedModel, "1 spatial"),
    ],
)
def test_what_is_refused_says_why(case: Single, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        imported(case.model())


def test_sizes_that_only_running_tells_are_refused() -> None:
    given: dict[str, NDArray[Any]] = {"x": drawn(1, 6, 9), "image": ints(4, 5), "block": ints(2, 3)}
    with pytest.raises(UnsupportedModel, match="the shapes of image and block"):
        imported(Single("Col2Im", 18, given).model())


def agree(found: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]]) -> None:
    """Equal types and shapes; floats apart by a few roundings of sums."""
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours.astype(np.float64), theirs.astype(np.float64), rtol=1e-5, atol=1e-5)
