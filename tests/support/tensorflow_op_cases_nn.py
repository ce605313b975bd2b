"""Ops of images, convolutions, spectra, recurrences and control flow for the fixture of single ops."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tests.support.tensorflow_op_cases import Case, f, i, raw

TABLE = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(i(10, 5, 7, dtype=np.int64), i(1, 2, 3, dtype=np.int64)), -1
)
"""A lookup table, which the module that is saved must hold."""

CASES: dict[str, Case] = {
    # -- images and convolutions
    "bilinear_corners": Case(
        lambda x: raw.ResizeBilinear(images=x, size=[7, 5], align_corners=True), {"x": f(1, 4, 3, 2)}
    ),
    "bilinear_legacy": Case(lambda x: raw.ResizeBilinear(images=x, size=[7, 5]), {"x": f(1, 4, 3, 2)}),
    "nearest_half": Case(
        lambda x: raw.ResizeNearestNeighbor(images=x, size=[7, 2], half_pixel_centers=True), {"x": f(1, 4, 3, 2)}
    ),
    "nearest_legacy": Case(lambda x: raw.ResizeNearestNeighbor(images=x, size=[7, 2]), {"x": f(1, 4, 3, 2)}),
    "nearest_corners": Case(
        lambda x: raw.ResizeNearestNeighbor(images=x, size=[7, 2], align_corners=True), {"x": f(1, 4, 3, 2)}
    ),
    # TensorFlow looks cubic weights up in a table of 1024 steps: exact for these sizes.
    "bicubic": Case(lambda x: raw.ResizeBicubic(images=x, size=[8, 12], half_pixel_centers=True), {"x": f(1, 4, 3, 2)}),
    "bicubic_legacy": Case(lambda x: raw.ResizeBicubic(images=x, size=[8, 12]), {"x": f(1, 4, 3, 2)}),
    "bilinear_open": Case(
        lambda x: raw.ResizeBilinear(images=x, size=[7, 2], half_pixel_centers=True), {"x": f(1, 4, 3, 2)}, (1, 2)
    ),
    "bilinear_corners_open": Case(
        lambda x: raw.ResizeBilinear(images=x, size=[7, 2], align_corners=True), {"x": f(1, 4, 3, 2)}, (1, 2)
    ),
    "bilinear_legacy_open": Case(lambda x: raw.ResizeBilinear(images=x, size=[7, 2]), {"x": f(1, 4, 3, 2)}, (1, 2)),
    "nearest_open": Case(
        lambda x: raw.ResizeNearestNeighbor(images=x, size=[7, 2], half_pixel_centers=True),
        {"x": f(1, 4, 3, 2)},
        (1, 2),
    ),
    "nearest_corners_open": Case(
        lambda x: raw.ResizeNearestNeighbor(images=x, size=[7, 2], align_corners=True), {"x": f(1, 4, 3, 2)}, (1, 2)
    ),
    "nearest_legacy_open": Case(
        lambda x: raw.ResizeNearestNeighbor(images=x, size=[7, 2]), {"x": f(1, 4, 3, 2)}, (1, 2)
    ),
    "bilinear_scaled": Case(
        lambda x: raw.ResizeBilinear(images=x, size=[tf.shape(x)[1] * 3 // 2, 5], half_pixel_centers=True),
        {"x": f(1, 4, 3, 2)},
        (1, 2),
    ),
    "CropAndResize": Case(
        lambda x, b: tf.image.crop_and_resize(x, b, [0, 1, 1], [3, 4], extrapolation_value=-2.0),
        {
            "x": f(2, 6, 5, 3),
            "b": np.array([[0.1, 0.2, 0.8, 0.9], [-0.2, 0, 1.3, 0.5], [0.9, 0.9, 0.1, 0.2]], np.float32),
        },
    ),
    "CropAndResize_nearest": Case(
        lambda x, b: tf.image.crop_and_resize(x, b, [0, 1], [1, 4], method="nearest"),
        {"x": f(2, 6, 5, 3), "b": np.array([[0.1, 0.2, 0.8, 0.9], [0.2, 0, 0.73, 0.5]], np.float32)},
    ),
    "DepthToSpace": Case(lambda x: tf.nn.depth_to_space(x, 2), {"x": f(1, 2, 3, 8)}, (0,)),
    "SpaceToDepth": Case(lambda x: tf.nn.space_to_depth(x, 2), {"x": f(1, 4, 6, 3)}, (0,)),
    "SpaceToBatchND": Case(lambda x: tf.space_to_batch(x, [2, 3], [[1, 1], [0, 1]]), {"x": f(2, 4, 5, 3)}),
    "BatchToSpaceND": Case(lambda x: tf.batch_to_space(x, [2, 3], [[1, 0], [0, 1]]), {"x": f(12, 2, 3, 2)}),
    "ExtractImagePatches": Case(
        lambda x: tf.image.extract_patches(x, [1, 2, 3, 1], [1, 2, 1, 1], [1, 1, 2, 1], "SAME"), {"x": f(1, 5, 7, 2)}
    ),
    "conv_explicit": Case(
        lambda x: tf.nn.conv2d(x, f(3, 2, 2, 4), [1, 2, 1, 1], [[0, 0], [1, 2], [0, 1], [0, 0]]),
        {"x": f(1, 6, 5, 2)},
        (0,),
    ),
    "conv_groups": Case(lambda x: tf.nn.conv2d(x, f(3, 3, 2, 6), 1, "SAME"), {"x": f(1, 6, 5, 4)}),
    "atrous": Case(
        lambda x: raw.BatchToSpaceND(
            input=tf.nn.conv2d(
                raw.SpaceToBatchND(input=x, block_shape=[2, 2], paddings=[[2, 2], [2, 3]]), f(3, 3, 2, 4), 1, "VALID"
            ),
            block_shape=[2, 2],
            crops=[[0, 0], [0, 1]],
        ),
        {"x": f(1, 6, 7, 2)},
    ),
    "conv_transpose_symbolic": Case(
        lambda x: tf.nn.conv2d_transpose(x, f(3, 3, 4, 2), [1, tf.shape(x)[1] * 2, tf.shape(x)[2] * 2, 4], 2, "SAME"),
        {"x": f(1, 5, 4, 2)},
        (1, 2),
    ),
    "avg_pool_symbolic": Case(lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"), {"x": f(1, 5, 6, 2)}, (1, 2)),
    "max_pool_explicit": Case(
        lambda x: tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 0], [0, 1], [0, 0]]), {"x": f(1, 6, 6, 2)}
    ),
    "Dilation2D": Case(
        lambda x: tf.nn.dilation2d(x, f(2, 3, 2), [1, 2, 1, 1], "SAME", "NHWC", [1, 1, 2, 1]), {"x": f(1, 6, 7, 2)}
    ),
    "LRN": Case(lambda x: tf.nn.local_response_normalization(x, 2, 1.5, 0.3, 0.6), {"x": f(1, 3, 3, 7)}),
    "NonMaxSuppressionV3": Case(
        lambda b, s: tf.image.non_max_suppression(b, s, 3, 0.4, 0.2), {"b": np.abs(f(6, 4)), "s": np.abs(f(6))}
    ),
    "NonMaxSuppressionV4": Case(
        lambda b, s: dict(
            zip(
                "in",
                raw.NonMaxSuppressionV4(
                    boxes=b,
                    scores=s,
                    max_output_size=5,
                    iou_threshold=0.3,
                    score_threshold=0.1,
                    pad_to_max_output_size=True,
                ),
                strict=True,
            )
        ),
        {"b": np.abs(f(6, 4)), "s": np.abs(f(6))},
    ),
    "NonMaxSuppressionV5": Case(
        lambda b, s: dict(
            zip(
                "abc",
                raw.NonMaxSuppressionV5(
                    boxes=b, scores=s, max_output_size=4, iou_threshold=0.3, score_threshold=0.1, soft_nms_sigma=0.0
                ),
                strict=True,
            )
        ),
        {"b": np.abs(f(6, 4)), "s": np.abs(f(6))},
    ),
    "combined_per_class": Case(
        lambda b, s: dict(
            zip(
                "abcd",
                tf.image.combined_non_max_suppression(b, s, 2, 6, 0.5, 0.1, pad_per_class=True, clip_boxes=False),
                strict=True,
            )
        ),
        {"b": np.sort(np.abs(f(2, 7, 3, 4)), -1), "s": np.abs(f(2, 7, 3))},
    ),
    "combined_open": Case(
        lambda b, s: dict(zip("abcd", tf.image.combined_non_max_suppression(b, s, 3, 5, 0.5, 0.1), strict=True)),
        {"b": np.sort(np.abs(f(2, 7, 1, 4)), -1), "s": np.abs(f(2, 7, 3))},
        (0,),
    ),
    "combined_per_class_open": Case(
        lambda b, s: dict(zip("abcd", tf.image.combined_non_max_suppression(b, s, 2, 6, 0.5, 0.1), strict=True)),
        {"b": np.sort(np.abs(f(3, 7, 3, 4)), -1), "s": np.abs(f(3, 7, 3))},
        (0,),
    ),
    # -- spectra, quantization, recurrences, control flow
    "RFFT": Case(lambda x: tf.abs(tf.signal.rfft(x, [10])), {"x": f(2, 8)}),
    "IRFFT": Case(lambda x: tf.signal.irfft(tf.signal.rfft(x) * tf.complex(2.0, 0.0), [8]), {"x": f(2, 8)}),
    "FFT": Case(lambda x: tf.math.imag(tf.signal.ifft(tf.signal.fft(tf.complex(x, -x)))), {"x": f(2, 6)}),
    "stft": Case(lambda x: tf.abs(tf.signal.stft(x, 16, 8, 16)), {"x": f(2, 64)}, (0,)),
    "FakeQuant": Case(lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -1.3, 2.1), {"x": f(3, 40)}),
    "FakeQuant_narrow": Case(
        lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -1.3, 2.1, narrow_range=True), {"x": f(3, 40)}
    ),
    "FakeQuant_channels": Case(
        lambda x: tf.quantization.fake_quant_with_min_max_vars_per_channel(x, [-1.0, -2.0], [1.5, 0.5]), {"x": f(30, 2)}
    ),
    "FakeQuant_4bits": Case(
        lambda x: tf.quantization.fake_quant_with_min_max_args(x, -2.0, 2.0, num_bits=4), {"x": f(3, 40)}
    ),
    "BlockLSTM": Case(
        lambda x, n: (
            raw.BlockLSTM(
                seq_len_max=n,
                x=x,
                cs_prev=tf.zeros([2, 4]),
                h_prev=tf.zeros([2, 4]),
                w=f(7, 16),
                wci=f(4),
                wcf=f(4),
                wco=f(4),
                b=f(16),
                forget_bias=1.0,
                cell_clip=3.0,
                use_peephole=True,
            ).h
        ),
        {"x": f(5, 2, 3), "n": np.array(4, np.int64)},
    ),
    "LSTMBlockCell": Case(
        lambda x: (
            raw.LSTMBlockCell(x=x, cs_prev=f(2, 4), h_prev=f(2, 4), w=f(7, 16), wci=f(4), wcf=f(4), wco=f(4), b=f(16)).h
        ),
        {"x": f(2, 3)},
    ),
    "GRUBlockCell": Case(
        lambda x: raw.GRUBlockCell(x=x, h_prev=f(2, 4), w_ru=f(7, 8), w_c=f(7, 4), b_ru=f(8), b_c=f(4)).h,
        {"x": f(2, 3)},
    ),
    "Case": Case(
        lambda n, x: tf.switch_case(n, [lambda: x, lambda: x * 2.0, lambda: x - 1.0]),
        {"n": np.array(1, np.int32), "x": f(2, 3)},
    ),
    "Case_last": Case(
        lambda n, x: tf.switch_case(n, [lambda: x, lambda: x * 2.0, lambda: x - 1.0]),
        {"n": np.array(9, np.int32), "x": f(2, 3)},
    ),
    "map_fn": Case(lambda x: tf.map_fn(lambda row: tf.reverse(row, [0]) * 2.0, x), {"x": f(4, 3)}, (0,)),
    "scan": Case(lambda x: tf.scan(lambda a, b: a * 0.5 + b, x), {"x": f(5, 3)}, (0,)),
    "foldl": Case(lambda x: tf.foldl(lambda a, b: a * 0.5 + b, x), {"x": f(5, 3)}, (0,)),
    "data_while": Case(
        lambda x: tf.while_loop(lambda y: tf.reduce_sum(y) < 100.0, lambda y: [y * 2.0], [x])[0],
        {"x": np.abs(f(3)) + 1},
    ),
    "table": Case(lambda n: TABLE.lookup(n), {"n": i(5, 7, 10, 0, dtype=np.int64)}),
}
