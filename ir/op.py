"""What an op is: one decorated numpy function.

Its signature is the schema. Positional parameters are operands: `x: Float`, `*xs: Num` variadic,
`x: Float | None = None` optional. Operands annotated alike share an element type. Keyword-only parameters are
attributes, or regions where annotated `Region`. The body is the meaning: it is called with numpy arrays and plain
Python attributes (dimensions already resolved to integers) and returns an array, or a tuple of them where the op has
several results.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeAlias, get_args, get_origin

import numpy as np

from isthmus.ir.constant import Constant
from isthmus.ir.dim import Dim, DimExpr, bounds
from isthmus.ir.errors import TypeRuleError
from isthmus.ir.precision import FOLLOW, Precision
from isthmus.ir.types import DTYPES, F8E4M3, F8E5M2, I4, I8, I16, I32, I64, U4, U8, U16, Array, DType, TensorType

if TYPE_CHECKING:
    from isthmus.ir.graph import Value


@dataclass(frozen=True)
class Among:
    """The element types an operand admits; operands with the same `Among` must agree unless it is `free`."""

    name: str
    dtypes: frozenset[DType]
    free: bool = False


def _kinds(name: str, *kinds: str, free: bool = False) -> Among:
    return Among(name, frozenset(t for t in DTYPES.values() if t.kind in kinds), free)


Any_: TypeAlias = Annotated[Array, _kinds("any", "float", "int", "uint", "bool")]
Other: TypeAlias = Annotated[Array, _kinds("other", "float", "int", "uint", "bool")]
Mixed: TypeAlias = Annotated[Array, _kinds("mixed", "float", "int", "uint", "bool", free=True)]
Num: TypeAlias = Annotated[Array, _kinds("num", "float", "int", "uint")]
Float: TypeAlias = Annotated[Array, _kinds("float", "float")]
Int: TypeAlias = Annotated[Array, _kinds("int", "int", "uint")]
Bool: TypeAlias = Annotated[Array, _kinds("bool", "bool")]
Index: TypeAlias = Annotated[Array, Among("index", frozenset((I32, I64)))]
Quantized: TypeAlias = Annotated[Array, Among("quantized", frozenset((I8, U8, I16, U16, I4, U4, I32, F8E4M3, F8E5M2)))]


class Region(Protocol):
    """A sub-graph as a meaning sees it: arrays in, arrays out."""

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        """The region's outputs for the given inputs."""

    def nothing(self) -> tuple[Array, ...]:
        """For each output the stack of no results at all: shape [0, ...]."""


class Trait(Enum):
    """What passes may rely on without knowing the op."""

    ELEMENTWISE = auto()
    """Each result element depends on the operand elements at its (broadcast) position alone."""
    COMMUTATIVE = auto()
    """The first two operands may be swapped."""
    SYMBOLIC = auto()
    """The meaning also holds on object arrays of dimensions: shape arithmetic is evaluated by it."""
    COMPOSITE = auto()
    """Equal to its `decompose`, up to rounding."""
    IMPURE = auto()
    """Two runs may differ, so it is neither folded nor merged."""


ELEMENTWISE = frozenset((Trait.ELEMENTWISE,))
SYMBOLIC = frozenset((Trait.SYMBOLIC,))


class TypeRule(Protocol):
    """From operand types (positional, None where absent) and attributes to result types."""

    def __call__(self, *types: Any, **attrs: Any) -> TensorType | Sequence[TensorType]:
        """One type, or one for each result; raises TypeRuleError with the reason where there is none."""


