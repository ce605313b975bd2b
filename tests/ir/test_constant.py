"""Constants are read when they are looked at, compared by content, and cannot be written to."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from isthmus.ir import F32, Constant, TensorType
from isthmus.ir.types import Array

ODD_NAN = np.array([0x7FC00001], np.uint32).view(np.float32)


def test_contents_load_once_and_on_first_use() -> None:
    loads = []

    def load() -> Array:
        loads.append(1)
        return np.zeros(3, np.float32)

    constant = Constant(TensorType(F32, (3,)), load)
    assert constant.type.numel() == 3
    assert not loads
    assert constant.array is constant.array
    assert loads == [1]


def test_contents_are_read_only_and_shared() -> None:
    array = np.zeros(3, np.float32)
    constant = Constant.of(array)
    assert np.shares_memory(constant.array, array)
    with pytest.raises(ValueError, match="read-only"):
        constant.array[0] = 1


def test_contents_must_be_as_declared() -> None:
    with pytest.raises(ValueError, match=r"declared f32\[3\]"):
        _ = Constant(TensorType(F32, (3,)), lambda: np.zeros(3, np.float64)).array


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (np.array([np.nan], np.float32), np.array([np.nan], np.float32), True),
        (np.array([np.nan], np.float32), ODD_NAN, False),
        (np.array([0.0]), np.array([-0.0]), False),
        (np.zeros(2, np.float32), np.zeros((2, 1), np.float32), False),
        (np.zeros(2, np.float16), np.zeros(2, ml_dtypes.bfloat16), False),
        (np.arange(100), np.arange(100), True),
        (np.arange(0), np.arange(0), True),
        (np.arange(12).reshape(3, 4).T, np.ascontiguousarray(np.arange(12).reshape(3, 4).T), True),
    ],
)
def test_equality_is_bit_for_bit(a: Array, b: Array, same: bool) -> None:
    left, right = Constant.of(a), Constant.of(b)
    assert (left == right) is same
    assert (left.digest == right.digest) is same
    if same:
        assert hash(left) == hash(right)


def test_one_element_among_many_makes_a_difference() -> None:
    array = np.zeros(1000, np.float32)
    other = array.copy()
    other[997] = 1
    assert Constant.of(array) != Constant.of(other)
    assert Constant.of(array) != "constant"


def test_digest_depends_on_content_alone() -> None:
    assert Constant.of(np.ones((2, 2), np.int8)).digest == Constant.of(np.ones((4, 4), np.int8)[::2, ::2]).digest
