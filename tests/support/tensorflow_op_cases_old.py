"""Ops that TensorFlow's own functions no longer write, or write rarely, for the fixture of single ops."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.python.xla import dynamic_update_slice

from tests.support.tensorflow_op_cases import Case, f, i, raw
from tests.support.tensorflow_op_cases_nn import TABLE

VARIABLE = tf.Variable(f(4, 3), name="variable")
"""What ops on variables read; the module that is saved must hold it."""


def _list(x: Any) -> Any:
    """The rows of x as a list that was pushed to."""
    made = raw.EmptyTensorList(element_shape=np.array([3], np.int32), max_num_elements=9, element_dtype=tf.float32)
    for row in tf.unstack(x):
        made = raw.TensorListPushBack(input_handle=made, tensor=row)
    return made


def _array(x: Any) -> tuple[Any, Any]:
    """The rows of x as a TensorArray of TensorFlow 1: its handle and its flow."""
    handle, flow = raw.TensorArrayV3(size=2, dtype=tf.float32)
    flow = raw.TensorArrayWriteV3(handle=handle, index=0, value=x[0], flow_in=flow)
    return handle, raw.TensorArrayWriteV3(handle=handle, index=1, value=x[1], flow_in=flow)


def _doubled(x: Any) -> Any:
    """Every row times two, by a list that begins empty."""
    rows = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
    for number in tf.range(tf.shape(x)[0]):
        rows = rows.write(number, x[number] * 2.0)
    return rows.stack()


def _complex(x: Any) -> Any:
    return raw.Complex(real=x, imag=x * 2.0 - 1.0)


def _boxes() -> dict[str, Any]:
    return {"b": np.abs(f(6, 4)), "s": np.abs(f(6))}


_SHAPE3 = np.array([3], np.int32)
CASES: dict[str, Case] = {
    # -- arithmetic
    "Add": Case(lambda x, y: raw.Add(x=x, y=y), {"x": f(2, 3), "y": f(3)}),
    "Angle": Case(lambda x: raw.Angle(input=_complex(x)), {"x": f(2, 3)}),
    "ApproximateEqual": Case(
        lambda x: raw.ApproximateEqual(x=x, y=tf.add(x, [1e-6, 1e-3]), tolerance=1e-4), {"x": f(3, 2)}
    ),
    "Bitcast": Case(lambda x: raw.Bitcast(input=x, type=tf.float32), {"x": f(2, 3)}),
    "BatchMatMul": Case(lambda x, y: raw.BatchMatMul(x=x, y=y, adj_x=True), {"x": f(2, 3, 4), "y": f(2, 3, 5)}),
    "BatchMatMulV3": Case(lambda x, y: raw.BatchMatMulV3(x=x, y=y, Tout=tf.float32), {"x": f(2, 3, 4), "y": f(4, 5)}),
    "ClipByValue_limits": Case(
        lambda x, a: raw.ClipByValue(t=x, clip_value_min=-a, clip_value_max=a), {"x": f(3, 4), "a": np.abs(f(3, 4))}
    ),
    "ClipByValue_scalar": Case(lambda x: raw.ClipByValue(t=x, clip_value_min=-0.3, clip_value_max=0.4), {"x": f(3, 4)}),
    "Conj": Case(lambda x: raw.Imag(input=raw.Conj(input=_complex(x))), {"x": f(2, 3)}),
    "complex_arithmetic": Case(
        lambda x: raw.Real(input=(_complex(x) * _complex(x) - _complex(x)) + _complex(-x)), {"x": f(2, 3)}
    ),
    "Invert": Case(lambda x: raw.Invert(x=x), {"x": i(1, -2, 7)}),
    "IsNan": Case(lambda x: raw.IsNan(x=x), {"x": np.array([1, np.nan, np.inf], np.float32)}),
    "L2Loss": Case(lambda x: raw.L2Loss(t=x), {"x": f(3, 4)}),
    "shifts": Case(
        lambda x: raw.BitwiseOr(x=raw.LeftShift(x=x, y=[1, 2, 3]), y=raw.RightShift(x=x, y=[2, 1, 0])),
        {"x": i(9, -9, 40)},
    ),
    "logic": Case(lambda x, y: raw.LogicalOr(x=raw.LogicalNot(x=x > 0), y=y > 0), {"x": f(3, 4), "y": f(3, 4)}),
    "Mod": Case(lambda x, y: raw.Mod(x=x, y=y), {"x": i(7, -7, 8), "y": i(3, 3, -5)}),
    "Print": Case(lambda x: raw.Print(input=x, data=[x], message="x"), {"x": f(2)}),
    # -- reductions and selections
    "ArgMax": Case(lambda x: raw.ArgMax(input=x, dimension=-1), {"x": f(3, 4)}, (0,)),
    "Min": Case(lambda x: tf.reduce_min(x, [0, 2]), {"x": f(2, 3, 4)}, (0,)),
    "InTopK": Case(lambda x: raw.InTopK(predictions=x, targets=[1, 0], k=2), {"x": f(2, 5)}),
    "Bucketize": Case(lambda x: raw.Bucketize(input=x, boundaries=[-0.5, 0.0, 0.75]), {"x": f(3, 4)}, (0,)),
    "LowerBound": Case(lambda x: raw.LowerBound(sorted_inputs=[[1.0, 2.0, 2.0, 4.0]], values=x), {"x": f(1, 3) + 2}),
    "UpperBound": Case(
        lambda x: raw.UpperBound(sorted_inputs=i([1, 2, 2, 4], [0, 0, 1, 2]), values=x), {"x": i([2, 5], [0, -1])}
    ),
    # -- shapes
    "Concat": Case(lambda x, y: raw.Concat(concat_dim=1, values=[x, y]), {"x": f(2, 3), "y": f(2, 2)}, (0,)),
    "ParallelConcat": Case(lambda x, y: raw.ParallelConcat(values=[x, y], shape=[2, 3]), {"x": f(1, 3), "y": f(1, 3)}),
    "ConjugateTranspose": Case(lambda x: raw.ConjugateTranspose(x=x, perm=[1, 0]), {"x": f(2, 3)}),
    "Reverse": Case(lambda x: raw.Reverse(tensor=x, dims=[False, True]), {"x": f(2, 3)}, (0,)),
    "Rank": Case(lambda x: tf.cast(raw.Rank(input=x), tf.float32) * x, {"x": f(2, 3)}),
    "ShapeN": Case(lambda x, y: tf.zeros(raw.ShapeN(input=[x, y])[1]) + y, {"x": f(2, 3), "y": f(4)}, (0,)),
    "OnesLike": Case(lambda x: raw.OnesLike(x=x) + x, {"x": f(2, 3)}, (0,)),
    "LinSpace_op": Case(
        lambda a, b: raw.LinSpace(start=a, stop=b, num=5), {"a": np.array(1, np.float32), "b": np.array(3, np.float32)}
    ),
    "Empty": Case(lambda x: raw.Empty(shape=tf.shape(x), dtype=tf.float32, init=True) + x, {"x": f(2, 3)}, (0,)),
    "Roll": Case(lambda x: tf.roll(x, [2, -1], [1, 2]), {"x": f(2, 5, 3)}, (0,)),
    "Roll_open": Case(lambda x: tf.roll(x, -3, 1), {"x": f(2, 5)}, (1,)),
    "Roll_computed": Case(lambda x, n: tf.roll(x, n, [0, 1]), {"x": f(4, 5), "n": i(-3, 7)}),
    "with_default": Case(lambda x: raw.PlaceholderWithDefault(input=x, shape=[2, 3]) * 2.0, {"x": f(2, 3)}),
    # -- matrices
    "MatrixDiag": Case(lambda x: raw.MatrixDiag(diagonal=x), {"x": f(2, 3)}),
    "MatrixDiagV2": Case(
        lambda x: raw.MatrixDiagV2(diagonal=x, k=0, num_rows=-1, num_cols=-1, padding_value=0.0), {"x": f(2, 3)}
    ),
    "MatrixDiagPart": Case(lambda x: raw.MatrixDiagPart(input=x), {"x": f(2, 3, 3)}),
    "MatrixDiagPartV3": Case(tf.linalg.diag_part, {"x": f(2, 3, 3)}),
    "MatrixSetDiag": Case(lambda x, d: raw.MatrixSetDiag(input=x, diagonal=d), {"x": f(2, 3, 3), "d": f(2, 3)}),
    "MatrixSetDiagV3": Case(tf.linalg.set_diag, {"x": f(2, 3, 3), "d": f(2, 3)}),
    **{
        f"diagonal_{name}": Case(
            lambda x, d, k=k, size=size: {
                "part": tf.linalg.diag_part(x, k=k),
                "set": tf.linalg.set_diag(x, d, k=k),
                "made": tf.linalg.diag(d, k=k, padding_value=7.0),
                "wide": tf.linalg.diag(d, k=k, num_rows=5, num_cols=size + max(k, 0)),
            },
            {"x": f(2, 3, 4), "d": f(2, size)},
            (0,),
        )
        for name, k, size in (("main", 0, 3), ("above", 2, 2), ("below", -1, 2))
    },
    "eye_open": Case(lambda x: tf.eye(tf.shape(x)[0], tf.shape(x)[1]) + x, {"x": f(5, 3)}, (0, 1)),
    # -- indexing
    "Gather": Case(lambda x, n: raw.Gather(params=x, indices=n), {"x": f(5, 3), "n": i([0, 4], [2, 2])}, (1,)),
    "DenseBincount": Case(
        lambda x: raw.DenseBincount(input=x, size=6, weights=np.zeros(0, np.float32)), {"x": i(1, 5, 1)}
    ),
    "bincount": Case(
        lambda x: tf.math.bincount(x, minlength=6, maxlength=6, axis=-1, binary_output=True),
        {"x": i([1, 5, 1], [7, 0, 0])},
    ),
    "DenseBincount_rows": Case(
        lambda x: raw.DenseBincount(input=x, size=6, weights=np.zeros(0, np.float32)), {"x": i([1, 5, 1], [7, 0, 0])}
    ),
    "DenseBincount_binary": Case(
        lambda x: raw.DenseBincount(input=x, size=6, weights=np.zeros(0, np.float32), binary_output=True),
        {"x": i([1, 5, 1], [7, 0, 0])},
    ),
    "DenseBincount_weights": Case(
        lambda x, w: raw.DenseBincount(input=x, size=6, weights=w), {"x": i([1, 5, 1], [7, 0, 0]), "w": f(2, 3)}
    ),
    "XlaDynamicUpdateSlice": Case(
        dynamic_update_slice,
        {"x": f(4, 5), "u": f(2, 3), "n": i(1, 4)},
    ),
    "TensorScatterMax": Case(tf.tensor_scatter_nd_max, {"tensor": f(5, 2), "indices": i([1], [1]), "updates": f(2, 2)}),
    "TensorScatterMin": Case(tf.tensor_scatter_nd_min, {"tensor": f(5, 2), "indices": i([1], [1]), "updates": f(2, 2)}),
    "SegmentSum": Case(lambda x: tf.math.segment_sum(x, [0, 0, 2]), {"x": f(3, 2)}),
    "SegmentProd": Case(lambda x: tf.math.segment_prod(x, [0, 0, 2]), {"x": f(3, 2)}),
    "SegmentMin": Case(lambda x: tf.math.segment_min(x, [0, 0, 2]), {"x": f(3, 2)}),
    "unsorted_prod": Case(lambda x, n: tf.math.unsorted_segment_prod(x, n, 4), {"x": f(5, 2), "n": i(0, 3, 3, 0, 2)}),
    "unsorted_min": Case(lambda x, n: tf.math.unsorted_segment_min(x, n, 4), {"x": f(5, 2), "n": i(0, 3, 3, 0, -1)}),
    "SparseSegmentMean": Case(
        lambda x: raw.SparseSegmentMean(data=x, indices=[2, 0, 1], segment_ids=[0, 0, 1]), {"x": f(3, 2)}
    ),
    "SparseSegmentSqrtN": Case(lambda x: tf.sparse.segment_sqrt_n(x, [2, 0, 1], [0, 0, 2]), {"x": f(3, 2)}),
    **{
        f"SparseSegment{name}WithNumSegments": Case(
            lambda x, n, s, name=name: getattr(raw, f"SparseSegment{name}WithNumSegments")(
                data=x, indices=n, segment_ids=s, num_segments=4
            ),
            {"x": f(5, 2), "n": i(4, 0, 4), "s": i(0, 0, 2)},
            (0,),
        )
        for name in ("Sum", "Mean", "SqrtN")
    },
    "unsorted_max_f64": Case(
        lambda x, n: tf.math.unsorted_segment_max(x, n, 4), {"x": f(3, 2).astype(np.float64), "n": i(0, 3, 3)}
    ),
    "unsorted_min_f16": Case(
        lambda x, n: tf.math.unsorted_segment_min(x, n, 4), {"x": f(3, 2).astype(np.float16), "n": i(0, 3, 3)}
    ),
    "Bucketize_nan": Case(
        lambda x: raw.Bucketize(input=x, boundaries=[1.0, 2.0]), {"x": np.array([1, 2, 0.5, np.nan, np.inf])}
    ),
    "Xlog1py": Case(
        lambda x, y: raw.Xlog1py(x=x, y=y),
        {"x": np.array([0, 0, 1, 2], np.float32), "y": i(-1, 3, 1, 0).astype(np.float32)},
    ),
    "Unique": Case(lambda x: tf.gather(x, tf.unique([3, 1, 3, 0])[0]), {"x": f(4, 2)}),
    "VariableShape": Case(lambda x: tf.reshape(x, raw.VariableShape(input=VARIABLE.handle)) + VARIABLE, {"x": f(12)}),
    # -- convolutions and images
    "FusedBatchNorm": Case(
        lambda x: (
            raw.FusedBatchNorm(x=x, scale=f(3), offset=f(3), mean=f(3), variance=np.abs(f(3)) + 1, is_training=False).y
        ),
        {"x": f(2, 4, 4, 3)},
    ),
    "FusedBatchNormV2": Case(
        lambda x: (
            raw.FusedBatchNormV2(
                x=x, scale=f(3), offset=f(3), mean=f(3), variance=np.abs(f(3)) + 1, is_training=False
            ).y
        ),
        {"x": f(2, 4, 4, 3)},
    ),
    "BiasAddV1": Case(lambda x: raw.BiasAddV1(value=x, bias=f(3)), {"x": f(2, 3)}),
    "Conv": Case(
        lambda x: raw.Conv(input=x, filter=f(3, 2, 2, 4), strides=[1, 2, 1, 1], padding="SAME"), {"x": f(1, 6, 5, 2)}
    ),
    "MaxPool3D": Case(lambda x: tf.nn.max_pool3d(x, 2, 2, "SAME"), {"x": f(1, 3, 4, 5, 2)}),
    "MaxPoolV2": Case(
        lambda x: raw.MaxPoolV2(input=x, ksize=[1, 3, 2, 1], strides=[1, 2, 1, 1], padding="VALID"),
        {"x": f(1, 6, 5, 2)},
    ),
    "NonMaxSuppression": Case(
        lambda b, s: raw.NonMaxSuppression(boxes=b, scores=s, max_output_size=3, iou_threshold=0.4), _boxes()
    ),
    "NonMaxSuppressionV2": Case(
        lambda b, s: raw.NonMaxSuppressionV2(boxes=b, scores=s, max_output_size=3, iou_threshold=0.4), _boxes()
    ),
    "SpaceToBatch": Case(
        lambda x: raw.SpaceToBatch(input=x, paddings=[[1, 1], [0, 0]], block_size=2), {"x": f(1, 4, 6, 2)}
    ),
    "BatchToSpace": Case(
        lambda x: raw.BatchToSpace(input=x, crops=[[1, 0], [0, 1]], block_size=2), {"x": f(4, 2, 3, 2)}
    ),
    # -- spectra, recurrences, lists, control flow
    "RFFT2D": Case(lambda x: tf.abs(tf.signal.rfft2d(x, [6, 8])), {"x": f(2, 5, 9)}),
    "IRFFT2D": Case(lambda x: tf.signal.irfft2d(tf.signal.rfft2d(x) * tf.complex(1.0, 0.5), [4, 8]), {"x": f(2, 4, 8)}),
    "cast_to_complex": Case(lambda x: tf.math.real(tf.signal.fft2d(tf.cast(x, tf.complex64))), {"x": f(2, 4, 3)}, (0,)),
    "cast_from_complex": Case(
        lambda x: tf.cast(tf.cast(tf.signal.rfft(x), tf.complex128), tf.float64), {"x": f(2, 6)}, (0,)
    ),
    "FFT2D": Case(
        lambda x: tf.math.real(tf.signal.ifft2d(tf.signal.fft2d(tf.complex(x, -x)) * tf.complex(0.5, 1.0))),
        {"x": f(2, 4, 3)},
    ),
    "BlockLSTMV2": Case(
        lambda x: (
            raw.BlockLSTMV2(
                seq_len_max=np.array(5, np.int64),
                x=x,
                cs_prev=tf.zeros([2, 4]),
                h_prev=tf.zeros([2, 4]),
                w=f(7, 16),
                wci=f(4),
                wcf=f(4),
                wco=f(4),
                b=f(16),
                cell_clip=0.0,
            ).h
        ),
        {"x": f(5, 2, 3)},
    ),
    "list_stack": Case(
        lambda x: raw.TensorListStack(input_handle=_list(x), element_shape=_SHAPE3, element_dtype=tf.float32),
        {"x": f(4, 3)},
    ),
    "list_gather": Case(
        lambda x: raw.TensorListGather(
            input_handle=_list(x), indices=[3, 0], element_shape=_SHAPE3, element_dtype=tf.float32
        ),
        {"x": f(4, 3)},
    ),
    "list_pop": Case(
        lambda x: raw.TensorListPopBack(input_handle=_list(x), element_shape=_SHAPE3, element_dtype=tf.float32).tensor,
        {"x": f(4, 3)},
    ),
    "list_facts": Case(
        lambda x: {
            "length": raw.TensorListLength(input_handle=_list(x)),
            "shape": raw.TensorListElementShape(input_handle=_list(x), shape_type=tf.int32),
        },
        {"x": f(4, 3)},
    ),
    "array_scatter": Case(lambda x: tf.TensorArray(tf.float32, 3).scatter([0, 1, 2], x).read(1), {"x": f(3, 2)}),
    "array_grows": Case(_doubled, {"x": f(4, 3)}, (0,)),
    "array_grows_while": Case(
        lambda x: tf.while_loop(
            lambda i, y, t: tf.reduce_sum(y) < 20.0,
            lambda i, y, t: (i + 1, y * 2.0, t.write(i, y)),
            [0, x, tf.TensorArray(tf.float32, size=0, dynamic_size=True)],
        )[2].stack(),
        {"x": np.abs(f(3))},
    ),
    "array_appended": Case(
        lambda x: tf.TensorArray(tf.float32, size=0, dynamic_size=True).write(0, x).write(1, x * 2.0).stack(),
        {"x": f(3)},
    ),
    "dct": Case(tf.signal.dct, {"input": f(3, 12)}, (0,)),
    "DiagPart": Case(tf.linalg.tensor_diag_part, {"input": f(3, 3)}),
    "array_concat": Case(
        lambda x: tf.TensorArray(tf.float32, 2, infer_shape=False).write(0, x).write(1, x * 2.0).concat(),
        {"x": f(3, 2)},
    ),
    "TensorArray_v1": Case(
        lambda x: {
            "joined": raw.TensorArrayConcatV3(handle=_array(x)[0], flow_in=_array(x)[1], dtype=tf.float32).value,
            "size": raw.TensorArraySizeV3(handle=_array(x)[0], flow_in=_array(x)[1]),
        },
        {"x": f(2, 3, 4)},
    ),
    "Case_op": Case(
        lambda n, x: tf.switch_case(n, [lambda: x, lambda: x * 2.0, lambda: x - 1.0]),
        {"n": np.array(1, np.int32), "x": f(2)},
    ),
    "table_size": Case(lambda x: x * tf.cast(TABLE.size(), tf.float32), {"x": f(2)}),
}
