"""TensorRT and TensorRT-RTX. The class that serves their targets is in `backend`: options are used without it."""
