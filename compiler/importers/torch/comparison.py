"""Comparison, logic, bits, and what is chosen by them, element by element. Operands are promoted as by torch."""

from __future__ import annotations

from isthmus.compiler.importers.torch.args import cast, common_dtype, promoted, tensor, truth
from isthmus.compiler.importers.torch.builder import Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, I32

_COMPARISONS = {
    ("eq",): "equal",
    ("ne", "not_equal"): "not_equal",
    ("lt", "less"): "less",
    ("le", "less_equal"): "less_equal",
    ("gt", "greater"): "greater",
    ("ge", "greater_equal"): "greater_equal",
}

_LOGIC = {"logical_and": "logical_and", "logical_or": "logical_or", "logical_xor": "logical_xor"}

_BITS = {
    ("bitwise_and", "__and__"): ("bitwise_and", "logical_and"),
    ("bitwise_or", "__or__"): ("bitwise_or", "logical_or"),
    ("bitwise_xor", "__xor__"): ("bitwise_xor", "logical_xor"),
}
"""ATen ops that are one op on integers and another one on truth values."""


def _comparison(sources: tuple[str, ...], name: str) -> AtenLowering[Value]:
    @aten(*sources)
    def compare(b: TorchBuilder, x: Value, other: Scalar) -> Value:
        left, right = promoted(b, x, other)
        if left.dtype == BOOL and name not in ("equal", "not_equal"):
            left, right = b.cast(left, dtype=I32), b.cast(right, dtype=I32)
        return b.create(name, (left, right)).result

    return compare


def _logic(source: str, name: str) -> AtenLowering[Value]:
    @aten(source)
    def logic(b: TorchBuilder, x: Value, other: Scalar) -> Value:
        return b.create(name, (truth(b, x), truth(b, other))).result

    return logic


def _bits(sources: tuple[str, ...], names: tuple[str, str]) -> AtenLowering[Value]:
    @aten(*sources)
    def bitwise(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
        left, right = promoted(b, x, other)
        return b.create(names[left.dtype == BOOL], (left, right)).result

    return bitwise


comparisons = tuple(_comparison(sources, name) for sources, name in _COMPARISONS.items())
logics = tuple(_logic(source, name) for source, name in _LOGIC.items())
bits = tuple(_bits(sources, names) for sources, names in _BITS.items())


@aten("isnan")
def isnan(b: TorchBuilder, x: Value) -> Value:
    return b.is_nan(x) if x.dtype.is_float else b.full(b.const(False), shape=x.shape)


@aten("isinf")
def isinf(b: TorchBuilder, x: Value) -> Value:
    return b.is_inf(x) if x.dtype.is_float else b.full(b.const(False), shape=x.shape)


@aten("isfinite")
def isfinite(b: TorchBuilder, x: Value) -> Value:
    if not x.dtype.is_float:
        return b.full(b.const(True), shape=x.shape)
    return b.logical_not(b.logical_or(b.is_nan(x), b.is_inf(x)))


@aten("signbit")
def signbit(b: TorchBuilder, x: Value) -> Value:
    """Whether x is negative, as -0 is, too. The sign of a NaN is lost."""
    if not x.dtype.is_float:
        return b.less(x, tensor(b, 0, x.dtype)) if x.dtype != BOOL else b.full(b.const(False), shape=x.shape)
    return b.logical_or(b.less(x, 0.0), b.logical_and(b.equal(x, 0.0), b.less(b.reciprocal(x), 0.0)))


@aten("logical_not")
def logical_not(b: TorchBuilder, x: Value) -> Value:
    return b.logical_not(truth(b, x))


@aten("bitwise_not")
def bitwise_not(b: TorchBuilder, x: Value) -> Value:
    return b.logical_not(x) if x.dtype == BOOL else b.bitwise_not(x)


@aten("bitwise_left_shift", "__lshift__")
def shift_left(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
    return b.shift_left(*promoted(b, x, other))


@aten("bitwise_right_shift", "__rshift__")
def shift_right(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
    return b.shift_right(*promoted(b, x, other))


@aten("maximum", "max.other")
def maximum(b: TorchBuilder, x: Value, other: Value) -> Value:
    left, right = promoted(b, x, other)
    return b.logical_or(left, right) if left.dtype == BOOL else b.maximum(left, right)


@aten("minimum", "min.other")
def minimum(b: TorchBuilder, x: Value, other: Value) -> Value:
    left, right = promoted(b, x, other)
    return b.logical_and(left, right) if left.dtype == BOOL else b.minimum(left, right)


@aten("fmax")
def fmax(b: TorchBuilder, x: Value, other: Value) -> Value:
    """A NaN counts as nothing."""
    return _without_nan(b, maximum(b, x, other), x, other)


@aten("fmin")
def fmin(b: TorchBuilder, x: Value, other: Value) -> Value:
    return _without_nan(b, minimum(b, x, other), x, other)


@aten("clamp", "clip")
def clamp(b: TorchBuilder, x: Value, min: Scalar | None = None, max: Scalar | None = None) -> Value:
    given = [each for each in (min, max) if each is not None]
    dtype = common_dtype(x, *given)
    x = cast(b, x, dtype)
    low, high = (None if each is None else tensor(b, each, dtype) for each in (min, max))
    if (low is None or low.rank == 0) and (high is None or high.rank == 0):
        return b.clip(x, low, high)
    x = x if low is None else b.maximum(x, low)
    return x if high is None else b.minimum(x, high)


@aten("clamp_min")
def clamp_min(b: TorchBuilder, x: Value, min: Scalar) -> Value:
    return clamp(b, x, min)


@aten("clamp_max")
def clamp_max(b: TorchBuilder, x: Value, max: Scalar) -> Value:
    return clamp(b, x, None, max)


@aten("where.self", "where.ScalarSelf", "where.ScalarOther", "where.Scalar")
def where(b: TorchBuilder, x: Value, self: Scalar, other: Scalar) -> Value:
    left, right = promoted(b, self, other)
    return b.where(truth(b, x), left, right)


@aten("masked_fill")
def masked_fill(b: TorchBuilder, x: Value, mask: Value, value: Scalar) -> Value:
    return b.where(mask, tensor(b, value, x.dtype), x)


@aten("nan_to_num")
def nan_to_num(
    b: TorchBuilder, x: Value, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Value:
    if not x.dtype.is_float:
        return x
    limits = _largest(x)
    found = b.where(b.is_nan(x), 0.0 if nan is None else nan, x)
    found = b.where(b.is_inf(x, negative=False), limits if posinf is None else posinf, found)
    return b.where(b.is_inf(x, positive=False), -limits if neginf is None else neginf, found)


def _without_nan(b: TorchBuilder, found: Value, x: Value, other: Value) -> Value:
    """`found`, and where one operand is NaN the other one."""
    if not found.dtype.is_float:
        return found
    left, right = promoted(b, x, other)
    return b.where(b.is_nan(left), right, b.where(b.is_nan(right), left, found))


def _largest(x: Value) -> float:
    import ml_dtypes

    return float(ml_dtypes.finfo(x.dtype.numpy).max)
