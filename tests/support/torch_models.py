"""Architectures people have in torch, with seeded random weights: what the importer is measured on.

Each is a module and its inputs: typed shapes with the sizes that are free, as `import_model` takes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Inputs: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class TorchModel:
    """A module, what it is called with, and the sizes to call it with (N is the batch)."""

    module: Any
    inputs: Inputs


def make(name: str) -> TorchModel:
    """The architecture called `name`, in eval mode, its weights drawn from seed 0."""
    import torch

    from tests.support.export_models import declare_compiled_ops

    declare_compiled_ops()  # transformers looks for torchvision, too
    torch.manual_seed(0)
    module, inputs = MODELS[name]()
    _draw(module)
    return TorchModel(module.eval(), inputs)


def with_batch(inputs: Inputs, batch: int) -> Inputs:
    """The same inputs with a fixed batch."""
    free = re.compile(r"\bN(:1\.\.8)?\b")
    return {
        name: free.sub(str(batch), given)
        if isinstance(given, str)
        else tuple(batch if isinstance(size, str) else size for size in given)
        for name, given in inputs.items()
    }


def _draw(module: Any) -> None:
    """Weights under which a network's output depends on its input: libraries zero heads and let signals shrink."""
    import torch

    with torch.no_grad():
        for each in module.modules():
            if isinstance(each, torch.nn.modules.conv._ConvNd):
                torch.nn.init.kaiming_normal_(each.weight, nonlinearity="linear")
            if isinstance(each, torch.nn.modules.batchnorm._BatchNorm):
                each.running_mean.normal_(0, 0.1)
                each.running_var.uniform_(0.5, 1.5)
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.02)


Maker: TypeAlias = Callable[[], tuple[Any, Inputs]]


def _torchvision(name: str, size: int = 96, kind: str = "models", **options: Any) -> Maker:
    def build() -> tuple[Any, Inputs]:
        import torchvision

        family = torchvision.models if kind == "models" else getattr(torchvision.models, kind)
        return getattr(family, name)(weights=None, **options), {"x": ("N:1..8", 3, size, size)}

    return build


def _timm(name: str, size: int = 224, **options: Any) -> Maker:
    def build() -> tuple[Any, Inputs]:
        import timm

        return timm.create_model(name, pretrained=False, **options), {"x": ("N:1..8", 3, size, size)}

    return build


_TOKENS = {"input_ids": "i64[N:1..8, 24]"}
_MASKED = {**_TOKENS, "attention_mask": "i64[N, 24]"}
_SMALL = {
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "intermediate_size": 128,
    "vocab_size": 200,
}
_DECODER = {**_SMALL, "num_key_value_heads": 2, "use_cache": False, "max_position_embeddings": 128}


def _transformer(model: str, config: str, inputs: Inputs, **options: Any) -> Maker:
    def build() -> tuple[Any, Inputs]:
        import transformers

        settings = getattr(transformers, config)(**options)
        return getattr(transformers, model)(settings), inputs

    return build


def _clip() -> tuple[Any, Inputs]:
    import transformers

    text = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 2}
    vision = {**text, "image_size": 64, "patch_size": 16}
    config = transformers.CLIPConfig(text_config={**text, "vocab_size": 200, "eos_token_id": 199}, vision_config=vision)
    return transformers.CLIPModel(config), {
        "input_ids": "i64[N:1..8, 24]",
        "pixel_values": "f32[N, 3, 64, 64]",
        "attention_mask": "i64[N, 24]",
    }


def _whisper() -> tuple[Any, Inputs]:
    import transformers
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = transformers.WhisperConfig(
        d_model=64, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=128, max_source_positions=50
    )
    return WhisperEncoder(config), {"input_features": ("N:1..8", 80, 100)}


def _detr() -> tuple[Any, Inputs]:
    import transformers

    backbone = transformers.ResNetConfig(
        hidden_sizes=[32, 64, 96, 128], depths=[1, 1, 1, 1], embedding_size=16, out_features=["stage4"]
    )
    config = transformers.DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        num_queries=10,
    )
    return transformers.DetrForObjectDetection(config), {"pixel_values": ("N:1..8", 3, 96, 96)}


def _unet() -> tuple[Any, Inputs]:
    from tests.support.torch_modules import UNet

    return UNet(3, 2, 16), {"x": ("N:1..8", 3, 64, 64)}


def _language_model(kind: str) -> Maker:
    def build() -> tuple[Any, Inputs]:
        from tests.support.torch_modules import RecurrentLanguageModel

        return RecurrentLanguageModel(kind), {"ids": "i64[N:1..8, 12]"}

    return build


def _conv_lstm() -> tuple[Any, Inputs]:
    from tests.support.torch_modules import ConvLSTM

    return ConvLSTM(3, 8), {"frames": ("N:1..8", 4, 3, 16, 16)}


