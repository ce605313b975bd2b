"""`inputs=` for modules, as given: tensors, typed shapes, and what they are nested in. Reading it needs no torch."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.compiler.importers.shapes import parse_shapes
from isthmus.compiler.importers.torch.types import dtype_from
from isthmus.ir.dim import Dim, Symbol, as_symbol
from isthmus.ir.errors import BadInput
from isthmus.ir.types import DTYPES, F32, DType

_TYPED = re.compile(r"\s*(\w+)\s*\[(.*)\]\s*", re.ASCII)
_HINT = 'give an example tensor, a shape ("N:1..32", 3, 224, 224), a typed shape "i64[N:1..8, 128]", or (tensor, shape)'
_GRAIN = 32
"""Networks halve their images five times: other sizes than multiples leave a rest somewhere."""
_USUAL = 224


@dataclass(frozen=True)
class Leaf:
    """One input tensor: what the user gave for it, and the dimensions that were asked for (None: any size)."""

    name: str
    example: Any | None
    dtype: DType
    dims: tuple[Dim | None, ...]


@dataclass(frozen=True)
class Slot:
    """Where leaf number `index` stands among nested arguments."""

    index: int


@dataclass(frozen=True)
class Given:
    """What a module is called with: its bound arguments, in which a slot stands for each tensor."""

    bound: inspect.BoundArguments
    leaves: list[Leaf]

    def filled(self, values: Sequence[Any], constants: bool = True) -> dict[str, Any]:
        """The arguments by parameter, with `values` in the slots; None for other things unless `constants`."""
        return {name: _filled(tree, values, constants) for name, tree in self.bound.arguments.items()}


def read_inputs(forward: Callable[..., Any], inputs: Mapping[str, Any] | Sequence[Any]) -> Given:
    """`inputs`, by parameter name or in order, as arguments of `forward`. BadInput where they do not fit."""
    bound = _bound(inspect.signature(forward), inputs)
    found: list[_Tensor] = []
    bound.arguments.update({name: _with_slots(value, name, found) for name, value in bound.arguments.items()})
    dims = parse_shapes({each.name: each.shape for each in found})
    return Given(bound, [Leaf(each.name, each.example, each.dtype, dims[each.name]) for each in found])


def example_sizes(leaves: Sequence[Leaf]) -> dict[str, int]:
    """A size for each symbol: within its bounds, at least 2, and no two alike where they can differ."""
    found: dict[str, int] = {}
    for leaf in leaves:
        if leaf.example is not None:
            for dim, size in zip(leaf.dims, leaf.example.shape, strict=True):
                if dim is not None and (symbol := as_symbol(dim)) is not None:
                    found.setdefault(symbol.name, int(size))
    for leaf in leaves:
        for axis, dim in enumerate(leaf.dims):
            symbol = None if dim is None else as_symbol(dim)
            if symbol is not None and symbol.name not in found:
                found[symbol.name] = _size_for(symbol, axis, set(found.values()))
    return found


@dataclass(frozen=True)
class _Tensor:
    """A leaf before its shape is read."""

    name: str
    example: Any | None
    dtype: DType
    shape: Any


def _bound(signature: inspect.Signature, inputs: Mapping[str, Any] | Sequence[Any]) -> inspect.BoundArguments:
    names = ", ".join(signature.parameters)
    try:
        if not isinstance(inputs, Mapping):
            return signature.bind(*inputs)
        positional = [
            name
            for name, p in signature.parameters.items()
            if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) and name in inputs
        ]
        bound = signature.bind_partial(**{k: v for k, v in inputs.items() if k not in positional})
        for name in positional:
            bound.arguments[name] = inputs[name]
        bound.arguments = {name: bound.arguments[name] for name in signature.parameters if name in bound.arguments}
        signature.bind(*bound.args, **bound.kwargs)
    except TypeError as error:
        raise BadInput(f"inputs do not fit the module's forward: {error}", hint=f"it takes: {names}") from None
    return bound


def _with_slots(value: Any, name: str, found: list[_Tensor]) -> Any:
    """`value` with a slot for each tensor; what the tensors are goes to `found`."""
    tensor = _tensor(value, name)
    if tensor is not None:
        found.append(tensor)
        return Slot(len(found) - 1)
    if isinstance(value, Mapping):
        return {key: _with_slots(each, f"{name}_{key}", found) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return _sequence_like(value, [_with_slots(each, f"{name}_{i}", found) for i, each in enumerate(value)])
    if value is None or isinstance(value, bool | int | float):
        return value
    raise BadInput(f"input {name!r}: {value!r} is no input", hint=_HINT)


def _tensor(value: Any, name: str) -> _Tensor | None:
    """What `value` says of a tensor, or None if it stands for something else."""
    if _is_array(value):
        return _Tensor(name, value, dtype_from(value.dtype, f"input {name!r}"), tuple(value.shape))
    if isinstance(value, str) and (typed := _TYPED.fullmatch(value)):
        return _Tensor(name, None, _dtype_called(typed[1], name), _split(typed[2]))
    if isinstance(value, tuple) and len(value) == 2 and _is_array(value[0]) and _is_shape(value[1]):
        return _Tensor(name, value[0], dtype_from(value[0].dtype, f"input {name!r}"), _fitting(*value, name))
    return _Tensor(name, None, F32, value) if _is_shape(value) else None


def _is_array(value: Any) -> bool:
    """Whether it is torch's tensor or numpy's array."""
    return all(hasattr(value, attribute) for attribute in ("shape", "dtype", "ndim"))


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(
        d is None or (isinstance(d, int) and not isinstance(d, bool)) or (isinstance(d, str) and "[" not in d)
        for d in value
    )


def _fitting(example: Any, shape: Sequence[Any], name: str) -> Sequence[Any]:
    if len(shape) != example.ndim:
        raise BadInput(f"input {name!r}: the example has rank {example.ndim}, the shape {len(shape)}")
    return [have if want is None else want for have, want in zip(example.shape, shape, strict=True)]


def _split(text: str) -> list[int | str | None]:
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    return [int(part) if part.isdigit() else None if part == "?" else part for part in parts]


def _dtype_called(name: str, what: str) -> DType:
    if name not in DTYPES:
        raise BadInput(f"input {what!r}: there is no element type {name!r}", hint=f"there are: {', '.join(DTYPES)}")
    return DTYPES[name]


def _size_for(symbol: Symbol, axis: int, taken: set[int]) -> int:
    low = max(symbol.low, 2)
    high = symbol.high if symbol.high is not None else max(low + 64, _USUAL)
    large = range(min(high, max(_USUAL, low)) // _GRAIN * _GRAIN, low - 1, -_GRAIN)
    small = range(low, high + 1)
    choices = (*small[:16], *large) if axis == 0 else (*large, *reversed(small[:64]))
    return next((size for size in choices if size not in taken and size >= low), max(low if low <= high else high, 1))


def _sequence_like(like: Any, items: list[Any]) -> Any:
    """A list, tuple or named tuple of the same type."""
    return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)


def _filled(tree: Any, values: Sequence[Any], constants: bool) -> Any:
    if isinstance(tree, Slot):
        return values[tree.index]
    if isinstance(tree, dict):
        return {key: _filled(each, values, constants) for key, each in tree.items()}
    if isinstance(tree, tuple | list):
        return _sequence_like(tree, [_filled(each, values, constants) for each in tree])
    return tree if constants else None
