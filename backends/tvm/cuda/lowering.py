"""From kernels on threads to what is compiled: the engine's passes for TIR, host and device apart."""

from __future__ import annotations

from typing import Any

from isthmus.backends.tvm.library import engine

NAME = "isthmus-cuda"
"""What the engine knows `pipeline` by."""


def pipeline() -> tuple[Any, Any, Any]:
    """As for the CPU, with thread synchronisation between what goes through shared memory."""
    tvm = engine()
    scheduled, plain = tvm.s_tir.transform, tvm.tirx.transform
    lowering = tvm.transform.Sequential(
        [
            scheduled.CanonicalizeLoop(),
            scheduled.LowerInitBlock(),
            scheduled.PlanAndUpdateBufferAllocationLocation(),
            scheduled.ConvertBlocksToOpaque(),
            scheduled.LowerOpaqueBlock(),
            plain.FlattenBuffer(),
            plain.NarrowDataType(32),
            plain.VectorizeLoop(True),
            plain.UnrollLoop(),
            plain.VerifyMemory(),
            plain.AnnotateEntryFunc(),
            scheduled.ThreadSync("shared"),
            scheduled.InferFragment(),
            plain.SplitHostDevice(),
            plain.MakePackedAPI(),
        ]
    )
    host = tvm.transform.Sequential([plain.LowerTVMBuiltin(), plain.LowerIntrin()])
    device = tvm.transform.Sequential([plain.LowerWarpMemory(), plain.StmtSimplify(), plain.LowerIntrin()])
    return lowering, lambda: host, lambda: device
