"""What one Relax function binds variables to while it is written: memory, constants it takes, and calls of kernels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from isthmus.backends.tvm import carriers
from isthmus.backends.tvm.api import relax
from isthmus.backends.tvm.dims import CallSizes
from isthmus.backends.tvm.kernels import Perm
from isthmus.backends.tvm.module import Module
from isthmus.backends.tvm.orders import row_major, stored
from isthmus.backends.tvm.scope import KernelScope, write_function
from isthmus.backends.tvm.tensors import Stored
from isthmus.ir.dim import Shape, Symbol, symbols
from isthmus.ir.types import Array, TensorType, dtype_of


@dataclass(frozen=True, eq=False)
class Constant:
    """Memory a function reads, as it is bound: a view of the IR's own array wherever that lies as it is needed."""

    array: Array
    var: Any
    source: Array
    """Held, so that its identity stays its own."""


class Bindings:
    """The body of a function of the module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.sizes = CallSizes()
        self.constants: dict[Hashable, Constant] = {}
        """What the function takes besides its inputs."""
        self.kernel_name = "kernel"
        """What a kernel written now is called."""
        self._sources: dict[Any, Any] = {}
        """Variables that are another one's memory under another shape."""

    def var(self, memory: Stored) -> Any:
        """The Relax variable that holds memory; constants become parameters of the function when first asked for."""
        if memory.constant is None:
            return memory.var
        array, perm = memory.constant, memory.perm
        make = partial(np.transpose, axes=perm) if not memory.is_row_major else np.asarray
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

    def shared(self, constant: Constant, key: Hashable) -> Any:
        """The Relax variable of what a function within this one takes."""
        return self.packed(constant.source, key, lambda _: constant.array)

    def reshaped(self, source: Stored, type: TensorType) -> Stored:
        """The same row-major memory under another shape."""
        perm = row_major(type.rank)
        if source.constant is not None and type.is_static:
            array = source.constant.reshape([d for d in type.shape if isinstance(d, int)])
            return Stored(type, None, perm, array)
        if 0 in type.shape:  # which the engine's reshape takes to mean the size that is there
            return self.kernel([], [(type, perm)], type.symbols(), lambda scope: None)[0]
        seen = self.var(source)
        made = self.module.emit(relax.op.reshape(seen, relax.ShapeExpr(self.sizes.shape(type.shape))))
        self._sources[made] = self.source(seen)
        return Stored(type, made, perm)

    def source(self, var: Any) -> Any:
        """The variable whose memory this one is, under whatever shape."""
        return self._sources.get(var, var)

    def learn(self, vector: Stored, dims: Shape) -> None:
        """Bind the symbols that `dims` consist of to the elements of an i64 vector, known only when running."""
        shape = self.module.emit(relax.op.tensor_to_shape(self.var(vector)))
        bound = [self.sizes.bind(s) for d in dims for s in symbols(d)]
        self.module.emit_match(shape, relax.ShapeType(bound))

    def kernel(
        self,
        operands: Sequence[Stored],
        results: Sequence[tuple[TensorType, Perm]],
        used: Iterable[Symbol],
        body: Callable[[KernelScope], None],
    ) -> list[Stored]:
        """Call what `body` writes, which is added to the module unless that has an equal function."""
        function, taken = write_function(operands, results, used, body)
        arguments = [*(self.var(each) for each in operands), *self.passed(taken)]
        types = [self.type_of(type, perm) for type, perm in results]
        made = self.module.call(function, self.kernel_name, arguments, types)
        return [Stored(type, var, perm) for (type, perm), var in zip(results, made, strict=True)]

    def passed(self, used: Sequence[Symbol]) -> list[Any]:
        """The sizes of symbols as a kernel's arguments."""
        return [relax.prim_value(self.sizes.of(s)) for s in used]

    def type_of(self, type: TensorType, perm: Perm) -> Any:
        """The Relax type of memory of a type."""
        return relax_type(type, self.sizes.shape(stored(type.shape, perm)))


def relax_type(type: TensorType, shape: Sequence[Any]) -> Any:
    """A Relax tensor type over the carrier of the element type."""
    return relax.TensorType(list(shape), carriers.carrier(type.dtype))
