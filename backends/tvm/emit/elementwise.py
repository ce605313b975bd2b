"""Elementwise mathematics: what is done to elements in the type they are computed in."""

from __future__ import annotations

from collections.abc import Callable

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import carriers, integers, maths
from isthmus.backends.tvm.api import kind, script, tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import const, select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Tensor
from isthmus.ir.types import DType


@emits(
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
    *("expm1", "log1p", "atan2"),
)
def by_library(n: Network, *xs: Tensor) -> Tensor:
    """Functions of the C library."""
    name = n.node.op.name
    return n.each(lambda *given: maths.libm(name, *given), *xs, calls=True)


_POLYNOMIALS: dict[str, Callable[[Expr], Expr]] = {
    "exp": maths.exp,
    "log": maths.log,
    "tanh": maths.tanh,
    "erf": maths.erf,
}


@emits(*_POLYNOMIALS)
def by_polynomial(n: Network, x: Tensor) -> Tensor:
    """Functions that are written for vector registers in f32, and the C library's in f64."""
    return n.each(_POLYNOMIALS[n.node.op.name], x, calls=n.x.dtype.name == "f64")


@emits("sqrt", "ceil", "floor")
def by_instruction(n: Network, x: Tensor) -> Tensor:
    """Functions the processor has."""
    return n.each(getattr(tirx, n.node.op.name), x)


@emits("round")
def round_(n: Network, x: Tensor) -> Tensor:
    """Ties to even."""
    return n.each(maths.nearest, x)


@emits("abs")
def abs_(n: Network, x: Tensor) -> Tensor:
    """|x|; narrow and wide integers wrap at the least."""
    return n.each(maths.magnitude, x)


@emits("neg")
def neg(n: Network, x: Tensor) -> Tensor:
    """-x; integers as 0 - x, floats with their sign turned (0 becomes -0)."""
    return n.each(lambda v: v * const(-1, v) if integers.is_float(v) else integers.sub(const(0, v), v), x)


@emits("sign")
def sign(n: Network, x: Tensor) -> Tensor:
    """-1, 0 or 1; NaN stays NaN."""

    def one(v: Expr) -> Expr:
        above = select(v > const(0, v), const(1, v), v)
        return above if kind(v).startswith("u") else select(v < const(0, v), const(-1, v), above)

    return n.each(one, x)


@emits("rsqrt")
def rsqrt(n: Network, x: Tensor) -> Tensor:
    """1 / sqrt(x)."""
    return n.each(lambda v: const(1, v) / tirx.sqrt(v), x)


@emits("reciprocal")
def reciprocal(n: Network, x: Tensor) -> Tensor:
    """1 / x."""
    return n.each(lambda v: const(1, v) / v, x)


@emits("is_nan")
def is_nan(n: Network, x: Tensor) -> Tensor:
    """By the bits."""
    return n.each(maths.is_nan, x)


@emits("is_inf")
def is_inf(n: Network, x: Tensor, *, positive: bool, negative: bool) -> Tensor:
    """Infinities of the asked-for signs."""

    def one(v: Expr) -> Expr:
        found = [tirx.EQ(v, const(float(s), v)) for s, wanted in (("inf", positive), ("-inf", negative)) if wanted]
        return tirx.any(*found) if found else maths.truth(False)

    return n.each(one, x)


@emits("cast")
def cast(n: Network, x: Tensor, *, dtype: DType) -> Tensor:
    """Between the types that elements are computed in; storing rounds to the narrow ones."""
    target = carriers.computed(dtype)

    def one(v: Expr) -> Expr:
        if target == "bool" and kind(v) != "bool":
            return maths.negated(tirx.EQ(v, const(0, v)))  # which NaN is not, either
        is_whole = dtype.is_integer and not integers.is_float(v) and kind(v) != "bool"
        return integers.converted(v, target) if is_whole else v.astype(target)

    return n.each(one, x)


_ARITHMETIC: dict[str, Callable[[Expr, Expr], Expr]] = {
    "add": integers.add,
    "sub": integers.sub,
    "mul": integers.mul,
    "div": lambda x, y: x / y,
    "floor_div": integers.floor_div,
    "trunc_div": integers.trunc_div,
    "minimum": maths.minimum,
    "maximum": maths.maximum,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "bitwise_and": lambda x, y: x & y,
    "bitwise_or": lambda x, y: x | y,
    "bitwise_xor": lambda x, y: x ^ y,
    "logical_and": lambda x, y: tirx.all(x, y),
    "logical_or": lambda x, y: tirx.any(x, y),
    "logical_xor": lambda x, y: tirx.NE(x.astype("int8"), y.astype("int8")),
    "equal": lambda x, y: tirx.EQ(*_comparable(x, y)),
    "not_equal": lambda x, y: maths.negated(tirx.EQ(*_comparable(x, y))),
}


