"""Matrix products and attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.compiler.importers.torch.args import axes_of, cast, reshaped, static_sizes, tensor
from isthmus.compiler.importers.torch.builder import Number, TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL


@aten("linear")
def linear(b: TorchBuilder, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """x @ weight^T + bias: torch keeps the weight as [M, K]."""
    turned = b.transpose(weight, perm=(1, 0)) if weight.rank == 2 else weight
    y = b.matmul(x, turned)
    return y if bias is None else b.add(y, bias)


@aten("matmul", "mm", "bmm", "dot", "mv", "vdot")
def matmul(b: TorchBuilder, *operands: Value) -> Value:
    """The second operand is called other, mat2, vec or tensor."""
    return b.matmul(*operands)


@aten("outer", "ger")
def outer(b: TorchBuilder, x: Value, vec2: Value) -> Value:
    return b.mul(b.reshape(x, shape=(*x.shape, 1)), vec2)


@aten("addmm", "addmv", "baddbmm")
def addmm(b: TorchBuilder, *arguments: Any) -> Value:
    """beta * x + alpha * (left @ right), whatever left and right are called."""
    x, left, right, beta, alpha = arguments
    return _added(b, x, b.matmul(left, right), beta, alpha)


@aten("addbmm")
def addbmm(b: TorchBuilder, x: Value, batch1: Value, batch2: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    """The products of a batch are summed."""
    return _added(b, x, b.reduce_sum(b.matmul(batch1, batch2), axes=(0,)), beta, alpha)


def _added(b: TorchBuilder, x: Value, product: Value, beta: Number, alpha: Number) -> Value:
    product = product if alpha == 1 else b.mul(product, tensor(b, alpha, product.dtype))
    if beta == 0:
        return product
    return b.add(product, x if beta == 1 else b.mul(x, tensor(b, beta, x.dtype)))


@aten("einsum")
def einsum(b: TorchBuilder, x: str, tensors: Sequence[Value], path: object = None) -> Value:
    equation = x.replace(" ", "")
    if "->" not in equation:
        letters = sorted(set(equation) - set(",."))
        dots = "..." if "..." in equation else ""
        equation += "->" + dots + "".join(c for c in letters if equation.count(c) == 1)
    return b.einsum(*tensors, equation=equation)


@aten("scaled_dot_product_attention")
def attention(
    b: TorchBuilder,
    x: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """softmax(scale * q @ k^T + mask) @ v; a mask of truth values says what is seen. A row that sees nothing is 0."""
    if dropout_p:
        raise UnsupportedModel("attention with dropout", hint="export the model for inference, as model.eval() does")
    size = x.shape[-1]
    if scale is None:
        if not isinstance(size, int):
            raise UnsupportedModel("attention over a symbolic head size without a scale")
        scale = 1 / math.sqrt(size)
    mask = attn_mask
    seeing = None
    if mask is not None:
        seen = mask if mask.dtype == BOOL else b.greater(mask, b.const(-math.inf, mask.dtype))
        seeing = b.reduce_any(seen, axes=(seen.rank - 1,), keepdims=True)
        nothing, never = b.const(0.0, x.dtype), b.const(-math.inf, x.dtype)
        mask = b.where(mask, nothing, never) if mask.dtype == BOOL else cast(b, mask, x.dtype)
        if _sees_something(b, seeing):
            seeing = None
        else:
            mask = b.where(seeing, mask, nothing)
    if enable_gqa and x.rank != 4:
        raise UnsupportedModel("grouped-query attention of rank other than 4")
    y = b.attention(x, key, value, mask, scale=float(scale), causal=is_causal)
    return y if seeing is None else b.where(seeing, y, b.const(0.0, y.dtype))


def _sees_something(b: TorchBuilder, visible: Value) -> bool:
    known = b.numbers(visible)
    return known is not None and bool(known.all())


@aten("linalg_vector_norm", "norm")
def vector_norm(
    b: TorchBuilder,
    x: Value,
    ord: float = 2,
    p: float | None = None,
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: object = None,
) -> Value:
    """The p-norm over `dim`: by absolute values for 1 and infinity, by squares for 2."""
    order = float(ord if p is None else p)
    x = cast(b, x, b.wanted_dtype())
    axes = axes_of(dim, x.rank)
    if order == 2:
        return b.sqrt(b.reduce_sum(b.mul(x, x), axes=axes, keepdims=keepdim))
    size = b.abs(x)
    if order == 1:
        return b.reduce_sum(size, axes=axes, keepdims=keepdim)
    if math.isinf(order):
        reduce = b.reduce_max if order > 0 else b.reduce_min
        return reduce(size, axes=axes, keepdims=keepdim)
    if order == 0:
        counted = cast(b, b.not_equal(x, 0.0), x.dtype)
        return b.reduce_sum(counted, axes=axes, keepdims=keepdim)
    return b.pow(b.reduce_sum(b.pow(size, order), axes=axes, keepdims=keepdim), 1 / order)


@aten("bilinear")
def bilinear(b: TorchBuilder, x: Value, input2: Value, weight: Value, bias: Value | None = None) -> Value:
    y = b.einsum(x, weight, input2, equation="...i,oij,...j->...o")
    return y if bias is None else b.add(y, bias)


@aten("_cdist_forward", "_euclidean_dist")
def cdist(b: TorchBuilder, x: Value, x2: Value, p: float = 2.0, compute_mode: int | None = None) -> Value:
    """The p-norms of every row of x less every row of x2."""
    left = b.reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))
    right = reshaped(b, x2, (*x2.shape[:-2], 1, *x2.shape[-2:]))
    apart = b.sub(left, right)
    return vector_norm(b, apart, p, dim=(apart.rank - 1,))


@aten("pdist", "_pdist_forward")
def pdist(b: TorchBuilder, x: Value, p: float = 2.0) -> Value:
    """The p-norms of every row of x less every later row."""
    (count,) = static_sizes(x.shape[:1], "the rows that are compared with each other")
    earlier, later = (b.gather(x, b.const(rows), axis=0) for rows in np.triu_indices(count, 1))
    return vector_norm(b, b.sub(earlier, later), p, dim=(1,))
