"""Groups offered to the kernel library: pending work, and the elementwise nodes that finish it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeAlias

from isthmus.backends.base import Refused
from isthmus.backends.tvm import carriers
from isthmus.backends.tvm.bindings import Bindings
from isthmus.backends.tvm.dims import KernelSizes
from isthmus.backends.tvm.fusion import COPIES, FREE
from isthmus.backends.tvm.kernels import Buffer, Expr, Group, Packed, Perm, symbols_of
from isthmus.backends.tvm.kernels import Stored as InMemory
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Formula, Pending, Stored, Tensor, leaves, root_of
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node, Value

Operand: TypeAlias = Callable[[Value, Perm], Stored]
"""Stores what stands for a value, in an order of axes."""


class WrittenTail:
    """The formula that finishes pending work, as a generated kernel calls it. See `kernels.Tail`."""

    def __init__(self, root: Pending, tensor: Formula | Pending, extra: Sequence[Stored], sizes: KernelSizes) -> None:
        self._root, self._tensor, self._extra, self._sizes = root, tensor, extra, sizes

    @property
    def key(self) -> Hashable:
        """What the nodes are, and how what they read is stored."""
        return described(tail_of(self._root, self._tensor), self._root.anchor, self._extra)

    @property
    def dtype(self) -> str:
        """The carrier of the result's element type."""
        return carriers.carrier(self._tensor.type.dtype)

    @property
    def buffers(self) -> Sequence[tuple[tuple[Dim, ...], str]]:
        """Shapes in the order of memory, and carriers."""
        return [
            (tuple(each.type.shape[axis] for axis in each.perm), carriers.carrier(each.type.dtype))
            for each in self._extra
        ]

    def __call__(self, value: Expr, at: Sequence[Expr], buffers: Sequence[Buffer]) -> Expr:
        """The element in its carrier."""
        scope = KernelScope(self._sizes, dict(zip(self._extra, buffers, strict=True)), ())
        place = list(at)
        scope.give(self._root, place, value)
        return scope.narrowed(scope.load(self._tensor, place), self._tensor.type.dtype)


def tail_of(root: Pending, tensor: Tensor) -> tuple[Node, ...]:
    """The nodes from pending work to what finishes it."""
    nodes: list[Node] = []
    while isinstance(tensor, Formula):
        if tensor.node is not None and tensor.node not in nodes:
            nodes.append(tensor.node)
        tensor = next(each for each in tensor.reads if root_of(each) is root)
    return tuple(reversed(nodes))


def generated(b: Bindings, root: Pending, tensor: Formula | Pending, operand: Operand) -> Stored | None:
    """The result, by a kernel of the library; None with a note where it offers none."""
    module = b.module
    if module.generator is None or root.anchor.op.name in COPIES or 0 in root.type.shape:
        return None
    group = Group(root.anchor, tail_of(root, tensor), root.perm)
    offer = module.generator(group, module.machine)
    if isinstance(offer, Refused):
        module.notes.append(f"{root.anchor!r}: {offer.reason}")
        return None

    def bound(value: Value, form: InMemory | Packed) -> Any:
        if isinstance(form, InMemory):
            return b.var(operand(value, form.perm))
        constant = value.array
        assert constant is not None, "a generator packs constants only"
        return b.packed(constant, (id(constant), value.type, offer.key), form.make)

    operands = [bound(v, form) for v, form in zip(root.anchor.inputs, offer.operands, strict=True)]
    extra = extra_leaves(root, tensor)
    sizes = KernelSizes(symbols_of(group))
    tail = WrittenTail(root, tensor, extra, sizes)
    key = (offer.key, tail.key, tuple(s.name for s in sizes.symbols))
    kernel = module.shared(key, b.kernel_name, lambda: offer.function(tail, sizes))
    module.titles.append(offer.title)
    arguments = [*operands, *(b.var(each) for each in extra), *b.passed(sizes.symbols)]
    (var,) = module.call_kernel(kernel, arguments, [b.type_of(tensor.type, offer.result)])
    return Stored(tensor.type, var, offer.result)


def extra_leaves(root: Pending, tensor: Tensor) -> list[Stored]:
    """What the formulas after pending work read besides it, each once."""
    found: dict[Stored, None] = {}
    while isinstance(tensor, Formula):
        following = next(each for each in tensor.reads if root_of(each) is root)
        for each in tensor.reads:
            if each is not following:
                found.update(dict.fromkeys(leaves(each)))
        tensor = following
    return list(found)


def described(tail: Sequence[Node], anchor: Node, extra: Sequence[Stored]) -> Hashable:
    """Nodes by what they compute: where their operands come from, not which they are."""
    names: dict[Value, Hashable] = {anchor.results[0]: "anchor"}
    rows: list[Hashable] = []
    for number, node in enumerate(tail):
        operands = tuple(None if v is None else _named(v, names) for v in node.operands)
        rows.append((node.op.name, tuple(node.attrs.items()), operands))
        names[node.results[0]] = number
    stored = tuple((each.type, each.perm) for each in extra)
    return anchor.results[0].type, tuple(rows), stored


def _named(value: Value, names: dict[Value, Hashable]) -> Hashable:
    """A value by its place among those met: a number is what it is, what costs nothing to make is told how it is."""
    if value in names:
        return names[value]
    array, node = value.array, value.node
    described: Hashable = None
    if array is not None and array.size == 1:
        described = array.tobytes()
    elif node is not None and node.op.name in FREE:
        operands = tuple(_named(v, names) for v in node.inputs)
        described = (node.op.name, tuple(node.attrs.items()), operands)
    names[value] = (len(names), value.type, described)
    return names[value]
