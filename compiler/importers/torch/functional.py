"""Whether a traced graph can be read as if it wrote into no tensor, which spares torch's slow functionalization.

`relu_(x)` is `relu(x)` where nobody can see x change: x is a fresh tensor, nothing else shares its memory, and nothing
reads it afterwards. Anything less plain is left to torch's run_decompositions.
"""

from __future__ import annotations

from typing import Any

import torch

_NEW_MEMORY = (
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear bilinear matmul"
    " batch_norm layer_norm group_norm instance_norm max_pool1d max_pool2d max_pool3d"
    " adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d"
    " cat stack sum mean softmax log_softmax relu6 selu scaled_dot_product_attention"
)
_FRESH = frozenset(_NEW_MEMORY.split())
"""Composite ops (which torch's schemas do not promise it of) that always make new memory."""

_DROPOUTS = (torch.ops.aten.dropout.default, torch.ops.aten.feature_dropout.default)
"""(input, p, train)."""


def is_plain(module: Any) -> bool:
    """Whether every op that writes into a tensor writes where nobody sees it."""
    for each in module.modules():
        if isinstance(each, torch.fx.GraphModule):
            order = {node: i for i, node in enumerate(each.graph.nodes)}
            if not all(_is_invisible(node, order) for node in each.graph.nodes if writes(node.target)):
                return False
    return True


def leave_out_dropout(module: Any) -> None:
    """Take dropouts at inference out of a traced graph: their result is their argument, not a copy of it."""
    for each in module.modules():
        if not isinstance(each, torch.fx.GraphModule):
            continue
        for node in list(each.graph.nodes):
            is_idle = node.op == "call_function" and node.target in _DROPOUTS and node.args[2:] == (False,)
            if is_idle and all(user.op != "output" for user in node.users):  # outputs go by their nodes' names
                node.replace_all_uses_with(node.args[0])
                each.graph.erase_node(node)
        each.recompile()


def aliasing(module: Any) -> set[Any]:
    """Composite ops that may give a tensor which is written somewhere in another guise, and do not say so.

    `einsum("ij->ji", x)` and `meshgrid` lie in their arguments' memory, yet torch's functionalization takes composite
    ops at their schema's word, which promises new memory: they must be decomposed before.
    """
    found: set[Any] = set()
    for each in module.modules():
        if isinstance(each, torch.fx.GraphModule):
            found |= _aliasing(each.graph)
    return found


def _aliasing(graph: torch.fx.Graph) -> set[Any]:
    group: dict[Any, Any] = {}

    def leader(node: Any) -> Any:
        while group.get(node, node) is not node:
            node = group[node]
        return node

    calls = [node for node in graph.nodes if node.op == "call_function"]
    for node in calls:
        if _may_share(node.target) or writes(node.target):
            for source in node.all_input_nodes:
                group[leader(source)] = leader(node)
    written = {leader(node) for node in calls if writes(node.target)}
    return {node.target for node in calls if _is_silent(node.target) and leader(node) in written}


def _is_silent(target: Any) -> bool:
    """Whether a composite op's schema does not say that its result may lie in an argument's memory."""
    return isinstance(target, torch._ops.OpOverload) and _is_composite(target) and not _says_so(target)


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
    return _says_so(target) or _is_composite(target)


def _says_so(target: Any) -> bool:
    return any(each.alias_info is not None for each in target._schema.returns)


def _is_composite(target: Any) -> bool:
    """Whether the op is made of other ops, any of which may be a view."""
    composite = torch._C._dispatch_has_kernel_for_dispatch_key(target.name(), "CompositeImplicitAutograd")
    return composite and target._schema.name.partition("::")[2] not in _FRESH
