"""Ops that address elements by computed indices, which are brought inside: no index reads or writes other memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import carriers, integers, maths
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import kind, script, tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import const, select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.orders import row_major
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Index, Scope, Stored, Tensor
from isthmus.ir.dim import Dim, Shape
from isthmus.ir.types import I64, TensorType


def _inside(index: Expr, size: Any) -> Expr:
    """An index that counts from the end where negative, brought into 0..size - 1."""
    wide, extent = index.astype("int64"), int64(size)
    counted = select(wide < int64(0), wide + extent, wide)
    return tirx.min(tirx.max(counted, int64(0)), extent - int64(1))


@emits("gather")
def gather(n: Network, x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    """The slices that indices name."""
    source, places = n.memory(x), n.memory(indices)
    rank, size = places.type.rank, n.x.shape[axis]

    def element(scope: Scope, at: Index) -> Expr:
        place = _inside(scope.read(places, at[axis : axis + rank]), scope.size(size))
        return scope.read(source, [*at[:axis], place, *at[axis + rank :]])

    return n.formula(element, source, places)


@emits("gather_elements")
def gather_elements(n: Network, x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    """The element at the same place but for one axis."""
    source, places = n.memory(x), n.memory(indices)
    size = n.x.shape[axis]

    def element(scope: Scope, at: Index) -> Expr:
        place = _inside(scope.read(places, at), scope.size(size))
        return scope.read(source, [*at[:axis], place, *at[axis + 1 :]])

    return n.formula(element, source, places)


@emits("gather_nd")
def gather_nd(n: Network, x: Tensor, indices: Tensor, *, batch_dims: int) -> Tensor:
    """The slices that vectors of indices name."""
    source, places = n.memory(x), n.memory(indices)
    depth, shape = int(places.type.shape[-1]), n.x.shape  # type: ignore[arg-type]
    lead = places.type.rank - 1

    def element(scope: Scope, at: Index) -> Expr:
        named = [
            _inside(scope.read(places, [*at[:lead], int64(i)]), scope.size(shape[batch_dims + i])) for i in range(depth)
        ]
        return scope.read(source, [*at[:batch_dims], *named, *at[lead:]])

    return n.formula(element, source, places)


_COMBINE: dict[str, Callable[[Expr, Expr], Expr]] = {
    "none": lambda old, new: new,
    "add": integers.add,
    "mul": integers.mul,
    "max": maths.maximum,
    "min": maths.minimum,
}


def _combine(reduction: str, is_bool: bool) -> Callable[[Expr, Expr], Expr]:
    if not is_bool or reduction == "none":
        return _COMBINE[reduction]
    return (lambda a, b: tirx.any(a, b)) if reduction in ("add", "max") else (lambda a, b: tirx.all(a, b))


@emits("scatter_elements")
def scatter_elements(n: Network, x: Tensor, indices: Tensor, updates: Tensor, *, axis: int, reduction: str) -> Tensor:
    """A copy, and then the updates one after another."""
    places = n.row_major(indices)
    size = n.x.shape[axis]

    def target(scope: KernelScope, at: Index) -> list[Any]:
        return [*at[:axis], _inside(scope.read(places, at), scope.size(size)), *at[axis + 1 :]]

    return _scattered(n, x, places, n.row_major(updates), places.type.shape, target, reduction)


@emits("scatter_nd")
def scatter_nd(n: Network, x: Tensor, indices: Tensor, updates: Tensor, *, reduction: str) -> Tensor:
    """A copy, and then the updates one after another."""
    places, given = n.row_major(indices), n.row_major(updates)
    depth, shape, lead = int(places.type.shape[-1]), n.x.shape, places.type.rank - 1  # type: ignore[arg-type]

    def target(scope: KernelScope, at: Index) -> list[Any]:
        named = [_inside(scope.read(places, [*at[:lead], int64(i)]), scope.size(shape[i])) for i in range(depth)]
        return [*named, *at[lead:]]

    return _scattered(n, x, places, given, given.type.shape, target, reduction)


def _scattered(
    n: Network,
    x: Tensor,
    places: Stored,
    updates: Stored,
    extents: Shape,
    target: Callable[[KernelScope, Index], list[Any]],
    reduction: str,
) -> Tensor:
    source, type = n.row_major(x), n.type
    combine = _combine(reduction, type.dtype.name == "bool")

    def body(scope: KernelScope) -> None:
        def copy(at: list[Any]) -> None:
            scope.store(0, type, row_major(type.rank), at, scope.read(source, at))

        loops.pointwise([scope.size(d) for d in type.shape], copy, True)
        with loops.serial_nest([scope.size(d) for d in extents]) as at:
            place = [scope.bind(p) for p in target(scope, at)]
            old = carriers.widen(scope.results[0][tuple(place)], type.dtype)
            new = combine(scope.bind(old), scope.read(updates, at))
            scope.store(0, type, row_major(type.rank), place, scope.bind(new))

    return n.kernel(body, [source, places, updates], [type])[0]


@emits("one_hot")
def one_hot(n: Network, indices: Tensor, values: Tensor, *, depth: Dim, axis: int) -> Tensor:
    """Compares each place with the index."""
    given, choices = n.memory(indices), n.memory(values)

    def element(scope: Scope, at: Index) -> Expr:
        size = int64(scope.size(depth))
        index = scope.read(given, [*at[:axis], *at[axis + 1 :]]).astype("int64")
        wanted = select(index < int64(0), index + size, index)
        off, on = (scope.read(choices, [int64(i)]) for i in (0, 1))
        return select(tirx.EQ(wanted, at[axis]), on, off)

    return n.formula(element, given, choices)


@emits("non_zero")
def non_zero(n: Network, x: Tensor) -> Tensor:
    """Counted first, and then listed in order."""
    source, type = n.row_major(x), n.type
    shape, count_type = source.type.shape, TensorType(I64, (1,))

    def differs(scope: KernelScope, at: Index) -> Expr:
        value = scope.read(source, at)
        return value if kind(value) == "bool" else maths.negated(tirx.EQ(value, const(0, value)))

    def count(scope: KernelScope) -> None:
        total = scope.scratch((1,), "int64")
        script.buffer_store(total, int64(0), [0])
        with loops.serial_nest([scope.size(d) for d in shape]) as at:
            script.buffer_store(total, total[0] + differs(scope, at).astype("int64"), [0])
        scope.store(0, count_type, (0,), [int64(0)], total[0])

    (counted,) = n.kernel(count, [source], [count_type])
    n.learn(counted, type.shape[1:])

    def body(scope: KernelScope) -> None:
        filled = scope.scratch((1,), "int64")
        script.buffer_store(filled, int64(0), [0])
        with loops.serial_nest([scope.size(d) for d in shape]) as at, script.If(differs(scope, at)), script.Then():
            for i, position in enumerate(at):
                scope.store(0, type, row_major(type.rank), [int64(i), filled[0]], int64(position))
            script.buffer_store(filled, filled[0] + int64(1), [0])

    return n.kernel(body, [source], [type])[0]


@emits("trilu")
def trilu(n: Network, x: Tensor, *, upper: bool, k: int) -> Tensor:
    """Zeros on one side of a diagonal."""

    def element(scope: Scope, at: Index) -> Expr:
        off = int64(at[-1]) - int64(at[-2])
        kept = off >= int64(k) if upper else off <= int64(k)
        value = scope.read(x, at)
        return select(kept, value, const(0, value))

    return n.formula(element, x)


@emits("non_max_suppression")
def non_max_suppression(
    n: Network,
    boxes: Tensor,
    scores: Tensor,
    *,
    max_per_class: int,
    iou_threshold: float,
    score_threshold: float,
    center_point_box: bool,
) -> Tensor:
    """Class by class, the best box that is left and overlaps no kept one: counted first, and then listed."""
    corners, given, type = n.row_major(boxes), n.row_major(scores), n.type
    count_type = TensorType(I64, (1,))
    kind = carriers.computed(n.x.dtype)
    batches, classes, total = given.type.shape
    state_type = TensorType(I64, (batches, classes, total))

    def run(scope: KernelScope) -> None:
        """Fills the order in which boxes are kept (0 for none), and how many there are."""
        counter = scope.scratch((1,), "int64")
        script.buffer_store(counter, int64(0), [0])
        extent = int64(scope.size(total))
        order = scope.results[1]
        with loops.serial_nest([scope.size(batches), scope.size(classes)]) as (batch, label):
            best, value = scope.scratch((1,), "int64"), scope.scratch((1,), kind)
            kept, is_clear = scope.scratch((1,), "int64"), scope.scratch((1,), "uint8")
            script.buffer_store(kept, int64(0), [0])
            with script.serial(int64(0), extent) as box:
                score = scope.read(given, [batch, label, box])
                low = maths.negated(score > const(score_threshold, score))
                script.buffer_store(order, select(low, int64(-1), int64(0)), [batch, label, box])
            with script.serial(int64(0), extent):
                script.buffer_store(best, int64(-1), [0])
                with script.serial(int64(0), extent) as box:
                    score = scope.read(given, [batch, label, box])
                    is_free = tirx.EQ(order[batch, label, box], int64(0))
                    is_better = tirx.any(best[0] < int64(0), score > value[0])
                    with script.If(tirx.all(is_free, is_better)), script.Then():
                        script.buffer_store(best, box, [0])
                        script.buffer_store(value, score, [0])
                with script.If(tirx.all(best[0] >= int64(0), kept[0] < int64(max_per_class))), script.Then():
                    chosen = scope.bind(best[0])
                    script.buffer_store(is_clear, tirx.const(1, "uint8"), [0])
                    mine = [scope.read(corners, [batch, chosen, int64(i)]) for i in range(4)]
                    every = script.serial(int64(0), extent)
                    with every as box, script.If(order[batch, label, box] > int64(0)), script.Then():
                        other = [scope.read(corners, [batch, box, int64(i)]) for i in range(4)]
                        shared = _overlap(mine, other, center_point_box)
                        with script.If(shared > tirx.const(iou_threshold, "float64")), script.Then():
                            script.buffer_store(is_clear, tirx.const(0, "uint8"), [0])
                    with script.If(tirx.NE(is_clear[0], tirx.const(0, "uint8"))):
                        with script.Then():
                            script.buffer_store(kept, kept[0] + int64(1), [0])
                            script.buffer_store(counter, counter[0] + int64(1), [0])
                            script.buffer_store(order, counter[0], [batch, label, chosen])
                        with script.Else():
                            script.buffer_store(order, int64(-1), [batch, label, chosen])
        scope.store(0, count_type, (0,), [int64(0)], counter[0])

    counted, order = n.kernel(run, [corners, given], [count_type, state_type])
    n.learn(counted, type.shape[:1])

    def body(scope: KernelScope) -> None:
        with loops.serial_nest([scope.size(d) for d in (batches, classes, total)]) as at:
            rank = scope.read(order, at)
            with script.If(rank > int64(0)), script.Then():
                for i, position in enumerate(at):
                    scope.store(0, type, row_major(type.rank), [rank - int64(1), int64(i)], int64(position))

    return n.kernel(body, [order], [type])[0]


def _overlap(a: Sequence[Expr], b: Sequence[Expr], center_point_box: bool) -> Expr:
    """Intersection over union: areas in the boxes' type, their quotient in f64."""
    (top, left, bottom, right), (t, le, bo, r) = (_corners(each, center_point_box) for each in (a, b))
    zero = const(0, top)
    height = tirx.max(tirx.min(bottom, bo) - tirx.max(top, t), zero)
    width = tirx.max(tirx.min(right, r) - tirx.max(left, le), zero)
    shared = (height * width).astype("float64")
    union = ((bottom - top) * (right - left) + (bo - t) * (r - le)).astype("float64") - shared
    one, none = tirx.const(1, "float64"), tirx.const(0, "float64")
    return select(union > none, shared / select(union > none, union, one), none)


def _corners(box: Sequence[Expr], center_point_box: bool) -> list[Expr]:
    """Top, left, bottom and right."""
    if center_point_box:
        x, y, w, h = box
        half = const(0.5, x)
        return [y - h * half, x - w * half, y + h * half, x + w * half]
    y1, x1, y2, x2 = box
    return [tirx.min(y1, y2), tirx.min(x1, x2), tirx.max(y1, y2), tirx.max(x1, x2)]
