"""The read-back evaluator's convolutions, poolings, resizes and samplings, against ONNX's reference evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.library import library
from tests.support.tensorrt.onnx_reference import onnx_node
from tests.support.tensorrt.sketch import Sketch

TRT = library()


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "kernel", "groups", "strides", "pads", "dilations"),
    [
        ((2, 4, 7, 8), (6, 4, 3, 3), 1, (1, 1), (0, 0, 0, 0), (1, 1)),
        ((2, 4, 7, 8), (6, 4, 3, 2), 1, (2, 3), (1, 0, 2, 1), (2, 1)),
        ((2, 4, 7, 8), (8, 1, 3, 3), 4, (2, 2), (1, 1, 1, 1), (1, 1)),
        ((1, 4, 6, 6), (4, 2, 1, 1), 2, (2, 2), (0, 0, 0, 0), (1, 1)),
        ((1, 2, 5, 5, 5), (3, 2, 2, 3, 3), 1, (1, 2, 1), (1, 1, 1, 0, 1, 1), (1, 1, 1)),
    ],
)
@pytest.mark.parametrize("from_tensors", [False, True])
def test_convolution(
    shape: Any, kernel: Any, groups: int, strides: Any, pads: Any, dilations: Any, from_tensors: bool
) -> None:
    x, w, b = normal(*shape), normal(*kernel), normal(kernel[0])
    sketch, rank = Sketch(), len(strides)
    image, none = sketch.input(x), TRT.Weights(TRT.float32)
    given = (none, none) if from_tensors else (sketch.weights(w), sketch.weights(b))
    layer = sketch.network.add_convolution_nd(image, kernel[0], kernel[2:], *given)
    if from_tensors:
        layer.set_input(1, sketch.constant(w))
        layer.set_input(2, sketch.constant(b))
    layer.num_groups, layer.stride_nd, layer.dilation_nd = groups, strides, dilations
    layer.pre_padding, layer.post_padding = pads[:rank], pads[rank:]
    (want,) = onnx_node("Conv", x, w, b, group=groups, strides=strides, pads=pads, dilations=dilations)
    np.testing.assert_allclose(sketch.run(layer)[0], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_convolution_of_the_same_size(mode: str) -> None:
    x, w = normal(1, 2, 7, 6), normal(3, 2, 4, 2)
    sketch = Sketch()
    layer = sketch.network.add_convolution_nd(sketch.input(x), 3, (4, 2), sketch.weights(w))
    layer.stride_nd, layer.padding_mode = (2, 2), getattr(TRT.PaddingMode, mode)
    (want,) = onnx_node("Conv", x, w, strides=(2, 2), auto_pad=mode)
    np.testing.assert_allclose(sketch.run(layer)[0], want, rtol=1e-4, atol=1e-5)


def test_convolution_of_halves_accumulates_in_f32() -> None:
    x = np.full((1, 3000, 1, 1), 1, np.float16)
    sketch = Sketch()
    layer = sketch.network.add_convolution_nd(sketch.input(x), 1, (1, 1), sketch.weights(x))
    (got,) = sketch.run(layer)
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, [[[[3000]]]])  # f16 alone stops at 2048


@pytest.mark.parametrize(
    ("shape", "kernel", "groups", "strides", "pads", "dilations"),
    [
        ((2, 4, 5, 4), (4, 3, 3, 3), 1, (1, 1), (0, 0, 0, 0), (1, 1)),
        ((1, 4, 5, 4), (4, 2, 3, 2), 2, (2, 3), (1, 0, 1, 1), (2, 1)),
        ((1, 2, 3, 3, 3), (2, 3, 2, 2, 2), 1, (2, 2, 2), (0, 0, 0, 0, 0, 0), (1, 1, 1)),
    ],
)
def test_deconvolution(shape: Any, kernel: Any, groups: int, strides: Any, pads: Any, dilations: Any) -> None:
    x, w, b = normal(*shape), normal(*kernel), normal(kernel[1] * groups)
    sketch, rank = Sketch(), len(strides)
    layer = sketch.network.add_deconvolution_nd(
        sketch.input(x), kernel[1] * groups, kernel[2:], sketch.weights(w), sketch.weights(b)
    )
    layer.num_groups, layer.stride_nd, layer.dilation_nd = groups, strides, dilations
    layer.pre_padding, layer.post_padding = pads[:rank], pads[rank:]
    want = np.concatenate(
        [
            onnx_node("ConvTranspose", part, weight, strides=strides, pads=pads, dilations=dilations)[0]
            for part, weight in zip(np.split(x, groups, 1), np.split(w, groups, 0), strict=True)
        ],
        axis=1,
    )  # the reference evaluator's own groups are wrong
    want = want + b.reshape(-1, *(1,) * rank)
    np.testing.assert_allclose(sketch.run(layer)[0], want, rtol=1e-4, atol=1e-5)


def pooled(
    x: Array, kind: str, window: Any, strides: Any, pads: Any, mode: str = "EXPLICIT_ROUND_DOWN", **more: Any
) -> Array:
    sketch, rank = Sketch(), len(window)
    layer = sketch.network.add_pooling_nd(sketch.input(x), getattr(TRT.PoolingType, kind), window)
    layer.stride_nd, layer.pre_padding, layer.post_padding = strides, pads[:rank], pads[rank:]
    layer.padding_mode = getattr(TRT.PaddingMode, mode)
    for name, value in more.items():
        setattr(layer, name, value)
    return sketch.run(layer)[0]


@pytest.mark.parametrize(
    ("shape", "window", "strides", "pads"),
    [((2, 3, 7, 6), (3, 2), (2, 1), (1, 0, 1, 1)), ((1, 2, 4, 5, 6), (2, 2, 2), (2, 2, 2), (0, 0, 0, 0, 1, 0))],
)
@pytest.mark.parametrize("ceil", [False, True])
def test_pooling(shape: Any, window: Any, strides: Any, pads: Any, ceil: bool) -> None:
    x, mode = normal(*shape), "EXPLICIT_ROUND_UP" if ceil else "EXPLICIT_ROUND_DOWN"
    options = {"kernel_shape": window, "strides": strides, "pads": pads, "ceil_mode": int(ceil)}
    (want,) = onnx_node("MaxPool", x, **options)
    np.testing.assert_array_equal(pooled(x, "MAX", window, strides, pads, mode), want)
    if ceil:
        return  # the reference evaluator divides by the whole window beyond the padding
    for excludes in (True, False):
        (want,) = onnx_node("AveragePool", x, count_include_pad=int(not excludes), **options)
        got = pooled(x, "AVERAGE", window, strides, pads, mode, average_count_excludes_padding=excludes)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_averages_count_what_is_in_the_padded_image() -> None:
    x = np.array([[[[1, 2, 3, 4]]]], np.float32)
    options: Any = ((1, 3), (1, 2), (0, 1, 0, 0), "EXPLICIT_ROUND_UP")
    np.testing.assert_array_equal(pooled(x, "AVERAGE", *options), [[[[1.5, 3]]]])
    got = pooled(x, "AVERAGE", *options, average_count_excludes_padding=False)
    np.testing.assert_array_equal(got, [[[[1, 3]]]])
    x = np.array([[[[1, 2, 3, 4, 5]]]], np.float32)
    got = pooled(x, "AVERAGE", *options, average_count_excludes_padding=False)
    np.testing.assert_array_equal(got, [[[[1, 3, 4.5]]]])  # the last window: 4, 5 and nothing


def test_blended_pooling() -> None:
    x = np.array([[[[1, 3]]]], np.float32)
    got = pooled(x, "MAX_AVERAGE_BLEND", (1, 2), (1, 1), (0, 0, 0, 0), blend_factor=0.25)
    np.testing.assert_array_equal(got, [[[[0.75 * 3 + 0.25 * 2]]]])


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_pooling_of_the_same_size(mode: str) -> None:
    """Example 1 of NvInfer.h's PaddingMode: the sample points are 0, 2, 4."""
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6)
    got = pooled(x, "MAX", (1, 3), (1, 2), (0, 0, 0, 0), mode)
    np.testing.assert_array_equal(got, [[[[2, 4, 5] if mode == "SAME_UPPER" else [1, 3, 5]]]])


