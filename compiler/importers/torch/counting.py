"""How many elements are equal, or lie in an interval."""

from __future__ import annotations

from isthmus.compiler.importers.torch.args import cast, index_of, number_of, reshaped
from isthmus.compiler.importers.torch.builder import Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


@aten("bincount")
def bincount(b: TorchBuilder, x: Value, weights: Value | None = None, minlength: Dim = 0) -> Value:
    """How often each number from 0 to the greatest occurs in a vector, or what its weights add up to."""
    dtype = b.wanted_dtype()
    places = index_of(b, x)
    least = cast(b, b.sub(b.dims((minlength,)), 1), places.dtype)
    most = b.reduce_max(b.concat(places, least, axis=0), axes=(0,))
    numbers = b.dynamic_iota(b.const(0), b.add(cast(b, most, I64), 1), b.const(1))
    zeros = b.full(b.const(0, dtype), shape=numbers.shape)
    each = b.full(b.const(1, dtype), shape=x.shape) if weights is None else cast(b, weights, dtype)
    return b.scatter_elements(zeros, places, each, axis=0, reduction="add")


@aten("histc")
def histc(b: TorchBuilder, x: Value, bins: int = 100, min: Scalar = 0, max: Scalar = 0) -> Value:
    """How many elements lie in each of `bins` equal intervals; by default between the least and the greatest.

    The last interval holds its end. What lies outside, and NaN, is not counted.
    """
    flat = reshaped(b, x, (x.type.numel(),))
    low, high = (b.const(number_of(b, each, "a bound of a histogram"), x.dtype) for each in (min, max))
    if min == max == 0:
        low, high = b.reduce_min(flat, axes=(0,)), b.reduce_max(flat, axes=(0,))
        is_point = b.equal(low, high)
        low, high = b.where(is_point, b.sub(low, 1.0), low), b.where(is_point, b.add(high, 1.0), high)
    inside = b.logical_and(b.greater_equal(flat, low), b.less_equal(flat, high))
    scaled = b.mul(b.div(b.sub(flat, low), b.sub(high, low)), float(bins))
    places = b.cast(b.where(inside, b.minimum(scaled, float(bins - 1)), 0.0), dtype=I64)
    counted = b.full(b.const(0, x.dtype), shape=(bins,))
    return b.scatter_elements(counted, places, cast(b, inside, x.dtype), axis=0, reduction="add")
