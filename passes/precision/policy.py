"""What a node's own op and attributes ask for: the policy of its row, and where attributes bend it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from isthmus.ir.graph import Node, Value
from isthmus.ir.precision import Policy
from isthmus.passes.precision.guards import Facts
from isthmus.passes.precision.narrow import Narrow

_SHORT_SUM = 256
"""A sum of so few rounded elements is as good as its elements."""
_THIN = 16
"""Products over fewer elements are elementwise work: no gain in speed pays for their rounding."""
_FAR_FROM_ZERO = 1e-3

_NORMS = ("batch_norm", "layer_norm", "instance_norm", "group_norm", "rms_norm")
_SQUARES = ("mul", "pow", "exp")


def wants(node: Node) -> Policy:
    """The policy of the node's op, HIGH aside: LOW where there is matrix work worth it, else FOLLOW."""
    if node.op.precision.policy is not Policy.LOW:
        return Policy.FOLLOW
    count = _CONTRACTED.get(node.op.name)
    contracted = None if count is None else count(node)
    return Policy.FOLLOW if contracted is not None and contracted < _THIN else Policy.LOW


def refusal(node: Node, narrow: Narrow, facts: Facts) -> str | None:
    """Why the node's op keeps it in f32, or None."""
    row = node.op.precision
    if node.op.name == "reduce_mean" and (squared := _squared(node.inputs[0])) is not None:
        return f"a mean of {squared} is a variance, or a sum of exponentials"
    if narrow.is_coarse and node.op.name in _NORMS:
        return f"its scale and bias lose digits in {narrow}"
    if row.policy is not Policy.HIGH or (row.range_only and not narrow.is_cramped):
        return None
    excuse = _EXCUSES.get(node.op.name)
    return None if excuse is not None and excuse(node, facts) else row.reason


def _squared(value: Value) -> str | None:
    node = value.node
    if node is None or node.op.name not in _SQUARES:
        return None
    if node.op.name == "mul":
        return "squares" if node.operands[0] is node.operands[1] else None
    return "exponentials" if node.op.name == "exp" else "powers"


def _short_sum(node: Node, facts: Facts) -> bool:
    """Few elements, and no squares or exponentials."""
    count = 1
    for axis in node.attrs["axes"]:
        size = node.inputs[0].shape[axis]
        if not isinstance(size, int):
            return False
        count *= size
    return count <= _SHORT_SUM and _squared(node.inputs[0]) is None


def _last_is_far_from_zero(node: Node, facts: Facts) -> bool:
    return facts.gap(node.inputs[-1]) >= _FAR_FROM_ZERO


_EXCUSES: Mapping[str, Callable[[Node, Facts], bool]] = {
    "reduce_sum": _short_sum,
    **dict.fromkeys(("div", "sqrt", "rsqrt", "reciprocal"), _last_is_far_from_zero),
}
"""Op -> where its row's reason to stay high does not hold."""


def _inner(node: Node) -> int | None:
    size = node.inputs[0].shape[-1]
    return size if isinstance(size, int) else None


def _summed(node: Node) -> int | None:
    """How many products einsum adds up for an element; None where a size is symbolic."""
    terms, _, result = node.attrs["equation"].replace(" ", "").partition("->")
    count = 1
    for term, value in zip(terms.split(","), node.inputs, strict=True):
        before, _, after = term.partition("...")
        letters = [*enumerate(before), *((i - len(after), c) for i, c in enumerate(after))]
        for axis, letter in letters:
            if letter in result or (term != terms.split(",")[0] and letter in terms.split(",")[0]):
                continue
            size = value.shape[axis]
            if not isinstance(size, int):
                return None
            count *= size
    return count


_CONTRACTED: Mapping[str, Callable[[Node], int | None]] = {
    "matmul": _inner,
    "linear": _inner,
    "einsum": _summed,
}
"""Op -> how many products are added up for an element of its result."""
