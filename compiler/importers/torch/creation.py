"""Tensors from nothing: fills, ranges, triangles and seeded random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.compiler.importers.torch.args import cast, tensor
from isthmus.compiler.importers.torch.builder import Number, Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.ir.dim import Dim
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, I64


def _constant_fill(ops: tuple[str, ...], number: int) -> AtenLowering[Value]:
    @aten(*ops)
    def fill(b: TorchBuilder, x: Any, size: Any = None, dtype: Any = None) -> Value:
        wanted = b.wanted()
        return b.full(tensor(b, number, wanted.dtype), shape=wanted.shape)

    return fill


fills = (
    _constant_fill(("zeros", "zeros_like", "new_zeros", "empty", "empty_like", "new_empty", "empty_permuted"), 0),
    _constant_fill(("ones", "ones_like", "new_ones"), 1),
)


@aten("full", "full_like", "new_full")
def full(b: TorchBuilder, x: Any, fill_value: Scalar, size: Any = None, dtype: Any = None) -> Value:
    wanted = b.wanted()
    return b.full(tensor(b, fill_value, wanted.dtype), shape=wanted.shape)


@aten("fill")
def fill(b: TorchBuilder, x: Value, value: Scalar) -> Value:
    return b.full(tensor(b, value, x.dtype), shape=x.shape)


@aten("scalar_tensor")
def scalar_tensor(b: TorchBuilder, x: Scalar, dtype: Any = None) -> Value:
    return tensor(b, x, b.wanted_dtype())


@aten("arange.default")
def arange(b: TorchBuilder, x: Scalar, dtype: Any = None) -> Value:
    return arange_step(b, 0, x)


@aten("arange.start", "arange.start_step")
def arange_step(b: TorchBuilder, x: Scalar, end: Scalar, step: Scalar = 1, dtype: Any = None) -> Value:
    """x, x + step, ... before end. Its length is known where all three are."""
    dtype = b.wanted_dtype()
    if any(isinstance(each, Value) for each in (x, end, step)):
        return b.dynamic_iota(tensor(b, x, dtype), tensor(b, end, dtype), tensor(b, step, dtype))
    counted = b.iota(dtype=dtype, shape=b.wanted().shape, axis=0)
    scaled = counted if step == 1 else b.mul(counted, tensor(b, step, dtype))
    return scaled if x == 0 else b.add(scaled, tensor(b, x, dtype))


@aten("linspace")
def linspace(b: TorchBuilder, x: Number, end: Number, steps: Dim, dtype: Any = None) -> Value:
    """torch counts from both ends, so that both are met exactly."""
    if not all(isinstance(each, int | float) for each in (x, end, steps)):
        raise UnsupportedModel("linspace with bounds or a length that depend on sizes")
    dtype = b.wanted_dtype()
    numbers = np.linspace(float(x), float(end), int(steps))  # type: ignore[arg-type]
    return b.const(numbers, dtype)


@aten("eye")
def eye(b: TorchBuilder, x: Dim, m: Dim | None = None, dtype: Any = None) -> Value:
    wanted = b.wanted()
    rows, columns = (b.iota(dtype=I64, shape=wanted.shape, axis=axis) for axis in (0, 1))
    return cast(b, b.equal(rows, columns), wanted.dtype)


@aten("rand", "rand_like")
def rand(b: TorchBuilder, x: Any, dtype: Any = None) -> Value:
    """Seeded by 0 in every run: an ahead-of-time program has no generator of its own."""
    wanted = b.wanted()
    return b.random_uniform(dtype=wanted.dtype, shape=wanted.shape)


@aten("randn", "randn_like")
def randn(b: TorchBuilder, x: Any, dtype: Any = None) -> Value:
    wanted = b.wanted()
    return b.random_normal(dtype=wanted.dtype, shape=wanted.shape)


@aten("randperm")
def randperm(b: TorchBuilder, x: Dim, dtype: Any = None) -> Value:
    """The order of as many random numbers."""
    drawn = b.random_uniform(dtype=F32, shape=(x,))
    return cast(b, b.topk(drawn, k=x, axis=0)[1], b.wanted_dtype())


@aten("one_hot")
def one_hot(b: TorchBuilder, x: Value, num_classes: int = -1) -> Value:
    if num_classes < 0:
        raise UnsupportedModel("one_hot whose number of classes depends on data", hint="pass num_classes")
    return b.one_hot(cast(b, x, I64), b.const(np.array([0, 1])), depth=num_classes, axis=x.rank)
