"""Tensors in each of the ways ONNX stores them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from isthmus.compiler.importers.onnx.external import ExternalData
from isthmus.compiler.importers.onnx.tensors import constant
from isthmus.compiler.importers.onnx.types import STORAGE, code_of
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.types import DTYPES, DType

_NOWHERE = ExternalData(None)


def sample(dtype: DType) -> NDArray[Any]:
    """Five elements, some negative where there are such: an odd number, so that packed types have a rest."""
    numbers = np.array([0, 1, 5, 2, -3 if dtype.kind in ("int", "float") else 3])
    return numbers.astype(dtype.numpy)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_raw_bytes(dtype: DType) -> None:
    array = sample(dtype)
    found = constant(numpy_helper.from_array(array), _NOWHERE)
    assert found.type.dtype == dtype
    np.testing.assert_array_equal(found.array, array)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_typed_fields(dtype: DType) -> None:
    array = sample(dtype)
    raw = numpy_helper.from_array(array)
    storage = STORAGE[raw.data_type]
    bits = np.frombuffer(raw.raw_data, np.bool_ if dtype.kind == "bool" else storage.bits)
    tensor = TensorProto(data_type=code_of(dtype), dims=[5])
    numbers = bits.astype(np.uint8).tolist() if dtype.kind == "bool" else bits.tolist()
    getattr(tensor, storage.field).extend(numbers)
    np.testing.assert_array_equal(constant(tensor, _NOWHERE).array, array)


def test_a_scalar_and_an_empty_tensor() -> None:
    assert constant(numpy_helper.from_array(np.array(2.5, np.float32)), _NOWHERE).array.item() == 2.5
    assert constant(numpy_helper.from_array(np.zeros((0, 3), np.int64)), _NOWHERE).array.shape == (0, 3)


def test_constants_are_read_only() -> None:
    found = constant(numpy_helper.from_array(np.zeros(3, ml_dtypes.bfloat16)), _NOWHERE)
    with pytest.raises(ValueError, match="read-only"):
        found.array[0] = 1


@pytest.mark.parametrize("code", [TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.FLOAT8E4M3FNUZ])
def test_types_the_ir_lacks(code: int) -> None:
    with pytest.raises(UnsupportedModel, match="not supported"):
        constant(TensorProto(name="w", data_type=code, dims=[1]), _NOWHERE)


@pytest.mark.parametrize("code", [TensorProto.UNDEFINED, 99])
def test_types_that_do_not_exist(code: int) -> None:
    with pytest.raises(MalformedModel, match="no valid element type"):
        constant(TensorProto(name="w", data_type=code, dims=[1]), _NOWHERE)


def test_too_few_numbers() -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    del tensor.float_data[-1]
    with pytest.raises(MalformedModel, match="3 numbers in float_data, but holds 2"):
        constant(tensor, _NOWHERE)
