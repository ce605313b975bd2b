"""Ops of arithmetic, shapes and indexing for the fixture of single ops: what to call, and with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

raw = tf.raw_ops
_RNG = np.random.default_rng(3)
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """A function of tensors, the arrays to call it with, and which of their dimensions the signature leaves open."""

    function: Callable[..., Any]
    inputs: Arrays
    open_: Sequence[int] = ()


def f(*shape: int) -> NDArray[np.float32]:
    """Normal numbers."""
    return _RNG.standard_normal(shape).astype(np.float32)


def i(*numbers: Any, dtype: Any = np.int32) -> NDArray[Any]:
    """Integers."""
    return np.array(numbers, dtype)


def _unary(name: str, x: NDArray[Any]) -> Case:
    return Case(lambda x: getattr(raw, name)(x=x), {"x": x}, (0,))


def _binary(name: str, x: NDArray[Any], y: NDArray[Any]) -> Case:
    return Case(lambda x, y: getattr(raw, name)(x=x, y=y), {"x": x, "y": y})


CASES: dict[str, Case] = {}
for _name in [
    "Abs",
    "Asinh",
    "Atan",
    "Ceil",
    "Cos",
    "Cosh",
    "Erf",
    "Erfc",
    "Exp",
    "Expm1",
    "Floor",
    "Inv",
    "Neg",
    "Reciprocal",
    "Rint",
    "Round",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Square",
    "Tan",
    "Tanh",
]:
    CASES[_name] = _unary(_name, f(3, 4))
for _name in ["Log", "Log1p", "Rsqrt", "Sqrt", "Acosh"]:
    CASES[_name] = _unary(_name, np.abs(f(3, 4)) + 1)
for _name in ["Acos", "Asin", "Atanh", "Erfinv"]:
    CASES[_name] = _unary(_name, np.tanh(f(3, 4)) * np.float32(0.9))
for _name in [
    "AddV2",
    "Atan2",
    "Div",
    "DivNoNan",
    "FloorDiv",
    "FloorMod",
    "Maximum",
    "Minimum",
    "Mul",
    "MulNoNan",
    "RealDiv",
    "SquaredDifference",
    "Sub",
    "Xdivy",
]:
    CASES[_name] = _binary(_name, f(3, 4), f(4))
for _name in ["Xlogy", "Pow"]:
    CASES[_name] = _binary(_name, np.abs(f(3, 4)), np.abs(f(4)) + np.float32(0.1))
for _name in ["FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div"]:
    CASES[f"{_name}_int"] = _binary(_name, i(7, -7, 8, -9), i(2, 2, -3, -3))
for _name in ["Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"]:
    CASES[_name] = _binary(_name, i(1, 2, 3), i(3, 2, 1))
for _name in ["Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign"]:
    CASES[_name] = Case(lambda x, name=_name: getattr(raw, name)(features=x), {"x": f(3, 4) * 4})
CASES |= {
    "Softmax": Case(tf.nn.softmax, {"logits": f(2, 3, 4)}),
    "LogSoftmax": Case(tf.nn.log_softmax, {"logits": f(2, 4)}),
    "IsFinite": Case(tf.math.is_finite, {"x": np.array([1, np.inf, np.nan, -np.inf], np.float32)}),
    "IsInf": Case(tf.math.is_inf, {"x": np.array([1, np.inf, np.nan, -np.inf], np.float32)}),
    "Select_rows": Case(
        lambda c, x, y: raw.Select(condition=c, x=x, y=y), {"c": np.array([True, False]), "x": f(2, 3), "y": f(2, 3)}
    ),
    "SelectV2": Case(tf.where, {"condition": np.array([[True], [False]]), "x": f(2, 3), "y": f(3)}),
    "ClipByValue": Case(lambda x: tf.clip_by_value(x, -0.5, 0.5), {"x": f(3, 4)}),
    "Cast": Case(lambda x: tf.cast(tf.cast(x, tf.int32), tf.float16), {"x": f(3, 4) * 9}),
    "AddN": Case(lambda x, y: tf.add_n([x, y, x]), {"x": f(2, 3), "y": f(2, 3)}),
    "Mean_int": Case(lambda x: tf.reduce_mean(x, 1), {"x": i([7, 8, 10], [-7, -8, -10])}),
    "ArgMin": Case(lambda x: tf.argmin(x, 1, tf.int32), {"x": f(3, 4)}),
    "Cumsum": Case(lambda x: tf.cumsum(x, 1, exclusive=True, reverse=True), {"x": f(3, 4)}),
    "Cumprod": Case(lambda x: tf.math.cumprod(x, 1), {"x": f(3, 5)}),
    "Cumprod_exclusive": Case(lambda x: tf.math.cumprod(x, 0, exclusive=True, reverse=True), {"x": f(3, 5)}),
    "TopKV2": Case(lambda x: dict(zip("vi", tf.math.top_k(x, 3), strict=True)), {"x": f(2, 7)}),
    "InTopKV2": Case(lambda x: tf.math.in_top_k(np.array([1, 0]), x, 2), {"x": f(2, 5)}),
    "EuclideanNorm": Case(lambda x: tf.math.reduce_euclidean_norm(x, 1), {"x": f(3, 4)}),
    "All": Case(lambda x: tf.reduce_all(x > 0, 1, keepdims=True), {"x": f(3, 2)}),
    "reduce_std": Case(lambda x: tf.math.reduce_std(x, 0), {"x": f(3, 4)}, (0,)),
    "logsumexp": Case(lambda x: tf.reduce_logsumexp(x, 1), {"x": f(3, 4)}, (0,)),
    "Einsum": Case(lambda x, y: tf.einsum("bij,bkj->bik", x, y), {"x": f(2, 3, 4), "y": f(2, 5, 4)}, (0,)),
    "Einsum_implicit": Case(lambda x, y: raw.Einsum(inputs=[x, y], equation="ba,bc->ac"), {"x": f(3, 2), "y": f(3, 4)}),
    "MatrixBandPart": Case(lambda x: tf.linalg.band_part(x, 1, 0), {"x": f(2, 4, 4)}),
    "MatrixDiagV3": Case(tf.linalg.diag, {"diagonal": f(2, 3)}),
    "MatMul_transposed": Case(
        lambda x, y: tf.matmul(x, y, transpose_a=True, transpose_b=True), {"x": f(4, 3), "y": f(5, 4)}
    ),
    "BatchMatMul_adjoint": Case(lambda x, y: tf.matmul(x, y, adjoint_b=True), {"x": f(2, 3, 4), "y": f(2, 5, 4)}, (0,)),
    "Cross": Case(tf.linalg.cross, {"a": f(2, 3), "b": f(2, 3)}),
    # -- shapes
    "Slice": Case(lambda x: tf.slice(x, [0, 1, 1], [-1, 2, -1]), {"x": f(2, 4, 5)}, (0,)),
    "Slice_computed": Case(lambda x, n: tf.slice(x, [n[0], 1], [2, -1]), {"x": f(5, 4), "n": i(2)}),
    "StridedSlice_masks": Case(lambda x: x[..., tf.newaxis, 1:-1:2, -1], {"x": f(2, 3, 7, 4)}, (0,)),
    "StridedSlice_backward": Case(lambda x: x[::-1, 5:1:-2], {"x": f(3, 7)}, (0,)),
    "StridedSlice_computed": Case(lambda x, n: x[n[0] :, : n[1], n[2]], {"x": f(4, 5, 3), "n": i(1, 3, 2)}),
    "StridedSlice_negative": Case(lambda x: x[-3:, :-1], {"x": f(5, 4)}),
    "TensorStridedSliceUpdate": Case(
        lambda x, y: raw.TensorStridedSliceUpdate(input=x, begin=[1, 0], end=[3, 2], strides=[1, 1], value=y),
        {"x": f(4, 3), "y": f(2, 2)},
    ),
    "Squeeze": Case(lambda x: tf.squeeze(x, [1]), {"x": f(3, 1, 2)}, (0,)),
    "Unpack": Case(lambda x: dict(zip("abc", tf.unstack(x, axis=1), strict=True)), {"x": f(2, 3, 4)}, (0,)),
    "SplitV": Case(lambda x: dict(zip("ab", tf.split(x, [2, -1], 1), strict=True)), {"x": f(2, 5)}, (0,)),
    "Pack": Case(lambda x, y: tf.stack([x, y], -1), {"x": f(2, 3), "y": f(2, 3)}),
    "Tile": Case(lambda x: tf.tile(x, [2, 3]), {"x": f(2, 3)}, (0,)),
    "Tile_computed": Case(lambda x, n: tf.tile(x, n), {"x": f(2, 3), "n": i(2, 1)}),
    "PadV2": Case(lambda x: tf.pad(x, [[1, 0], [2, 3]], constant_values=7.0), {"x": f(2, 3)}, (0,)),
    "Pad_computed": Case(lambda x, n: tf.pad(x, n), {"x": f(2, 3), "n": i([1, 0], [0, 2])}),
    "MirrorPad_reflect": Case(lambda x: tf.pad(x, [[1, 0], [2, 2]], "REFLECT"), {"x": f(3, 4)}),
    "MirrorPad_symmetric": Case(lambda x: tf.pad(x, [[1, 2], [2, 0]], "SYMMETRIC"), {"x": f(3, 4)}),
    "ReverseSequence": Case(
        lambda x, n: tf.reverse_sequence(x, n, seq_axis=1, batch_axis=0), {"x": f(3, 5, 2), "n": i(2, 5, 1)}, (0,)
    ),
    "BroadcastTo": Case(lambda x, y: tf.broadcast_to(x, tf.shape(y)), {"x": f(1, 3), "y": f(4, 3)}, (0,)),
    "Fill_computed": Case(lambda n: tf.fill(n, 2.5), {"n": i(2, 3)}),
    "Range_computed": Case(lambda n: tf.range(1, n, 2), {"n": np.array(8, np.int32)}),
    "LinSpace": Case(lambda a, b: tf.linspace(a, b, 5), {"a": np.array(1, np.float32), "b": np.array(3, np.float32)}),
    "Shape_arithmetic": Case(
        lambda x: tf.reshape(x, [tf.shape(x)[0] * 2, -1]) * tf.cast(tf.size(x), tf.float32), {"x": f(3, 4)}, (0,)
    ),
    "roll": Case(lambda x: tf.concat([x[:, 1:], x[:, :1]], 1), {"x": f(3, 4)}, (0, 1)),
    # -- indexing
    "GatherV2_axis": Case(lambda x, n: tf.gather(x, n, axis=1), {"x": f(2, 5, 3), "n": i([0, 4], [2, 2])}, (0,)),
    "GatherV2_batch": Case(
        lambda x, n: tf.gather(x, n, axis=2, batch_dims=1), {"x": f(2, 3, 5), "n": i([0, 4], [2, 1])}
    ),
    "GatherV2_batch_rows": Case(lambda x, n: tf.gather(x, n, axis=1, batch_dims=1), {"x": f(2, 3, 5), "n": i(2, 0)}),
    "GatherNd": Case(tf.gather_nd, {"params": f(3, 4, 2), "indices": i([0, 1], [2, 3])}),
    "ScatterNd": Case(lambda n, u: tf.scatter_nd(n, u, [5, 2]), {"n": i([1], [4], [1]), "u": f(3, 2)}),
    "TensorScatterUpdate": Case(
        tf.tensor_scatter_nd_update, {"tensor": f(5, 2), "indices": i([1], [4]), "updates": f(2, 2)}
    ),
    "TensorScatterAdd": Case(tf.tensor_scatter_nd_add, {"tensor": f(5, 2), "indices": i([1], [1]), "updates": f(2, 2)}),
    "TensorScatterSub": Case(tf.tensor_scatter_nd_sub, {"tensor": f(5, 2), "indices": i([1], [1]), "updates": f(2, 2)}),
    "OneHot": Case(lambda n: tf.one_hot(n, 4, 2.0, -1.0, axis=0), {"n": i(0, 3, -1, 7)}),
    "Where": Case(lambda x: tf.where(x > 0), {"x": f(3, 4)}),
    "DynamicStitch": Case(lambda x, y: tf.dynamic_stitch([[0, 2], [1]], [x, y]), {"x": f(2, 3), "y": f(1, 3)}),
    "Bincount": Case(lambda x: raw.Bincount(arr=x, size=6, weights=np.zeros(0, np.float32)), {"x": i(1, 5, 1, 0)}),
    "UnravelIndex": Case(lambda n: tf.unravel_index(n, [3, 4]), {"n": i(5, 11)}),
    "boolean_mask": Case(tf.boolean_mask, {"tensor": f(4, 2), "mask": np.array([True, False, True, True])}),
    "unsorted_sum": Case(lambda x, n: tf.math.unsorted_segment_sum(x, n, 4), {"x": f(5, 2), "n": i(0, 3, -1, 0, 2)}),
    "unsorted_max": Case(lambda x, n: tf.math.unsorted_segment_max(x, n, 4), {"x": f(5, 2), "n": i(0, 3, 3, 0, 2)}),
    "SegmentMean": Case(lambda x: tf.math.segment_mean(x, [0, 0, 2]), {"x": f(3, 2)}),
    "SegmentMax": Case(lambda x: tf.math.segment_max(x, [0, 0, 2]), {"x": f(3, 2)}),
    "SparseSegmentSum": Case(
        lambda x: raw.SparseSegmentSum(data=x, indices=[2, 0, 1], segment_ids=[0, 0, 1]), {"x": f(3, 2)}
    ),
    "InvertPermutation": Case(tf.math.invert_permutation, {"x": i(2, 0, 1)}),
}
