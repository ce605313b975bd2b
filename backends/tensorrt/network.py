"""The network under construction: what emissions see of it.

Operands and results are `ITensor`s. Constants share the memory of the IR's arrays. The engine broadcasts only between
tensors of one rank; what is written here brings operands to one rank first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from isthmus.backends.sizes import Sizes
from isthmus.backends.tensorrt.dims import LayerArithmetic
from isthmus.backends.tensorrt.library import Library
from isthmus.backends.tensorrt.messages import Messages
from isthmus.backends.tensorrt.names import Names
from isthmus.backends.tensorrt.tensors import contiguous, dtype_named, element_type, is_carried_wide, weights_over
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node, Value
from isthmus.ir.types import I32, I64, Array, DType, dtype_of

Handle: TypeAlias = Any
"""A `tensorrt.ITensor`."""


class Network:
    """Writes one graph, regions included, into one `INetworkDefinition`."""

    def __init__(self, lib: Library, definition: Any, messages: Messages) -> None:
        self.trt: ModuleType = lib.module
        self.definition = definition
        """The `INetworkDefinition`."""
        self.messages = messages
        self.kept: list[Array] = []
        """Arrays whose memory the network reads: they must live until it is built."""
        self.names = Names(definition)
        self.sizes: Sizes[Handle] = Sizes(LayerArithmetic(self))
        self.is_conditional = False
        """Whether what is written runs in one case only."""
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        """The IR node being written."""
        assert self._node is not None, "no node is being written"
        return self._node

    @node.setter
    def node(self, node: Node) -> None:
        self._node = node

    @contextmanager
    def region(self, enter: Callable[[Handle], Handle] | None = None) -> Iterator[None]:
        """While the regions of a node are written: sizes that no value inside shows are computed outside, and brought
        into a conditional by `enter`.
        """
        before = self.sizes, self._node, self.is_conditional
        sizes = self.sizes

        def outer(dim: Dim) -> Handle:
            size = sizes.vector((dim,))
            return size if enter is None else enter(size)

        self.sizes = Sizes(LayerArithmetic(self, outer))
        self.is_conditional |= enter is not None
        try:
            yield
        finally:
            self.sizes, self._node, self.is_conditional = before

    @property
    def x(self) -> Value:
        """The first operand of the IR node being written."""
        return self.node.inputs[0]

    def type(self, dtype: DType) -> Any:
        """`tensorrt.DataType` that carries an IR element type inside the network."""
        return element_type(self.trt, I32 if is_carried_wide(dtype) else dtype)

    def layer(self, layer: Any) -> Any:
        """A layer that was added, or BackendFailed with what the engine said against it."""
        if layer is None:
            raise self.messages.failure("the engine added no layer and gave no reason")
        return layer

    def of(self, layer: Any) -> Handle:
        """The first output of a layer that was added. BackendFailed where the engine finds its operands unfit."""
        return self.output(layer, 0)

    def output(self, layer: Any, index: int) -> Handle:
        """One output of a layer that was added; the engine checks operands when it is asked for the shape."""
        tensor = self.layer(layer).get_output(index)
        try:
            _ = tensor.shape
        except (RuntimeError, ValueError) as error:
            raise self.messages.failure(str(error)) from error
        return tensor

    def constant(self, array: Array, dtype: DType | None = None) -> Handle:
        """A constant over the array's own memory. 8-bit integers, which the engine takes as quantized numbers
        only, are copied to 32 bits.
        """
        dtype = dtype or dtype_of(array)
        if dtype.is_integer and dtype.bits < 32:
            return self.cast(self.quantized_constant(array.astype(np.int32), I32), dtype)
        return self.quantized_constant(array, dtype)

    def quantized_constant(self, array: Array, dtype: DType) -> Handle:
        """A constant over the array's own memory. One of 8 bits may only be dequantized."""
        kept = contiguous(array)
        self.kept.append(kept)
        return self.of(self.definition.add_constant(self.trt.Dims(kept.shape), weights_over(self.trt, kept, dtype)))

    def scalar(self, number: float, dtype: DType = I64, rank: int = 0) -> Handle:
        """A constant of one element: a scalar, or of as many axes as asked for."""
        return self.constant(np.full((1,) * rank, number).astype(dtype.numpy), dtype)

    def like(self, number: float) -> Handle:
        """A constant of one element that goes with the first operand: its element type, its rank."""
        return self.scalar(number, self.x.dtype, self.x.rank)

    def number(self, number: float, like: Handle) -> Handle:
        """A constant of one element that goes with a tensor: its element type, its rank."""
        return self.scalar(number, dtype_named(self.trt, like.dtype), rank_of(like))

    def vector(self, numbers: Sequence[int]) -> Handle:
        """An i64 vector constant."""
        return self.constant(np.array(numbers, np.int64))

    def dims(self, dims: Sequence[Dim]) -> Handle:
        """An i64 vector of dimensions: a constant, or computed from the sizes of values at run time."""
        return self.sizes.vector(dims)

    def dim(self, dim: Dim) -> Handle:
        """An i64 scalar of one dimension."""
        return self.reshape(self.dims((dim,)), ())

    def range(self, size: Dim) -> Handle:
        """0, 1, 2, ... as an i64 vector."""
        static = isinstance(size, int)
        first = self.trt.Dims([size if static else 1])
        layer = self.layer(self.definition.add_fill(first, self.trt.FillOperation.LINSPACE, self.type(I64)))
        if not static:
            layer.set_input(0, self.dims((size,)))
        layer.set_input(1, self.scalar(0))
        layer.set_input(2, self.vector([1]))
        return self.of(layer)

    def cast(self, x: Handle, dtype: DType) -> Handle:
        """x in another element type."""
        kind = self.type(dtype)
        return x if x.dtype == kind else self.of(self.definition.add_cast(x, kind))

    def elementwise(self, operation: str, a: Handle, b: Handle) -> Handle:
        """`ElementWiseOperation` by name, broadcasting as numpy does."""
        a, b = self.level(a, b)
        return self.of(self.definition.add_elementwise(a, b, getattr(self.trt.ElementWiseOperation, operation)))

    def unary(self, operation: str, x: Handle) -> Handle:
        """`UnaryOperation` by name."""
        return self.of(self.definition.add_unary(x, getattr(self.trt.UnaryOperation, operation)))

    def activation(self, kind: str, x: Handle, alpha: float | None = None, beta: float | None = None) -> Handle:
        """`ActivationType` by name."""
        layer = self.layer(self.definition.add_activation(x, getattr(self.trt.ActivationType, kind)))
        if alpha is not None:
            layer.alpha = alpha
        if beta is not None:
            layer.beta = beta
        return self.of(layer)

    def select(self, condition: Handle, a: Handle, b: Handle) -> Handle:
        """a where the condition holds, else b, broadcasting as numpy does."""
        return self.of(self.definition.add_select(*self.level(condition, a, b)))

    def level(self, *tensors: Handle) -> list[Handle]:
        """The tensors with axes of one element put before those of lower rank."""
        rank = max(rank_of(x) for x in tensors)
        return [self.raise_rank(x, rank) for x in tensors]

    def raise_rank(self, x: Handle, rank: int) -> Handle:
        """x with axes of one element put before its own."""
        return self.unsqueeze(x, range(rank - rank_of(x))) if rank_of(x) < rank else x

    def unsqueeze(self, x: Handle, axes: Sequence[int]) -> Handle:
        """x with axes of one element at these places of the result."""
        if -1 not in tuple(x.shape):
            left = iter(x.shape)
            rank = rank_of(x) + len(axes)
            return self.reshape(x, [1 if i in axes else next(left) for i in range(rank)])
        return self.of(self.definition.add_unsqueeze(x, self.vector(list(axes))))

    def squeeze(self, x: Handle, axes: Sequence[int]) -> Handle:
        """x without these axes of one element."""
        if -1 not in tuple(x.shape):
            return self.reshape(x, [int(d) for i, d in enumerate(x.shape) if i not in axes])
        return self.of(self.definition.add_squeeze(x, self.vector(list(axes))))

    def reshape(self, x: Handle, shape: Sequence[Dim]) -> Handle:
        """x with sizes that may be symbolic."""
        if all(isinstance(d, int) for d in shape):
            layer = self.layer(self.definition.add_shuffle(x))
            layer.zero_is_placeholder = False
            layer.reshape_dims = self.trt.Dims([int(d) for d in shape if isinstance(d, int)])
            return self.of(layer)
        return self.reshape_to(x, self.dims(shape))

    def reshape_to(self, x: Handle, shape: Handle) -> Handle:
        """x with the sizes a vector holds; one of them may be -1."""
        layer = self.layer(self.definition.add_shuffle(x))
        layer.zero_is_placeholder = False
        layer.set_input(1, shape)
        return self.of(layer)

    def broadcast(self, x: Handle, shape: Sequence[Dim]) -> Handle:
        """x repeated to sizes that may be symbolic: a slice that stays in place along axes of one element."""
        x = self.raise_rank(x, len(shape))
        sizes = tuple(x.shape)
        if not shape or list(sizes) == list(shape):
            return x
        rank = len(shape)
        layer = self.layer(self.definition.add_slice(x, (0,) * rank, (1,) * rank, (1,) * rank))
        if all(isinstance(d, int) for d in shape):
            layer.shape = self.trt.Dims([int(d) for d in shape if isinstance(d, int)])
        else:
            layer.set_input(2, self.dims(shape))
        if -1 not in sizes:
            layer.stride = self.trt.Dims([min(size, 2) - 1 if size else 1 for size in sizes])
        else:
            one = self.vector([1] * rank)
            layer.set_input(3, self.elementwise("MIN", one, self.elementwise("SUB", self.shape_of(x), one)))
        return self.of(layer)

    def transpose(self, x: Handle, perm: Sequence[int]) -> Handle:
        """x with its axes in another order."""
        layer = self.layer(self.definition.add_shuffle(x))
        layer.first_transpose = self.trt.Permutation(list(perm))
        return self.of(layer)

    def concat(self, parts: Sequence[Handle], axis: int) -> Handle:
        """Parts joined along an axis."""
        layer = self.layer(self.definition.add_concatenation(list(parts)))
        layer.axis = axis
        return self.of(layer)

    def shape_of(self, x: Handle) -> Handle:
        """The sizes of x as an i64 vector."""
        return self.of(self.definition.add_shape(x))

    def gather(self, x: Handle, indices: Handle, axis: int = 0) -> Handle:
        """Elements of x along an axis; the axes of the indices take its place."""
        return self.of(self.definition.add_gather(x, indices, axis))

    def reduce(self, operation: str, x: Handle, axes: Sequence[int], keepdims: bool) -> Handle:
        """`ReduceOperation` by name, over axes counted from the front."""
        mask = sum(1 << axis for axis in axes)
        return self.of(self.definition.add_reduce(x, getattr(self.trt.ReduceOperation, operation), mask, keepdims))


def rank_of(x: Handle) -> int:
    """How many axes a tensor has."""
    return len(x.shape)
