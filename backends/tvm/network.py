"""The network under construction: what emissions see of it.

Operands and results are `tensors.Tensor`s. Emissions give formulas for elements, or work that becomes a kernel when its
result is needed in memory; kernels are written once for each form and called through Relax.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from isthmus.backends.tvm import carriers, maths
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import relax, tirx, turning
from isthmus.backends.tvm.dims import CallSizes
from isthmus.backends.tvm.fusion import coalesced, preferred_perm
from isthmus.backends.tvm.groups import generated
from isthmus.backends.tvm.kernels import Expr, Perm
from isthmus.backends.tvm.module import Module
from isthmus.backends.tvm.scope import KernelScope, write_function
from isthmus.backends.tvm.tensors import Deliver, Formula, Index, Pending, Scope, Stored, Tensor, leaves
from isthmus.ir.dim import Dim, Shape, Symbol, symbols
from isthmus.ir.graph import Graph, Node, Value, dims_of
from isthmus.ir.types import Array, DType, TensorType, dtype_of


@dataclass(frozen=True, eq=False)
class Constant:
    """Memory a function reads, as it is bound: a view of the IR's own array wherever that lies as it is needed."""

    array: Array
    var: Any
    source: Array
    """Held, so that its identity stays its own."""


class Network:
    """Writes one graph, or one region, as one Relax function."""

    def __init__(self, module: Module, write: Callable[[Network, Graph, Sequence[Tensor]], list[Tensor]]) -> None:
        self.module = module
        self.write = write
        """Writes a graph into a network, given what stands for its inputs."""
        self.sizes = CallSizes()
        self.constants: dict[Hashable, Constant] = {}
        """What the function takes besides its inputs."""
        self.known: dict[Value, Tensor] = {}
        """What stands for the values written so far."""
        self.aliases: dict[Any, Any] = {}
        """Variables that are another one's memory under another shape."""
        self._memory: dict[Tensor, Stored] = {}
        self._relaid: dict[tuple[Stored, Perm], Stored] = {}
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        """The IR node being written."""
        assert self._node is not None, "no node is being written"
        return self._node

    @node.setter
    def node(self, node: Node) -> None:
        self._node = node

    @property
    def x(self) -> Value:
        """The first operand of the IR node being written."""
        return self.node.inputs[0]

    @property
    def type(self) -> TensorType:
        """The type of the first result of the IR node being written."""
        return self.node.results[0].type

    # -- what emissions give ----------------------------------------------------------------------

    def each(self, function: Callable[..., Expr], *xs: Tensor, calls: bool = False) -> Formula:
        """Element by element, operands broadcasting: `function` takes and gives elements as they are computed."""
        return self.formula_each(lambda scope, *given: function(*given), *xs, calls=calls)

    def formula_each(self, function: Callable[..., Expr], *xs: Tensor, calls: bool = False) -> Formula:
        """`each`, whose function takes the scope first, to bind what it uses several times."""
        type = self.type

        def element(scope: Scope, at: Index) -> Expr:
            given = (scope.read(x, broadcast_index(scope, at, x.type.shape, type.shape)) for x in xs)
            return function(scope, *given)

        return self._formula(type, element, xs, is_elementwise=True, calls=calls)

    def formula(
        self,
        element: Callable[[Scope, Index], Expr],
        *reads: Tensor,
        type: TensorType | None = None,
        is_free: bool = False,
        calls: bool = False,
        extra: Iterable[Dim] = (),
    ) -> Formula:
        """Elements by index: `element(scope, at)` reads what it needs of `reads`."""
        return self._formula(type or self.type, element, reads, is_free=is_free, calls=calls, extra=extra)

    def pending(
        self,
        write: Callable[[KernelScope, Deliver], None],
        *reads: Tensor,
        perm: Perm | None = None,
        extra: Iterable[Dim] = (),
    ) -> Pending:
        """A kernel that `write` writes, and that elementwise nodes after it join."""
        return self.deferred(lambda: (write, reads), reads, perm, extra)

    def deferred(
        self,
        prepare: Callable[[], tuple[Callable[[KernelScope, Deliver], None], tuple[Tensor, ...]]],
        operands: Sequence[Tensor],
        perm: Perm | None = None,
        extra: Iterable[Dim] = (),
    ) -> Pending:
        """`pending`, whose operands are brought into the default kernel's form only where that is written."""
        used = self._symbols(self.type, operands, extra)
        return Pending(self.type, prepare, used, self.node, perm or row_major(self.type))

    def kernel(
        self,
        body: Callable[[KernelScope], None],
        reads: Sequence[Tensor],
        types: Sequence[TensorType],
        extra: Iterable[Dim] = (),
    ) -> list[Stored]:
        """A kernel of several results, or of one that is filled in any order: row-major, by `scope.store`."""
        found = list(dict.fromkeys(leaf for each in reads for leaf in leaves(each)))
        used = frozenset[Symbol]().union(*(self._symbols(type, reads, extra) for type in types))
        return self._called(found, [(type, row_major(type)) for type in types], used, body)

    def filled(
        self, body: Callable[[KernelScope], None], reads: Sequence[Stored], type: TensorType, perm: Perm
    ) -> Stored:
        """A kernel of one result that is stored in an order of its own."""
        return self._called(reads, [(type, perm)], self._symbols(type, reads, ()), body)[0]

    def broadcast(self, x: Tensor) -> Formula:
        """x repeated to the shape of the result of the node being written."""
        shape = self.type.shape

        def element(scope: Scope, at: Index) -> Expr:
            return scope.read(x, broadcast_index(scope, at, x.type.shape, shape))

        return self._formula(self.type, element, (x,), is_elementwise=True, is_free=True)

    # -- memory ------------------------------------------------------------------------------------

    def memory(self, tensor: Tensor, perm: Perm | None = None) -> Stored:
        """The tensor in memory, its axes in the order `perm` if that is given."""
        if isinstance(tensor, Stored):
            stored = tensor
        elif tensor in self._memory:
            stored = self._memory[tensor]
        else:
            stored = self._memory[tensor] = self._written(tensor, perm)
        if perm is None or stored.perm == perm or stored.type.rank < 2:
            return stored
        key = (stored, perm)
        if key not in self._relaid:
            self._relaid[key] = self._relayout(stored, perm)
        return self._relaid[key]

    def row_major(self, tensor: Tensor) -> Stored:
        """The tensor in memory, its last axis innermost."""
        return self.memory(tensor, row_major(tensor.type))

    def var(self, stored: Stored) -> Any:
        """The Relax variable that holds memory; constants become parameters of the function when first asked for."""
        if stored.constant is None:
            return stored.var
        array, perm = stored.constant, stored.perm
        make = partial(np.transpose, axes=perm) if not stored.is_row_major else np.asarray
        return self.packed(array, (id(array), array.shape, perm), make)

    def packed(self, array: Array, key: Hashable, make: Callable[[Array], Array]) -> Any:
        """The Relax variable of what `make` makes of a constant; one for each key."""
        if key not in self.constants:
            loose = make(array)
            made = np.ascontiguousarray(loose).reshape(loose.shape)
            made = carriers.carried(made, dtype_of(made))
            var = relax.Var(f"w{len(self.constants)}", relax.TensorType(list(made.shape), made.dtype.name))
            self.constants[key] = Constant(made, var, array)
        return self.constants[key].var

    def constant(self, array: Array, dtype: DType) -> Tensor:
        """A constant: a number in kernels where it has one element, else memory that callers share with us."""
        type = TensorType(dtype, tuple(int(n) for n in array.shape))
        if array.size == 1:
            number = immediate(array.reshape(()), dtype)
            return Formula(type, lambda scope, at: number(), (), frozenset(), is_elementwise=True, is_free=True)
        return Stored(type, None, row_major(type), np.asarray(array))

    def reshaped(self, tensor: Tensor, type: TensorType) -> Stored:
        """The same memory under another shape."""
        source = self.row_major(tensor)
        if source.constant is not None and type.is_static:
            array = source.constant.reshape([d for d in type.shape if isinstance(d, int)])
            return Stored(type, None, row_major(type), array)
        if 0 in type.shape:  # which the engine's reshape takes to mean the size that is there
            return self.kernel(lambda scope: None, [], [type])[0]
        shape = relax.ShapeExpr(self.sizes.shape(type.shape))
        seen = self.var(source)
        made = self.module.emit(relax.op.reshape(seen, shape))
        self.aliases[made] = self.aliases.get(seen, seen)
        return Stored(type, made, row_major(type))

    def learn(self, vector: Tensor, dims: Shape) -> None:
        """Bind the symbols that `dims` consist of to the elements of an i64 vector, known only when running."""
        shape = self.module.emit(relax.op.tensor_to_shape(self.var(self.row_major(vector))))
        bound = [self.sizes.bind(s) for d in dims for s in symbols(d)]
        self.module.emit_match(shape, relax.ShapeType(bound))

    def relax_type(self, type: TensorType, shape: Sequence[Any]) -> Any:
        """A Relax tensor type over the carrier of the element type."""
        return relax.TensorType(list(shape), carriers.carrier(type.dtype))

    def stored_type(self, type: TensorType, perm: Perm) -> Any:
        """The Relax type of memory of a type."""
        return self.relax_type(type, [loops.int64(self.sizes(type.shape[axis])) for axis in perm])

    # -- functions ---------------------------------------------------------------------------------

    def function(self, graph: Graph, name: str, captured: Sequence[Symbol] = ()) -> Any:
        """Write a graph as a function of its inputs, sizes that they do not show, and constants.

        Every result is memory of its own. Returns the global variable.
        """
        sizes = relax.Var("sizes", relax.ShapeType([self.sizes.bind(s) for s in captured]))
        shapes = self.sizes.declare([v.type for v in graph.inputs])
        inputs = [
            relax.Var(v.name or "x", self.relax_type(v.type, shape))
            for v, shape in zip(graph.inputs, shapes, strict=True)
        ]
        given = [*inputs, sizes]
        self.module.open(given)
        tensors: list[Tensor] = [
            Stored(v.type, var, row_major(v.type)) for v, var in zip(graph.inputs, inputs, strict=True)
        ]
        results = self.write(self, graph, tensors)
        taken = set(inputs)
        fresh = [self._owned(each, taken) for each in results]
        every = [*given, *(each.var for each in self.constants.values())]
        return self.module.close(name, every, relax.Tuple(fresh), {"num_input": len(given)})

    def _owned(self, tensor: Tensor, taken: set[Any]) -> Any:
        """The variable of an output in memory that is neither an input's nor a constant's, nor another output's."""
        stored = self.row_major(tensor)
        var = self.var(stored)
        root = self.aliases.get(var, var)
        if stored.constant is not None or root in taken or any(root is each.var for each in self.constants.values()):
            copy = Formula(stored.type, lambda scope, at: scope.read(stored, at), (stored,), stored.symbols)
            var = root = self._pointwise(copy, row_major(stored.type)).var
        taken.add(root)
        return var

    def driven(self, driver: str, before: Sequence[Any], names: Sequence[str], xs: Sequence[Stored]) -> list[Stored]:
        """Results of the node's regions `names`, called by a function of ours outside the engine (`regions`)."""
        functions, tails = [], []
        for name in names:
            region = self.node.regions[name]
            captured = [s for s in mentioned(region) if s in self.sizes]
            inner = Network(self.module, self.write)
            functions.append(inner.function(region, f"region_{name}", captured))
            shape = relax.ShapeExpr([self.sizes.of(s) for s in captured])
            constants = [self._passed_on(c, key) for key, c in inner.constants.items()]
            tails.append((shape, constants))
        results = [r.type for r in self.node.results]
        kinds = relax.TupleType([relax.TensorType(ndim=t.rank, dtype=carriers.carrier(t.dtype)) for t in results])
        counted = [part for shape, constants in tails for part in (relax.prim_value(len(constants)), shape, *constants)]
        arguments = [*functions, *before, relax.prim_value(len(xs)), *(self.var(x) for x in xs), *counted]
        call = relax.op.call_builtin_with_ctx(driver, arguments, ty_args=kinds)
        made = self.module.emit(call)
        return [self._adopted(self.module.emit(relax.TupleGetItem(made, i)), type) for i, type in enumerate(results)]

    def _passed_on(self, constant: Constant, key: Hashable) -> Any:
        """The variable of what a region reads."""
        return self.packed(constant.source, key, lambda _: constant.array)

    def _adopted(self, var: Any, type: TensorType) -> Stored:
        """A tensor whose sizes may be known only now."""
        (shape,) = self.sizes.declare([type])
        return Stored(type, self.module.emit_match(var, self.relax_type(type, shape)), row_major(type))

    def known_sizes(self, shape: Shape) -> Any:
        """A shape as a value, with 0 for sizes that are not known."""
        sizes = [self.sizes(d) if all(s in self.sizes for s in symbols(d)) else 0 for d in shape]
        return relax.ShapeExpr([loops.int64(s) for s in sizes])

    # -- how ---------------------------------------------------------------------------------------

    def _formula(
        self,
        type: TensorType,
        element: Callable[[Scope, Index], Expr],
        reads: Sequence[Tensor],
        *,
        is_elementwise: bool = False,
        is_free: bool = False,
        calls: bool = False,
        extra: Iterable[Dim] = (),
    ) -> Formula:
        used = self._symbols(type, reads, extra)
        return Formula(type, element, tuple(reads), used, is_elementwise, is_free, calls, self._node)

    def _symbols(self, type: TensorType, reads: Iterable[Tensor], extra: Iterable[Dim]) -> frozenset[Symbol]:
        found = set(type.symbols()).union(*(each.symbols for each in reads))
        for dim in (*(dims_of(self._node.attrs) if self._node is not None else ()), *extra):
            found |= symbols(dim)
        return frozenset(found)

    def _written(self, tensor: Formula | Pending, perm: Perm | None) -> Stored:
        root = tensor if isinstance(tensor, Pending) else tensor.root
        if root is None:
            assert isinstance(tensor, Formula)
            return self._pointwise(tensor, perm or preferred_perm(tensor))
        made = generated(self, root, tensor)
        return made if made is not None else self._finished(root, tensor)

    def _pointwise(self, formula: Formula, perm: Perm) -> Stored:
        operands = leaves(formula)
        shape = formula.type.shape
        merged = coalesced(formula, operands, perm)

        def body(scope: KernelScope) -> None:
            extents = [scope.size(shape[axis]) for axis in perm]
            kept = len(extents) - merged
            joined = [*extents[:kept], loops.volume(extents[kept:])] if merged else extents
            # along an axis of size 1, whatever stands in the index is read as 0
            walked = max((i for i in range(merged) if shape[perm[kept + i]] != 1), default=0)

            def element(place: list[Any]) -> None:
                inside = [loops.int64(0)] * merged
                inside[walked : walked + 1] = place[kept:]
                at = logical([*place[:kept], *inside], perm)
                scope.store(0, formula.type, perm, at, scope.load(formula, at))

            loops.pointwise(joined, element, not formula.uses_libm)

        return self._called(operands, [(formula.type, perm)], formula.symbols, body)[0]

    def _finished(self, root: Pending, tensor: Formula | Pending) -> Stored:
        """Pending work and the elementwise formula that follows it, as one kernel."""
        perm = root.perm
        write, reads = root.prepare()
        operands = dict.fromkeys(leaf for each in (*reads, tensor) for leaf in leaves(each))
        used = tensor.symbols.union(root.symbols, *(each.symbols for each in operands))

        def body(scope: KernelScope) -> None:
            def deliver(at: Index, value: Expr) -> None:
                place = list(at)
                scope.give(root, place, value)
                scope.store(0, tensor.type, perm, place, scope.load(tensor, place))

            write(scope, deliver)

        return self._called(list(operands), [(tensor.type, perm)], used, body)[0]

    def _relayout(self, stored: Stored, perm: Perm) -> Stored:
        if stored.constant is not None:
            return Stored(stored.type, None, perm, stored.constant)
        extents = [stored.type.shape[axis] for axis in perm]
        order = [stored.perm.index(axis) for axis in perm]
        lanes, dtype = self.module.machine.lanes, carriers.carrier(stored.type.dtype)
        if (
            self.module.generator is not None
            and self.module.machine.registers
            and turning.fits(extents, order, dtype, lanes)
        ):

            def turn(scope: KernelScope) -> None:
                sizes = [scope.size(d) for d in extents]
                turning.copy_transposed(scope.memory(stored), scope.results[0], sizes, order, lanes)

            return self.filled(turn, [stored], stored.type, perm)
        copy = Formula(stored.type, lambda scope, at: scope.read(stored, at), (stored,), stored.symbols)
        return self._pointwise(copy, perm)

    def _called(
        self,
        operands: Sequence[Stored],
        results: Sequence[tuple[TensorType, Perm]],
        used: Iterable[Symbol],
        body: Callable[[KernelScope], None],
    ) -> list[Stored]:
        function, symbols_ = write_function(operands, results, used, body)
        return self.call(function, [self.var(each) for each in operands], symbols_, results)

    def call(
        self,
        function: Any,
        arguments: Sequence[Any],
        used: Sequence[Symbol],
        results: Sequence[tuple[TensorType, Perm]],
    ) -> list[Stored]:
        """Call a function of the module, which is added to it unless it has an equal one."""
        types = [self.stored_type(type, perm) for type, perm in results]
        found = self.module.call(function, self.kernel_name, [*arguments, *self.passed(used)], types)
        return [Stored(type, var, perm) for (type, perm), var in zip(results, found, strict=True)]

    @property
    def kernel_name(self) -> str:
        """What a kernel written now is called."""
        return f"kernel_{self._node.op.name}" if self._node is not None else "kernel"

    def passed(self, used: Sequence[Symbol]) -> list[Any]:
        """The sizes of symbols as a kernel's arguments."""
        return [relax.prim_value(self.sizes.of(s)) for s in used]


