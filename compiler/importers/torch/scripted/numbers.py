"""Arithmetic of scripts: on Python numbers, on sizes, and on numbers that only running can tell.

A size stays a dimension where the IR can say the result; a comparison of sizes that the bounds decide is decided.
A float that depends on data is computed in f32, an integer in i64.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from isthmus.compiler.importers.torch.args import cast, tensor
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.ir.dim import Dim, DimExpr, ceildiv, equal, floordiv, less_equal, maximum, minimum, mod
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, F32, I64, DType

_LARGEST_DENOMINATOR = 1 << 12


@dataclass(frozen=True)
class Quotient:
    """numerator / denominator, on the way to an integer: `int(n / 2)`."""

    numerator: DimExpr
    denominator: int


def is_number(thing: Any) -> bool:
    """Whether `thing` is a number of the script, known or not."""
    return isinstance(thing, bool | int | float | DimExpr | Quotient | Value)


def known(b: TorchBuilder, x: Value, is_float: bool = False) -> Any:
    """A 0-d tensor as a Python number or a dimension where it is one, else the tensor."""
    if (numbers := b.numbers(x)) is not None and numbers.size == 1:
        return numbers.item()
    if x.dtype.is_integer and (sizes := b.sizes(x)) is not None and len(sizes) == 1:
        return sizes[0]
    return x


def number_from(b: TorchBuilder, x: Value, dtype: DType | None = None) -> Any:
    """The one element of a tensor as a number of the script: `x.item()`, `int(x)`, `bool(x)`."""
    flat = x if x.rank == 0 else b.reshape(x, shape=())
    wanted = dtype or (BOOL if x.dtype == BOOL else F32 if x.dtype.is_float else I64)
    return known(b, cast(b, flat, wanted))


def size_from(b: TorchBuilder, number: Value) -> Dim:
    """A number that depends on data as a size: that of a range as long. It must not be negative when run."""
    counted = b.dynamic_iota(b.const(0), tensor(b, number, I64), b.const(1))
    return counted.shape[0]


def compute(b: TorchBuilder, name: str, *args: Any) -> Any:
    """The op called `name` in TorchScript, on numbers."""
    if any(isinstance(each, Value) for each in args):
        return known(b, _on_values(b, name, [_settled(b, each) for each in args]))
    if any(isinstance(each, DimExpr | Quotient) for each in args):
        found = _SIZES[name](*args) if name in _SIZES else None
        return compute(b, name, *(_as_value(b, each) for each in args)) if found is None else found
    return PLAIN[name](*args)


def _settled(b: TorchBuilder, x: Any) -> Any:
    return _as_value(b, x) if isinstance(x, Quotient) else x


def _as_value(b: TorchBuilder, x: Any) -> Any:
    if isinstance(x, Quotient):
        return b.div(tensor(b, x.numerator, F32), float(x.denominator))
    return tensor(b, x, I64) if isinstance(x, DimExpr) else x


# -- sizes ------------------------------------------------------------------------------------------------------------


def _integers(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule for whole numbers; None, which means none, for others."""

    def apply(*args: Any) -> Any:
        return rule(*args) if all(isinstance(each, int | DimExpr) for each in args) else None

    return apply


def _scaled(x: Any, y: Any) -> Any:
    """x * y, where one may be a simple fraction."""
    if isinstance(x, int | DimExpr) and isinstance(y, int | DimExpr):
        return x * y
    return _times(x, y) if not isinstance(x, float) else _times(y, x)


def _divided(x: Any, y: Any) -> Any:
    if isinstance(x, DimExpr) and isinstance(y, int | float) and y > 0:
        return _times(x, Fraction(1, 1) / Fraction(y))
    return _times(x, Fraction(1, 1) / Fraction(y)) if isinstance(x, Quotient) and isinstance(y, int) and y > 0 else None


def _times(x: Any, factor: Any) -> Any:
    if isinstance(factor, DimExpr | Quotient) or not isinstance(x, DimExpr | Quotient):
        return None
    exact = Fraction(factor)
    if exact.denominator > _LARGEST_DENOMINATOR or exact <= 0:
        return None
    over = exact / (x.denominator if isinstance(x, Quotient) else 1)
    numerator = (x.numerator if isinstance(x, Quotient) else x) * over.numerator
    assert isinstance(numerator, DimExpr)
    return Quotient(numerator, over.denominator)


def _floor(x: Any) -> Any:
    return floordiv(x.numerator, x.denominator) if isinstance(x, Quotient) else x


def _ceil(x: Any) -> Any:
    return ceildiv(x.numerator, x.denominator) if isinstance(x, Quotient) else x


def _truncated(x: Any) -> Any:
    if isinstance(x, Quotient) and less_equal(0, x.numerator) is not True:
        return None
    return _floor(x)


def _negated(found: bool | None) -> bool | None:
    return None if found is None else not found


