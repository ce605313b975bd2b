"""TensorRT's element types and the numpy types that carry them."""

from __future__ import annotations

from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

NUMPY: dict[str, np.dtype[Any]] = {
    "FLOAT": np.dtype(np.float32),
    "HALF": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "FP8": np.dtype(ml_dtypes.float8_e4m3fn),
    "FP4": np.dtype(ml_dtypes.float4_e2m1fn),
    "E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "INT64": np.dtype(np.int64),
    "INT32": np.dtype(np.int32),
    "INT8": np.dtype(np.int8),
    "INT4": np.dtype(ml_dtypes.int4),
    "UINT8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
"""By the name of `tensorrt.DataType`."""

NARROW = frozenset(NUMPY[name] for name in ("HALF", "BF16", "FP8", "FP4", "E8M0"))
"""Floats that are computed in f32."""

PACKED = frozenset(NUMPY[name] for name in ("INT4", "FP4"))
"""Two elements a byte."""

FLOATS = NARROW | {NUMPY["FLOAT"]}


def numpy_type(dtype: Any) -> np.dtype[Any]:
    """The numpy type for a `tensorrt.DataType`."""
    return NUMPY[dtype.name]


def wide(x: Array) -> Array:
    """Narrow floats as f32, everything else as it is."""
    return x.astype(np.float32) if x.dtype in NARROW else x
