"""Networks exported from torch (by `tests.support.export_models --strip`), their weights drawn again from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tests.support.weights import WeightSource

NAMES = (
    "resnet50",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "densenet121",
    "convnext_tiny",
    "vit_b_16",
    "swin_t",
    "bert_base",
    "gpt2",
    "llama",
)
FOLDER = Path(__file__).parent.parent / "data"


def filled(name: str, seed: int = 0) -> onnx.ModelProto:
    """The exported network with drawn weights and the small constants it came with."""
    model = onnx.load(FOLDER / f"{name}.onnx")
    source = WeightSource(model.graph, seed)
    for weight in model.graph.initializer:
        if not weight.HasField("raw_data") and 0 not in weight.dims:
            weight.raw_data = source.draw(weight.name, tuple(weight.dims)).tobytes()
    return model


def shapes(model: onnx.ModelProto, batch: int | str) -> dict[str, tuple[int | str, ...]]:
    """What `inputs=` takes to give every free dimension the same size, or the same range."""
    inputs = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input}
    return {name: tuple(d.dim_value or batch for d in dims) for name, dims in inputs.items()}


def random_inputs(model: onnx.ModelProto, batch: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Images, token ids, or a mask with some zeros, with every free dimension equal to `batch`."""
    rng = np.random.default_rng(seed)
    found: dict[str, NDArray[Any]] = {}
    for value in model.graph.input:
        shape = [d.dim_value or batch for d in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            found[value.name] = rng.standard_normal(shape).astype(np.float32)
        elif "mask" in value.name:
            found[value.name] = (np.arange(shape[-1]) < rng.integers(1, shape[-1], (shape[0], 1))).astype(np.int64)
        else:
            found[value.name] = rng.integers(0, 1000, shape)
    return found
