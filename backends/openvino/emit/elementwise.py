"""Elementwise mathematics."""

from __future__ import annotations

from collections.abc import Callable

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.openvino import device, folded, integers, rounding
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.graph import Node
from isthmus.ir.types import BF16, BOOL, F32, I32, DType

_SAME_NAME = (
    *("ceil", "floor", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("asinh", "acosh", "atanh", "erf", "sqrt", "log", "is_nan"),
    *("bitwise_not", "logical_not", "logical_and", "logical_or", "logical_xor"),
)


@emits(*_SAME_NAME, "bitwise_and", "bitwise_or", "bitwise_xor")
def same_name(n: Network, *xs: Handle) -> Handle:
    """Ops the engine has under the same name with the same meaning."""
    return getattr(n.ops, n.node.op.name)(*xs)


@emits("exp")
def exp(n: Network, x: Handle) -> Handle:
    """The engine's exp(NaN) is infinity: put NaN back."""
    return _keep_nan(n, x, n.ops.exp(x))


@emits("sign")
def sign(n: Network, x: Handle) -> Handle:
    """The engine's sign(NaN) is 1: put NaN back."""
    return _keep_nan(n, x, n.ops.sign(x)) if n.x.dtype.is_float else n.ops.sign(x)


@emits("round")
def round_(n: Network, x: Handle) -> Handle:
    """Ties to even."""
    return n.ops.round(x, "HALF_TO_EVEN")


@emits("abs")
def abs_(n: Network, x: Handle) -> Handle:
    """Unsigned values are their own magnitude; narrow signed ones wrap at the least."""
    if n.x.dtype.kind == "uint":
        return x
    return _in_i32(n, n.ops.abs, x)


@emits("neg")
def neg(n: Network, x: Handle) -> Handle:
    """0 - x for integers, so that they wrap around."""
    if n.x.dtype.is_float:
        return n.ops.negative(x)
    return _in_i32(n, lambda y: n.ops.subtract(integers.number(n, 0, y), y), x)


@emits("rsqrt")
def rsqrt(n: Network, x: Handle) -> Handle:
    """1 / sqrt(x)."""
    return n.ops.divide(n.like(1), n.ops.sqrt(x))


@emits("reciprocal")
def reciprocal(n: Network, x: Handle) -> Handle:
    """1 / x."""
    return n.ops.divide(n.like(1), x)


@emits("expm1")
def expm1(n: Network, x: Handle) -> Handle:
    """2 * tanh(x / 2) / (1 - tanh(x / 2)), which loses no digits near zero, where |x| < 1; else exp(x) - 1."""
    half = n.ops.tanh(n.ops.multiply(x, n.like(0.5)))
    near = n.ops.divide(n.ops.add(half, half), n.ops.subtract(n.like(1), half))
    far = n.ops.subtract(exp.function(n, x), n.like(1))
    return n.ops.select(n.ops.less(n.ops.abs(x), n.like(1)), near, far)


@emits("log1p")
def log1p(n: Network, x: Handle) -> Handle:
    """2 * atanh(x / (2 + x)), which loses no digits near zero, where |x| < 1/2; else log(1 + x)."""
    near = n.ops.multiply(n.like(2), n.ops.atanh(n.ops.divide(x, n.ops.add(x, n.like(2)))))
    far = n.ops.log(n.ops.add(x, n.like(1)))
    return n.ops.select(n.ops.less(n.ops.abs(x), n.like(0.5)), near, far)


@emits("is_inf")
def is_inf(n: Network, x: Handle, *, positive: bool, negative: bool) -> Handle:
    """Infinities of the asked-for signs."""
    return n.ops.is_inf(x, {"detect_positive": positive, "detect_negative": negative})


@emits("add", "sub", "mul")
def arithmetic(n: Network, x: Handle, y: Handle) -> Handle:
    """Narrow integers are computed in i32 and cut, as the engine's own would saturate."""
    write = getattr(n.ops, {"add": "add", "sub": "subtract", "mul": "multiply"}[n.node.op.name])
    return _in_i32(n, write, x, y)


@emits("div")
def div(n: Network, x: Handle, y: Handle) -> Handle:
    """Floating-point division."""
    return n.ops.divide(x, y)


@emits("trunc_div", "floor_div")
def integer_division(n: Network, x: Handle, y: Handle) -> Handle:
    """Exact, which the engine's own division through f32 is not."""
    divide = integers.trunc_div if n.node.op.name == "trunc_div" else integers.floor_div
    return _in_i32(n, lambda a, b: divide(n, a, b), x, y)


@emits("mod", "fmod")
def remainder(n: Network, x: Handle, y: Handle) -> Handle:
    """floor_mod has the divisor's sign, mod the dividend's."""
    name = n.node.op.name
    if n.x.dtype.is_float:
        return (n.ops.floor_mod if name == "mod" else n.ops.mod)(x, y)
    exact = integers.mod if name == "mod" else integers.fmod
    return _in_i32(n, lambda a, b: exact(n, a, b), x, y)


def _hard_power(node: Node) -> str | None:
    base, exponent = node.inputs
    if base.dtype.is_float:
        return None
    array = exponent.array
    if array is not None and array.size == 1 and float(array.item()) in range(33):
        return None
    return "the engine computes integer powers in f32, and the exponent is no constant in 0..32"


@emits("pow", unless=_hard_power)
def power(n: Network, x: Handle, y: Handle) -> Handle:
    """Integers to a small constant power are multiplied out."""
    base, exponent = n.node.inputs
    if base.dtype.is_float:
        return n.ops.power(x, y if exponent.dtype == base.dtype else n.cast(y, base.dtype))
    assert exponent.array is not None
    count, rank = int(exponent.array.item()), exponent.rank

    def multiplied(a: Handle) -> Handle:
        result = integers.number(n, 1, a)
        result = n.ops.broadcast(result, n.shape_of(a))
        for bit in f"{count:b}":
            result = n.ops.multiply(result, result)
            result = n.ops.multiply(result, a) if bit == "1" else result
        return result

    grown = n.reshape(x, (*(1,) * (rank - base.rank), *base.shape)) if rank > base.rank else x
    return _in_i32(n, multiplied, grown)


@emits("minimum", "maximum")
def extremum(n: Network, x: Handle, y: Handle) -> Handle:
    """The engine drops a NaN in x and keeps one in y; wide integers are compared exactly."""
    name, dtype = n.node.op.name, n.x.dtype
    if dtype.is_float:
        return _keep_nan(n, x, getattr(n.ops, name)(x, y))
    if dtype.bits <= 16:
        return getattr(n.ops, name)(x, y)
    swap = integers.less(n, x, y) if name == "maximum" else integers.less(n, y, x)
    return integers.choose(n, swap, y, x)


@emits("equal", "not_equal")
def equality(n: Network, x: Handle, y: Handle) -> Handle:
    """Wide integers are compared by their difference, as the engine compares in f32."""
    if _is_wide(n.x.dtype):
        same = integers.equal(n, x, y)
        return same if n.node.op.name == "equal" else n.ops.logical_not(same)
    return getattr(n.ops, n.node.op.name)(x, y)


@emits("less", "less_equal", "greater", "greater_equal")
def ordering(n: Network, x: Handle, y: Handle) -> Handle:
    """Written with less and less_equal only: the engine's greater_equal holds between NaNs."""
    name = n.node.op.name
    if name.startswith("greater"):
        x, y = y, x
    if not _is_wide(n.x.dtype):
        return (n.ops.less_equal if name.endswith("_equal") else n.ops.less)(x, y)
    if name.endswith("_equal"):
        return n.ops.logical_not(integers.less(n, y, x))
    return integers.less(n, x, y)


@emits("shift_left", "shift_right")
def shift(n: Network, x: Handle, y: Handle) -> Handle:
    """Shifts by the width and more give 0, or -1 for a negative value shifted right."""
    left, dtype = n.node.op.name == "shift_left", n.x.dtype

    def shifted(a: Handle, by: Handle) -> Handle:
        limit = integers.number(n, 31, by)
        most = n.ops.minimum(by, limit)
        if not left:
            return n.ops.bitwise_right_shift(a, most)
        inside = n.ops.less(by, integers.number(n, 32, by))
        return integers.choose(n, inside, n.ops.bitwise_left_shift(a, most), integers.number(n, 0, a))

    return integers.narrow(n, shifted(integers.widen(n, x, dtype), integers.widen(n, y, dtype)), dtype)


@emits("where")
def where(n: Network, condition: Handle, x: Handle, y: Handle) -> Handle:
    """Three-way broadcasting selection."""
    return selected(n, condition, x, y)


def selected(n: Network, condition: Handle, x: Handle, y: Handle) -> Handle:
    """x or y, which have the element type of the node's result."""
    wide = _is_wide(n.node.results[0].dtype)
    return integers.choose(n, condition, x, y) if wide else n.ops.select(condition, x, y)


def _rounds_away(node: Node) -> str | None:
    source, wanted = node.inputs[0].dtype, node.results[0].dtype
    if not wanted.is_float or wanted.bits >= 32 or source.bits <= wanted.bits or device.computes(wanted.name):
        return None
    if node.results[0].users:
        return f"the engine drops the rounding of a value to {wanted} that is computed with afterwards"
    return None


@emits("cast", unless=_rounds_away)
def cast(n: Network, x: Handle, *, dtype: DType) -> Handle:
    """To bool: what differs from zero, NaN included. Integers are cut to narrow types explicitly."""
    source = n.x.dtype
    if source == dtype:
        return x
    if dtype == BOOL:
        return n.ops.logical_not(n.ops.equal(x, n.like(0)))
    if dtype.is_integer and dtype.bits < 32 and source != BOOL:
        return integers.narrow(n, x if source == I32 else n.cast(x, I32), dtype)
    if dtype == BF16 and source == F32 and (norm := folded.batch_norm_in_bf16(n, x, n.x)) is not None:
        return norm
    if dtype == BF16:  # by way of f32, as the engine truncates integers
        return rounding.to_bf16(n, x if source == F32 else n.cast(x, F32), n.x)
    if dtype.is_float and dtype != F32 and source.is_integer:
        return n.cast(n.cast(x, F32), dtype)
    return n.cast(x, dtype)


@emits("clip")
def clip(n: Network, x: Handle, low: Handle | None = None, high: Handle | None = None) -> Handle:
    """Constant float bounds are the engine's clamp, which it fuses into what comes before."""
    dtype = n.x.dtype
    bounds = [None if v is None else v.array for v in (*n.node.operands, None, None)[1:3]]
    if dtype.is_float and low is not None and high is not None and all(b is not None for b in bounds):
        bottom, top = (float(b.item()) for b in bounds if b is not None)
        if bottom <= top:
            return n.ops.clamp(x, bottom, top)
    above = x if low is None else _pick(n, x, low, largest=True, dtype=dtype)
    return above if high is None else _pick(n, above, high, largest=False, dtype=dtype)


def _pick(n: Network, x: Handle, bound: Handle, *, largest: bool, dtype: DType) -> Handle:
    if dtype.is_float or dtype.bits <= 16:
        return (n.ops.maximum if largest else n.ops.minimum)(bound, x)
    swap = integers.less(n, x, bound) if largest else integers.less(n, bound, x)
    return integers.choose(n, swap, bound, x)


def _keep_nan(n: Network, x: Handle, result: Handle) -> Handle:
    return n.ops.select(n.ops.not_equal(x, x), x, result)


def _is_wide(dtype: DType) -> bool:
    return dtype.is_integer and dtype.bits > 16


def _in_i32(n: Network, write: Callable[..., Handle], *xs: Handle) -> Handle:
    """Apply `write`; integers narrower than i32 are computed there and cut, as the engine's own would saturate."""
    dtype = n.x.dtype
    if dtype.is_float or dtype.bits >= 32:
        return write(*xs)
    return integers.narrow(n, write(*(integers.widen(n, x, dtype) for x in xs)), dtype)


MISSING = lacks(atan2="the op set has no two-argument arctangent")