def mentioned(graph: Graph) -> list[Symbol]:
    """Every symbol in the types and attributes of a graph, its regions included, by name."""
    found: set[Symbol] = set()
    for value in graph.inputs:
        found |= value.type.symbols()
    for node in graph.walk():
        for result in node.results:
            found |= result.type.symbols()
        for dim in dims_of(node.attrs):
            found |= symbols(dim)
    return sorted(found, key=lambda s: s.name)


def row_major(type: TensorType) -> Perm:
    """The order of axes that numpy gives new arrays."""
    return tuple(range(type.rank))


def logical(place: Sequence[Any], perm: Perm) -> list[Any]:
    """A logical index from one in the order of memory."""
    at: list[Any] = [None] * len(perm)
    for position, axis in zip(place, perm, strict=True):
        at[axis] = position
    return at


def broadcast_index(scope: Scope, at: Index, shape: Shape, result: Shape) -> Index:
    """The index into an operand of `shape` for the index `at` into what it broadcasts to."""
    if shape == result:
        return at
    offset = len(result) - len(shape)
    return [_along(scope, at[offset + i], d, result[offset + i]) for i, d in enumerate(shape)]


def _along(scope: Scope, position: Any, size: Dim, result: Dim) -> Any:
    if size == 1:
        return loops.int64(0)
    if size == result:
        return position
    return scope.bind(tirx.min(position, loops.int64(scope.size(size)) - loops.int64(1)))  # it may turn out to be 1


def immediate(scalar: Array, dtype: DType) -> Callable[[], Expr]:
    """A number as an expression of the type it is computed in."""
    if dtype.name == "bool":
        return lambda: maths.truth(bool(scalar))
    if dtype.is_float:
        return lambda: tirx.const(float(scalar), carriers.computed(dtype))
    return lambda: tirx.const(int(scalar), carriers.computed(dtype))