TRANSFORMATIONS = {"ALIGN_CORNERS": "align_corners", "ASYMMETRIC": "asymmetric", "HALF_PIXEL": "half_pixel"}
ROUNDINGS = {"HALF_UP": "round_prefer_ceil", "HALF_DOWN": "round_prefer_floor", "FLOOR": "floor", "CEIL": "ceil"}


def resized(
    x: Array, dims: tuple[int, ...], mode: str, transformation: str, dynamic: bool = False, **more: Any
) -> Array:
    sketch = Sketch()
    layer = sketch.network.add_resize(sketch.input(x))
    layer.resize_mode = getattr(TRT.InterpolationMode, mode)
    layer.coordinate_transformation = getattr(TRT.ResizeCoordinateTransformation, transformation)
    for name, value in more.items():
        setattr(layer, name, value)
    if dynamic:
        layer.set_input(1, sketch.constant(dims, np.int64))
    else:
        layer.shape = dims
    return sketch.run(layer)[0]


@pytest.mark.parametrize("dims", [(1, 2, 7, 9), (1, 2, 3, 2), (1, 2, 4, 15)])
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_nearest_resize(dims: Any, transformation: str, rounding: str) -> None:
    x = normal(1, 2, 4, 5)
    got = resized(x, dims, "NEAREST", transformation, nearest_rounding=getattr(TRT.ResizeRoundMode, rounding))
    (want,) = onnx_node(
        "Resize",
        x,
        None,
        None,
        np.array(dims),
        mode="nearest",
        coordinate_transformation_mode=TRANSFORMATIONS[transformation],
        nearest_mode=ROUNDINGS[rounding],
    )
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dims", [(1, 2, 7, 9), (1, 2, 3, 2)])
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("mode", ["LINEAR", "CUBIC"])
@pytest.mark.parametrize("exclude", [False, True])
def test_interpolating_resize(dims: Any, transformation: str, mode: str, exclude: bool) -> None:
    x = normal(1, 2, 4, 5)
    got = resized(x, dims, mode, transformation, True, exclude_outside=exclude)
    (want,) = onnx_node(
        "Resize",
        x,
        None,
        None,
        np.array(dims),
        mode=mode.lower(),
        coordinate_transformation_mode=TRANSFORMATIONS[transformation],
        exclude_outside=int(exclude),
    )
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_resize_by_scales_and_to_a_single_pixel() -> None:
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4)
    sketch = Sketch()
    layer = sketch.network.add_resize(sketch.input(x))
    layer.scales = (1, 1, 1, 1.5)
    np.testing.assert_array_equal(sketch.run(layer)[0], [[[[0, 0, 1, 2, 2, 3]]]])
    np.testing.assert_array_equal(resized(x, (1, 1, 1, 1), "LINEAR", "HALF_PIXEL"), [[[[1.5]]]])
    upper = resized(x, (1, 1, 1, 1), "LINEAR", "HALF_PIXEL", selector_for_single_pixel=TRT.ResizeSelector.UPPER)
    np.testing.assert_array_equal(upper, [[[[0]]]])


