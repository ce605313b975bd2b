"""Layout: images that are turned to channels-last and back keep their channels first in between.

TensorFlow's images are [N, *spatial, C], convolutions here are on [N, C, *spatial]: an imported network turns every
image before and after each of them. This pass follows turned results forward through all that can be computed in any
order of dimensions. What hangs together is a stretch; a stretch is rewritten unless more moves of elements would be
left than before. (Where there are as many, what follows a convolution can be worked into it.) One walk plans, one
rewrites: the work is linear in nodes and uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isthmus.ir.builder import Builder
from isthmus.ir.dim import Shape
from isthmus.ir.graph import Graph, Node, Use, Value
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.rules.grouping import composed
from isthmus.passes.turning import Perm, Turned, as_whole, images, inverse, moves_ones, turned

_WINDOWED = frozenset(
    (
        "avg_pool",
        "batch_norm",
        "conv",
        "conv_transpose",
        "depth_to_space",
        "grid_sample",
        "group_norm",
        "instance_norm",
        "lp_pool",
        "lrn",
        "max_pool",
        "resize",
        "space_to_depth",
    )
)
"""Ops on [N, C, *spatial]: turning their results starts a stretch."""


@dataclass(frozen=True)
class Layout(Pass):
    """Moves transposes between channels-first and channels-last images to where they cancel."""

    name: ClassVar[str] = "layout"

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Plans over the whole graph, then rewrites the stretches that gain by it; regions are done on their own."""
        changed = False
        for node in graph.nodes:
            for region in node.regions.values():
                changed |= self.run(region, ctx)
        plan = _Plan(graph)
        if not plan.perms:
            return changed
        _Rewriting(graph, plan).run()
        return True


class _Plan:
    """Which values are computed turned, how each comes back, and how the nodes between them are written."""

    def __init__(self, graph: Graph) -> None:
        self.perms: dict[Value, Perm] = {}
        self.written: dict[Node, Turned] = {}
        self._sources: dict[Node, Value] = {}
        self._parents: dict[Value, Value] = {}
        for node in graph.nodes:
            self._look_at(node)
        if self.perms:
            self._keep_what_gains()

    def reader(self, use: Use) -> Node | None:
        """The node that reads the value there turned, if one does."""
        node = use.user
        return node if isinstance(node, Node) and node in self.written and use.index in images(node) else None

    def starts_at(self, node: Node) -> bool:
        """Whether a stretch starts at the node: it turns a windowed op's result."""
        return node not in self.written and node.op.name in _TURNING and node.result in self.perms

    def _look_at(self, node: Node) -> None:
        if (perm := _turn_of(node)) is not None and node.inputs[0] not in self.perms:
            self._add(node.result, perm, node.result)
            return
        read = _read(node)
        sources = [v for v in read if v in self.perms]
        if not sources:
            return
        perm = self.perms[sources[0]]
        if not all(self._fits(v, perm) for v in read) or (how := turned(node, perm)) is None:
            return
        self.written[node] = how
        self._sources[node] = sources[0]
        for other in sources[1:]:
            self._parents[self._stretch(other)] = self._stretch(sources[0])
        if how.results != tuple(range(len(how.results))):
            for result in node.results:
                self._add(result, how.results, self._stretch(sources[0]))

    def _add(self, value: Value, perm: Perm, stretch: Value) -> None:
        self.perms[value] = perm
        self._parents[value] = stretch

    def _fits(self, value: Value, perm: Perm) -> bool:
        """Whether the value is turned the same way already, or can be at no cost."""
        if value in self.perms:
            return self.perms[value] == perm
        if value.rank > len(perm):
            return False
        return value.constant is not None or moves_ones(as_whole(value, len(perm)), inverse(perm))

    def _stretch(self, value: Value) -> Value:
        """The value that stands for the whole stretch."""
        while (parent := self._parents[value]) is not value:
            self._parents[value] = value = self._parents[parent]
        return value

    def _keep_what_gains(self) -> None:
        gains = {self._stretch(value): 0 for value in self.perms}
        for value, perm in self.perms.items():
            gains[self._stretch(value)] += self._gain_at(value, perm)
        works = set()
        for node, source in self._sources.items():
            works.add(stretch := self._stretch(source))
            gains[stretch] -= _VIEW * sum(map(self._is_moved, _read(node)))
        kept = {stretch for stretch, gain in gains.items() if gain > 0 or (gain == 0 and stretch in works)}
        self.written = {n: how for n, how in self.written.items() if self._stretch(self._sources[n]) in kept}
        self.perms = {value: perm for value, perm in self.perms.items() if self._stretch(value) in kept}

    def _is_moved(self, value: Value) -> bool:
        """Whether another operand of a stretch costs a reshape: constants do not, nor what is reshaped already."""
        if value in self.perms or value.rank == 0 or value.constant is not None:
            return False
        return value.node is None or value.node.op.name != "reshape"

    def _gain_at(self, value: Value, perm: Perm) -> int:
        """What less is spent on moves at the value, if its stretch is rewritten."""
        shape = composed(value.shape, inverse(perm))
        back = _price(shape, perm)
        gain = back if value.node is not None and self.starts_at(value.node) else 0
        needed = False
        for use in value.uses:
            if (reader := self.reader(use)) is not None:
                gain += _VIEW * (reader.op.name == "reshape" and self.written[reader].attrs["shape"] == shape)
            elif isinstance(use.user, Node) and use.user.op.name == "transpose":
                then = use.user.attrs["perm"]
                gain += _price(value.shape, then) - _price(shape, composed(perm, then))
            else:
                needed = True
        return gain - back * needed


