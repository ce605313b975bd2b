"""Figures against other tools, measured here and now: `python -m tests.benchmarks [NAME ...]`; all without names."""

from __future__ import annotations

import sys

from tests.benchmarks import (
    bench_bf16,
    bench_call,
    bench_latency,
    bench_optimizers,
    bench_precision,
    bench_scale,
    bench_tensorflow,
    bench_tensorrt,
    bench_tensorrt_gpu,
    bench_torch,
    bench_tvm_cuda,
    bench_tvm_models,
    tvm_bf16,
    tvm_kernels,
)

BENCHMARKS = {
    "optimizers": bench_optimizers,
    "scale": bench_scale,
    "latency": bench_latency,
    "call": bench_call,
    "bf16": bench_bf16,
    "precision": bench_precision,
    "torch": bench_torch,
    "tensorflow": bench_tensorflow,
    "tensorrt": bench_tensorrt,
    "tensorrt_gpu": bench_tensorrt_gpu,
    "tvm": tvm_kernels,
    "tvm_bf16": tvm_bf16,
    "tvm_models": bench_tvm_models,
    "tvm_cuda": bench_tvm_cuda,
}


def main() -> None:
    """Run the named benchmarks."""
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        sys.exit(f"no benchmark is called {unknown[0]!r}; there are:\n{listing()}")
    for name in names:
        BENCHMARKS[name].main()


def listing() -> str:
    """Each name with what it measures."""
    return "\n".join(f"  {name}: {(module.__doc__ or '').splitlines()[0]}" for name, module in BENCHMARKS.items())


if __name__ == "__main__":
    main()
