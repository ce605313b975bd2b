"""Matrix products. Element types narrower than f32 accumulate in f32 and round once, as matrix hardware does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.ir.dim import Dim, equal
from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import Float, Num, Trait, op
from isthmus.ir.ops.activation import softmax
from isthmus.ir.ops.infer import broadcast, check_rank, check_same
from isthmus.ir.precision import LOW
from isthmus.ir.types import Array, TensorType

if TYPE_CHECKING:
    from isthmus.ir.builder import Builder
    from isthmus.ir.graph import Value

_COMPOSITE = frozenset({Trait.COMPOSITE})


def _matmul(x: TensorType, y: TensorType) -> TensorType:
    if x.rank == 0 or y.rank == 0:
        raise TypeRuleError(f"{x} and {y}: a scalar has no matrix product")
    rows = x.shape[-2:-1]
    columns = y.shape[-1:] if y.rank > 1 else ()
    inner = y.shape[-2] if y.rank > 1 else y.shape[0]
    check_same(f"inner sizes of {x} and {y}", x.shape[-1], inner)
    return x.with_shape((*broadcast(x.shape[:-2], y.shape[:-2]), *rows, *columns))


@op(infer=_matmul, precision=LOW)
def matmul(x: Num, y: Num) -> Array:
    """Matrix product of the last two dimensions, broadcasting the others; vectors as in numpy.matmul. Integers wrap."""
    return np.matmul(x, y)


def _linear(x: TensorType, weight: TensorType, bias: TensorType | None) -> TensorType:
    check_rank("weight", weight, 2)
    if x.rank < 1:
        raise TypeRuleError(f"x is {x}, must have rank 1 or more")
    check_same("columns of x and rows of weight", x.shape[-1], weight.shape[0])
    if bias is not None:
        check_rank("bias", bias, 1)
        check_same("bias and columns of weight", bias.shape[0], weight.shape[1])
    return x.with_shape((*x.shape[:-1], weight.shape[1]))


@op(infer=_linear, traits=_COMPOSITE, precision=LOW)
def linear(x: Float, weight: Float, bias: Float | None = None) -> Array:
    """x @ weight + bias: x [..., K], weight [K, M], bias [M]."""
    product = np.matmul(x, weight)
    return product if bias is None else product + bias


@linear.decomposition
def _(b: Builder, x: Value, weight: Value, bias: Value | None = None) -> Value:
    product = b.matmul(x, weight)
    return product if bias is None else b.add(product, bias)


def _einsum(*xs: TensorType, equation: str) -> TensorType:
    terms, arrow, result = equation.replace(" ", "").partition("->")
    letters = terms.split(",")
    if not arrow or len(letters) != len(xs):
        raise TypeRuleError(f"equation {equation!r} does not fit {len(xs)} operands", hint="write every operand and ->")
    sizes: dict[str, Dim] = {}
    batch: tuple[Dim, ...] = ()
    for term, x in zip(letters, xs, strict=True):
        before, dots, after = term.partition("...")
        extra = x.rank - len(before) - len(after)
        if extra < 0 or (extra and not dots):
            raise TypeRuleError(f"term {term!r} of {equation!r} does not fit {x}")
        batch = broadcast(batch, x.shape[len(before) : len(before) + extra])
        for letter, size in zip(before + after, x.shape[: len(before)] + x.shape[x.rank - len(after) :], strict=True):
            known = sizes.setdefault(letter, size)
            if equal(known, size) is False:
                raise TypeRuleError(f"{letter!r} of {equation!r} is both {known} and {size}")
    before, dots, after = result.partition("...")
    if unknown := set(before + after) - set(sizes):
        raise TypeRuleError(f"{min(unknown)!r} stands only in the result of {equation!r}")
    shape = (*(sizes[c] for c in before), *(batch if dots else ()), *(sizes[c] for c in after))
    return xs[0].with_shape(shape)


@op(infer=_einsum, precision=LOW)
def einsum(*xs: Float, equation: str) -> Array:
    """Einstein summation as numpy.einsum with an explicit result: "bij,bjk->bik"; "..." is batch dimensions."""
    product: Array = np.einsum(equation.replace(" ", ""), *xs, optimize=len(xs) > 1)
    return product


def _attention(q: TensorType, k: TensorType, v: TensorType, mask: TensorType | None, **_: Any) -> TensorType:
    if min(q.rank, k.rank, v.rank) < 2:
        raise TypeRuleError(f"q {q}, k {k} and v {v} must have rank 2 or more")
    check_same("last sizes of q and k", q.shape[-1], k.shape[-1])
    check_same("lengths of k and v", k.shape[-2], v.shape[-2])
    batch = broadcast(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    scores = (*batch, q.shape[-2], k.shape[-2])
    if mask is not None and len(broadcast(scores, mask.shape)) != len(scores):
        raise TypeRuleError(f"mask {mask} has more dimensions than the scores [{', '.join(map(str, scores))}]")
    return q.with_shape((*batch, q.shape[-2], v.shape[-1]))


@op(infer=_attention, traits=_COMPOSITE, precision=LOW)
def attention(q: Float, k: Float, v: Float, mask: Float | None = None, *, scale: float, causal: bool = False) -> Array:
    """softmax(scale * q @ k^T + mask) @ v (arXiv:1706.03762).

    q [..., L, E], k [..., S, E], v [..., S, Ev], leading dimensions broadcast; the additive mask broadcasts against
    [..., L, S]. `causal` lets position i see positions 0..i only.
    """
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) * np.asarray(scale, q.dtype)
    if mask is not None:
        scores = scores + mask
    if causal:
        scores = np.where(np.tri(q.shape[-2], k.shape[-2], dtype=np.bool_), scores, -np.inf).astype(scores.dtype)
    return np.matmul(softmax(scores, axis=-1), v)


@attention.decomposition
def _(b: Builder, q: Value, k: Value, v: Value, mask: Value | None = None, *, scale: float, causal: bool) -> Value:
    swap = (*range(k.rank - 2), k.rank - 1, k.rank - 2)
    scores = b.mul(b.matmul(q, b.transpose(k, perm=swap)), scale)
    if mask is not None:
        scores = b.add(scores, mask)
    if causal:
        square = scores.shape[-2:]
        seen = b.trilu(b.full(b.const(True), shape=square), upper=False)
        scores = b.where(seen, scores, -np.inf)
    return b.matmul(b.softmax(scores, axis=scores.rank - 1), v)
