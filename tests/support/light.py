"""The real networks in the onnx wheel's test data, with weights that make their outputs mean something.

As shipped, every weight is the same constant and every output a uniform softmax. `filled` replaces the weights by seeded
He-initialised ones and gives batch norms plausible statistics.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

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

Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def filled(name: str, seed: int = 0) -> onnx.ModelProto:
    """The network `light_<name>.onnx` with weights as initializers drawn from `seed`."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph, rng = model.graph, np.random.default_rng(seed)
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    roles = _roles(graph)
    kept, weights = [], []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(int(d) for d in shapes[node.input[0]])
        value = _draw(roles[node.output[0]], shape, rng)
        weights.append(numpy_helper.from_array(value, node.output[0]))
    used = {name for node in kept for name in node.input}
    initializers = [i for i in graph.initializer if i.name in used] + weights
    inputs = [i for i in graph.input if i.name in used and i.name not in shapes]
    for field, items in ((graph.node, kept), (graph.initializer, initializers), (graph.input, inputs)):
        del field[:]  # type: ignore[attr-defined]
        field.extend(items)  # type: ignore[attr-defined]
    model.ir_version = 8  # initializers need not be inputs from IR 4 on; 8 is what onnxruntime surely reads
    return model


def random_input(model: onnx.ModelProto, seed: int = 0) -> dict[str, Array]:
    """Standard normal values for every input."""
    rng = np.random.default_rng(seed)
    return {
        i.name: rng.standard_normal([d.dim_value for d in i.type.tensor_type.shape.dim]).astype(np.float32)
        for i in model.graph.input
    }


def _roles(graph: onnx.GraphProto) -> dict[str, tuple[str, int]]:
    """Weight name -> (op type, operand index) of its first use, looking through Unsqueeze."""
    roles: dict[str, tuple[str, int]] = {}
    for node in reversed(graph.node):
        for i, name in enumerate(node.input):
            looks_through = node.op_type == "Unsqueeze" and node.output[0] in roles
            roles[name] = roles[node.output[0]] if looks_through else (node.op_type, i)
    return roles


def _draw(role: tuple[str, int], shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    match role:
        case ("Conv", 1) | ("Gemm", 1):
            fan_in = int(np.prod(shape[1:]))
            value = rng.standard_normal(shape) * np.sqrt(2 / fan_in)
        case ("BatchNormalization", 1 | 4) | ("Mul", _):
            value = rng.uniform(0.5, 1.5, shape)
        case _:
            value = rng.standard_normal(shape) * 0.1
    return value.astype(np.float32)