@pytest.mark.parametrize(("mode", "rank"), [("NEAREST", 2), ("NEAREST", 3), ("LINEAR", 2), ("LINEAR", 3), ("CUBIC", 2)])
@pytest.mark.parametrize(("outside", "padding"), [("FILL", "zeros"), ("CLAMP", "border"), ("REFLECT", "reflection")])
@pytest.mark.parametrize("aligned", [False, True])
def test_grid_sample(mode: str, rank: int, outside: str, padding: str, aligned: bool) -> None:
    x = normal(2, 3, 4, 5, 3) if rank == 3 else normal(2, 3, 4, 5)
    # beyond the border ONNX's reference evaluator clamps cubic coordinates, and PyTorch, where the op is from, does not
    reach = 1.0 if (mode, outside) == ("CUBIC", "CLAMP") else 1.7
    grid = np.random.default_rng(7).uniform(-reach, reach, (2, *(3,) * rank, rank)).astype(np.float32)
    sketch = Sketch()
    layer = sketch.network.add_grid_sample(sketch.input(x), sketch.input(grid))
    layer.interpolation_mode, layer.align_corners = getattr(TRT.InterpolationMode, mode), aligned
    layer.sample_mode = getattr(TRT.SampleMode, outside)
    (want,) = onnx_node("GridSample", x, grid, mode=mode.lower(), padding_mode=padding, align_corners=int(aligned))
    np.testing.assert_allclose(sketch.run(layer)[0], want, rtol=1e-3, atol=1e-4)


def test_non_maximum_suppression() -> None:
    boxes = np.array([[[0, 0, 2, 2], [2, 2.2, 0, 0.2], [5, 5, 6, 6], [0, 0, 1, 1]]], np.float32)
    scores = np.array([[[0.5, 0.1], [0.9, 0.0], [0.3, 0.8], [0.6, 0.7]]], np.float32)
    sketch = Sketch()
    layer = sketch.network.add_nms(sketch.input(boxes), sketch.input(scores), sketch.constant(2, np.int32))
    layer.set_input(3, sketch.constant(0.5, np.float32))
    layer.set_input(4, sketch.constant(0.05, np.float32))
    rows, count = sketch.run(layer)
    # class 0: 0.9 drops 0.5, keeps 0.6, then two are enough; class 1: 0.8, 0.7 are enough; 0.0 is not above 0.05
    np.testing.assert_array_equal(rows, np.array([[0, 0, 1], [0, 1, 2], [0, 1, 3], [0, 0, 3]], np.int32))
    assert count == 4


def test_suppression_of_centered_boxes_considers_the_best_only() -> None:
    boxes = np.array([[[1, 1, 2, 2], [4, 4, 2, 2], [8, 8, 2, 2]]], np.float16)
    scores = np.array([[[0.5], [0.75], [0.25]]], np.float16)
    sketch = Sketch()
    layer = sketch.network.add_nms(sketch.input(boxes), sketch.input(scores), sketch.constant(9, np.int32))
    layer.bounding_box_format, layer.topk_box_limit = TRT.BoundingBoxFormat.CENTER_SIZES, 2
    np.testing.assert_array_equal(sketch.run(layer)[0], [[0, 0, 1], [0, 0, 0]])
