"""What syntax trees of types, dimensions and attribute values mean: the leaves of IR text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from lark import Token

from isthmus.ir import dim as dims
from isthmus.ir.dim import MAX_TERMS, Dim, DimExpr, symbol
from isthmus.ir.errors import DimensionError, TextError
from isthmus.ir.source import Source
from isthmus.ir.spelling import WORDS, unquote
from isthmus.ir.syntax import Bound, Call, Expression, Product, Signed, Sum, ValueTree, parse_type
from isthmus.ir.types import DTYPES, DType, TensorType

_LIMIT = 1 << 64
_FUNCTIONS: dict[str, tuple[Callable[..., Dim], int | None]] = {
    "floordiv": (dims.floordiv, 2),
    "mod": (dims.mod, 2),
    "min": (dims.minimum, None),
    "max": (dims.maximum, None),
}


class Literals:
    """Reads the leaves of one text, whose header gives the symbols' bounds."""

    def __init__(self, source: Source, bounds: Sequence[Bound]) -> None:
        self._source = source
        self._symbols: dict[str, Dim] = {}
        self._types: dict[str, TensorType] = {}
        self._offset = 0
        for each in bounds:
            name, high = self._symbol_name(each.name), None if each.high is None else self._integer(each.high)
            if name in self._symbols:
                raise self.error(each.name, f"symbol {name} has bounds already")
            try:
                self._symbols[name] = symbol(name, self._integer(each.low), high)
            except DimensionError as error:
                raise self.error(each.name, error.reason) from None

    def error(self, at: Token, reason: str, hint: str = "") -> TextError:
        """A TextError that points at a token."""
        return self._source.error(self._offset + (at.start_pos or 0), reason, hint)

    def type(self, token: Token) -> TensorType:
        """The type that a TYPE token spells."""
        known = self._types.get(token)
        if known is None:
            known = self._types[str(token)] = self._new_type(token)
        return known

    def dtype(self, token: Token) -> DType:
        """The element type that a name spells."""
        found = DTYPES.get(token)
        if found is None:
            near = get_close_matches(token, DTYPES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(DTYPES)}"
            raise self.error(token, f"no element type is called {str(token)!r}", hint)
        return found

    def text(self, token: Token) -> str:
        """What a quoted token says."""
        try:
            return unquote(token)
        except ValueError:
            raise self.error(token, "broken escape in quoted text", "escapes are those of JSON") from None

    def value(self, tree: ValueTree) -> Any:
        """The Python value of an attribute: a number, text, dimension, bool, None, or a tuple of such."""
        if isinstance(tree, list):
            return tuple([self.value(each) for each in tree])
        if isinstance(tree, Signed) and isinstance(tree.operand, Token):
            number = self._leaf(tree.operand)
            if isinstance(number, float):
                return -number if tree.sign == "-" else number
        return self._leaf(tree) if isinstance(tree, Token) else self.dim(tree)

    def dim(self, tree: Expression) -> Dim:
        """The dimension that an expression spells."""
        if isinstance(tree, Token):
            found = self._leaf(tree)
            if isinstance(found, DimExpr) or type(found) is int:
                return found
            raise self.error(tree, f"{str(tree)!r} is no dimension")
        at = _first(tree)
        try:
            return self._small(self._combined(tree), at)
        except DimensionError as error:
            raise self.error(at, error.reason) from None

    def _combined(self, tree: Sum | Product | Signed | Call) -> Dim:
        if isinstance(tree, Signed):
            operand = self.dim(tree.operand)
            return -operand if tree.sign == "-" else operand
        at = _first(tree)
        parts = tree.args if isinstance(tree, Call) else tree[0]
        if len(parts) > 2 * MAX_TERMS:
            raise self.error(at, f"a dimension expression has more than {MAX_TERMS} parts")
        if isinstance(tree, Call):
            return self._call(tree)
        if isinstance(tree, Product):
            product = self.dim(parts[0])
            for each in parts[1:]:
                product = self._small(product * self.dim(each), at)
            return product
        total = self.dim(parts[0])
        for sign, each in zip(parts[1::2], parts[2::2], strict=True):
            total = total - self.dim(each) if sign == "-" else total + self.dim(each)
        return total

    def _call(self, tree: Call) -> Dim:
        function, arity = _FUNCTIONS.get(tree.name, (None, None))
        if function is None:
            hint = f"there are: {', '.join(_FUNCTIONS)}"
            raise self.error(tree.name, f"no function is called {str(tree.name)!r}", hint)
        if arity is not None and len(tree.args) != arity:
            raise self.error(tree.name, f"{tree.name} takes {arity} arguments, not {len(tree.args)}")
        return function(*map(self.dim, tree.args))

    def _small(self, dim: Dim, at: Token) -> Dim:
        numbers = (dim,) if isinstance(dim, int) else [c for _, c in dim.terms]
        if any(abs(n) >= _LIMIT for n in numbers):
            raise self.error(at, "a number in a dimension has more than 64 bits")
        return dim

    def _leaf(self, token: Token) -> Any:
        if token.type == "INT":
            return self._integer(token)
        if token.type == "FLOAT":
            return float(token)
        if token.type == "STRING":
            return self.text(token)
        if token.type == "NAME" and token in WORDS:
            return WORDS[token]
        name = self._symbol_name(token)
        if name not in self._symbols:
            self._symbols[name] = symbol(name)
        return self._symbols[name]

    def _symbol_name(self, token: Token) -> str:
        return self.text(token) if token.type == "SYMBOL" else str(token)

    def _integer(self, token: Token) -> int:
        number = int(token) if len(token) <= 20 else _LIMIT
        if number >= _LIMIT:
            raise self.error(token, "a number has more than 64 bits")
        return number

    def _new_type(self, token: Token) -> TensorType:
        tree = parse_type(self._source, token)
        saved, self._offset = self._offset, self._offset + (token.start_pos or 0)
        shape = tuple(self.dim(each) for each in tree.dims)
        for size, each in zip(shape, tree.dims, strict=True):
            if isinstance(size, int) and size < 0:
                raise self.error(_first(each), f"size {size} is negative")
        found = TensorType(self.dtype(tree.dtype), shape)
        self._offset = saved
        return found


def _first(tree: Any) -> Token:
    while not isinstance(tree, Token):
        tree = tree[0]
    return tree
