"""A batch norm between bf16 edges, with parameters and sums in f32 as it is typed, in two passes over bf16 memory.

Written plainly it is five passes over f32: widen, norm, and the steps of rounding. The engine's elementwise kernels
compute in f32 whatever they load and store, so the norm is written in bf16 with its factor and shift each as a sum of
two bf16 numbers; what the small parts lose is 2^-17 of the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.ir.graph import Node, Value
from isthmus.ir.types import BF16, Array

if TYPE_CHECKING:
    from isthmus.backends.openvino.network import Handle, Network


def batch_norm_in_bf16(n: Network, x: Handle, value: Value) -> Handle | None:
    """`value`, written as x, in bf16; None unless it is a batch norm of widened bf16, with a relu or without."""
    node, written = value.node, _owner(x)
    is_relu = node is not None and node.op.name == "relu"
    if is_relu and node is not None:
        node, written = node.inputs[0].node, _owner(written.input_value(0))
    if node is None or node.op.name != "batch_norm" or (parts := _factor_and_shift(node)) is None:
        return None
    widening = node.inputs[0].node
    if widening is None or widening.op.name != "cast" or widening.inputs[0].dtype != BF16:
        return None
    source = _owner(written.input_value(0)).input_value(0)
    (factor, little_factor), (shift, little_shift) = (_split(n, part, node.inputs[0].rank) for part in parts)
    little = n.ops.add(n.ops.multiply(source, little_factor), little_shift)
    total = n.ops.add(n.ops.add(n.ops.multiply(source, factor), shift), little)
    return n.ops.relu(total) if is_relu else total


def _owner(handle: Handle) -> Any:
    return handle if hasattr(handle, "input_value") else handle.get_node()


def _factor_and_shift(node: Node) -> tuple[Array, Array] | None:
    scale, bias, mean, variance = (value.array for value in node.inputs[1:])
    if scale is None or bias is None or mean is None or variance is None:
        return None
    factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + node.attrs["epsilon"])
    return factor, bias.astype(np.float64) - mean.astype(np.float64) * factor


def _split(n: Network, array: Array, rank: int) -> tuple[Handle, Handle]:
    """Per channel, as two bf16 constants that add up to it."""
    shaped = array.reshape(-1, *[1] * (rank - 2))
    large = shaped.astype(BF16.numpy)
    rest = (shaped - large.astype(np.float64)).astype(BF16.numpy)
    return n.constant(large), n.constant(rest)
