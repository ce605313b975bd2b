"""Fake quantization: real numbers rounded to the levels of a range."""

from __future__ import annotations

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import Array


@lowers("FakeQuantWithMinMaxArgs")
def fake_quant_args(
    b: TfBuilder, x: Value, *, min: float = -6.0, max: float = 6.0, num_bits: int = 8, narrow_range: bool = False
) -> Value:
    return _rounded(b, x, np.array(min), np.array(max), num_bits, narrow_range)


@lowers("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def fake_quant_vars(
    b: TfBuilder, x: Value, low: Value, high: Value, *, num_bits: int = 8, narrow_range: bool = False
) -> Value:
    """With one range, or one for each element of the last axis. The ranges must be constant."""
    least, most = low.array, high.array
    if least is None or most is None:
        raise UnsupportedModel("FakeQuant: the range must be constant")
    return _rounded(b, x, least, most, num_bits, narrow_range)


def _rounded(b: TfBuilder, x: Value, low: Array, high: Array, bits: int, narrow: bool) -> Value:
    """quantize and dequantize in 8 bits; the range is moved so that zero is a level (TensorFlow's "nudging")."""
    if not 2 <= bits <= 16 or not bool(np.all(high > low)):
        raise MalformedModel(f"FakeQuant: {bits} bits from {low} to {high}")
    least, most = float(narrow), float(2**bits - 1)
    # In f32, as TensorFlow does it: which level is zero is a matter of rounding.
    low, high = low.astype(np.float32), high.astype(np.float32)
    scale = (high - low) / np.float32(most - least)
    zero = np.clip(np.floor(np.float32(least) - low / scale + np.float32(0.5)), least, most)
    bounds = (least - zero) * scale, (most - zero) * scale
    axis = x.rank - 1 if scale.ndim else None
    clipped = b.minimum(b.maximum(x, _like(b, x, bounds[0])), _like(b, x, bounds[1]))
    if bits > 8:
        steps = b.round(b.div(clipped, _like(b, x, scale)))
        return b.mul(steps, _like(b, x, scale))
    levels = b.quantize(clipped, _like(b, x, scale), b.const(zero.astype(np.uint8)), axis=axis)
    return b.dequantize(levels, _like(b, x, scale), b.const(zero.astype(np.uint8)), axis=axis)


def _like(b: TfBuilder, x: Value, array: Array) -> Value:
    return b.const(array.astype(x.dtype.numpy))
