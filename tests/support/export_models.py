"""Exports the torch models the figures are measured on to ONNX, with seeded random weights.

    python -m tests.support.export_models FOLDER            # whole models, as users have them
    python -m tests.support.export_models --strip FOLDER    # without large weights: what tests/data holds

Needs torch, torchvision and transformers (`make bench` installs them).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import onnx

OPSET = 18
KEEP_ELEMENTS = 64
"""Stripping keeps smaller initializers: shapes, scalars and such decide what a network computes."""


def export(name: str, path: Path) -> None:
    """Write the model called `name` to `path` with a dynamic batch."""
    import torch

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    module, arguments, inputs = MODELS[name]()
    batch = torch.export.Dim("batch", min=1, max=64)
    dynamic = {key: {0: batch} for key in inputs}
    program = torch.onnx.export(
        module.eval(),
        arguments,
        dynamo=True,
        opset_version=OPSET,
        optimize=False,
        dynamic_shapes=dynamic,
        input_names=list(inputs),
        verbose=False,
    )
    program.save(str(path), external_data=False)


def strip(path: Path) -> None:
    """Remove the contents of large float initializers; `tests.support.exported` fills them again."""
    model = onnx.load(path)
    for weight in model.graph.initializer:
        size = 1
        for d in weight.dims:
            size *= d
        if size > KEEP_ELEMENTS and weight.data_type == onnx.TensorProto.FLOAT:
            weight.ClearField("raw_data")
    for node in model.graph.node:
        del node.metadata_props[:]
    del model.graph.value_info[:]
    onnx.save(model, path)


def _torchvision(name: str) -> Callable[[], tuple[Any, tuple[Any, ...], tuple[str, ...]]]:
    def make() -> tuple[Any, tuple[Any, ...], tuple[str, ...]]:
        import torch

        declare_compiled_ops()
        import torchvision

        return getattr(torchvision.models, name)(weights=None), (torch.randn(2, 3, 224, 224),), ("x",)

    return make


@cache
def declare_compiled_ops() -> Any:
    """Lets torchvision's Python part load beside a torch build it has no compiled ops for."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for op in COMPILED_OPS:
        library.define(f"{op}{_SCHEMAS.get(op, '(Tensor a) -> Tensor')}")
    return library  # cached, because a library's ops vanish with it


def _bert() -> tuple[Any, tuple[Any, ...], tuple[str, ...]]:
    import torch
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(attn_implementation="eager"))
    ids = torch.randint(0, 30000, (2, 128))
    return model, (ids, torch.ones_like(ids)), ("input_ids", "attention_mask")


def _gpt2() -> tuple[Any, tuple[Any, ...], tuple[str, ...]]:
    import torch
    from transformers import GPT2Config, GPT2Model

    model = GPT2Model(GPT2Config(attn_implementation="eager", use_cache=False))
    return model, (torch.randint(0, 50000, (2, 64)),), ("input_ids",)


def _llama() -> tuple[Any, tuple[Any, ...], tuple[str, ...]]:
    """Eight layers with grouped queries, small enough for tests."""
    import torch
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=2,
        vocab_size=8000,
        attn_implementation="eager",
        use_cache=False,
    )
    return LlamaModel(config), (torch.randint(0, 8000, (2, 64)),), ("input_ids",)


_REGIONS = ("roi_align", "ps_roi_align", "roi_pool", "ps_roi_pool", "deform_conv2d")
COMPILED_OPS = ("nms", "qnms", "qroi_align", *_REGIONS, *(f"_{name}_backward" for name in _REGIONS))
_DEFORMED = (
    "(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w,"
    " SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups,"
    " bool use_mask) -> Tensor"
)
_ALIGNED = (
    "(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio,"
    " bool aligned) -> Tensor"
)
_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align": _ALIGNED,
    "deform_conv2d": _DEFORMED,
}
"""torchvision's own, of the ops that tests call."""
MODELS: dict[str, Callable[[], tuple[Any, tuple[Any, ...], tuple[str, ...]]]] = {
    "resnet50": _torchvision("resnet50"),
    "mobilenet_v3_large": _torchvision("mobilenet_v3_large"),
    "densenet121": _torchvision("densenet121"),
    "efficientnet_b0": _torchvision("efficientnet_b0"),
    "convnext_tiny": _torchvision("convnext_tiny"),
    "vit_b_16": _torchvision("vit_b_16"),
    "swin_t": _torchvision("swin_t"),
    "bert_base": _bert,
    "gpt2": _gpt2,
    "llama": _llama,
}


def main() -> None:
    """Export every model into the folder named last on the command line."""
    folder = Path(sys.argv[-1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        path = folder / f"{name}.onnx"
        if path.exists():
            continue
        export(name, path)
        if "--strip" in sys.argv:
            strip(path)
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
