"""Rounding f32 to bf16, to nearest, which the engine's own conversion does only where it is compiled for one size.

Where sizes are symbolic its conversion rounds numbers up only if the digit before is odd, and cuts all others: errors
toward zero, which a deep network adds up. So a number is brought to bf16's digits before, by adding and subtracting
2^16 times itself in f32; what the engine converts then is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from isthmus.ir.graph import Value
from isthmus.ir.types import BF16, F32

if TYPE_CHECKING:
    from isthmus.backends.openvino.network import Handle, Network

_SHIFT = 2.0**16
_FAR = 2.0**100
"""What is added ends here, so that no sum overflows and infinities stay. Numbers beyond 2^84 keep the engine's own
rounding: off by less than one unit in the last place, instead of by half a one.
"""


def to_bf16(n: Network, x: Handle, value: Value) -> Handle:
    """x, which is in f32 and stands for `value`, in bf16."""
    if value.type.is_static:
        return n.cast(x, BF16)
    far = n.ops.clamp(n.ops.multiply(x, n.scalar(_SHIFT, F32)), -_FAR, _FAR)
    return n.cast(n.ops.subtract(n.ops.add(x, far), far), BF16)


def in_f32(n: Network, write: Callable[[Handle], Handle], x: Handle) -> Handle:
    """What `write` makes of the node's first operand, computed in f32 and rounded once where the node is narrower."""
    result = n.node.results[0]
    if result.dtype.bits >= 32:
        return write(x)
    wide = write(n.cast(x, F32))
    return to_bf16(n, wide, result) if result.dtype == BF16 else n.cast(wide, result.dtype)
