"""CUDA through TVM: kernels for thread blocks, compiled ahead of time by nvcc on machines without a GPU."""
