"""The read-back evaluator's layers that take indices, against ONNX's reference evaluator and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.library import library
from tests.support.tensorrt.onnx_reference import onnx_node
from tests.support.tensorrt.sketch import Sketch

TRT = library()
DATA = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)


def gathered(data: Array, indices: Array, mode: str, axis: int = 0, along: int = 0) -> Array:
    sketch = Sketch()
    layer = sketch.network.add_gather_v2(sketch.input(data), sketch.input(indices), getattr(TRT.GatherMode, mode))
    layer.num_elementwise_dims = along
    if mode != "ND":
        layer.axis = axis
    return sketch.run(layer)[0]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("indices", [np.array(1), np.array([[2, 0], [-1, 1]])])
def test_gather(axis: int, indices: Array) -> None:
    (want,) = onnx_node("Gather", DATA, indices, axis=axis)
    np.testing.assert_array_equal(gathered(DATA, indices, "DEFAULT", axis), want)


def test_gather_row_by_row() -> None:
    indices = np.array([[1], [0], [3]])
    want = np.stack([row[at] for row, at in zip(DATA, indices, strict=True)])
    np.testing.assert_array_equal(gathered(DATA, indices, "DEFAULT", 1, along=1), want)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gather_elements(axis: int) -> None:
    indices = np.random.default_rng(1).integers(-3, 3, [2 if i == axis else n for i, n in enumerate(DATA.shape)])
    (want,) = onnx_node("GatherElements", DATA, indices, axis=axis)
    np.testing.assert_array_equal(gathered(DATA, indices, "ELEMENT", axis), want)


@pytest.mark.parametrize(
    ("indices", "along"),
    [(np.array([[0, 1], [2, -1]]), 0), (np.array([[[1]], [[2]], [[0]]]), 1), (np.array([[0, 1, 2]]), 0)],
)
def test_gather_nd(indices: Array, along: int) -> None:
    (want,) = onnx_node("GatherND", DATA, indices, batch_dims=along)
    np.testing.assert_array_equal(gathered(DATA, indices, "ND", along=along), want)


def test_gather_beyond_the_bounds_gives_zeros() -> None:
    np.testing.assert_array_equal(gathered(DATA, np.array([1, 9]), "DEFAULT", 0), np.stack([DATA[1], 0 * DATA[0]]))


def test_a_negative_index_into_a_dynamic_axis_is_undefined() -> None:
    sketch = Sketch()
    layer = sketch.network.add_gather(sketch.input(DATA, (-1, 4, 5)), sketch.input(np.array([-1])), 0)
    with pytest.raises(NetworkError, match="negative index for axis 0, which has dynamic length"):
        sketch.run(layer)


def scattered(data: Array, indices: Array, updates: Array, mode: str, axis: int = 0) -> Array:
    sketch = Sketch()
    inputs = (sketch.input(data), sketch.input(indices), sketch.input(updates))
    layer = sketch.network.add_scatter(*inputs, getattr(TRT.ScatterMode, mode))
    if mode == "ELEMENT":
        layer.axis = axis
    return sketch.run(layer)[0]


@pytest.mark.parametrize("axis", [0, 1])
def test_scatter_elements(axis: int) -> None:
    indices, updates = np.array([[1, 0, 2], [0, 2, 1]]), np.arange(6, dtype=np.float32).reshape(2, 3)
    data = np.full((3, 3), 9, np.float32)
    if axis == 1:
        indices = np.array([[1, 0, 2], [0, -1, 1]])
    (want,) = onnx_node("ScatterElements", data, indices, updates, axis=axis)
    np.testing.assert_array_equal(scattered(data, indices, updates, "ELEMENT", axis), want)


@pytest.mark.parametrize("indices", [np.array([[2], [0]]), np.array([[[0, 1]], [[2, 3]]])])
def test_scatter_nd(indices: Array) -> None:
    shape = indices.shape[:-1] + DATA.shape[indices.shape[-1] :]
    updates = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    (want,) = onnx_node("ScatterND", DATA, indices, updates)
    np.testing.assert_array_equal(scattered(DATA, indices, updates, "ND"), want)


def test_two_writes_to_one_element_are_undefined_unless_they_agree() -> None:
    data, indices = np.zeros(3, np.float32), np.array([[1], [1]])
    np.testing.assert_array_equal(scattered(data, indices, np.array([4, 4], np.float32), "ND"), [0, 4, 0])
    with pytest.raises(NetworkError, match="different values to one element"):
        scattered(data, indices, np.array([4, 5], np.float32), "ND")


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot(axis: int) -> None:
    indices, values = np.array([[0, 2], [1, 1]], np.int32), np.array([-1, 5], np.float32)
    sketch = Sketch()
    layer = sketch.network.add_one_hot(sketch.input(indices), sketch.input(values), sketch.constant(3, np.int32), axis)
    (want,) = onnx_node("OneHot", indices, np.array(3), values, axis=axis)
    np.testing.assert_array_equal(sketch.run(layer)[0], want)


def test_non_zero_lists_positions_in_row_major_order() -> None:
    sketch = Sketch()
    layer = sketch.network.add_non_zero(sketch.input(np.array([[0, 3, 0], [1, 0, 2]], np.float16)))
    np.testing.assert_array_equal(sketch.run(layer)[0], [[0, 1, 1], [1, 0, 2]])


@pytest.mark.parametrize("batch", [0, 1])
def test_reverse_sequence(batch: int) -> None:
    lengths = np.array([1, 3, 2, 0][: DATA.shape[batch]])
    sketch = Sketch()
    layer = sketch.network.add_reverse_sequence(sketch.input(DATA), sketch.input(lengths))
    layer.batch_axis, layer.sequence_axis = batch, 1 - batch
    (want,) = onnx_node("ReverseSequence", DATA, lengths, batch_axis=batch, time_axis=1 - batch)
    np.testing.assert_array_equal(sketch.run(layer)[0], want)
