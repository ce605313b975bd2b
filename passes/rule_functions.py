"""What expressions in the text of rules may call, and what their operators do.

An op's sizes may be symbols, so a comparison holds only where it holds for every binding of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from isthmus.ir import dim as dims
from isthmus.ir.dim import Dim, DimExpr, Shape, less_equal
from isthmus.ir.graph import Value
from isthmus.ir.types import DType, TensorType
from isthmus.passes.rules import conditions

Comparison: TypeAlias = Callable[[Any, Any], bool]


def type(x: Value) -> TensorType:
    """Element type and shape."""
    return x.type


def dtype(x: Value) -> DType:
    """The element type."""
    return x.dtype


def shape(x: Value) -> Shape:
    """The list of sizes."""
    return x.shape


def rank(x: Value) -> int:
    """How many dimensions."""
    return x.rank


def elements(x: Value) -> Dim:
    """How many elements."""
    return x.type.numel()


def uses(x: Value) -> int:
    """How often the value is used in the graph."""
    return x.use_count


def constant(x: Value) -> bool:
    """Whether a constant."""
    return x.constant is not None


def number(x: Value) -> float:
    """What a constant of one element holds."""
    found = conditions.number(x)
    if found is None:
        raise ValueError(f"{x!r} is not one constant number")
    return found


def near(x: Value, wanted: float) -> bool:
    """Whether a constant of one element is that number within a few roundings of its element type."""
    number(x)
    return conditions.near(x, wanted) is None


def length(p: tuple[Any, ...]) -> int:
    """How many items a list has."""
    return len(_list(p))


def compose(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    """The order of dimensions that transposing by p and then by q comes to."""
    return tuple([_list(p)[i] for i in _list(q)])


def inverse(p: tuple[int, ...]) -> tuple[int, ...]:
    """The order of dimensions that undoes p."""
    return tuple(sorted(range(len(_list(p))), key=p.__getitem__))


def join(p: tuple[Any, ...], q: tuple[Any, ...]) -> tuple[Any, ...]:
    """The items of p, then those of q."""
    return _list(p) + _list(q)


def floordiv(a: Dim, b: Dim) -> Dim:
    """a / b for sizes, rounded down."""
    return dims.floordiv(_size(a), _size(b))


def mod(a: Dim, b: Dim) -> Dim:
    """What remains of a / b."""
    return dims.mod(_size(a), _size(b))


def min(*sizes: Dim) -> Dim:
    """The least size."""
    return dims.minimum(*map(_size, sizes))


def max(*sizes: Dim) -> Dim:
    """The greatest size."""
    return dims.maximum(*map(_size, sizes))


FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            *(type, dtype, shape, rank, elements, uses, constant, number, near),
            *(length, compose, inverse, join, floordiv, mod, min, max),
        )
    }
)
"""Name -> function. A parameter annotated `Value` takes a value of the graph, all others take expressions."""


def arithmetic(sign: str, a: Any, b: Any) -> Any:
    """a sign b for two sizes or two numbers. TypeError for all else; sizes are divided by `floordiv`."""
    if not (_is_number(a) and _is_number(b)) and not (_is_size(a) and _is_size(b)):
        raise TypeError(f"{a} {sign} {b} is no arithmetic")
    return _OPERATORS[sign](a, b)


def equal(a: Any, b: Any) -> bool:
    """Whether a and b are the same, whatever the sizes in them."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if _is_size(a) and _is_size(b):
        return dims.equal(a, b) is True
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def unequal(a: Any, b: Any) -> bool:
    """Whether a and b differ, whatever the sizes in them."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) != len(b) or any(map(unequal, a, b))
    if _is_size(a) and _is_size(b):
        return dims.equal(a, b) is False
    if isinstance(a, TensorType) and isinstance(b, TensorType):
        return a.dtype != b.dtype or unequal(a.shape, b.shape)
    return not equal(a, b)


def at_most(a: Any, b: Any) -> bool:
    """Whether a <= b, whatever the sizes in them."""
    if _is_size(a) and _is_size(b):
        return less_equal(a, b) is True
    if not (_is_number(a) and _is_number(b)):
        raise TypeError(f"{a} and {b} have no order")
    return bool(a <= b)


def less(a: Any, b: Any) -> bool:
    """Whether a < b, whatever the sizes in them."""
    return at_most(a + 1, b) if _is_size(a) and _is_size(b) else at_most(a, b) and bool(a != b)


RELATIONS: Mapping[str, Comparison] = MappingProxyType(
    {
        "==": equal,
        "!=": unequal,
        "<=": at_most,
        "<": less,
        ">=": lambda a, b: at_most(b, a),
        ">": lambda a, b: less(b, a),
        "in": lambda a, b: any(equal(a, each) for each in _list(b)),
    }
)

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _is_size(x: Any) -> bool:
    return isinstance(x, int | DimExpr) and not isinstance(x, bool)


def _size(x: Any) -> Dim:
    if not _is_size(x):
        raise TypeError(f"{x} is no size")
    found: Dim = x
    return found


def _list(x: Any) -> tuple[Any, ...]:
    if not isinstance(x, tuple):
        raise TypeError(f"{x} is no list")
    return x
