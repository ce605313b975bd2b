"""Which kernel for thread blocks serves which op; where there are several, the first that does not refuse."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.backends.tvm.cuda.kernels import direct, products, rows
from isthmus.backends.tvm.kernels import Generator, Group, Machine, Offer, offered

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
    return offered(GENERATORS, group, machine)