@dataclass(frozen=True)
class Operand:
    """One positional parameter of an op."""

    name: str
    among: Among
    variadic: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Attribute:
    """One keyword-only parameter of an op: its annotation says which values are admitted."""

    name: str
    annotation: Any
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        """Whether the op has no default for it."""
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, eq=False)
class Op:
    """A row of the op table."""

    name: str
    family: str
    meaning: Callable[..., Any]
    infer: TypeRule
    operands: tuple[Operand, ...]
    attributes: Mapping[str, Attribute]
    regions: tuple[str, ...]
    several: bool
    """Whether the op yields a tuple of results, even where there is one (split into one part)."""
    traits: frozenset[Trait]
    precision: Precision
    doc: str
    _decompositions: list[Callable[..., Any]] = field(default_factory=list, repr=False)

    def __call__(self, *arrays: Array | None, **attrs: Any) -> Any:
        """The meaning on arrays, with defaults filled in: `relu(x)`."""
        return self.meaning(*arrays, **attrs)

    def __str__(self) -> str:
        return self.name

    def decomposition(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: `function(b, *values, **attrs)` rebuilds the op from simpler ones through a Builder."""
        self._decompositions.append(function)
        return function

    @property
    def decompose(self) -> Callable[..., Value | Sequence[Value]] | None:
        """The decomposition, if the op is composite."""
        return self._decompositions[0] if self._decompositions else None

    def has(self, trait: Trait) -> bool:
        """Whether the op has the trait."""
        return trait in self.traits

    def operand(self, index: int) -> Operand:
        """The parameter that operand number `index` belongs to."""
        last = self.operands[-1]
        return last if last.variadic and index >= len(self.operands) - 1 else self.operands[index]

    def bind_attributes(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` checked, normalised (lists to tuples, numpy to Python) and with defaults, in schema order."""
        bound = {}
        for name, spec in self.attributes.items():
            if name in given:
                bound[name] = coerce(spec.annotation, given[name], f"{self.name}: attribute {name}")
            elif spec.required:
                raise TypeRuleError(f"{self.name}: attribute {name} is missing")
            else:
                bound[name] = spec.default
        if unknown := [name for name in given if name not in self.attributes]:
            known = ", ".join(self.attributes) or "none"
            raise TypeRuleError(f"{self.name}: no attribute {unknown[0]!r}", hint=f"it has: {known}")
        return bound

    def check_operands(self, operand_types: Sequence[TensorType | None]) -> None:
        """TypeRuleError unless number, presence and element types are as the signature says."""
        specs = self.operands
        variadic = bool(specs) and specs[-1].variadic
        if len(operand_types) > len(specs) and not variadic:
            raise TypeRuleError(f"{self.name}: takes {len(specs)} operands, got {len(operand_types)}")
        for spec in specs[len(operand_types) :]:
            if not (spec.optional or spec.variadic):
                raise TypeRuleError(f"{self.name}: operand {spec.name} is missing")
        seen: dict[str, tuple[str, DType]] = {}
        for index, found in enumerate(operand_types):
            spec = self.operand(index)
            if found is None:
                if not spec.optional:
                    raise TypeRuleError(f"{self.name}: operand {spec.name} is missing")
                continue
            if found.dtype not in spec.among.dtypes:
                admitted = ", ".join(sorted(t.name for t in spec.among.dtypes))
                raise TypeRuleError(f"{self.name}: operand {spec.name} is {found}, must be one of {admitted}")
            if spec.among.free:
                continue
            first, dtype = seen.setdefault(spec.among.name, (spec.name, found.dtype))
            if dtype != found.dtype:
                raise TypeRuleError(
                    f"{self.name}: operand {spec.name} is {found.dtype} but {first} is {dtype}",
                    hint="there is no implicit promotion: insert a cast",
                )

    def infer_types(
        self, operand_types: Sequence[TensorType | None], attrs: Mapping[str, Any], regions: Mapping[str, Any]
    ) -> tuple[TensorType, ...]:
        """Result types for checked operands and bound attributes."""
        self.check_operands(operand_types)
        padded = list(operand_types)
        if not (self.operands and self.operands[-1].variadic):
            padded += [None] * (len(self.operands) - len(padded))
        try:
            found = self.infer(*padded, **attrs, **regions)
        except TypeRuleError as error:
            if error.reason.startswith(f"{self.name}: "):
                raise
            raise TypeRuleError(f"{self.name}: {error.reason}", hint=error.hint) from None
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise TypeRuleError(f"{self.name}: operands and attributes do not fit each other: {error}") from error
        types = (found,) if isinstance(found, TensorType) else tuple(found)
        for each in types:
            if any((high := bounds(d)[1]) is not None and high < 0 for d in each.shape):
                raise TypeRuleError(f"{self.name}: would make {each}, which has a negative size")
        return types


def op(
    *, infer: TypeRule, traits: frozenset[Trait] = frozenset(), precision: Precision = FOLLOW
) -> Callable[[Callable[..., Any]], Op]:
    """Decorator that turns a numpy function into a row of the op table."""

    def define(function: Callable[..., Any]) -> Op:
        hints = typing.get_type_hints(function, include_extras=True)
        operands: list[Operand] = []
        attributes: dict[str, Attribute] = {}
        regions: list[str] = []
        for name, parameter in inspect.signature(function).parameters.items():
            hint = hints[name]
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                operands.append(_operand(name, hint, parameter))
            elif hint is Region:
                regions.append(name.rstrip("_"))
            else:
                attributes[name] = Attribute(name, hint, parameter.default)
        return Op(
            name=function.__name__.rstrip("_"),
            family=function.__module__.rpartition(".")[2],
            meaning=function,
            infer=infer,
            operands=tuple(operands),
            attributes=types.MappingProxyType(attributes),
            regions=tuple(regions),
            several=get_origin(hints["return"]) is tuple,
            traits=traits,
            precision=precision,
            doc=inspect.cleandoc(function.__doc__ or ""),
        )

    return define


def _operand(name: str, hint: Any, parameter: inspect.Parameter) -> Operand:
    optional = parameter.default is None
    if optional:
        hint = next(part for part in get_args(hint) if part is not type(None))
    among = next(extra for extra in hint.__metadata__ if isinstance(extra, Among))
    return Operand(name, among, parameter.kind is inspect.Parameter.VAR_POSITIONAL, optional)


def coerce(annotation: Any, value: Any, what: str) -> Any:
    """`value` as the annotation admits it, or TypeRuleError. Understands what attributes are annotated with."""
    origin = get_origin(annotation)
    if origin in (typing.Union, types.UnionType) and annotation != Dim:
        options = get_args(annotation)
        if value is None and type(None) in options:
            return None
        annotation = next(part for part in options if part is not type(None))
        return coerce(annotation, value, what)
    if origin is Literal:
        if value in get_args(annotation):
            return value
        raise TypeRuleError(f"{what} must be one of {', '.join(map(repr, get_args(annotation)))}, not {value!r}")
    if origin is tuple:
        return _coerce_tuple(get_args(annotation), value, what)
    return _coerce_scalar(annotation, value, what)


def _coerce_tuple(parts: tuple[Any, ...], value: Any, what: str) -> tuple[Any, ...]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise TypeRuleError(f"{what} must be a list, not {value!r}")
    if len(parts) == 2 and parts[1] is Ellipsis:
        return tuple(coerce(parts[0], item, what) for item in value)
    if len(parts) != len(value):
        raise TypeRuleError(f"{what} must have {len(parts)} items, not {len(value)}")
    return tuple(coerce(part, item, what) for part, item in zip(parts, value, strict=True))


def _coerce_scalar(annotation: Any, value: Any, what: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if annotation == Dim and isinstance(value, int | DimExpr) and not isinstance(value, bool):
        return value
    if annotation is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if annotation is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if annotation in (bool, str, DType, Constant) and isinstance(value, annotation):
        return value
    kind = "a dimension" if annotation == Dim else getattr(annotation, "__name__", str(annotation))
    raise TypeRuleError(f"{what} must be {kind}, not {value!r}")
