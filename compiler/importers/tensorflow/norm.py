"""Normalisations, as they are at inference."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.activation import shortest
from isthmus.compiler.importers.tensorflow.args import converted
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.layout import from_first, to_first
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value


@lowers("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def fused_batch_norm(
    b: TfBuilder,
    x: Value,
    scale: Value,
    offset: Value,
    mean: Value,
    variance: Value,
    *,
    epsilon: float = 1e-4,
    data_format: str = "NHWC",
    is_training: bool = True,
    exponential_avg_factor: float = 1.0,
) -> tuple[Value, Value, Value]:
    """With given statistics. Where x is narrower than they are, all is done in their type."""
    if is_training:
        raise UnsupportedModel("batch normalisation in training mode", hint="export the model for inference")
    wide = converted(b, to_first(b, x, data_format), scale.dtype)
    found = converted(b, b.batch_norm(wide, scale, offset, mean, variance, epsilon=shortest(epsilon)), x.dtype)
    return from_first(b, found, data_format), mean, variance


@lowers("_BatchNormWithGlobalNormalization", "BatchNormWithGlobalNormalization")
def batch_norm_v1(
    b: TfBuilder,
    x: Value,
    mean: Value,
    variance: Value,
    beta: Value,
    gamma: Value,
    *,
    variance_epsilon: float,
    scale_after_normalization: bool,
) -> Value:
    """Over the last axis of [N, H, W, C]; gamma counts only where the attribute says so."""
    factor = b.rsqrt(b.add(variance, shortest(variance_epsilon)))
    factor = b.mul(factor, gamma) if scale_after_normalization else factor
    return b.add(b.mul(b.sub(x, mean), factor), beta)


@lowers("LRN")
def lrn(
    b: TfBuilder, x: Value, *, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5
) -> Value:
    """Over the last axis; TensorFlow's alpha is for the sum, the IR's for the mean."""
    size = 2 * depth_radius + 1
    planes = b.lrn(
        to_first(b, x, "NHWC"), size=size, alpha=shortest(alpha) * size, beta=shortest(beta), bias=shortest(bias)
    )
    return from_first(b, planes, "NHWC")


@lowers("L2Loss")
def l2_loss(b: TfBuilder, x: Value) -> Value:
    return b.mul(b.reduce_sum(b.mul(x, x), axes=tuple(range(x.rank))), 0.5)
