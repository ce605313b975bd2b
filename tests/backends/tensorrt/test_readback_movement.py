"""The read-back evaluator's constants, fills, shapes, and layers that move elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.library import library
from tests.support.tensorrt.sketch import Sketch

TRT = library()
CUBE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_linspace_is_an_affine_function_of_the_indices() -> None:
    """The example of NvInfer.h's FillOperation."""
    sketch = Sketch()
    layer = sketch.network.add_fill((), TRT.FillOperation.LINSPACE, TRT.float32)
    for i, value in enumerate((np.array([3, 4]), np.float32(1), np.array([100, 10], np.float32))):
        layer.set_input(i, sketch.constant(value))
    want = [[1, 11, 21, 31], [101, 111, 121, 131], [201, 211, 221, 231]]
    np.testing.assert_array_equal(sketch.run(layer)[0], want)


def test_linspace_with_numbers_of_its_own() -> None:
    sketch = Sketch()
    layer = sketch.network.add_fill((4,), TRT.FillOperation.LINSPACE, TRT.int64)
    layer.alpha, layer.beta = 5, -2
    (got,) = sketch.run(layer)
    np.testing.assert_array_equal(got, np.array([5, 3, 1, -1], np.int64))


@pytest.mark.parametrize("kind", ["RANDOM_UNIFORM", "RANDOM_NORMAL"])
def test_random_fills_follow_their_distribution(kind: str) -> None:
    sketch = Sketch()
    layer = sketch.network.add_fill((100, 100), getattr(TRT.FillOperation, kind), TRT.float32)
    layer.alpha, layer.beta = 2.0, 6.0
    (got,) = sketch.run(layer)
    assert abs(got.mean() - (4 if kind == "RANDOM_UNIFORM" else 2)) < 0.3
    assert abs(got.std() - (4 / 12**0.5 if kind == "RANDOM_UNIFORM" else 6)) < 0.3


def test_shape_is_i64() -> None:
    sketch = Sketch()
    (got,) = sketch.run(sketch.network.add_shape(sketch.input(CUBE, (-1, 3, 4))))
    np.testing.assert_array_equal(got, np.array([2, 3, 4], np.int64))


def shuffled(dims: Any, first: Any = None, second: Any = None, dynamic: bool = False) -> Array:
    sketch = Sketch()
    layer = sketch.network.add_shuffle(sketch.input(CUBE))
    if first:
        layer.first_transpose = first
    if second:
        layer.second_transpose = second
    if dynamic:
        layer.set_input(1, sketch.constant(dims, np.int64))
    elif dims is not None:
        layer.reshape_dims = dims
    return sketch.run(layer)[0]


def test_shuffle_transposes_reshapes_and_transposes() -> None:
    np.testing.assert_array_equal(shuffled(None, (1, 2, 0)), CUBE.transpose(1, 2, 0))
    np.testing.assert_array_equal(shuffled((0, -1)), CUBE.reshape(2, 12))
    np.testing.assert_array_equal(shuffled((0, -1), dynamic=True), CUBE.reshape(2, 12))
    want = CUBE.transpose(2, 0, 1).reshape(4, 6).T
    np.testing.assert_array_equal(shuffled((0, 6), (2, 0, 1), (1, 0)), want)


def test_shuffle_to_a_scalar_and_to_nothing() -> None:
    sketch = Sketch()
    layer = sketch.network.add_shuffle(sketch.input(np.ones((1, 1), np.float32)))
    layer.reshape_dims = ()
    assert sketch.run(layer)[0].shape == ()
    sketch = Sketch()
    layer = sketch.network.add_shuffle(sketch.input(np.ones((0, 3), np.float32)))
    layer.zero_is_placeholder = False
    layer.reshape_dims = (3, 0)
    assert sketch.run(layer)[0].shape == (3, 0)


def test_concatenation() -> None:
    sketch = Sketch()
    layer = sketch.network.add_concatenation([sketch.input(CUBE), sketch.input(CUBE[:, :1])])
    layer.axis = 1
    np.testing.assert_array_equal(sketch.run(layer)[0], np.concatenate([CUBE, CUBE[:, :1]], 1))


