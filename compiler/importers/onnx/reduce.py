"""Reductions, running sums and selections along axes."""

from __future__ import annotations

from collections.abc import Callable

from isthmus.compiler.importers.lowering import Lowering, lowers
from isthmus.compiler.importers.onnx.args import axes_from, normal_axis, scalar
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.products import running_product
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL

_Reduce = Callable[..., Value]


def _plain(name: str, on_bool: str | None = None) -> _Reduce:
    def build(b: OnnxBuilder, x: Value, *, axes: tuple[int, ...], keepdims: bool) -> Value:
        chosen = on_bool if on_bool is not None and x.dtype == BOOL else name
        return b.create(chosen, (x,), {"axes": axes, "keepdims": keepdims}).result

    return build


def _l1(b: OnnxBuilder, x: Value, *, axes: tuple[int, ...], keepdims: bool) -> Value:
    return b.reduce_sum(b.abs(x), axes=axes, keepdims=keepdims)


def _l2(b: OnnxBuilder, x: Value, *, axes: tuple[int, ...], keepdims: bool) -> Value:
    return b.sqrt(_sum_square(b, x, axes=axes, keepdims=keepdims))


def _sum_square(b: OnnxBuilder, x: Value, *, axes: tuple[int, ...], keepdims: bool) -> Value:
    return b.reduce_sum(b.mul(x, x), axes=axes, keepdims=keepdims)


def _log_sum(b: OnnxBuilder, x: Value, *, axes: tuple[int, ...], keepdims: bool) -> Value:
    return b.log(b.reduce_sum(x, axes=axes, keepdims=keepdims))


_REDUCTIONS: dict[str, _Reduce] = {
    "ReduceSum": _plain("reduce_sum"),
    "ReduceProd": _plain("reduce_prod"),
    "ReduceMean": _plain("reduce_mean"),
    "ReduceMax": _plain("reduce_max", on_bool="reduce_any"),
    "ReduceMin": _plain("reduce_min", on_bool="reduce_all"),
    "ReduceL1": _l1,
    "ReduceL2": _l2,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _plain("log_sum_exp"),
    "ReduceSumSquare": _sum_square,
}


def _reduction(source: str, build: _Reduce) -> Lowering:
    @lowers(source)
    def reduce(
        b: OnnxBuilder,
        x: Value,
        axes_operand: Value | None = None,
        *,
        axes: tuple[int, ...] | None = None,
        keepdims: bool = True,
        noop_with_empty_axes: bool = False,
    ) -> Value:
        """Axes became an operand in operator set 13 (ReduceSum) or 18; none at all, or none in the list, means all."""
        along = axes_from(b, axes_operand, axes, x.rank)
        if along:
            return build(b, x, axes=along, keepdims=keepdims)
        if noop_with_empty_axes:
            return build(b, x, axes=(), keepdims=keepdims)
        return build(b, x, axes=tuple(range(x.rank)), keepdims=keepdims)

    return reduce


reductions = tuple(_reduction(source, build) for source, build in _REDUCTIONS.items())


@lowers("ArgMax")
def argmax(b: OnnxBuilder, x: Value, *, axis: int = 0, keepdims: bool = True, select_last_index: bool = False) -> Value:
    return b.argmax(x, axis=normal_axis(axis, x.rank), keepdims=keepdims, last=select_last_index)


@lowers("ArgMin")
def argmin(b: OnnxBuilder, x: Value, *, axis: int = 0, keepdims: bool = True, select_last_index: bool = False) -> Value:
    return b.argmin(x, axis=normal_axis(axis, x.rank), keepdims=keepdims, last=select_last_index)


@lowers("CumSum")
def cumsum(b: OnnxBuilder, x: Value, axis: Value, *, exclusive: bool = False, reverse: bool = False) -> Value:
    (along,) = b.integers(scalar(b, axis), "CumSum: axis")
    return b.cumsum(x, axis=normal_axis(along, x.rank), exclusive=exclusive, reverse=reverse)


@lowers("CumProd", since=26)
def cumprod(b: OnnxBuilder, x: Value, axis: Value, *, exclusive: bool = False, reverse: bool = False) -> Value:
    (along,) = b.integers(scalar(b, axis), "CumProd: axis")
    at = normal_axis(along, x.rank)
    ahead = b.reverse(x, axes=(at,)) if reverse else x
    found = running_product(b, ahead, at, exclusive=exclusive)
    return b.reverse(found, axes=(at,)) if reverse else found


@lowers("TopK", since=10)
def topk(
    b: OnnxBuilder, x: Value, count: Value, *, axis: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Value, Value]:
    """Always sorted: an unsorted result may stand in any order."""
    sizes = b.sizes(scalar(b, count))
    if sizes is None:
        raise UnsupportedModel("TopK: k must depend on nothing but input shapes")
    values, indices = b.topk(x, k=sizes[0], axis=normal_axis(axis, x.rank), largest=largest)
    return values, indices


@lowers("TopK")
def topk_by_attribute(b: OnnxBuilder, x: Value, *, k: int, axis: int = -1) -> tuple[Value, Value]:
    values, indices = b.topk(x, k=k, axis=normal_axis(axis, x.rank))
    return values, indices
