"""The network under construction: what emissions see of it.

Operands and results are `openvino.Output`s or single-output nodes. Constants share the memory of the IR's arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from isthmus.backends.openvino.dims import NodeArithmetic, partial_shape
from isthmus.backends.openvino.labels import Labels
from isthmus.backends.openvino.tensors import element_type, tensor_over
from isthmus.backends.sizes import Sizes
from isthmus.ir.dim import Dim, bounds
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import I32, I64, Array, DType, dtype_of

Handle: TypeAlias = Any
"""An `openvino.Output`, or an `openvino.Node` with one output."""


class Network:
    """Writes one graph, or one region, through OpenVINO's op set functions."""

    def __init__(
        self,
        engine: ModuleType,
        ops: ModuleType,
        write: Callable[[Network, Graph, Sequence[Handle]], list[Handle]],
        outer: Network | None = None,
    ) -> None:
        self.engine = engine
        self.ops = ops
        self.outer = outer
        self.write = write
        """Writes a graph into a network, given what stands for its inputs."""
        self.kept: list[Array] = outer.kept if outer is not None else []
        """Arrays whose memory the engine reads: they must live as long as what is compiled from the network."""
        self.labels: Labels = outer.labels if outer is not None else Labels()
        """Which of the engine's nodes stands for which IR node."""
        self.arithmetic = NodeArithmetic(self)
        self.sizes: Sizes[Handle] = Sizes(self.arithmetic)
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

    def type(self, dtype: DType) -> Any:
        """`openvino.Type` of an IR element type."""
        return element_type(self.engine, dtype)

    def parameter(self, value: Value) -> Handle:
        """A network input for an IR value, with the bounds its symbols have."""
        return self.ops.parameter(
            partial_shape(self.engine, value.shape), self.type(value.dtype), name=value.name or None
        )

    def constant(self, array: Array, dtype: DType | None = None) -> Handle:
        """A constant over the array's own memory."""
        kept = np.ascontiguousarray(array).reshape(array.shape)
        self.kept.append(kept)
        return self.engine.op.Constant(tensor_over(self.engine, kept, dtype or dtype_of(kept)), shared_memory=True)

    def scalar(self, number: float, dtype: DType = I64) -> Handle:
        """A scalar constant."""
        return self.constant(np.array(number).astype(dtype.numpy))

    def like(self, number: float) -> Handle:
        """A scalar constant of the first operand's element type."""
        return self.scalar(number, self.x.dtype)

    def vector(self, numbers: Sequence[int]) -> Handle:
        """An i64 vector constant."""
        return self.constant(np.array(numbers, np.int64))

    def dims(self, dims: Sequence[Dim]) -> Handle:
        """An i64 vector of dimensions: a constant, or computed from the sizes of values at run time."""
        return self.sizes.vector(dims)

    def dim(self, dim: Dim) -> Handle:
        """An i64 scalar of one dimension."""
        return self.reshape(self.dims((dim,)), ())

    def cast(self, x: Handle, dtype: DType) -> Handle:
        """x in another element type."""
        return self.ops.convert(x, self.type(dtype).to_string())

    def reshape(self, x: Handle, shape: Sequence[Dim]) -> Handle:
        """x with sizes that may be symbolic."""
        return self.ops.reshape(x, self.dims(shape), False)

    def broadcast(self, x: Handle, have: Sequence[Dim], shape: Sequence[Dim]) -> Handle:
        """x of sizes `have` repeated to `shape`. (To a scalar, the engine's broadcast crashes the process.)

        What may be empty at run time is tiled: a broadcast is worked into arithmetic that follows, and there the
        engine takes a computed size of 0 for 1 (OpenVINO 2026.4).
        """
        if not shape:
            return x
        aligned = (*(1,) * (len(shape) - len(have)), *have)
        may_be_empty = any((bounds(d)[0] or 0) < 1 for d in shape)
        if not may_be_empty or any(a not in (1, d) for a, d in zip(aligned, shape, strict=True)):
            return self.ops.broadcast(x, self.dims(shape))
        repeats = tuple(d if a == 1 else 1 for a, d in zip(aligned, shape, strict=True))
        return self.ops.tile(self.reshape(x, aligned), self.dims(repeats))

    def take(self, x: Handle, index: int, axis: int = 0) -> Handle:
        """Element `index` along `axis`, which disappears."""
        return self.ops.gather(x, self.scalar(index, I32), self.scalar(axis, I32))

    def shape_of(self, x: Handle) -> Handle:
        """The sizes of x as an i64 vector."""
        return self.ops.shape_of(x, "i64")

    def region(self) -> Network:
        """A network for a region of the node being written."""
        return Network(self.engine, self.ops, self.write, self)
