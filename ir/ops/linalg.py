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


def _share(kv: TensorType | Array, q: TensorType | Array) -> int:
    """How many heads of q read each head of k or v; 1 where the head counts are equal or broadcast."""
    heads, given = _heads(q), _heads(kv)
    if equal(heads, given) is True or 1 in (heads, given):
        return 1
    if not isinstance(heads, int) or not isinstance(given, int):
        raise TypeRuleError(f"whether {given} heads serve {heads} is not known", hint="head counts must be numbers")
    if heads % given:
        raise TypeRuleError(f"{given} heads cannot serve {heads}")
    return heads // given


def _heads(x: TensorType | Array) -> Dim:
    return x.shape[-3] if len(x.shape) > 2 else 1


def _batch_of(kv: TensorType, q: TensorType) -> tuple[Dim, ...]:
    return (*kv.shape[:-3], q.shape[-3]) if _share(kv, q) > 1 else kv.shape[:-2]


def _attention(q: TensorType, k: TensorType, v: TensorType, mask: TensorType | None, **_: Any) -> TensorType:
    if min(q.rank, k.rank, v.rank) < 2:
        raise TypeRuleError(f"q {q}, k {k} and v {v} must have rank 2 or more")
    check_same("last sizes of q and k", q.shape[-1], k.shape[-1])
    check_same("lengths of k and v", k.shape[-2], v.shape[-2])
    batch = broadcast(q.shape[:-2], *(_batch_of(each, q) for each in (k, v)))
    scores = (*batch, q.shape[-2], k.shape[-2])
    if mask is not None and len(broadcast(scores, mask.shape)) != len(scores):
        raise TypeRuleError(f"mask {mask} has more dimensions than the scores [{', '.join(map(str, scores))}]")
    return q.with_shape((*batch, q.shape[-2], v.shape[-1]))


@op(infer=_attention, traits=_COMPOSITE, precision=LOW)
def attention(q: Float, k: Float, v: Float, mask: Float | None = None, *, scale: float, causal: bool = False) -> Array:
    """softmax(scale * q @ k^T + mask) @ v (arXiv:1706.03762).

    q [..., L, E], k [..., S, E], v [..., S, Ev], leading dimensions broadcast; the additive mask broadcasts against
    [..., L, S]. `causal` lets position i see positions 0..i only. Where k and v have fewer heads (dimension -3) than q,
    consecutive heads of q share one: head h of H reads head h // (H // Hk).
    """
    k, v = (np.repeat(each, _share(each, q), axis=-3) if _share(each, q) > 1 else each for each in (k, v))
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) * np.asarray(scale, q.dtype)
    if mask is not None:
        scores = scores + mask
    if causal:
        scores = np.where(np.tri(q.shape[-2], k.shape[-2], dtype=np.bool_), scores, -np.inf).astype(scores.dtype)
    return np.matmul(softmax(scores, axis=-1), v)


@attention.decomposition
def _(b: Builder, q: Value, k: Value, v: Value, mask: Value | None = None, *, scale: float, causal: bool) -> Value:
    k, v = (_repeated(b, each, _share(each.type, q.type)) for each in (k, v))
    swap = (*range(k.rank - 2), k.rank - 1, k.rank - 2)
    scores = b.mul(b.matmul(q, b.transpose(k, perm=swap)), scale)
    if mask is not None:
        scores = b.add(scores, mask)
    if causal:
        square = scores.shape[-2:]
        seen = b.trilu(b.full(b.const(True), shape=square), upper=False)
        scores = b.where(seen, scores, -np.inf)
    return b.matmul(b.softmax(scores, axis=scores.rank - 1), v)


def _repeated(b: Builder, x: Value, share: int) -> Value:
    """Each head of x `share` times in a row."""
    if share == 1:
        return x
    *batch, heads, length, size = x.shape
    apart = b.reshape(x, shape=(*batch, heads, 1, length, size))
    wide = b.expand(apart, shape=(*batch, heads, share, length, size))
    return b.reshape(wide, shape=(*batch, heads * share, length, size))


def _rotary(x: TensorType, cos: TensorType, sin: TensorType) -> TensorType:
    if x.rank < 1 or not isinstance(size := x.shape[-1], int) or size % 2:
        raise TypeRuleError(f"the last size of x {x} must be an even number")
    if broadcast(x.shape, cos.shape, sin.shape) != x.shape:
        raise TypeRuleError(f"cos {cos} and sin {sin} must broadcast to x {x}")
    return x


@op(infer=_rotary, traits=_COMPOSITE)
def rotary_embedding(x: Float, cos: Float, sin: Float) -> Array:
    """x * cos + turned * sin, where turned is the second half of the last dimension, negated, and then the first half.

    Turns each pair (x[i], x[i + E/2]) by its position's angle (arXiv:2104.09864); cos and sin broadcast to x [..., E].
    """
    first, second = np.split(x, 2, axis=-1)
    return x * cos + np.concatenate([-second, first], axis=-1) * sin


@rotary_embedding.decomposition
def _(b: Builder, x: Value, cos: Value, sin: Value) -> Value:
    axis, half = x.rank - 1, x.shape[-1] // 2
    first, second = b.split(x, axis=axis, sizes=(half, half))
    turned = b.concat(b.neg(second), first, axis=axis)
    return b.add(b.mul(x, cos), b.mul(turned, sin))
