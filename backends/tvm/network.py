"""The network under construction: what emissions see of it.

Operands and results are `tensors.Tensor`s. Emissions give formulas for elements, or work that becomes a kernel when its
result is needed in memory (`storing`); kernels are written once for each form and called through Relax (`bindings`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from isthmus.backends.tvm import carriers, maths, storing
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.bindings import Bindings
from isthmus.backends.tvm.kernels import Expr, Perm
from isthmus.backends.tvm.module import Module
from isthmus.backends.tvm.orders import row_major
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Deliver, Formula, Index, Pending, Scope, Stored, Tensor, leaves
from isthmus.ir.dim import Dim, Shape, Symbol, symbols
from isthmus.ir.graph import Graph, Node, Value, dims_of
from isthmus.ir.types import Array, DType, TensorType

Write: TypeAlias = "Callable[[Network, Graph, Sequence[Tensor]], list[Tensor]]"
"""Writes a graph into a network, given what stands for its inputs."""


class Network:
    """Writes one graph, or one region, as one Relax function."""

    def __init__(self, module: Module, write: Write) -> None:
        self.module = module
        self.write = write
        self.bindings = Bindings(module)
        self.known: dict[Value, Tensor] = {}
        """What stands for the values written so far."""
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
        self.bindings.kernel_name = f"kernel_{node.op.name}"

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
        return Pending(self.type, prepare, used, self.node, perm or row_major(self.type.rank))

    def kernel(
        self,
        body: Callable[[KernelScope], None],
        reads: Sequence[Tensor],
        types: Sequence[TensorType],
        extra: Iterable[Dim] = (),
    ) -> list[Stored]:
        """A kernel of several results, or of one that is filled in any order: row-major, by `scope.store`."""
        operands = list(dict.fromkeys(leaf for each in reads for leaf in leaves(each)))
        used = frozenset[Symbol]().union(*(self._symbols(type, reads, extra) for type in types))
        return self.bindings.kernel(operands, [(type, row_major(type.rank)) for type in types], used, body)

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
            stored = self._memory[tensor] = storing.written(self.bindings, tensor, perm, self._operand)
        if perm is None or stored.perm == perm or stored.type.rank < 2:
            return stored
        key = (stored, perm)
        if key not in self._relaid:
            self._relaid[key] = storing.relaid(self.bindings, stored, perm)
        return self._relaid[key]

    def row_major(self, tensor: Tensor) -> Stored:
        """The tensor in memory, its last axis innermost."""
        return self.memory(tensor, row_major(tensor.type.rank))

    def constant(self, array: Array, dtype: DType) -> Tensor:
        """A constant: a number in kernels where it is one float or truth value, else memory that callers share with us.

        Integers are always memory: the engine tells LLVM that sums and products of 32 bits and more never wrap around,
        from which it follows that x + -1, added as unsigned numbers, has x = 0.
        """
        type = TensorType(dtype, tuple(int(n) for n in array.shape))
        if array.size == 1 and not dtype.is_integer:
            number = immediate(array.reshape(()), dtype)
            return Formula(type, lambda scope, at: number(), (), frozenset(), is_elementwise=True, is_free=True)
        return Stored(type, None, row_major(type.rank), np.asarray(array))

    def reshaped(self, tensor: Tensor, type: TensorType) -> Stored:
        """The same memory under another shape."""
        return self.bindings.reshaped(self.row_major(tensor), type)

    def learn(self, vector: Tensor, dims: Shape) -> None:
        """Bind the symbols that `dims` consist of to the elements of an i64 vector, known only when running."""
        self.bindings.learn(self.row_major(vector), dims)

    def _operand(self, value: Value, perm: Perm) -> Stored:
        return self.memory(self.known[value], perm)

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


def broadcast_index(scope: Scope, at: Index, shape: Shape, result: Shape) -> Index:
    """The index into an operand of `shape` for the index `at` into what it broadcasts to."""
    if shape == result:
        return at
    offset = len(result) - len(shape)
    return [_along(scope, at[offset + i], d, result[offset + i]) for i, d in enumerate(shape)]


def _along(scope: Scope, position: Any, size: Dim, result: Dim) -> Any:
    if size == 1:
        return int64(0)
    if size == result:
        return position
    return scope.bind(tirx.min(position, int64(scope.size(size)) - int64(1)))  # it may turn out to be 1


def immediate(scalar: Array, dtype: DType) -> Callable[[], Expr]:
    """A truth value or a float as an expression of the type it is computed in."""
    if dtype.name == "bool":
        return lambda: maths.truth(bool(scalar))
    return lambda: tirx.const(float(scalar), carriers.computed(dtype))
