"""The read-back evaluator's normalizations, attention and quantization."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.library import library
from tests.support.tensorrt.onnx_reference import onnx_node
from tests.support.tensorrt.sketch import Sketch

TRT = library()


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def normalized(x: Array, scale: Array, bias: Array, mask: int, groups: int = 1, old: bool = False) -> Array:
    sketch = Sketch()
    add = sketch.network.add_normalization if old else sketch.network.add_normalization_v2
    layer = add(sketch.input(x), sketch.input(scale), sketch.input(bias), mask)
    layer.epsilon, layer.num_groups = 1e-3, groups
    return sketch.run(layer)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_layer_normalization(dtype: Any) -> None:
    x, scale, bias = normal(2, 3, 8).astype(dtype), normal(1, 1, 8).astype(dtype), normal(1, 1, 8).astype(dtype)
    (want,) = onnx_node(
        "LayerNormalization", *(a.astype(np.float32) for a in (x, scale[0, 0], bias[0, 0])), axis=-1, epsilon=1e-3
    )
    got = normalized(x, scale, bias, 0b100)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, want, rtol=1e-5 if dtype == np.float32 else 2e-3, atol=1e-3)


def test_instance_normalization() -> None:
    x, scale, bias = normal(2, 3, 4, 5), normal(1, 3, 1, 1), normal(1, 3, 1, 1) + 1
    (want,) = onnx_node("InstanceNormalization", x, scale.reshape(-1), bias.reshape(-1), epsilon=1e-3)
    np.testing.assert_allclose(normalized(x, scale, bias, 0b1100), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("old", [False, True])
def test_group_normalization(old: bool) -> None:
    x = normal(2, 6, 4, 5)
    parameters = 3 if old else 6
    scale, bias = normal(1, parameters, 1, 1), normal(1, parameters, 1, 1) + 1
    repeats = 6 // parameters
    (want,) = onnx_node(
        "GroupNormalization", x, *(np.repeat(p.reshape(-1), repeats) for p in (scale, bias)), num_groups=3, epsilon=1e-3
    )
    np.testing.assert_allclose(normalized(x, scale, bias, 0b1100, 3, old), want, rtol=1e-4, atol=1e-5)


def test_local_response_normalization() -> None:
    x = normal(5, 5, 2, 3)  # the reference evaluator takes the batch size for the number of channels
    sketch = Sketch()
    layer = sketch.network.add_lrn(sketch.input(x), 3, 0.5, 0.75, 2.0)
    (want,) = onnx_node("LRN", x, size=3, alpha=0.5, beta=0.75, bias=2.0)
    np.testing.assert_allclose(sketch.run(layer)[0], want, rtol=1e-5)


@pytest.mark.parametrize("mode", ["UNIFORM", "CHANNEL", "ELEMENTWISE"])
def test_scale(mode: str) -> None:
    x = np.abs(normal(2, 3, 2, 2))
    shape = {"UNIFORM": (1,), "CHANNEL": (3, 1, 1), "ELEMENTWISE": (3, 2, 2)}[mode]
    shift, scale = (np.abs(normal(*shape)) + i for i in range(2))
    power = np.full(shape, 2, np.float32)
    sketch = Sketch()
    parameters = (sketch.weights(p) for p in (shift, scale, power))
    layer = sketch.network.add_scale_nd(sketch.input(x), getattr(TRT.ScaleMode, mode), *parameters, 1)
    np.testing.assert_allclose(sketch.run(layer)[0], (x * scale + shift) ** 2, rtol=1e-6)


def attended(q: Array, k: Array, v: Array, mask: Array | None = None, causal: str = "NONE") -> Array:
    sketch = Sketch()
    operands = [sketch.input(a) for a in (q, k, v)]
    kind = getattr(TRT.CausalMaskKind, causal)
    layer = sketch.network.add_attention_v2(*operands, TRT.AttentionNormalizationOp.SOFTMAX, kind)
    layer.decomposable = True
    if mask is not None:
        layer.mask = sketch.input(mask)
    return sketch.run(layer)[0]


def attention_by_hand(q: Array, k: Array, v: Array, mask: Array) -> Array:
    share = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, share, 1), np.repeat(v, share, 1)
    powers = np.exp(np.einsum("bhqd,bhkd->bhqk", q, k).astype(np.float64) + mask)
    return np.asarray(np.einsum("bhqk,bhkd->bhqd", powers / powers.sum(-1, keepdims=True), v))


Q, K, V = normal(2, 4, 3, 8) / 4, normal(2, 2, 5, 8), normal(2, 2, 5, 8) + 1


@pytest.mark.parametrize("kind", ["none", "added", "allowed"])
def test_attention_has_no_factor_of_its_own(kind: str) -> None:
    added = normal(1, 4, 3, 5)
    allowed = np.random.default_rng(0).random((2, 1, 3, 5)) < 0.7
    allowed[..., 0] = True
    mask = {"none": None, "added": added, "allowed": allowed}[kind]
    want = {"none": np.zeros(1), "added": added, "allowed": np.where(allowed, 0, -np.inf)}[kind]
    np.testing.assert_allclose(attended(Q, K, V, mask), attention_by_hand(Q, K, V, want), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("causal", "shift"), [("UPPER_LEFT", 0), ("LOWER_RIGHT", 2)])
def test_causal_attention_is_anchored_at_a_corner(causal: str, shift: int) -> None:
    mask = np.where(np.arange(5) <= np.arange(3)[:, None] + shift, 0, -np.inf)
    np.testing.assert_allclose(attended(Q, K, V, None, causal), attention_by_hand(Q, K, V, mask), rtol=1e-4, atol=1e-6)


def test_attention_of_the_first_release() -> None:
    sketch = Sketch()
    operands = [sketch.input(a.astype(np.float16)) for a in (Q, K, V)]
    layer = sketch.network.add_attention(*operands, TRT.AttentionNormalizationOp.SOFTMAX, True)
    mask = np.where(np.arange(5) <= np.arange(3)[:, None], 0, -np.inf)
    np.testing.assert_allclose(sketch.run(layer)[0], attention_by_hand(Q, K, V, mask), rtol=1e-2, atol=1e-2)


def test_attention_of_packed_sequences() -> None:
    """One of two tokens that sees three, one of one token that sees two."""
    query, key, value = normal(3, 4, 8) / 4, normal(5, 2, 8), normal(5, 2, 8) + 1
    sketch = Sketch()
    operands = [sketch.input(a) for a in (query, key, value)]
    layer = sketch.network.add_attention_v2(
        *operands, TRT.AttentionNormalizationOp.SOFTMAX, TRT.CausalMaskKind.LOWER_RIGHT
    )
    layer.query_form = layer.key_value_form = TRT.AttentionIOForm.PACKED_NHD
    layer.query_lengths = sketch.input(np.array([0, 2, 3], np.int32))
    layer.key_value_lengths = sketch.input(np.array([0, 3, 5], np.int32))
    (got,) = sketch.run(layer)
    mask = np.array([[0, 0, -np.inf], [0, 0, 0]])
    batched = [a.swapaxes(0, 1)[None] for a in (query, key, value)]
    first = attention_by_hand(batched[0][:, :, :2], batched[1][:, :, :3], batched[2][:, :, :3], mask)
    second = attention_by_hand(batched[0][:, :, 2:], batched[1][:, :, 3:], batched[2][:, :, 3:], np.zeros(1))
    want = np.concatenate([first, second], 2)[0].swapaxes(0, 1)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


def test_attention_stops_at_the_length_of_its_keys() -> None:
    sketch = Sketch()
    operands = [sketch.input(a) for a in (Q, K, V)]
    layer = sketch.network.add_attention_v2(*operands, TRT.AttentionNormalizationOp.SOFTMAX, TRT.CausalMaskKind.NONE)
    layer.key_value_lengths = sketch.input(np.array([5, 2], np.int32))
    mask = np.where(np.arange(5) < np.array([5, 2]).reshape(2, 1, 1, 1), 0, -np.inf)
    np.testing.assert_allclose(sketch.run(layer)[0], attention_by_hand(Q, K, V, mask), rtol=1e-4, atol=1e-6)


def test_probabilities_of_attention_may_be_quantized() -> None:
    sketch = Sketch()
    q, k = np.zeros((1, 1, 1, 8), np.float16), np.zeros((1, 1, 3, 8), np.float16)
    value = np.arange(24, dtype=np.float16).reshape(1, 1, 3, 8)
    layer = sketch.network.add_attention_v2(
        *(sketch.input(a) for a in (q, k, value)), TRT.AttentionNormalizationOp.SOFTMAX, TRT.CausalMaskKind.NONE
    )
    layer.normalization_quantize_scale = sketch.constant(np.float16(0.125))
    layer.normalization_quantize_to_type = TRT.int8
    # a third is 3 eighths after rounding
    np.testing.assert_array_equal(sketch.run(layer)[0], 0.375 * value.sum(2, keepdims=True))


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("width", [0, 4])
@pytest.mark.parametrize("indexed", [False, True])
def test_rotary_embedding(interleaved: bool, width: int, indexed: bool) -> None:
    x, half = normal(2, 3, 5, 8), (width or 8) // 2
    angles = normal(10, half)
    positions = np.random.default_rng(0).integers(0, 10, (2, 5))
    caches = [f(angles) if indexed else f(angles)[positions] for f in (np.cos, np.sin)]
    sketch = Sketch()
    operands = [sketch.input(a) for a in (x, *caches)]
    layer = sketch.network.add_rotary_embedding(*operands, interleaved, width)
    if indexed:
        layer.set_input(3, sketch.input(positions))
    options = {"interleaved": int(interleaved), "rotary_embedding_dim": width}
    (want,) = onnx_node("RotaryEmbedding", x, *caches, *([positions] if indexed else []), **options)
    np.testing.assert_allclose(sketch.run(layer)[0], want, rtol=1e-5, atol=1e-6)


def test_a_cache_is_updated_at_each_sequences_place() -> None:
    cache, update = np.zeros((2, 1, 4, 2), np.float16), np.ones((2, 1, 2, 2), np.float16)
    sketch = Sketch()
    operands = [sketch.input(a) for a in (cache, update, np.array([0, 2], np.int32))]
    (got,) = sketch.run(sketch.network.add_kv_cache_update(*operands, TRT.KVCacheMode.LINEAR))
    np.testing.assert_array_equal(got[:, 0, :, 0], [[1, 1, 0, 0], [0, 0, 1, 1]])


def test_a_cache_takes_packed_updates() -> None:
    cache, update = np.zeros((2, 1, 4, 2), np.float16), np.ones((3, 1, 2), np.float16)
    sketch = Sketch()
    operands = [sketch.input(a) for a in (cache, update, np.array([0, 2], np.int32))]
    layer = sketch.network.add_kv_cache_update(*operands, TRT.KVCacheMode.LINEAR)
    layer.update_form = TRT.AttentionIOForm.PACKED_NHD
    layer.update_lengths = sketch.input(np.array([0, 1, 3], np.int32))
    (got,) = sketch.run(layer)
    np.testing.assert_array_equal(got[:, 0, :, 0], [[1, 0, 0, 0], [0, 0, 1, 1]])


def quantized(x: Array, scale: Any, dtype: Any, axis: int = -1) -> tuple[Array, Array]:
    sketch = Sketch()
    operand = sketch.constant(scale)
    layer = sketch.network.add_quantize(sketch.input(x), operand, dtype)
    back = sketch.network.add_dequantize(layer.get_output(0), operand, TRT.float32)
    layer.axis = back.axis = axis
    first, second = sketch.run(layer, back)
    return first, second


def test_int8_rounds_to_even_and_saturates() -> None:
    x = np.array([0.25, 0.75, -0.75, 1000, -1000], np.float32)
    whole, back = quantized(x, np.float32(0.5), TRT.int8)
    np.testing.assert_array_equal(whole, np.array([0, 2, -2, 127, -128], np.int8))
    np.testing.assert_array_equal(back, [0, 1, -1, 63.5, -64])


def test_fp8_rounds_to_its_own_numbers_and_saturates() -> None:
    whole, back = quantized(np.array([17, 19, 1e4], np.float32), np.float32(1), TRT.fp8)
    assert whole.dtype == ml_dtypes.float8_e4m3fn
    np.testing.assert_array_equal(back, [16, 20, 448])


def test_a_scale_for_each_channel() -> None:
    x = np.full((2, 3), 6, np.float32)
    for axis, scale, want in ((0, [1, 2], [[6] * 3, [3] * 3]), (1, [1, 2, 3], [[6, 3, 2]] * 2)):
        np.testing.assert_array_equal(quantized(x, np.array(scale, np.float32), TRT.int8, axis)[0], want)


def test_blocks_of_4_bit_weights() -> None:
    values = np.array([[1, -8], [7, 2], [-1, 3], [4, 0]]).astype(ml_dtypes.int4)
    scale = np.array([[1, 0.5], [2, 10]], np.float16)
    sketch = Sketch()
    layer = sketch.network.add_dequantize(sketch.constant(values), sketch.constant(scale), TRT.float16)
    np.testing.assert_array_equal(sketch.run(layer)[0], [[1, -4], [7, 1], [-2, 30], [8, 0]])


def test_zero_points_are_zero() -> None:
    sketch = Sketch()
    layer = sketch.network.add_dequantize(
        sketch.input(np.zeros(4, np.int8)), sketch.constant(np.float32(1)), TRT.float32
    )
    layer.set_input(2, sketch.constant(np.int8(3)))
    with pytest.raises(NetworkError, match="zero points must be zero"):
        sketch.run(layer)


def test_dynamic_quantization_to_powers_of_two() -> None:
    x = np.zeros((1, 64), np.float32)
    x[0, :2], x[0, 32] = (448 * 3, 100), 7
    sketch = Sketch()
    layer = sketch.network.add_dynamic_quantize(sketch.input(x), 1, 32, TRT.fp8, TRT.DataType.E8M0)
    data, scale = sketch.run(layer)
    np.testing.assert_array_equal(scale.astype(np.float32), [[4, 2.0**-6]])  # 3, and 1 / 64 exactly
    np.testing.assert_array_equal(data.astype(np.float32)[0, [0, 1, 32]], [336 - 16, 25 - 1, 448])


def test_dynamic_quantization_with_scales_of_scales() -> None:
    x = np.zeros((1, 32), np.float32)
    x[0, :3], x[0, 16] = (24, 10, -3), 6
    sketch = Sketch()
    layer = sketch.network.add_dynamic_quantize(sketch.input(x), 1, 16, TRT.fp4, TRT.fp8)
    layer.set_input(1, sketch.constant(np.float32(0.5)))
    data, scale = sketch.run(layer)
    np.testing.assert_array_equal(scale.astype(np.float32), [[8, 2]])
    np.testing.assert_array_equal(data.astype(np.float32)[0, [0, 1, 2, 16]], [6, 2, -1, 6])
