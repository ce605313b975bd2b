"""Whole architectures: they agree with torch at any batch, and are no larger than by way of ONNX.

A few small ones; `python -m tests.benchmarks.bench_torch` does this for all, and times them.
"""

from __future__ import annotations

import pytest
import torch

import isthmus
from isthmus.compiler.importers.torch.examples import examples_for
from isthmus.compiler.importers.torch.export import export
from tests.support.torch_agree import disagreement
from tests.support.torch_models import make

pytestmark = pytest.mark.filterwarnings("ignore")  # of torchvision, transformers and torch.onnx
LIMIT = 1e-5


@pytest.mark.parametrize(
    "name", ["squeezenet1_1", "shufflenet_v2", "conv_lstm", "gru_lm", "gpt2", "t5", "vit_hf", "whisper_encoder"]
)
def test_agrees_with_torch(name: str) -> None:
    model = make(name)
    program = isthmus.compile(model.module, target="cpu-fp32", inputs=model.inputs)
    assert disagreement(program, model) < LIMIT


@pytest.mark.parametrize("name", ["unet", "conv_lstm", "bert"])
def test_no_more_nodes_than_by_way_of_onnx(name: str) -> None:
    model = make(name)
    exported = export(model.module, examples_for(model.module.forward, model.inputs))
    direct = isthmus.optimize(isthmus.import_model(exported))
    through = torch.onnx.export(exported, dynamo=True, verbose=False)
    assert direct.op_count() <= isthmus.optimize(isthmus.import_model(through.model_proto)).op_count()
