"""Programs: values, nodes and graphs. A graph is mutable SSA; every edit goes through its methods.

Nodes stand in a linked list in execution order. Iterating over `graph.nodes` while editing is safe and sees exactly
this: nodes inserted after the current one are visited, nodes inserted before it are not, erased nodes are not, and
erasing the current node continues with the one that followed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus.ir.errors import IRError
from isthmus.ir.op import Op
from isthmus.ir.types import Array, DType, TensorType

if TYPE_CHECKING:
    import networkx

    from isthmus.ir.constant import Constant
    from isthmus.ir.dim import Dim, Shape

_GAP = 1 << 40


@dataclass(frozen=True, slots=True)
class Loc:
    """Where a node comes from: the source format and the paths of the source nodes it stands for."""

    format: str
    paths: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.format}:{' + '.join(self.paths)}"

    @staticmethod
    def merge(locs: Iterable[Loc | None]) -> Loc | None:
        """One location that names every path of `locs` once; None when none is known."""
        known = [loc for loc in locs if loc is not None]
        if not known:
            return None
        if all(loc is known[0] for loc in known):
            return known[0]
        return Loc(known[0].format, tuple(dict.fromkeys(path for loc in known for path in loc.paths)))


class Use(NamedTuple):
    """One place a value is used: operand `index` of a node, or output `index` of a graph."""

    user: Node | Graph
    index: int  # type: ignore[assignment]  # hides tuple.index, which no use needs


class Value:
    """A tensor in a program: a node's result or a graph's input.

    `name` is a hint that survives printing; `uses` keeps insertion order.
    """

    __slots__ = ("_uses", "index", "name", "producer", "type")

    def __init__(self, type: TensorType, producer: Node | Graph, index: int, name: str) -> None:
        self.type = type
        self.producer = producer
        self.index = index
        self.name = name
        self._uses: dict[Use, None] = {}

    @property
    def uses(self) -> tuple[Use, ...]:
        """Every place the value is used, in the order the uses were made."""
        return tuple(self._uses)

    @property
    def users(self) -> list[Node]:
        """The nodes that use the value, each once."""
        return list(dict.fromkeys(u.user for u in self._uses if isinstance(u.user, Node)))

    @property
    def use_count(self) -> int:
        """How many places use the value, outputs included."""
        return len(self._uses)

    @property
    def node(self) -> Node | None:
        """The node that makes the value; None for a graph input."""
        return self.producer if isinstance(self.producer, Node) else None

    @property
    def dtype(self) -> DType:
        """Element type."""
        return self.type.dtype

    @property
    def shape(self) -> Shape:
        """Sizes, outermost first."""
        return self.type.shape

    @property
    def rank(self) -> int:
        """How many dimensions the tensor has."""
        return len(self.type.shape)

    @property
    def constant(self) -> Constant | None:
        """The contents where a `const` node makes the value, else None."""
        node = self.node
        return node.attrs["data"] if node is not None and node.op.name == "const" else None

    @property
    def array(self) -> Array | None:
        """The contents as a numpy array where the value is constant, else None."""
        constant = self.constant
        return None if constant is None else constant.array

    def __repr__(self) -> str:
        return f"%{self.name or '_'}: {self.type}"


class Node:
    """One application of an op. Attributes and types are immutable; operands change through the graph's methods."""

    __slots__ = ("_next", "_order", "_prev", "attrs", "graph", "loc", "op", "operands", "origin", "regions", "results")

    def __init__(
        self,
        op: Op,
        operands: Sequence[Value | None],
        attrs: Mapping[str, Any],
        regions: Mapping[str, Graph],
        types: Sequence[TensorType],
        names: Sequence[str] = (),
        loc: Loc | None = None,
        origin: tuple[str, ...] = (),
    ) -> None:
        self.op = op
        self.operands: tuple[Value | None, ...] = tuple(operands)
        self.attrs = attrs
        self.regions = regions
        self.loc = loc
        self.origin = origin
        self.results = tuple(Value(type, self, i, names[i] if i < len(names) else "") for i, type in enumerate(types))
        self.graph: Graph | None = None
        self._prev: Node | None = None
        self._next: Node | None = None
        self._order = 0

    @property
    def result(self) -> Value:
        """The only result; IRError if there are several."""
        if len(self.results) != 1:
            raise IRError(f"{self.op.name} has {len(self.results)} results, not one")
        return self.results[0]

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The operands that are present."""
        return tuple(v for v in self.operands if v is not None)

    def clone(self, values: Mapping[Value, Value]) -> Node:
        """The same node outside any graph, its operands replaced by what `values` says; regions are copied."""
        return Node(
            self.op,
            [None if v is None else values[v] for v in self.operands],
            self.attrs,
            {name: region.copy() for name, region in self.regions.items()},
            [r.type for r in self.results],
            [r.name for r in self.results],
            self.loc,
            self.origin,
        )

    def is_before(self, other: Node) -> bool:
        """Whether this node runs before `other` of the same graph; O(1)."""
        return self._order < other._order

    def __repr__(self) -> str:
        results = ", ".join(map(repr, self.results))
        operands = ", ".join("none" if v is None else f"%{v.name or '_'}" for v in self.operands)
        return f"{results} = {self.op.name}({operands})"


class Graph:
    """Inputs, nodes in execution order, and named outputs. Also the body of a region.

    A region sees values of its own only: what it captures is passed as operands of its node.
    """

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self._inputs: list[Value] = []
        self._outputs: list[Value] = []
        self._output_names: list[str] = []
        self._first: Node | None = None
        self._last: Node | None = None
        self._count = 0
        self._touched: dict[Node, None] = {}

    # -- reading ----------------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The values a caller gives, in order."""
        return tuple(self._inputs)

    @property
    def outputs(self) -> tuple[Value, ...]:
        """The values a caller gets, in order; a value may occur twice."""
        return tuple(self._outputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs' names for the caller, in order."""
        return tuple(self._output_names)

    @property
    def nodes(self) -> Iterator[Node]:
        """The nodes in execution order; the module's docstring says what is seen when editing meanwhile."""
        node = self._first
        while node is not None:
            yield node
            node = node._next
            while node is not None and node.graph is not self:
                node = node._next

    @property
    def nodes_reversed(self) -> Iterator[Node]:
        """The nodes from last to first, with the same promise as `nodes` in the other direction."""
        node = self._last
        while node is not None:
            yield node
            node = node._prev
            while node is not None and node.graph is not self:
                node = node._prev

    def __len__(self) -> int:
        return self._count

    def op_count(self) -> int:
        """How many nodes compute something: all but constants. What optimizers' node counts are compared by."""
        return sum(node.op.name != "const" for node in self.nodes)

    def walk(self) -> Iterator[Node]:
        """Every node, those of regions after the node that holds them."""
        for node in self.nodes:
            yield node
            for region in node.regions.values():
                yield from region.walk()

    def __str__(self) -> str:
        from isthmus.ir.printer import print_graph

        return print_graph(self)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self._inputs)} inputs, {self._count} nodes, {len(self._outputs)} outputs)"

    # -- editing ----------------------------------------------------------------------------------

    def add_input(self, type: TensorType, name: str = "") -> Value:
        """Append an input."""
        value = Value(type, self, len(self._inputs), name)
        self._inputs.append(value)
        return value

    def set_outputs(self, values: Sequence[Value], names: Sequence[str] | None = None) -> None:
        """Replace all outputs; without `names` they are called as their values are."""
        if names is not None and len(names) != len(values):
            raise IRError(f"{len(values)} outputs cannot have {len(names)} names")
        for i, old in enumerate(self._outputs):
            del old._uses[Use(self, i)]
        self._outputs = list(values)
        self._output_names = list(names) if names is not None else [v.name or f"out{i}" for i, v in enumerate(values)]
        for i, value in enumerate(values):
            value._uses[Use(self, i)] = None

    def insert(self, node: Node, before: Node | None = None) -> Node:
        """Put a new node before `before`, or at the end."""
        if node.graph is not None:
            raise IRError(f"{node!r} already stands in a graph")
        if before is not None and before.graph is not self:
            raise IRError(f"{before!r} does not stand in this graph")
        prev = self._last if before is None else before._prev
        node.graph, node._prev, node._next = self, prev, before
        if prev is None:
            self._first = node
        else:
            prev._next = node
        if before is None:
            self._last = node
        else:
            before._prev = node
        self._count += 1
        self._place(node)
        for i, value in enumerate(node.operands):
            if value is not None:
                value._uses[Use(node, i)] = None
        self._touched[node] = None
        return node

    def erase(self, node: Node) -> None:
        """Remove a node whose results have no uses."""
        if node.graph is not self:
            raise IRError(f"{node!r} does not stand in this graph")
        for result in node.results:
            if result._uses:
                raise IRError(f"cannot erase {node!r}: {result!r} is still used")
        for i, value in enumerate(node.operands):
            if value is not None:
                del value._uses[Use(node, i)]
        if node._prev is None:
            self._first = node._next
        else:
            node._prev._next = node._next
        if node._next is None:
            self._last = node._prev
        else:
            node._next._prev = node._prev
        node.graph = None
        self._count -= 1
        self._touched.pop(node, None)

    def set_operand(self, node: Node, index: int, value: Value | None) -> None:
        """Make operand `index` of `node` be `value`."""
        old = node.operands[index]
        if old is not None:
            del old._uses[Use(node, index)]
        node.operands = (*node.operands[:index], value, *node.operands[index + 1 :])
        if value is not None:
            value._uses[Use(node, index)] = None
        if node.graph is not None:
            node.graph._touched[node] = None

    def replace_uses(self, old: Value, new: Value, *, only: Callable[[Use], bool] | None = None) -> None:
        """Make every use of `old` (that `only` admits) a use of `new`, outputs included; `new` inherits the name."""
        if old is new:
            return
        for use in old.uses:
            if only is not None and not only(use):
                continue
            if isinstance(use.user, Node):
                self.set_operand(use.user, use.index, new)
            else:
                del old._uses[use]
                use.user._outputs[use.index] = new
                new._uses[use] = None
        if not new.name:
            new.name = old.name

    def retype(self, value: Value, type: TensorType) -> None:
        """Give a value a new type; its producer and users are verified again."""
        value.type = type
        if value.node is not None:
            self._touched[value.node] = None
        for user in value.users:
            self._touched[user] = None

    def move_before(self, node: Node, anchor: Node) -> None:
        """Put a node of this graph directly before another one."""
        if node is anchor or node.graph is not self or anchor.graph is not self:
            raise IRError(f"cannot move {node!r} before {anchor!r}")
        uses = [list(result._uses) for result in node.results]
        for result in node.results:
            result._uses = {}
        self.erase(node)
        node._prev = node._next = None
        self.insert(node, anchor)
        for result, kept in zip(node.results, uses, strict=True):
            result._uses = dict.fromkeys(kept)

    def take_touched(self) -> list[Node]:
        """The nodes inserted or changed since the last call that still stand here; verification looks at these."""
        touched, self._touched = list(self._touched), {}
        return touched

    def copy(self) -> Graph:
        """An independent graph with the same structure; constants are shared, not copied."""
        clone = Graph(self.name)
        values: dict[Value, Value] = {v: clone.add_input(v.type, v.name) for v in self._inputs}
        for node in self.nodes:
            twin = clone.insert(node.clone(values))
            values.update(zip(node.results, twin.results, strict=True))
        clone.set_outputs([values[v] for v in self._outputs], self._output_names)
        return clone

    def to_networkx(self) -> networkx.DiGraph:
        """The data flow as a networkx graph: nodes are `Node` objects, edges carry the `value` that flows."""
        import networkx

        flow = networkx.DiGraph()
        for node in self.nodes:
            flow.add_node(node)
            for value in node.inputs:
                if value.node is not None:
                    flow.add_edge(value.node, node, value=value)
        return flow

    def _place(self, node: Node) -> None:
        before = node._prev._order if node._prev is not None else 0
        after = node._next._order if node._next is not None else before + 2 * _GAP
        node._order = (before + after) // 2
        if node._order in (before, after):
            for i, each in enumerate(self.nodes, 1):
                each._order = i * _GAP


def dims_of(attrs: Mapping[str, Any]) -> Iterator[Dim]:
    """Every dimension expression among attribute values, however nested."""
    from isthmus.ir.dim import DimExpr

    pending = list(attrs.values())
    while pending:
        item = pending.pop()
        if isinstance(item, DimExpr):
            yield item
        elif isinstance(item, tuple):
            pending.extend(item)
