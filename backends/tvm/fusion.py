"""What is computed together: which results are not stored, and which loops of an elementwise kernel are one."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.backends.tvm.kernels import Perm
from isthmus.backends.tvm.tensors import Formula, Pending, Stored, Tensor, leaves, root_of
from isthmus.ir.graph import Node, Value
from isthmus.ir.op import Trait

HEAVIEST = 48
"""How many formulas may become one kernel."""

MOVES = frozenset(("transpose", "slice", "split", "reverse", "trilu"))
"""Ops whose formulas read each element about once, in another place."""

FREE = frozenset(("const", "full", "iota", "expand"))
"""Ops whose formulas cost no more than reading memory, whoever reads them how often."""

COPIES = frozenset(("concat",))
"""Ops that move each element once, and that what follows joins: the default loops are as good as any."""

REDUCES = frozenset(
    ("reduce_sum", "reduce_mean", "reduce_prod", "reduce_max", "reduce_min", "reduce_all", "reduce_any")
)
"""Ops that read each element once, to make less of them."""

READ_ONCE = MOVES | COPIES | REDUCES
"""Ops that formulas join."""


def is_elementwise(node: Node) -> bool:
    """Whether the node computes each element from those at its place."""
    return node.op.has(Trait.ELEMENTWISE)


def is_free(tensor: Tensor) -> bool:
    """Whether reading it costs no more than reading memory."""
    return isinstance(tensor, Formula) and tensor.is_free


def joins(value: Value, tensor: Tensor) -> bool:
    """Whether a result is to stay unstored until the one node that uses it is written."""
    if isinstance(tensor, Stored):
        return False
    users = value.users
    is_output = any(not isinstance(use.user, Node) for use in value.uses)
    if is_output or len(users) != 1:
        return is_free(tensor) and not is_output
    (user,) = users
    if tensor.weight > HEAVIEST:
        return False
    if is_elementwise(user):
        return user.results[0].shape == value.shape or is_free(tensor)
    return root_of(tensor) is None and user.op.name in READ_ONCE


def to_store(node: Node, operands: Sequence[Tensor | None]) -> list[int]:
    """Which operands must be in memory before the node is written."""
    unstored = [(i, t) for i, t in enumerate(operands) if t is not None and not isinstance(t, Stored)]
    if not is_elementwise(node):
        keeps = node.op.name in READ_ONCE
        return [i for i, t in unstored if root_of(t) is not None or not (keeps or is_free(t))]
    result = node.results[0].shape
    chosen: list[int] = []
    root: Pending | None = None
    for i, tensor in unstored:
        found = root_of(tensor)
        is_late = found is not None and root is not None and found is not root
        is_other = tensor.type.shape != result and not is_free(tensor)
        if is_late or is_other:
            chosen.append(i)
        elif found is not None:
            root = found
    return chosen


def preferred_perm(formula: Formula) -> Perm:
    """The order of axes that what it reads in full already has."""
    for leaf in leaves(formula):
        if leaf.type.shape == formula.type.shape and _is_in_place(formula, leaf):
            return leaf.perm
    return tuple(range(formula.type.rank))


def _is_in_place(formula: Formula, leaf: Stored) -> bool:
    """Whether the leaf is read through elementwise formulas only."""
    pending: list[Tensor] = [formula]
    while pending:
        each = pending.pop()
        if each is leaf:
            return True
        if isinstance(each, Formula) and each.is_elementwise:
            pending.extend(each.reads)
    return False


def coalesced(formula: Formula, operands: Sequence[Stored], perm: Perm) -> int:
    """How many of the innermost axes in memory can be walked as one: all operands have them in full, or not at all."""
    if not _is_pure(formula):
        return 0
    shape = formula.type.shape
    merged = 0
    for count in range(1, len(perm) + 1):
        inner = perm[len(perm) - count :]
        if not all(_fits(leaf, shape, perm, inner) for leaf in operands):
            break
        merged = count
    return merged if merged > 1 else 0


def _fits(leaf: Stored, shape: tuple[object, ...], perm: Perm, inner: Perm) -> bool:
    if leaf.type.shape == shape and leaf.perm == perm:
        return True
    offset = len(shape) - leaf.type.rank
    sizes = [leaf.type.shape[axis - offset] if axis >= offset else 1 for axis in inner]
    if all(size == 1 for size in sizes):
        return True
    full = all(size == shape[axis] for size, axis in zip(sizes, inner, strict=True))
    same_order = tuple(a + offset for a in leaf.perm[-len(inner) :]) == inner
    return full and same_order


def _is_pure(formula: Formula) -> bool:
    """Whether every formula within is elementwise."""
    pending: list[Tensor] = [formula]
    while pending:
        each = pending.pop()
        if isinstance(each, Formula):
            if not each.is_elementwise:
                return False
            pending.extend(each.reads)
    return True
