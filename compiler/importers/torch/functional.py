"""Whether a traced graph can be read as if it wrote into no tensor, which spares torch's slow functionalization.

`relu_(x)` is `relu(x)` where nobody can see x change: x is a fresh tensor, nothing else shares its memory, and nothing
reads it afterwards. Anything less plain is left to torch's run_decompositions.
"""

from __future__ import annotations

from typing import Any

import torch

_NEW_MEMORY = (
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear bilinear matmul einsum"
    " batch_norm layer_norm group_norm instance_norm max_pool1d max_pool2d max_pool3d"
    " adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d"
    " cat stack sum mean softmax log_softmax relu6 selu scaled_dot_product_attention"
)
_FRESH = frozenset(_NEW_MEMORY.split())
"""Composite ops (which torch's schemas do not promise it of) that always make new memory."""


def is_plain(module: Any) -> bool:
    """Whether every op that writes into a tensor writes where nobody sees it."""
    for each in module.modules():
        if isinstance(each, torch.fx.GraphModule):
            order = {node: i for i, node in enumerate(each.graph.nodes)}
            if not all(_is_invisible(node, order) for node in each.graph.nodes if writes(node.target)):
                return False
    return True


def writes(target: Any) -> bool:
    """Whether an op changes one of its arguments."""
    return isinstance(target, torch._ops.OpOverload) and bool(target._schema.is_mutable)


def _is_invisible(node: Any, order: dict[Any, int]) -> bool:
    arguments = node.target._schema.arguments
    changed = [i for i, each in enumerate(arguments) if each.alias_info is not None and each.alias_info.is_write]
    name = node.target._schema.name
    if changed != [0] or not name.endswith("_") or name.endswith("__") or not isinstance(node.args[0], torch.fx.Node):
        return False
    before = node.args[0]
    if before.op != "call_function" or not (writes(before.target) or not _may_share(before.target)):
        return False
    return all(order[user] < order[node] and not _may_share(user.target) for user in before.users if user is not node)


def _may_share(target: Any) -> bool:
    """Whether a result may lie in an argument's memory."""
    if not isinstance(target, torch._ops.OpOverload):
        return True
    if any(each.alias_info is not None for each in target._schema.returns):
        return True
    composite = torch._C._dispatch_has_kernel_for_dispatch_key(target.name(), "CompositeImplicitAutograd")
    return composite and target._schema.name.partition("::")[2] not in _FRESH
