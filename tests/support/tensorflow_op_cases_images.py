"""Ops on images for the fixture of single ops: colours, resampling by kernels, places of maxima."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tests.support.tensorflow_op_cases import Case, f, raw

_RNG = np.random.default_rng(5)
_EDGES = [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 0], [0, 0.5, 0.5]]


def _colors() -> NDArray[np.float32]:
    """Colours drawn at random, and those where formulas change: black, greys, pure and mixed ones."""
    return np.concatenate([_RNG.random((15, 3)), np.array(_EDGES)]).astype(np.float32).reshape(1, 4, 6, 3)


def _resized(method: str, height: int, width: int, antialias: bool) -> Callable[[Any], Any]:
    return lambda x: tf.image.resize(x, [height, width], method=method, antialias=antialias)


def _argmax(padding: str, batch: bool, **more: Any) -> Callable[[Any], Any]:
    def call(x: Any) -> Any:
        how = {"ksize": [1, 3, 2, 1], "strides": [1, 2, 1, 1], "padding": padding, "include_batch_in_index": batch}
        return raw.MaxPoolWithArgmax(input=x, **how, **more)._asdict()

    return call


CASES: dict[str, Case] = {
    "RGBToHSV": Case(tf.image.rgb_to_hsv, {"images": _colors()}, (0, 1, 2)),
    "HSVToRGB": Case(tf.image.hsv_to_rgb, {"images": _colors()}, (0,)),
    "AdjustHue": Case(lambda x: tf.image.adjust_hue(x, -0.3), {"x": _colors()}),
    "AdjustSaturation": Case(lambda x: tf.image.adjust_saturation(x, 2.5), {"x": _colors()}),
    "AdjustContrast": Case(lambda x: tf.image.adjust_contrast(x, 1.7), {"x": f(2, 4, 5, 3)}, (0, 1, 2)),
    **{
        f"resize_{method}": Case(_resized(method, 4, 13, True), {"x": f(2, 7, 9, 2)}, (0, 3))
        for method in ("area", "bilinear", "bicubic", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")
    },
    "resize_lanczos3_sharp": Case(_resized("lanczos3", 3, 20, False), {"x": f(1, 7, 9, 2)}),
    "ResizeArea_corners": Case(
        lambda x: raw.ResizeArea(images=x, size=[3, 14], align_corners=True), {"x": f(1, 7, 9, 2)}
    ),
    **{
        f"ScaleAndTranslate_{kernel}": Case(
            lambda x, kernel=kernel: raw.ScaleAndTranslate(
                images=x, size=[5, 11], scale=[0.6, 1.7], translation=[-1.2, 3.3], kernel_type=kernel
            ),
            {"x": f(1, 7, 9, 1)},
        )
        for kernel in ("box", "lanczos1")
    },
    "MaxPoolWithArgmax": Case(_argmax("SAME", False), {"x": np.round(f(2, 5, 6, 3))}, (0,)),
    "MaxPoolWithArgmax_batch": Case(_argmax("VALID", True, Targmax=tf.int32), {"x": f(2, 5, 6, 3)}, (0, 1, 2)),
}
