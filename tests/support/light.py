"""The real networks in the onnx wheel's test data, with weights that make their outputs mean something.

As shipped, every weight is one constant and every output a uniform softmax whatever the input.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from tests.support.weights import Array, WeightSource

NAMES = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)
FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def filled(name: str, seed: int = 0) -> onnx.ModelProto:
    """The network `light_<name>.onnx` with weights drawn from `seed` as initializers.

    A network that ends in a softmax also yields what goes into it: a saturated softmax would hide differences.
    """
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph, source = model.graph, WeightSource(model.graph, seed)
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    kept, weights = [], []
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            value = source.draw(node.output[0], tuple(int(d) for d in shapes[node.input[0]]))
            weights.append(numpy_helper.from_array(value, node.output[0]))
        else:
            kept.append(node)
    used = {name for node in kept for name in node.input}
    initializers = [i for i in graph.initializer if i.name in used] + weights
    inputs = [i for i in graph.input if i.name in used and i.name not in shapes]
    logits = [onnx.helper.make_empty_tensor_value_info(n.input[0]) for n in kept if n.op_type == "Softmax"]
    outputs = [*graph.output, *logits]
    trimmed = onnx.helper.make_graph(kept, graph.name, inputs, outputs, initializers)
    return onnx.helper.make_model(trimmed, opset_imports=model.opset_import, ir_version=8)


def random_inputs(model: onnx.ModelProto, seed: int = 0) -> dict[str, Array]:
    """Standard normal values for every input."""
    rng = np.random.default_rng(seed)
    return {
        i.name: rng.standard_normal([d.dim_value for d in i.type.tensor_type.shape.dim]).astype(np.float32)
        for i in model.graph.input
    }