_SIZES: dict[str, Callable[..., Any]] = {
    "add": _integers(operator.add),
    "sub": _integers(operator.sub),
    "rsub": _integers(lambda x, y: y - x),
    "mul": _scaled,
    "div": _divided,
    "floordiv": _integers(floordiv),
    "floor_divide": _integers(floordiv),
    "remainder": _integers(mod),
    "neg": _integers(operator.neg),
    "min": _integers(minimum),
    "max": _integers(maximum),
    "eq": _integers(equal),
    "ne": _integers(lambda x, y: _negated(equal(x, y))),
    "le": _integers(less_equal),
    "ge": _integers(lambda x, y: less_equal(y, x)),
    "lt": _integers(lambda x, y: _negated(less_equal(y, x))),
    "gt": _integers(lambda x, y: _negated(less_equal(x, y))),
    "floor": _floor,
    "ceil": _ceil,
    "Int": _truncated,
    "abs": _integers(lambda x: x if less_equal(0, x) is True else None),
    "Float": lambda x: Quotient(x, 1) if isinstance(x, DimExpr) else x,
    "__range_length": _integers(lambda low, high, step: maximum(ceildiv(high - low, step), 0) if step == 1 else None),
    "__derive_index": _integers(lambda index, start, step: start + index * step),
}
"""On dimensions; None where the IR cannot say the result."""


# -- numbers that only running can tell -------------------------------------------------------------------------------

_BINARY = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "div": "div",
    "floordiv": "floor_div",
    "floor_divide": "floor_div",
    "remainder": "mod",
    "pow": "pow",
    "min": "minimum",
    "max": "maximum",
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "__and__": "logical_and",
    "__or__": "logical_or",
    "__xor__": "logical_xor",
}
_OF_FLOATS = ("sqrt", "log", "exp", "sin", "cos", "tan", "tanh")


def _on_values(b: TorchBuilder, name: str, args: list[Any]) -> Value:
    if name in ("Int", "IntImplicit"):
        return tensor(b, args[0], I64)  # a cast truncates, as int() does
    if name in ("Float", "FloatImplicit"):
        return tensor(b, args[0], F32)
    if name in ("Bool", "ScalarImplicit"):
        return tensor(b, args[0], BOOL) if name == "Bool" else args[0]
    if name == "__not__":
        return b.logical_not(tensor(b, args[0], BOOL))
    if name == "__derive_index":
        index, start, step = args
        return _on_values(b, "add", [start, _on_values(b, "mul", [index, step])])
    if name == "__range_length":
        low, high, step = args
        counted: Value = b.dynamic_iota(*(tensor(b, each, I64) for each in (low, high, step)))
        return tensor(b, counted.shape[0], I64)
    if name == "rsub":
        name, args = "sub", args[::-1]
    if name in ("floor", "ceil"):
        return tensor(b, b.create(name, [tensor(b, args[0], F32)]).result, I64)
    if name in ("neg", "abs"):
        found: Value = b.create(name, args).result
        return found
    if name in _OF_FLOATS:
        made: Value = b.create(name, [tensor(b, args[0], F32)]).result
        return made
    dtype = F32 if name == "div" else _joined_type(args)
    if name == "floordiv" and dtype == F32:
        return b.floor(b.div(*(tensor(b, each, F32) for each in args)))
    result: Value = b.create(_BINARY[name], [tensor(b, each, dtype) for each in args]).result
    return result


def _joined_type(args: list[Any]) -> DType:
    kinds = [
        x.dtype if isinstance(x, Value) else F32 if isinstance(x, float) else BOOL if isinstance(x, bool) else I64
        for x in args
    ]
    return next((dtype for dtype in kinds if dtype.is_float), BOOL if all(k == BOOL for k in kinds) else I64)


# -- Python's own -----------------------------------------------------------------------------------------------------


def _divide(x: Any, y: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return x // y
    return math.trunc(x / y) if rounding_mode == "trunc" else x / y


PLAIN: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "rsub": lambda x, y: y - x,
    "mul": operator.mul,
    "div": _divide,
    "floordiv": operator.floordiv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "neg": operator.neg,
    "pow": operator.pow,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "__and__": operator.and_,
    "__or__": operator.or_,
    "__xor__": operator.xor,
    "__not__": operator.not_,
    "__lshift__": operator.lshift,
    "__rshift__": operator.rshift,
    "__range_length": lambda low, high, step: len(range(low, high, step)),
    "__derive_index": lambda index, start, step: start + index * step,
    "Int": int,
    "Float": float,
    "Bool": bool,
    "IntImplicit": int,
    "FloatImplicit": float,
    "ScalarImplicit": lambda x: x,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "sqrt": math.sqrt,
    "log": math.log,
    "log2": math.log2,
    "exp": math.exp,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "tanh": math.tanh,
    "isnan": math.isnan,
    "isinf": math.isinf,
    "abs": abs,
    "min": min,
    "max": max,
}