class _Rewriting:
    """The rewriting of a graph by a plan."""

    def __init__(self, graph: Graph, plan: _Plan) -> None:
        self.graph = graph
        self.plan = plan
        self.twins: dict[Value, Value] = {}
        """For each value of a stretch the turned one."""

    def run(self) -> None:
        """Write every node of the plan turned, and put the moves that are left where values leave their stretch."""
        replaced = []
        for node in self.graph.nodes:
            if self.plan.starts_at(node):
                self._hand_over(node.result, node.inputs[0], node)
            elif (how := self.plan.written.get(node)) is not None:
                self._write(node, how)
            else:
                continue
            replaced.append(node)
        for node in reversed(replaced):
            if not any(result.use_count for result in node.results):
                self.graph.erase(node)

    def _write(self, node: Node, how: Turned) -> None:
        b = self._builder(node)
        read = images(node)
        operands = [self._turned(b, v, how.operands) if i in read else v for i, v in enumerate(node.operands)]
        first = operands[0]
        if node.op.name == "reshape" and first is not None and first.shape == how.attrs["shape"]:
            made: tuple[Value, ...] = (first,)
        else:
            made = b.create(node.op, operands, how.attrs).results
        for old, new in zip(node.results, made, strict=True):
            new.name = new.name or old.name
            self._hand_over(old, new, node)

    def _turned(self, b: Builder, value: Value | None, perm: Perm) -> Value | None:
        """What an operand is in the order of dimensions that comes back by `perm`."""
        if value is None or value.rank == 0:
            return value
        if value in self.twins:
            return self.twins[value]
        whole = as_whole(value, len(perm))
        if (array := value.array) is not None:
            return b.const(array.reshape((1,) * (len(perm) - array.ndim) + array.shape).transpose(inverse(perm)))
        return b.reshape(value, shape=composed(whole, inverse(perm)))

    def _hand_over(self, old: Value, new: Value, node: Node) -> None:
        """Let `new` stand for `old`: as it is for nodes yet to be written, moved for all others."""
        perm = self.plan.perms.get(old)
        if perm is None:  # nothing was left to turn
            self.graph.replace_uses(old, new)
            return
        self.twins[old] = new
        for user in old.users:
            if user.op.name == "transpose":
                moved = _moved(self._builder(user), new, composed(perm, user.attrs["perm"]))
                self.graph.replace_uses(user.result, moved)
                self.graph.erase(user)
        if not self.plan.starts_at(node) and any(self.plan.reader(use) is None for use in old.uses):
            back = _moved(self._builder(node), new, perm)
            self.graph.replace_uses(old, back, only=lambda use: self.plan.reader(use) is None)

    def _builder(self, node: Node) -> Builder:
        return Builder(self.graph, before=node, loc=node.loc, origin=(*node.origin, "layout"))


_TURNING = ("transpose", "reshape")
_VIEW, _COPY = 1, 1 << 32
"""What moves cost: no number of reshapes outweighs a transpose that moves elements."""


def _price(shape: Shape, perm: Perm) -> int:
    if perm == tuple(range(len(perm))):
        return 0
    return _VIEW if moves_ones(shape, perm) else _COPY


def _turn_of(node: Node) -> Perm | None:
    """The permutation by which the node turns a windowed op's result, if it does."""
    if node.op.name not in _TURNING:
        return None
    x = node.inputs[0]
    if x.rank < 3 or x.node is None or x.node.op.name not in _WINDOWED:
        return None
    if node.op.name == "transpose":
        return tuple(node.attrs["perm"])
    last = (0, *range(2, x.rank), 1)
    return last if node.result.shape == composed(x.shape, last) and moves_ones(x.shape, last) else None


def _read(node: Node) -> list[Value]:
    """The operands that are turned with the node."""
    return [v for i in images(node) if (v := node.operands[i]) is not None]


def _moved(b: Builder, x: Value, perm: Perm) -> Value:
    """x transposed, by what costs least."""
    if perm == tuple(range(x.rank)):
        return x
    return b.reshape(x, shape=composed(x.shape, perm)) if moves_ones(x.shape, perm) else b.transpose(x, perm=perm)
