"""Linear quantization, written out."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import carriers, maths
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.tensors import Index, Scope, Tensor


@emits("quantize")
def quantize(n: Network, x: Tensor, scale: Tensor, zero_point: Tensor, *, axis: int | None) -> Tensor:
    """round(x / scale) + zero_point, clamped to the result's type; in f64 where f32 has no room for all levels."""
    kind = carriers.computed(n.type.dtype)
    wide = "float64" if n.type.dtype.bits > 16 else "float32"

    def element(scope: Scope, at: Index) -> Expr:
        level = maths.nearest(scope.read(x, at) / scope.read(scale, _along(at, axis))).astype(wide)
        total = level + scope.read(zero_point, _along(at, axis)).astype(wide)
        least, most = (tirx.const(float(bound.value), wide) for bound in (tirx.min_value(kind), tirx.max_value(kind)))
        return select(total < least, least, select(total > most, most, total)).astype(kind)

    return n.formula(element, x, scale, zero_point)


@emits("dequantize")
def dequantize(n: Network, x: Tensor, scale: Tensor, zero_point: Tensor | None = None, *, axis: int | None) -> Tensor:
    """(x - zero_point) * scale in f32, or in f64 where the scale is."""
    kind = carriers.computed(n.type.dtype)

    def element(scope: Scope, at: Index) -> Expr:
        level = scope.read(x, at).astype("float32")
        if zero_point is not None:
            level = level - scope.read(zero_point, _along(at, axis)).astype("float32")
        return level.astype(kind) * scope.read(scale, _along(at, axis))

    more = () if zero_point is None else (zero_point,)
    return n.formula(element, x, scale, *more)


def _along(at: Index, axis: int | None) -> Index:
    return () if axis is None else at[axis : axis + 1]
