"""The read-back evaluator on small networks: what it refuses, and what it tells of a network's tensors."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tests.support.tensorrt.element_types import NUMPY, Array
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.execution import check
from tests.support.tensorrt.library import library
from tests.support.tensorrt.network import Tensor
from tests.support.tensorrt.readback import meanings, run_network, tensors
from tests.support.tensorrt.sketch import Sketch
from tests.support.tensorrt.structure import LOOP_LAYERS

TRT = library()


def test_a_residual_block_runs() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 5, 5)).astype(np.float32)
    sketch = Sketch()
    image = sketch.input(x, (-1, 3, 5, 5))
    kernel = rng.standard_normal((3, 3, 1, 1)).astype(np.float32)
    convolved = sketch.network.add_convolution_nd(
        image, 3, (1, 1), sketch.weights(kernel), sketch.weights(np.ones(3, np.float32))
    )
    added = sketch.network.add_elementwise(convolved.get_output(0), image, TRT.ElementWiseOperation.SUM)
    (got,) = sketch.run(sketch.network.add_activation(added.get_output(0), TRT.ActivationType.RELU))
    want = np.maximum(np.einsum("nchw,mc->nmhw", x, kernel[..., 0, 0]) + 1 + x, 0)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("array", [np.zeros((2, 4), np.float16), np.zeros((2, 3), np.float32), np.zeros(4, np.float32)])
def test_inputs_of_another_type_or_dims_are_refused(array: Array) -> None:
    sketch = Sketch()
    sketch.run(sketch.network.add_identity(sketch.input(np.zeros((1, 4), np.float32), (-1, 4))))
    with pytest.raises(NetworkError, match=r"network input 'input0' is declared float32\[-1, 4\], but is"):
        run_network(sketch.network, [array])


def test_a_wrong_number_of_inputs_is_refused() -> None:
    sketch = Sketch()
    sketch.run(sketch.network.add_identity(sketch.input(np.zeros(4, np.float32))))
    with pytest.raises(NetworkError, match="has 1 inputs, 2 arrays were given"):
        run_network(sketch.network, [np.zeros(4, np.float32)] * 2)


def test_a_layer_without_a_meaning_is_named() -> None:
    sketch = Sketch()
    hidden = sketch.input(np.zeros((1, 4, 8), np.float16))
    experts = sketch.input(np.zeros((1, 4, 2), np.int32))
    scores = sketch.input(np.zeros((1, 4, 2), np.float16))
    layer = sketch.network.add_moe(hidden, experts, scores)
    weights = [sketch.constant(np.zeros(shape, np.float16)) for shape in ((4, 8, 8), (4, 8, 8), (4, 8, 8))]
    layer.set_gated_weights(*weights, TRT.MoEActType.SILU)
    layer.name = "experts"
    with pytest.raises(NetworkError, match="IMoELayer 'experts': this kind of layer has no meaning"):
        sketch.run(layer)


def test_a_failing_layer_is_named_with_its_operands() -> None:
    sketch = Sketch()
    x = sketch.input(np.zeros((2, 3), np.float32), (-1, 3))
    y = sketch.input(np.zeros((3, 3), np.float32), (-1, 3))
    layer = sketch.network.add_elementwise(x, y, TRT.ElementWiseOperation.SUM)
    layer.name = "sum"
    with pytest.raises(NetworkError, match=r"IElementWiseLayer 'sum' of \['float32\[2, 3\]', 'float32\[3, 3\]'\]"):
        sketch.run(layer)


def test_every_tensor_is_told_with_its_layer_type_and_dims() -> None:
    sketch = Sketch()
    x = sketch.input(np.zeros((2, 3), np.float16), (-1, 3))
    layer = sketch.network.add_cast(x, TRT.DataType.FLOAT)
    layer.name = "widen"
    sketch.run(sketch.network.add_topk(layer.get_output(0), TRT.TopKOperation.MAX, 1, 2))
    told = [(t.layer.name if t.layer else None, t.dtype.name, t.dims) for t in tensors(sketch.network)]
    assert told[:2] == [(None, "float16", (-1, 3)), ("widen", "float32", (-1, 3))]
    assert [entry[1:] for entry in told[2:]] == [("float32", (-1, 1)), ("int32", (-1, 1))]


@pytest.mark.parametrize("name", sorted(set(NUMPY) - {"UINT8", "E8M0"}))
def test_constants_of_every_type_are_read(name: str) -> None:
    dtype = NUMPY[name]
    values = np.array([[0, 1, 1], [1, 0, 1]] if name == "BOOL" else [[0, 1, -2], [4, -4, 3]]).astype(dtype)
    sketch = Sketch()
    layer = sketch.network.add_constant(values.shape, sketch.weights(values))
    (got,) = sketch.run(layer)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.astype(np.float32), values.astype(np.float32))


def test_every_layer_class_of_the_library_is_known_or_listed() -> None:
    classes = {name for name in dir(TRT) if name.startswith("I") and name.endswith("Layer")}
    abstract = {"ILayer", "ILoopBoundaryLayer", "IIfConditionalBoundaryLayer", "IAttentionBoundaryLayer"}
    structure = LOOP_LAYERS | {"IConditionLayer", "IIfConditionalInputLayer", "IIfConditionalOutputLayer"}
    structure |= {"IAttentionOutputLayer", "IAssertionLayer"}
    beyond = {"IPluginV2Layer", "IPluginV3Layer", "IMoELayer", "IDistCollectiveLayer"}
    assert classes - abstract - structure - beyond == meanings().keys() & classes
    assert meanings().keys() <= classes


@pytest.mark.parametrize("array", [np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float16), np.zeros(3, np.float16)])
def test_a_result_other_than_declared_is_an_error(array: Array) -> None:
    with pytest.raises(NetworkError, match=r"is declared float16\[-1, 3\], but is"):
        check(Tensor("y", None, np.dtype(np.float16), (-1, 3)), array)


def test_narrow_floats_round_after_each_layer() -> None:
    x = np.array([1.0], ml_dtypes.bfloat16)
    sketch = Sketch()
    tensor = sketch.input(x)
    eighth = sketch.constant([2.0**-9], ml_dtypes.bfloat16)
    once = sketch.network.add_elementwise(tensor, eighth, TRT.ElementWiseOperation.SUM)
    twice = sketch.network.add_elementwise(once.get_output(0), eighth, TRT.ElementWiseOperation.SUM)
    (got,) = sketch.run(twice)
    assert got.dtype == ml_dtypes.bfloat16
    assert float(got[0]) == 1.0  # 1 + 2**-8 if it were rounded only at the end


def test_a_false_assertion_of_the_network_is_an_error() -> None:
    sketch = Sketch()
    x = sketch.input(np.zeros((2, 3), np.float32), (-1, 3))
    size = sketch.network.add_shape(x).get_output(0)
    wanted = sketch.network.add_elementwise(size, sketch.constant([4, 3], np.int64), TRT.ElementWiseOperation.EQUAL)
    sketch.network.add_assertion(wanted.get_output(0), "four rows")
    with pytest.raises(NetworkError, match="four rows"):
        sketch.run(sketch.network.add_identity(x))
