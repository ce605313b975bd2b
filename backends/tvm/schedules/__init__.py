"""Kernels of our own, written through TVM's TIR builder. One idea a file; `table.py` says which serves which node."""
