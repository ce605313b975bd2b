"""Which generator serves which op; where there are several, the first that does not refuse."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.backends.tvm.kernels import Generator, Group, Machine, Offer, offered
from isthmus.backends.tvm.schedules.attention import attention
from isthmus.backends.tvm.schedules.batched_matmul import batched_matmul
from isthmus.backends.tvm.schedules.conv2d import conv
from isthmus.backends.tvm.schedules.depthwise import depthwise
from isthmus.backends.tvm.schedules.linear import linear
from isthmus.backends.tvm.schedules.norms import norm
from isthmus.backends.tvm.schedules.pooling import pool
from isthmus.backends.tvm.schedules.softmax import softmax
from isthmus.backends.tvm.schedules.tile_conv import tile_conv
from isthmus.backends.tvm.schedules.tile_gemm import tile_linear

GENERATORS: Mapping[str, tuple[Generator, ...]] = {
    "conv": (depthwise, tile_conv, conv),
    "linear": (tile_linear, linear),
    "matmul": (tile_linear, linear, batched_matmul),
    "attention": (attention,),
    "softmax": (softmax,),
    "log_softmax": (softmax,),
    "layer_norm": (norm,),
    "rms_norm": (norm,),
    "max_pool": (pool,),
    "avg_pool": (pool,),
}


def generator_for(group: Group, machine: Machine) -> Offer:
    """A kernel for the group on the machine, or every reason why there is none."""
    return offered(GENERATORS, group, machine)
