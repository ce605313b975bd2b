"""The rewrite driver: applies rules to a graph until none fires.

A worklist holds the nodes still to look at, first all of them in graph order. After a rule fires, the nodes it made,
the users of its result and the makers of its operands are looked at again. New nodes with constant operands are folded
at once, so that rules that want constant weights find them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from isthmus.ir.builder import Builder, FreshSymbols, Liftable
from isthmus.ir.dim import as_symbol
from isthmus.ir.errors import PassError, RewriteLoop
from isthmus.ir.graph import Graph, Loc, Node, Value
from isthmus.ir.op import Op
from isthmus.ir.types import TensorType
from isthmus.passes.base import PassContext
from isthmus.passes.dce import erase_dead
from isthmus.passes.fold import fold_node
from isthmus.passes.rule import Match, Rule, makers_of, place, reason_of

_FIRINGS_PER_NODE = 8
_FIRINGS_AT_LEAST = 1000
_ORIGIN_LENGTH = 8


def rewrite(graph: Graph, rules: Sequence[Rule], ctx: PassContext) -> bool:
    """Apply `rules` (earlier ones first) to `graph` and its regions until none fires; returns whether any did.

    Raises RewriteLoop where they do not come to rest, PassError for a rule whose replacement does not fit.
    """
    by_root: dict[str, list[Rule]] = {}
    for each in rules:
        for root in each.roots:
            by_root.setdefault(root, []).append(each)
    return _rewrite(graph, by_root, ctx, FreshSymbols(graph))


def explain(rule: Rule, node: Node) -> str | None:
    """Why `rule` does not fire at `node`: the reason of its deepest failed match. None where it fires."""
    return rule.explain(node)


def _rewrite(graph: Graph, by_root: Mapping[str, list[Rule]], ctx: PassContext, fresh: FreshSymbols) -> bool:
    run = _Run(graph, by_root, fresh)
    for node in graph.nodes:
        for region in node.regions.values():
            run.changed |= _rewrite(region, by_root, ctx, fresh)
    run.to_rest()
    ctx.fired.update(run.fired)
    return run.changed


class _Recorder(Builder):
    """A builder that remembers what it made."""

    made: list[Node]

    def create(
        self,
        op: Op | str,
        operands: Sequence[Liftable | None] = (),
        attrs: Mapping[str, Any] | None = None,
        regions: Mapping[str, Graph] | None = None,
        names: Sequence[str] = (),
    ) -> Node:
        """As Builder.create."""
        node = super().create(op, operands, attrs, regions, names)
        self.made.append(node)
        return node


class _Run:
    """One graph on its way to rest."""

    def __init__(self, graph: Graph, by_root: Mapping[str, list[Rule]], fresh: FreshSymbols) -> None:
        self.graph = graph
        self.by_root = by_root
        self.fresh = fresh
        self.fired: Counter[str] = Counter()
        self.changed = False
        self.bound = _FIRINGS_PER_NODE * len(graph) + _FIRINGS_AT_LEAST
        self.waiting = deque(node for node in graph.nodes if node.op.name in by_root)
        self.queued = set(self.waiting)

    def to_rest(self) -> None:
        """Fire rules until the worklist is empty."""
        while self.waiting:
            node = self.waiting.popleft()
            self.queued.discard(node)
            if node.graph is self.graph:
                self.visit(node)

    def visit(self, node: Node) -> None:
        """Fire the first rule that matches with this root."""
        makers = makers_of(node)
        for rule in self.by_root[node.op.name]:
            if (match := rule.match(node, makers)) is not None:
                self.fire(rule, match)
                return

    def fire(self, rule: Rule, match: Match) -> None:
        """Put the rule's replacement in the match's place."""
        self.fired[rule.name] += 1
        self.changed = True
        if self.fired.total() > self.bound:
            ((worst, times),) = self.fired.most_common(1)
            raise RewriteLoop(
                f"rewriting does not come to rest: {worst!r} fired {times} times",
                where=place(match.root),
                hint="a rule undoes what this one does, or makes what it matches",
            )
        made, values = self.build(rule, match)
        touched = [user for result in match.root.results for user in result.users]
        for old, new in zip(match.root.results, values, strict=True):
            self.graph.replace_uses(old, new)
        makers = erase_dead(self.graph, [*made, match.root])
        for node in made:
            if node.graph is self.graph and node.inputs:
                fold_node(self.graph, node)
        self.push([*touched, *made, *makers])

    def build(self, rule: Rule, match: Match) -> tuple[list[Node], tuple[Value, ...]]:
        """The replacement's nodes and its values, whose types are those of the root's results."""
        root = match.root
        origin = dict.fromkeys((*(name for node in match.nodes for name in node.origin), rule.name))
        loc = Loc.merge(node.loc for node in match.nodes)
        b = _Recorder(self.graph, before=root, loc=loc, origin=tuple(origin)[-_ORIGIN_LENGTH:], fresh=self.fresh)
        b.made = []
        try:
            values = rule.build(b, match)
        except Exception as error:
            raise PassError(
                f"rule {rule.name!r} cannot build its replacement: {reason_of(error)}", where=place(root)
            ) from error
        for new in values:
            if not isinstance(new, Value):
                hint = "return what a builder call or a capture gives; b.const(...) makes a value of a number"
                raise PassError(f"rule {rule.name!r} gives {new!r}, which is no value", where=place(root), hint=hint)
        if len(values) != len(root.results):
            raise PassError(f"rule {rule.name!r} gives {len(values)} values for {len(root.results)}", where=place(root))
        for old, new in zip(root.results, values, strict=True):
            if new.node is not None and new.node in b.made and _differ_in_fresh_sizes(new.type, old.type):
                self.graph.retype(new, old.type)
            if new.type != old.type:
                raise PassError(f"rule {rule.name!r} gives {new.type} for {old.type}", where=place(root))
        return b.made, values

    def push(self, nodes: Iterable[Node]) -> None:
        """Look at these next, in order."""
        again = [n for n in dict.fromkeys(nodes) if n not in self.queued and n.op.name in self.by_root]
        self.waiting.extendleft(reversed(again))
        self.queued.update(again)


def _differ_in_fresh_sizes(new: TensorType, old: TensorType) -> bool:
    """Whether the types agree but for sizes only running can tell, to which the builder gave new names."""
    if new == old or new.dtype != old.dtype or new.rank != old.rank:
        return False
    pairs = [(a, as_symbol(a)) for a, b in zip(new.shape, old.shape, strict=True) if a != b]
    return all(s is not None and s.low == 0 and s.name.startswith("u") for _, s in pairs)
