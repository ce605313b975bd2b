"""One kernel while it is written: where the memory that formulas read is, and what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from isthmus.backends.tvm import carriers, maths
from isthmus.backends.tvm.api import ir_builder, script
from isthmus.backends.tvm.dims import KernelSizes
from isthmus.backends.tvm.kernels import Buffer, Expr, Perm, PrimFunc, declare
from isthmus.backends.tvm.tensors import Formula, Index, Pending, Stored, Tensor
from isthmus.ir.dim import Dim, Symbol
from isthmus.ir.types import DType, TensorType


class KernelScope:
    """A function under construction. See `tensors.Scope`."""

    def __init__(self, sizes: KernelSizes, buffers: dict[Stored, Buffer], results: Sequence[Buffer]) -> None:
        self.size = sizes
        self.results = results
        self._buffers = buffers
        self._values: dict[tuple[Tensor, int], tuple[Index, Expr]] = {}
        self._given: dict[Pending, Expr] = {}

    def read(self, tensor: Tensor, at: Index) -> Expr:
        """An element in the type it is computed in, computed once for each index that is a list.

        Lists are made in the loop they belong to; tuples may be the same object everywhere.
        """
        if not isinstance(at, list):
            return self.bind(self.load(tensor, at))
        key = (tensor, id(at))
        if key not in self._values:
            value = self.load(tensor, at)
            self._values[key] = (at, value if isinstance(tensor, Pending) else self.bind(value))
        return self._values[key][1]

    def load(self, tensor: Tensor, at: Index) -> Expr:
        """An element as an expression of its own."""
        match tensor:
            case Stored():
                buffer = self._buffers[tensor]
                return carriers.widen(buffer[tuple(at[axis] for axis in tensor.perm)], tensor.type.dtype)
            case Formula():
                return self._rounded(tensor.element(self, at), tensor.type.dtype)
        return self._given[tensor]

    def memory(self, stored: Stored) -> Buffer:
        """Where an operand lies."""
        return self._buffers[stored]

    def bind(self, value: Expr) -> Expr:
        """A variable that is computed once, here.

        Numbers and conditions stay expressions: the engine's analysis of variables fails on vectors of conditions.
        """
        return maths.bound(value)

    def give(self, pending: Pending, at: Index, value: Expr) -> None:
        """What pending work is at an index, for the formulas that follow it."""
        self._given[pending] = self.bind(self._rounded(value, pending.type.dtype))
        self._values[(pending, id(at))] = (at, self._given[pending])

    def store(self, number: int, type: TensorType, perm: Perm, at: Index, value: Expr) -> None:
        """Put an element, in the type it is computed in, into a result."""
        place = [at[axis] for axis in perm]
        script.buffer_store(self.results[number], self.narrowed(value, type.dtype), place)

    def narrowed(self, value: Expr, dtype: DType) -> Expr:
        """An element in its carrier."""
        return carriers.narrow(self.bind(value) if _is_narrow(dtype) else value, dtype)

    def _rounded(self, value: Expr, dtype: DType) -> Expr:
        """An element as it comes back from memory: narrow floats lose the digits their type has no room for."""
        return carriers.widen(self.bind(self.narrowed(value, dtype)), dtype) if _is_narrow(dtype) else value

    def scratch(self, shape: Sequence[int], dtype: str) -> Buffer:
        """Memory of this kernel's own, in the loop that is open; small enough for the stack."""
        return script.alloc_buffer(tuple(shape), dtype)


def write_function(
    operands: Sequence[Stored],
    results: Sequence[tuple[TensorType, Perm]],
    symbols: Iterable[Symbol],
    body: Callable[[KernelScope], None],
) -> tuple[PrimFunc, tuple[Symbol, ...]]:
    """A function that reads `operands` and fills `results`, and the symbols whose sizes it takes in between."""
    sizes = KernelSizes(symbols)
    builder = ir_builder.IRBuilder()
    with builder, script.prim_func(is_private=True, s_tir=True):
        script.func_name("kernel")
        buffers = {
            each: declare(f"x{i}", stored_shape(sizes, each.type.shape, each.perm), carriers.carrier(each.type.dtype))
            for i, each in enumerate(operands)
        }
        for variable in sizes.parameters:
            script.arg(variable.name, variable)
        made = [
            declare(f"y{i}", stored_shape(sizes, type.shape, perm), carriers.carrier(type.dtype))
            for i, (type, perm) in enumerate(results)
        ]
        with script.sblock("root"):
            script.reads([])
            script.writes([])
            body(KernelScope(sizes, buffers, made))
    return builder.get(), sizes.symbols


def stored_shape(size: Callable[[Dim], Any], shape: Sequence[Dim], perm: Perm) -> list[Any]:
    """Sizes in the order of memory; a scalar is a vector of one."""
    return [size(shape[axis]) for axis in perm]


def _is_narrow(dtype: DType) -> bool:
    return dtype.is_float and dtype.bits < 32
