"""Runs a TensorRT network in numpy, by the documented meaning of each of its layers: the oracle of the emitter's tests.

- `readback.py`: `run_network` and `tensors`, what tests call.
- `library.py`, `element_types.py`, `weights.py`, `network.py`: a network read back from TensorRT as plain records.
- `structure.py`, `execution.py`: what loops and conditionals hold, and the order in which layers run.
- `meaning.py`, `layers/`: one function a layer kind.

Sources of the meanings: the doc comments of NvInfer.h, the pages "TensorRT Operators" and "Working with Loops" of
docs.nvidia.com. Where they leave a doubt, the function says what was taken and why. Nothing here is shared with the
emitter, so that a misunderstanding on one side shows.
"""