@emits(*_ARITHMETIC)
def arithmetic(n: Network, x: Tensor, y: Tensor) -> Tensor:
    """Ops of two operands that are one expression."""
    return n.each(_ARITHMETIC[n.node.op.name], x, y)


def _comparable(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    return (x.astype("int8"), y.astype("int8")) if kind(x) == "bool" else (x, y)


@emits("logical_not")
def logical_not(n: Network, x: Tensor) -> Tensor:
    """not x."""
    return n.each(maths.negated, x)


@emits("bitwise_not")
def bitwise_not(n: Network, x: Tensor) -> Tensor:
    """Every bit flipped."""
    return n.each(lambda v: ~v, x)


@emits("mod", "fmod")
def remainder(n: Network, x: Tensor, y: Tensor) -> Tensor:
    """mod has the divisor's sign, fmod the dividend's."""
    name = n.node.op.name
    if not n.x.dtype.is_float:
        return n.each(integers.mod if name == "mod" else integers.fmod, x, y)

    def floored(a: Expr, b: Expr) -> Expr:
        rest = maths.libm("fmod", a, b)
        across = tirx.all(tirx.NE(rest, const(0, rest)), integers.differ(rest < const(0, rest), b < const(0, b)))
        return select(across, rest + b, rest)

    return n.each(floored if name == "mod" else lambda a, b: maths.libm("fmod", a, b), x, y, calls=True)


_FEW = 4
"""Whole exponents up to which a power is multiplied out."""


@emits("pow")
def power(n: Network, x: Tensor, y: Tensor) -> Tensor:
    """Small constant whole exponents are multiplied out, integers squared bit by bit, all else is the C library's."""
    base, exponent = n.node.inputs
    array = exponent.array
    if array is not None and array.size == 1 and float(array.item()) in range(1, _FEW + 1) and base.rank >= array.ndim:
        count = int(array.item())
        return n.each(lambda v, _: _multiplied(v, count), x, y)
    if base.dtype.is_float:
        return n.each(lambda v, w: maths.libm("pow", v, w.astype(kind(v))), x, y, calls=True)
    if exponent.dtype.is_integer:
        return n.formula_each(_squared, x, y, calls=True)
    wide = "float64"
    return n.each(lambda v, w: maths.libm("pow", v.astype(wide), w.astype(wide)).astype(kind(v)), x, y, calls=True)


def _squared(scope: KernelScope, x: Expr, y: Expr) -> Expr:
    """x to the y, which is not negative: by squaring, bit by bit."""
    total, base, left = (scope.scratch((1,), kind(each)) for each in (x, x, y))
    for buffer, value in ((total, const(1, x)), (base, x), (left, y)):
        script.buffer_store(buffer, value, [0])
    with script.serial(0, integers.width(y)):
        factor = select(tirx.NE(left[0] & const(1, y), const(0, y)), base[0], const(1, x))
        script.buffer_store(total, integers.mul(total[0], factor), [0])
        script.buffer_store(base, integers.mul(base[0], base[0]), [0])
        script.buffer_store(left, left[0] >> const(1, y), [0])
    return scope.bind(total[0])


def _multiplied(x: Expr, count: int) -> Expr:
    total = x
    for _ in range(count - 1):
        total = integers.mul(total, x)
    return total


@emits("shift_left", "shift_right")
def shift(n: Network, x: Tensor, y: Tensor) -> Tensor:
    """Shifts by the width and more leave zeros, or sign bits."""
    bits, is_left = n.x.dtype.bits, n.node.op.name == "shift_left"

    def one(v: Expr, w: Expr) -> Expr:
        far = tirx.any(w >= const(bits, w), w < const(0, w)) if integers.is_signed(w) else w >= const(bits, w)
        near = select(far, const(bits - 1, w), w)
        if not is_left:
            moved = v >> near
            return moved if integers.is_signed(v) else select(far, const(0, v), moved)
        return select(far, const(0, v), v << near)

    return n.each(one, x, y)


@emits("where")
def where(n: Network, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x where the condition holds, else y."""
    return n.each(lambda c, a, b: select(c, a, b), condition, x, y)


@emits("clip")
def clip(n: Network, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Bounds that are absent do not bind; high wins where they cross."""
    bounds = [each for each in (low, high) if each is not None]

    def one(v: Expr, *given: Expr) -> Expr:
        rest = list(given)
        if low is not None:
            v = maths.maximum(v, rest.pop(0))
        return maths.minimum(v, rest.pop(0)) if high is not None else v

    return n.each(one, x, *bounds)
