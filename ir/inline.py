"""Small constants written out in the text: `[0.0, 1.5, inf]`, row-major, or a bare number for a scalar."""

from __future__ import annotations

import re

import numpy as np

from isthmus.ir.constant import Constant
from isthmus.ir.errors import TextError
from isthmus.ir.types import Array, DType, TensorType

MAX_ELEMENTS = 16
"""Larger constants are named by their hash."""

_BOOLS = {"true": True, "false": False}
_NUMBER = re.compile(r"[-+]?(?:inf|nan|[0-9]{1,400}(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)")


def spell(constant: Constant) -> str | None:
    """The text `read` makes the same bits of, or None for a large constant or one with odd NaNs."""
    count = constant.type.numel()
    if not isinstance(count, int) or count > MAX_ELEMENTS:
        return None
    dtype, flat = constant.type.dtype, constant.array.reshape(-1)
    items = [_spell_element(dtype, element) for element in flat]
    if _bits(_read_elements(dtype, items)) != _bits(flat):
        return None
    return f"[{', '.join(items)}]" if constant.type.rank else items[0]


def read(type: TensorType, text: str) -> Constant:
    """The constant of a static `type` that `text` spells. Raises TextError."""
    items = [part.strip() for part in text[1:-1].split(",")] if text.startswith("[") else [text]
    if items == [""]:
        items = []
    if len(items) != type.numel():
        raise TextError(f"{type} has {type.numel()} elements, not {len(items)}")
    if text.startswith("[") != bool(type.rank):
        raise TextError("a scalar is written without brackets, all else with")
    shape = tuple(int(n) for n in type.shape if isinstance(n, int))
    return Constant.of(_read_elements(type.dtype, items).reshape(shape))


def _spell_element(dtype: DType, element: Array) -> str:
    if not dtype.is_float:
        return str(bool(element)).lower() if dtype.kind == "bool" else str(int(element))
    if element.dtype in (np.float32, np.float16):
        return repr(float(np.format_float_scientific(element)))  # type: ignore[arg-type]  # numpy's scalars
    exact = float(element)
    for digits in range(1, 10):
        short = float(f"{exact:.{digits}g}")
        if dtype.bits <= 32 and _bits(_narrowed(dtype, [short])) == _bits(element):
            return repr(short)
    return repr(exact)


def _read_elements(dtype: DType, items: list[str]) -> Array:
    if dtype.kind == "bool":
        if unknown := [item for item in items if item not in _BOOLS]:
            raise TextError(f"{unknown[0]!r} is neither true nor false")
        return np.array([_BOOLS[item] for item in items], np.bool_)
    if unknown := [item for item in items if not _NUMBER.fullmatch(item)]:
        raise TextError(f"{unknown[0][:40]!r} is no number")
    return _floats(dtype, items) if dtype.is_float else _integers(dtype, items)


def _floats(dtype: DType, items: list[str]) -> Array:
    numbers = [float(item) for item in items]
    narrow = _narrowed(dtype, numbers)
    lost = np.isfinite(numbers) != np.isfinite(narrow.astype(np.float64))
    if lost.any():
        raise TextError(f"{items[int(lost.argmax())]} does not fit {dtype}")
    return narrow


def _narrowed(dtype: DType, numbers: list[float]) -> Array:
    with np.errstate(all="ignore"):
        return np.array(numbers, np.float64).astype(dtype.numpy)


def _integers(dtype: DType, items: list[str]) -> Array:
    signed = dtype.kind == "int"
    low, high = (-(1 << (dtype.bits - 1)), (1 << (dtype.bits - 1)) - 1) if signed else (0, (1 << dtype.bits) - 1)
    numbers = []
    for item in items:
        if not item.lstrip("+-").isdigit():
            raise TextError(f"{item} is no integer")
        number = int(item)
        if not low <= number <= high:
            raise TextError(f"{item} does not fit {dtype}: {low}..{high}")
        numbers.append(number)
    return np.array(numbers, np.int64 if signed else np.uint64).astype(dtype.numpy)


def _bits(array: Array) -> bytes:
    return array.tobytes()