def test_squeeze_and_unsqueeze() -> None:
    sketch = Sketch()
    wide = sketch.network.add_unsqueeze(sketch.input(CUBE), sketch.constant([0, -1], np.int64))
    narrow = sketch.network.add_squeeze(wide.get_output(0), sketch.constant([-1], np.int64))
    assert [y.shape for y in sketch.run(wide, narrow)] == [(1, 2, 3, 4, 1), (1, 2, 3, 4)]


def test_squeeze_of_every_unit_dimension() -> None:
    sketch = Sketch()
    layer = sketch.network.add_squeeze(sketch.input(CUBE.reshape(1, 2, 1, 12)))
    assert sketch.run(layer)[0].shape == (2, 12)


def sliced(
    x: Array, start: Any, size: Any, stride: Any, mode: str = "STRICT_BOUNDS", fill: Any = None, dynamic: bool = False
) -> Array:
    sketch = Sketch()
    none = (0,) * x.ndim
    layer = sketch.network.add_slice(sketch.input(x), *((none,) * 3 if dynamic else (start, size, stride)))
    layer.mode = getattr(TRT.SampleMode, mode)
    if dynamic:
        for i, value in enumerate((start, size, stride), 1):
            layer.set_input(i, sketch.constant(value, np.int64))
    if fill is not None:
        layer.set_input(4, sketch.constant(fill, x.dtype))
    return sketch.run(layer)[0]


ROW = np.array([10, 11, 12, 13], np.float32)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(
    ("mode", "start", "stride", "want"),
    [
        ("STRICT_BOUNDS", 3, -1, [13, 12, 11, 10]),
        ("WRAP", -1, 1, [13, 10, 11, 12, 13, 10]),
        ("CLAMP", -2, 1, [10, 10, 10, 11, 12, 13, 13]),
        ("FILL", -1, 2, [7, 11, 13, 7]),
        ("REFLECT", -2, 1, [12, 11, 10, 11, 12, 13, 12, 11, 10, 11]),
    ],
)
def test_slice_modes(mode: str, start: int, stride: int, want: list[int], dynamic: bool) -> None:
    fill = 7 if mode == "FILL" else None
    got = sliced(ROW, (start,), (len(want),), (stride,), mode, fill, dynamic)
    np.testing.assert_array_equal(got, want)


def test_slice_of_several_axes() -> None:
    np.testing.assert_array_equal(sliced(CUBE, (1, 2, 3), (1, 3, 2), (1, -1, -2)), CUBE[1:2, ::-1, 3::-2])
    got = sliced(CUBE, (0, -1, 0), (2, 4, 5), (1, 1, 1), "FILL")
    np.testing.assert_array_equal(got, np.pad(CUBE, ((0, 0), (1, 0), (0, 1))))


def test_slice_of_named_axes() -> None:
    """The example of NvInfer.h's ISliceLayer."""
    sketch = Sketch()
    x = sketch.input(np.array([[0, 2, 4], [1, 3, 5]], np.int32))
    layer = sketch.network.add_slice(x, (1,), (2,), (1,))
    layer.axes = (1,)
    np.testing.assert_array_equal(sketch.run(layer)[0], [[2, 4], [3, 5]])


def test_strict_slices_do_not_read_beyond_the_bounds() -> None:
    sketch = Sketch()
    layer = sketch.network.add_slice(sketch.input(ROW, (-1,)), (2,), (3,), (1,))
    with pytest.raises(NetworkError, match="STRICT_BOUNDS reads elements"):
        sketch.run(layer)


def test_padding_pads_and_crops() -> None:
    sketch = Sketch()
    x = CUBE.reshape(1, 2, 3, 4)
    layer = sketch.network.add_padding_nd(sketch.input(x), (1, -1), (0, 2))
    np.testing.assert_array_equal(sketch.run(layer)[0], np.pad(x[..., 1:], ((0, 0), (0, 0), (1, 0), (0, 2))))