MODELS: dict[str, Maker] = {
    "alexnet": _torchvision("alexnet"),
    "vgg11_bn": _torchvision("vgg11_bn"),
    "resnet18": _torchvision("resnet18"),
    "resnet50": _torchvision("resnet50"),
    "resnext50": _torchvision("resnext50_32x4d"),
    "densenet121": _torchvision("densenet121"),
    "googlenet": _torchvision("googlenet", init_weights=False),
    "inception_v3": _torchvision("inception_v3", 128, init_weights=False),
    "squeezenet1_1": _torchvision("squeezenet1_1"),
    "mobilenet_v2": _torchvision("mobilenet_v2"),
    "mobilenet_v3_small": _torchvision("mobilenet_v3_small"),
    "mnasnet": _torchvision("mnasnet0_5"),
    "efficientnet_b0": _torchvision("efficientnet_b0"),
    "efficientnet_v2_s": _torchvision("efficientnet_v2_s"),
    "regnet_y_400mf": _torchvision("regnet_y_400mf"),
    "shufflenet_v2": _torchvision("shufflenet_v2_x0_5"),
    "convnext_tiny": _torchvision("convnext_tiny"),
    "vit_b_16": _torchvision("vit_b_16", 224),
    "swin_t": _torchvision("swin_t"),
    "swin_v2_t": _torchvision("swin_v2_t"),
    "maxvit_t": _torchvision("maxvit_t", 224),
    "deeplabv3": _torchvision("deeplabv3_mobilenet_v3_large", 96, "segmentation", weights_backbone=None),
    "timm_deit_tiny": _timm("deit_tiny_patch16_224"),
    "timm_mixer": _timm("mixer_s32_224"),
    "timm_convnextv2": _timm("convnextv2_atto", 96),
    "timm_ghostnet": _timm("ghostnet_050", 96),
    "timm_pvt_v2": _timm("pvt_v2_b0", 96),
    "timm_levit": _timm("levit_128s"),
    "timm_mobilevit": _timm("mobilevit_xxs", 128),
    "timm_hrnet": _timm("hrnet_w18_small", 96),
    "timm_coatnet": _timm("coatnet_0_rw_224"),
    "unet": _unet,
    "lstm_lm": _language_model("LSTM"),
    "gru_lm": _language_model("GRU"),
    "conv_lstm": _conv_lstm,
    "bert": _transformer("BertModel", "BertConfig", _MASKED, **_SMALL),
    "bert_base": _transformer(
        "BertModel", "BertConfig", {"input_ids": "i64[N:1..8, 128]", "attention_mask": "i64[N, 128]"}
    ),
    "roberta": _transformer("RobertaModel", "RobertaConfig", _MASKED, **_SMALL),
    "distilbert": _transformer(
        "DistilBertModel", "DistilBertConfig", _MASKED, dim=64, n_heads=4, n_layers=3, hidden_dim=128, vocab_size=200
    ),
    "albert": _transformer("AlbertModel", "AlbertConfig", _MASKED, embedding_size=32, **_SMALL),
    "electra": _transformer("ElectraModel", "ElectraConfig", _MASKED, embedding_size=32, **_SMALL),
    "gpt2": _transformer(
        "GPT2Model", "GPT2Config", _TOKENS, n_embd=64, n_head=4, n_layer=3, vocab_size=200, use_cache=False
    ),
    "llama": _transformer("LlamaForCausalLM", "LlamaConfig", _TOKENS, **_DECODER),
    "qwen2": _transformer("Qwen2ForCausalLM", "Qwen2Config", _TOKENS, **_DECODER),
    "mistral": _transformer("MistralForCausalLM", "MistralConfig", _TOKENS, **_DECODER),
    "gemma": _transformer("GemmaForCausalLM", "GemmaConfig", _TOKENS, head_dim=16, **_DECODER),
    "t5": _transformer(
        "T5Model",
        "T5Config",
        {"input_ids": "i64[N:1..8, 24]", "decoder_input_ids": "i64[N, 10]"},
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        vocab_size=200,
        use_cache=False,
    ),
    "whisper_encoder": _whisper,
    "clip": _clip,
    "vit_hf": _transformer(
        "ViTModel",
        "ViTConfig",
        {"pixel_values": ("N:1..8", 3, 64, 64)},
        image_size=64,
        patch_size=16,
        **{k: v for k, v in _SMALL.items() if k != "vocab_size"},
    ),
    "segformer": _transformer(
        "SegformerForSemanticSegmentation",
        "SegformerConfig",
        {"pixel_values": ("N:1..8", 3, 64, 64)},
        hidden_sizes=[16, 32, 48, 64],
        decoder_hidden_size=32,
        depths=[1, 1, 1, 1],
    ),
    "detr": _detr,
}
"""By family: convolutional, attention over images, recurrent, attention over text, and both together."""
