"""Which kernel for thread blocks serves which op; where there are several, the first that does not refuse."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.backends.base import Refused
from isthmus.backends.tvm.cuda.kernels import direct, products, rows
from isthmus.backends.tvm.kernels import Generator, Group, Machine, Offer

GENERATORS: Mapping[str, tuple[Generator, ...]] = {
    "linear": (products.linear,),
    "matmul": (products.matmul,),
    "conv": (products.conv, direct.conv),
    "softmax": (rows.softmax,),
    "log_softmax": (rows.softmax,),
    "layer_norm": (rows.norm,),
    "rms_norm": (rows.norm,),
}


def generator_for(group: Group, machine: Machine) -> Offer:
    """A kernel for the group, or every reason why the default path takes it."""
    reasons = []
    for generator in GENERATORS.get(group.anchor.op.name, ()):
        offer = generator(group, machine)
        if not isinstance(offer, Refused):
            return offer
        reasons.append(offer.reason)
    return Refused("; ".join(reasons) or f"there is no kernel for thread blocks that computes {group.anchor.op.name}")
