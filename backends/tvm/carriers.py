"""How element types are stored and computed in kernels.

TVM's own handling of bool and bf16 is partial, so these are carried as integers and converted here. Narrow floats are
computed in f32 and rounded to their type after each op, as the evaluator does; all others are computed as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.backends.tvm.api import tirx
from isthmus.ir.types import Array, DType

_CARRIERS: Mapping[str, str] = {"bf16": "uint16", "bool": "uint8"}


def carrier(dtype: DType) -> str:
    """The element type of memory that holds values of `dtype`."""
    return _CARRIERS.get(dtype.name, dtype.numpy.name)


def computed(dtype: DType) -> str:
    """The element type that values of `dtype` are computed in."""
    if dtype.name == "bool":
        return "bool"
    return "float32" if dtype.is_float and dtype.bits < 32 else carrier(dtype)


def carried(array: Array, dtype: DType) -> Array:
    """The same elements as the carrier has them; a view."""
    return array.view(carrier(dtype))


def restored(array: Array, dtype: DType) -> Array:
    """A carrier's elements in the numpy type of the IR; a view."""
    return array.view(dtype.numpy)


def widen(stored: Any, dtype: DType) -> Any:
    """A stored element (with any lanes) in the type it is computed in."""
    if dtype.name == "bool":
        return stored.astype("bool")
    if dtype.name == "bf16":
        return tirx.reinterpret("float32", stored.astype("uint32") << tirx.const(16, "uint32"))
    if dtype.name == "f16":
        return stored.astype("float32")
    return stored


def narrow(value: Any, dtype: DType) -> Any:
    """A computed element in the type it is stored in: floats rounded to nearest even, NaN kept."""
    if dtype.name == "bf16":
        bits = tirx.reinterpret("uint32", value)
        odd = (bits >> tirx.const(16, "uint32")) & tirx.const(1, "uint32")
        rounded = (bits + tirx.const(0x7FFF, "uint32") + odd) >> tirx.const(16, "uint32")
        is_nan = (bits & tirx.const(0x7FFFFFFF, "uint32")) > tirx.const(0x7F800000, "uint32")
        return tirx.Select(is_nan, tirx.const(0x7FC0, "uint16"), rounded.astype("uint16"))
    if dtype.name == "f16":
        return value.astype("float16")
    return value.astype(carrier(dtype)) if dtype.name == "bool" else value
