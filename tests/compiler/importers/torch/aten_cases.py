"""Calls of torch's functions by family: each is a function of the standard inputs, and is held against torch itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
from torch.nn import functional as F  # noqa: N812

from tests.compiler.importers.torch.aten_cases_order import BAGS, COUNTING, SCANS, SCATTERING, SELECTION, SIGNS

Case: TypeAlias = Callable[[Any], Any]

INPUTS: Mapping[str, str] = {
    "x": "f32[N:1..8, 4, 6]",
    "y": "f32[N, 4, 6]",
    "small": "f32[N, 4, 6]",
    "i": "i64[N, 4, 6]",
    "j": "i64[N, 4, 6]",
    "places": "i64[N, 4, 3]",
    "m": "bool[N, 4, 6]",
    "image": "f32[N, 4, 8, 10]",
    "grid": "f32[N, 5, 7, 2]",
}
"""small lies in (0.1, 0.9), i in -9..9, j in 1..5, places in 0..3, grid in (-1.1, 1.1); the rest is normal."""


def _unary(*names: str) -> dict[str, Case]:
    return {name: partial(_apply, getattr(torch, name), "x") for name in names}


def _on_small(*names: str) -> dict[str, Case]:
    return {name: partial(_apply, getattr(torch, name), "small") for name in names}


def _apply(function: Case, name: str, t: Any) -> Any:
    return function(getattr(t, name))


ELEMENTWISE: dict[str, Case] = {
    **_unary("abs", "neg", "sign", "ceil", "floor", "round", "trunc", "frac", "square", "exp", "expm1", "sin", "cos"),
    **_unary("tan", "sinh", "cosh", "tanh", "asinh", "atan", "erf", "erfc", "sigmoid", "isnan", "isfinite", "exp2"),
    **_on_small("sqrt", "rsqrt", "reciprocal", "log", "log1p", "log2", "log10", "asin", "acos", "atanh", "logit"),
    "acosh": lambda t: torch.acosh(t.small + 1),
    "sqrt_of_integers": lambda t: torch.sqrt(t.j),
    "sigmoid_of_truth": lambda t: torch.sigmoid(t.m),
    "add": lambda t: t.x + t.y,
    "add_alpha": lambda t: torch.add(t.x, t.y, alpha=0.5),
    "add_number": lambda t: t.x + 3,
    "add_integer_and_float": lambda t: t.i + t.x,
    "add_float_number_to_integers": lambda t: t.i + 0.5,
    "add_truth": lambda t: t.m + t.m,
    "truth_plus_integer": lambda t: t.m + t.i,
    "add_size": lambda t: t.x + t.x.shape[0],
    "sub": lambda t: t.x - t.y,
    "rsub": lambda t: 1 - t.x,
    "mul": lambda t: t.x * t.y,
    "mul_truth": lambda t: t.x * t.m,
    "mul_size_ratio": lambda t: t.x * (t.x.shape[0] / 4),
    "div": lambda t: t.x / (t.small + 1),
    "div_integers": lambda t: t.i / t.j,
    "div_floor": lambda t: torch.div(t.x, t.small, rounding_mode="floor"),
    "div_trunc": lambda t: torch.div(t.i, t.j, rounding_mode="trunc"),
    "floor_divide": lambda t: t.i // t.j,
    "remainder": lambda t: t.i % t.j,
    "remainder_of_floats": lambda t: t.x % 0.75,
    "fmod": lambda t: torch.fmod(t.x, 0.75),
    "pow": lambda t: t.small**t.x,
    "pow_2": lambda t: t.x**2,
    "pow_half": lambda t: t.small**0.5,
    "pow_of_number": lambda t: 2**t.x,
    "pow_of_integers": lambda t: t.i**3,
    "maximum": lambda t: torch.maximum(t.x, t.y),
    "minimum": lambda t: torch.minimum(t.i, t.j),
    "atan2": lambda t: torch.atan2(t.x, t.y),
    "hypot": lambda t: torch.hypot(t.x, t.y),
    "other_spellings": lambda t: (
        torch.arcsin(t.small),
        torch.arctan(t.x),
        torch.greater(t.x, t.y),
        torch.less(t.i, 2),
    ),
    "comparisons": lambda t: (t.x < t.y, t.x <= 0, t.i > t.x, t.i >= t.j, t.i == t.j, t.i != 3),
    "logic": lambda t: (t.m & (t.x > 0), t.m | (t.i > 0), t.m ^ (t.x > 0), ~t.m, torch.logical_and(t.i, t.x)),
    "logical_not": lambda t: torch.logical_not(t.i),
    "bits": lambda t: (t.i & t.j, t.i | t.j, t.i ^ t.j, ~t.i, t.j << 2, t.i >> 1),
    "where": lambda t: torch.where(t.m, t.x, t.y),
    "where_number": lambda t: torch.where(t.m, t.x, 0.0),
    "where_integer": lambda t: torch.where(t.m, t.i, t.x),
    "masked_fill": lambda t: t.x.masked_fill(t.m, float("-inf")),
    "clamp": lambda t: (t.x.clamp(-0.5, 0.5), t.x.clamp(min=0.1), t.i.clamp(max=2), t.x.clamp(t.y.min(), t.y.max())),
    "clamp_by_tensor": lambda t: torch.clamp(t.x, min=t.y),
    "fmax_of_nan": lambda t: (
        torch.fmax(t.x, t.y.masked_fill(t.m, float("nan"))),
        torch.fmin(t.x.masked_fill(t.m, float("nan")), t.y),
    ),
    "erfc_far_out": lambda t: torch.erfc(t.small + 4),
    "in_place_in_a_narrow_type": lambda t: (t.x.half() * 1).add_(t.y),
    "lerp": lambda t: torch.lerp(t.x, t.y, 0.3),
    "addcmul": lambda t: torch.addcmul(t.x, t.y, t.small, value=0.5),
    "addcdiv": lambda t: torch.addcdiv(t.x, t.y, t.small, value=0.5),
    "casts": lambda t: (t.x.int(), t.x.double(), t.i.float(), t.m.long(), t.x.half(), t.x.bool()),
    "nan_to_num": lambda t: torch.nan_to_num(t.x / (t.i * 0), 1.0, 2.0, 3.0),
    "in_place": lambda t: (t.x * 2).add_(t.y).mul_(0.5),
    "write_into_view": lambda t: _written(t.x * 1),
}


def _diagonal_written(x: Any) -> Any:
    x.diagonal(1, 1, 2).mul_(3.0)
    x.diagonal(-1, 2, 1).fill_(2.0)
    return x


def _written(x: Any) -> Any:
    x[:, 1:3].mul_(2.0)
    x[:, 0] = 7.0
    return x


_ACTIVATIONS = (
    "relu relu6 hardtanh gelu silu mish hardswish hardsigmoid leaky_relu elu selu celu softplus softsign"
    " softshrink hardshrink logsigmoid tanhshrink glu"
)
ACTIVATION: dict[str, Case] = {name: partial(_apply, getattr(F, name), "x") for name in _ACTIVATIONS.split()} | {
    "gelu_tanh": lambda t: F.gelu(t.x, approximate="tanh"),
    "softmax": lambda t: F.softmax(t.x, 1),
    "softmax_of_a_number": lambda t: (t.x.sum().softmax(0), t.x.sum().log_softmax(0)),
    "softmax_typed": lambda t: F.softmax(t.i, -1, dtype=torch.float32),
    "log_softmax": lambda t: F.log_softmax(t.x, -1),
    "softmin": lambda t: F.softmin(t.x, -1),
    "threshold": lambda t: F.threshold(t.x, 0.1, 20.0),
    "softplus_scaled": lambda t: F.softplus(t.x, beta=2.0, threshold=1.0),
    "prelu": lambda t: F.prelu(t.x, torch.tensor([0.1, 0.2, 0.3, 0.4])),
    "normalize": lambda t: F.normalize(t.x, dim=-1),
    "cosine_similarity": lambda t: F.cosine_similarity(t.x, t.y, dim=-1),
}

LINALG: dict[str, Case] = {
    "matmul": lambda t: t.x @ t.y.transpose(1, 2),
    "bmm": lambda t: torch.bmm(t.x, t.y.mT),
    "matmul_matrix": lambda t: t.x @ torch.arange(12.0).view(6, 2),
    "mv": lambda t: t.x @ torch.arange(6.0),
    "baddbmm": lambda t: torch.baddbmm(t.x[:, :, :4], t.x, t.y.mT, beta=0.5, alpha=2.0),
    "addmm": lambda t: torch.addmm(torch.ones(3), t.x[:, 0], torch.arange(18.0).view(6, 3)),
    "einsum": lambda t: torch.einsum("bij,bkj->bik", t.x, t.y),
    "outer": lambda t: torch.outer(t.x[:, 0, 0], torch.arange(3.0)),
    "linear": lambda t: F.linear(t.x, torch.arange(12.0).view(2, 6), torch.ones(2)),
    "norms": lambda t: (
        t.x.norm(),
        t.x.norm(dim=1),
        t.x.norm(p=1, dim=-1, keepdim=True),
        torch.linalg.norm(t.x, dim=2),
    ),
    "infinity_norm": lambda t: torch.linalg.vector_norm(t.x, float("inf"), dim=1),
    "attention": lambda t: F.scaled_dot_product_attention(t.x, t.y, t.small),
    "attention_causal": lambda t: F.scaled_dot_product_attention(t.x, t.y, t.small, is_causal=True),
    "attention_scale": lambda t: F.scaled_dot_product_attention(t.x, t.y, t.small, scale=0.3),
    "attention_mask": lambda t: F.scaled_dot_product_attention(t.x, t.y, t.small, t.x[:, :, :4]),
    "attention_mask_of_infinities": lambda t: F.scaled_dot_product_attention(
        t.x, t.y, t.small, torch.zeros(4, 4).masked_fill(torch.arange(4)[:, None] < 2, float("-inf")) + t.x[:, :, :4]
    ),
    "attention_sees_nothing": lambda t: F.scaled_dot_product_attention(
        t.x, t.y, t.small, t.m[:, :, :4] & (torch.arange(4) != 2)[:, None]
    ),
    "attention_grouped": lambda t: F.scaled_dot_product_attention(
        t.x.view(-1, 4, 2, 3), t.y[:, :2].reshape(-1, 2, 2, 3), t.small[:, :2].reshape(-1, 2, 2, 3), enable_gqa=True
    ),
    "cdist": lambda t: torch.cdist(t.x, t.y),
}

REDUCE: dict[str, Case] = {
    "sum": lambda t: (t.x.sum(), t.x.sum(1), t.x.sum((0, -1), keepdim=True), t.i.sum(), t.m.sum(-1)),
    "mean": lambda t: (t.x.mean(), t.x.mean(-1), t.x.mean((1, 2)), t.i.mean(dtype=torch.float32)),
    "truth_of_bytes": lambda t: (t.j.to(torch.uint8).all(), t.j.to(torch.uint8).any(1)),
    "prod": lambda t: (t.small.prod(), t.small.prod(1)),
    "max": lambda t: (t.x.max(), t.x.max(1), t.i.max(), t.x.amax((1, 2)), t.x.max(t.y)),
    "min": lambda t: (t.x.min(), t.x.min(-1, keepdim=True), t.i.min(), t.x.amin(1), t.x.min(t.y)),
    "arg": lambda t: (t.x.argmax(), t.x.argmax(1), t.x.argmin(-1, keepdim=True), t.m.int().argmax(-1)),
    "any_all": lambda t: (t.m.any(), t.m.all(1), t.i.any(-1), t.x.all(dim=1, keepdim=True)),
    "var": lambda t: (t.x.var(), t.x.var(1), t.x.var(-1, unbiased=False), t.x.std(1), torch.var_mean(t.x, 2)),
    "var_of_batch": lambda t: (torch.cat([t.x, t.y]).var(0), torch.cat([t.x, t.y]).std(0, correction=0)),
    "logsumexp": lambda t: (t.x.logsumexp(1), t.x.logsumexp((1, 2), keepdim=True)),
    "cumsum": lambda t: (t.x.cumsum(1), t.m.cumsum(-1), t.i.cumsum(0)),
    "diff": lambda t: (
        t.x.diff(),
        t.i.diff(n=2, dim=1),
        t.m.diff(),
        t.x.diff(prepend=t.y[..., :1], append=t.i[..., :2]),
    ),
    "topk": lambda t: t.x.topk(3, -1),
    "topk_smallest": lambda t: t.x.topk(2, 1, largest=False),
    "sort": lambda t: (t.x.sort(-1), t.x.sort(1, descending=True), t.x.argsort(-1)),
}

SHAPE: dict[str, Case] = {
    "diagonal_written": lambda t: _diagonal_written(t.x * 1),
    "cat_with_nothing": lambda t: torch.cat([torch.zeros(0), t.j.flatten()]),
    "grids_by_columns": lambda t: torch.meshgrid(t.x[0, 0], t.x[0, :, 0], indexing="xy"),
    "pixels_of_one_image": lambda t: (F.pixel_shuffle(t.image[0], 2), F.pixel_unshuffle(t.image[0], 2)),
    "view": lambda t: (t.x.view(-1, 24), t.x.reshape(t.x.shape[0], 2, 12), t.x.flatten(1), t.x.flatten()),
    "unflatten": lambda t: t.x.unflatten(2, (2, 3)),
    "squeeze": lambda t: (t.x[:, :1].squeeze(1), t.x.unsqueeze(-1), t.x[:, :1, :1].squeeze((1, 2))),
    "permute": lambda t: (t.x.permute(2, 0, 1), t.x.transpose(0, -1), t.x[0].t(), t.x.movedim(0, 2), t.x.mT),
    "expand": lambda t: (t.x[:, :1].expand(-1, 5, -1), torch.ones(4, 1).expand_as(t.x), t.x.expand(2, -1, 4, 6)),
    "repeat": lambda t: (t.x.repeat(1, 2, 1), t.x.repeat(2, 1, 1, 1), t.x.tile((2,)), t.x.repeat_interleave(2, 1)),
    "cat": lambda t: (torch.cat([t.x, t.y], 1), torch.cat([t.x, t.i], -1), torch.stack([t.x, t.y], 1)),
    "stacks": lambda t: (torch.hstack([t.x, t.y]), torch.hstack([t.x[0, 0], t.i[0, 0]]), torch.vstack([t.x, t.y])),
    "rows": lambda t: torch.vstack([t.x[0, 0], t.y[0, :2]]),
    "at_least": lambda t: (torch.atleast_2d(t.x[0, 0]), torch.atleast_3d(t.x[0]), torch.atleast_1d(t.x.sum())),
    "broadcast": lambda t: torch.broadcast_tensors(t.x, t.y[:, :1], t.x[0, 0]),
    "split": lambda t: (*t.x.split(2, 1), *t.x.split([1, 5], 2), *t.x.chunk(3, -1), *t.x.unbind(1)),
    "slice": lambda t: (t.x[:, 1:3], t.x[..., ::2], t.x[:, -1], t.x[:, :, -3:-1], t.x[:, 10:], t.x[:, ::3, 1:5:2]),
    "narrow": lambda t: t.x.narrow(1, 1, 2),
    "select": lambda t: (t.x.select(1, 2), t.x[0], t.x[-1, 1]),
    "flip": lambda t: (
        t.x.flipud(),
        t.x.fliplr(),
        t.x.ravel(),
        t.x.flip(1),
        t.x.flip((0, 2)),
        t.x.roll(1, -1),
        t.x.roll((1, -1), (1, 2)),
        t.x.roll(5),
    ),
    "triangles": lambda t: (t.x.tril(), t.x.triu(1), torch.ones(5, 5).tril(-1)),
    "diagonal": lambda t: (t.x.diagonal(dim1=1, dim2=2), t.x.diagonal(1, 1, 2), t.x.diagonal(-2, 2, 1)),
    "unfold": lambda t: t.x.unfold(2, 3, 2),
    "meshgrid": lambda t: torch.meshgrid(torch.arange(3.0), t.x[0, 0], indexing="ij"),
    "pixel_shuffle": lambda t: (F.pixel_shuffle(t.image, 2), F.pixel_unshuffle(t.image, 2)),
    "channel_shuffle": lambda t: F.channel_shuffle(t.image, 2),
    "pad": lambda t: (F.pad(t.x, (1, 2)), F.pad(t.x, (1, 0, 0, 2), value=3.0), F.pad(t.x, (-1, 1))),
    "pad_modes": lambda t: (F.pad(t.x, (2, 1), mode="reflect"), F.pad(t.image, (1, 1, 2, 0), mode="replicate")),
    "pad_circular": lambda t: F.pad(t.x, (2, 1), mode="circular"),
    "sizes": lambda t: (t.x.shape[0] * 2, t.x.new_zeros(t.x.shape[0], 2), torch.full((t.x.shape[0] // 1, 3), 7)),
}

INDEXING: dict[str, Case] = {
    "embedding": lambda t: F.embedding(t.places, torch.arange(20.0).view(4, 5)),
    "index_select": lambda t: t.x.index_select(1, torch.tensor([2, 0, 2])),
    "gather": lambda t: (t.x.gather(1, t.places), t.x.gather(2, t.places), t.x.take(t.places)),
    "scatter": lambda t: (t.x.scatter(2, t.places, t.y[:, :, :3]), t.x.scatter(1, t.places[:, :1], 5.0)),
    "scatter_add": lambda t: t.x.scatter_add(1, t.places, t.y),
    "scatter_reduce": lambda t: t.x.scatter_reduce(1, t.places, t.y, "amax"),
    "index": lambda t: (t.x[:, [0, 2]], t.x[:, t.places[0, :, 0]], t.x[t.places[:, 0, 0] * 0]),
    "index_two": lambda t: (t.x[:, [0, 1, 2], [3, 4, 5]], t.x[:, [[0], [1]], [2, 3]]),
    "index_apart": lambda t: t.image[:, [0, 1], :, [2, 3]],
    "index_mask": lambda t: torch.where(t.m, t.x, t.y)[:, torch.tensor([True, False, True, True])],
    "index_put": lambda t: _put(t.x * 1, t),
    "index_put_mask": lambda t: _put_mask(t.x * 1, t.m),
    "index_add": lambda t: t.x.index_add(1, torch.tensor([0, 2]), t.y[:, :2], alpha=2.0),
    "index_copy": lambda t: t.x.index_copy(1, torch.tensor([3, 1]), t.y[:, :2]),
    "index_fill": lambda t: t.x.index_fill(1, torch.tensor([0, 3]), 9.0),
    "masked_scatter": lambda t: t.x.masked_scatter(t.m, t.y),
    "one_hot": lambda t: F.one_hot(t.places, 5),
    "bucketize": lambda t: (torch.bucketize(t.x, torch.tensor([-1.0, 0.0, 1.0])), _searched(t)),
}


def _put(x: Any, t: Any) -> Any:
    x[:, [0, 2]] = t.y[:, :2]
    x[:, [1, 3], [0, 5]] = 4.0
    return x


def _put_mask(x: Any, mask: Any) -> Any:
    x[mask] = 0.5
    return x


def _searched(t: Any) -> Any:
    return torch.searchsorted(torch.tensor([-1.0, 0.0, 1.0]), t.x, right=True)


CREATION: dict[str, Case] = {
    "fills": lambda t: (torch.zeros(2, 3), torch.ones_like(t.x), torch.full_like(t.i, 7), t.x.new_full((2,), 1.5)),
    "arange": lambda t: (torch.arange(5), torch.arange(1, 2, 0.25), torch.arange(t.x.shape[0]), torch.arange(9, 0, -2)),
    "linspace": lambda t: torch.linspace(-1, 1, 7) + t.x[0, 0, 0],
    "eye": lambda t: (torch.eye(3), torch.eye(2, 4) + t.x[0, 0, 0]),
    "tensor": lambda t: t.x + torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    "scalar_tensor": lambda t: t.x * torch.tensor(2.5),
    "position_mask": lambda t: torch.arange(6)[None] < t.i[:, :1, 0],
}

NN: dict[str, Case] = {
    "avg_pool_divisor": lambda t: F.avg_pool2d(t.image, 3, 2, 1, divisor_override=5),
    "batch_norm_by_the_batch": lambda t: F.batch_norm(t.image, None, None, training=True),
    "conv1d": lambda t: F.conv1d(t.x, torch.arange(24.0).view(2, 4, 3) / 24, torch.ones(2), padding=1),
    "conv2d": lambda t: F.conv2d(t.image, _weights(8, 2, 3, 3), stride=2, padding=1, groups=2),
    "conv2d_same": lambda t: F.conv2d(t.image, _weights(2, 4, 2, 3), padding="same", dilation=2),
    "conv2d_unbatched": lambda t: F.conv2d(t.image[0], _weights(2, 4, 3, 3)),
    "conv3d": lambda t: F.conv3d(t.image[:, None], _weights(2, 1, 2, 3, 3)),
    "conv_transpose1d": lambda t: F.conv_transpose1d(t.x, _weights(4, 2, 3), stride=2, output_padding=1),
    "conv_transpose2d": lambda t: F.conv_transpose2d(t.image, _weights(4, 1, 3, 3), stride=2, padding=1, groups=2),
    "max_pool": lambda t: (
        F.max_pool1d(t.x, 2),
        F.max_pool2d(t.image, 3, 2, 1),
        F.max_pool2d(t.image, 3, ceil_mode=True),
    ),
    "max_pool_indices": lambda t: F.max_pool2d(t.image, 3, 2, 1, return_indices=True),
    "avg_pool": lambda t: (F.avg_pool1d(t.x, 2), F.avg_pool2d(t.image, 3, 2, 1), F.avg_pool3d(t.image, 2)),
    "avg_pool_excluding": lambda t: F.avg_pool2d(t.image, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "adaptive": lambda t: (F.adaptive_avg_pool2d(t.image, 1), F.adaptive_avg_pool2d(t.image, (4, 5))),
    "adaptive_uneven": lambda t: (F.adaptive_avg_pool2d(t.image, (3, 7)), F.adaptive_avg_pool1d(t.x, 4)),
    "adaptive_larger": lambda t: (F.adaptive_avg_pool2d(t.image, (16, 12)), F.adaptive_max_pool2d(t.image, (16, 7))),
    "adaptive_max": lambda t: (F.adaptive_max_pool2d(t.image, 1), F.adaptive_max_pool2d(t.image, (3, None))),
    "batch_norm": lambda t: F.batch_norm(t.image, _line(4), _line(4) + 1, _line(4), _line(4) - 1),
    "layer_norm": lambda t: (F.layer_norm(t.x, (6,)), F.layer_norm(t.x, (4, 6), _weights(4, 6), _weights(4, 6))),
    "rms_norm": lambda t: F.rms_norm(t.x, (6,), _line(6), 1e-5),
    "group_norm": lambda t: (F.group_norm(t.image, 2, _line(4), _line(4)), F.group_norm(t.x, 4)),
    "instance_norm": lambda t: (F.instance_norm(t.image), F.instance_norm(t.x, weight=_line(4), bias=_line(4))),
    "local_response_norm": lambda t: F.local_response_norm(t.image, 3),
    "dropout": lambda t: F.dropout(t.x, 0.5, training=False),
}

IMAGE: dict[str, Case] = {
    "nearest": lambda t: (
        F.interpolate(t.image, scale_factor=2),
        F.interpolate(t.image, (5, 13)),
        F.interpolate(t.x, 9),
    ),
    "nearest_exact": lambda t: F.interpolate(t.image, (5, 13), mode="nearest-exact"),
    "bilinear": lambda t: (_up(t, "bilinear", False), _up(t, "bilinear", True), F.interpolate(t.x, 9, mode="linear")),
    "bilinear_factor": lambda t: F.interpolate(t.image, scale_factor=1.7, mode="bilinear"),
    "bicubic": lambda t: (_up(t, "bicubic", False), _up(t, "bicubic", True)),
    "antialias": lambda t: F.interpolate(t.image, (5, 4), mode="bilinear", antialias=True),
    "antialias_cubic": lambda t: F.interpolate(t.image, (5, 4), mode="bicubic", antialias=True),
    "grid_sample": lambda t: (F.grid_sample(t.image, t.grid, align_corners=True), _sampled(t, "nearest", "border")),
    "grid_sample_reflected": lambda t: _sampled(t, "bilinear", "reflection"),
    "im2col": lambda t: F.unfold(t.image, 3, padding=1, stride=2),
}


def _up(t: Any, mode: str, align: bool) -> Any:
    return F.interpolate(t.image, (13, 7), mode=mode, align_corners=align)


def _sampled(t: Any, mode: str, padding: str) -> Any:
    return F.grid_sample(t.image, t.grid, mode, padding, align_corners=False)


def _weights(*shape: int) -> Any:
    count = torch.Size(shape).numel()
    return torch.cos(torch.arange(float(count))).view(shape)


def _line(count: int) -> Any:
    return torch.linspace(1.5, 2.5, count)


FAMILIES: Mapping[str, Mapping[str, Case]] = {
    "elementwise": ELEMENTWISE,
    "activation": ACTIVATION,
    "linalg": LINALG,
    "reduce": REDUCE,
    "shape": SHAPE,
    "indexing": INDEXING,
    "creation": CREATION,
    "nn": NN,
    "image": IMAGE,
    "selection": SELECTION,
    "scans": SCANS,
    "counting": COUNTING,
    "bags": BAGS,
    "scattering": SCATTERING,
    "signs": SIGNS,
}
