"""Small networks of transformers with random weights, saved as `save_pretrained` saves them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf

from anomaly_eval.segmenters.huggingface.config import silence

CLASSES = ("sky", "building", "road", "vegetation", "car")
LABELS: dict[str, Any] = {"id2label": dict(enumerate(CLASSES))}
PREPROCESSING = {
    "do_resize": True,
    "size": {"height": 64, "width": 96},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
FLIPPED = {"do_resize": True, "size": {"shortest_edge": 64}, "do_flip_channel_order": True}

_VIT = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=64)
_STAGES = dict(out_features=["stage1", "stage2", "stage3", "stage4"])
_DECODER = dict(encoder_layers=1, encoder_feedforward_dim=16, num_attention_heads=2, dim_feedforward=16)


def swin() -> Any:
    return hf.SwinConfig(
        embed_dim=8, depths=[1] * 4, num_heads=[1, 2, 2, 2], window_size=4, image_size=64, **_STAGES, **LABELS
    )


def segformer(**changed: Any) -> tuple[Any, Any]:
    sizes = dict(depths=[1] * 4, hidden_sizes=[8, 16, 16, 16], num_attention_heads=[1, 2, 2, 2], decoder_hidden_size=16)
    return hf.SegformerForSemanticSegmentation, hf.SegformerConfig(**(sizes | LABELS | changed))


def upernet(backbone: Any) -> tuple[Any, Any]:
    sizes = dict(hidden_size=16, auxiliary_in_channels=32, auxiliary_channels=8)
    return hf.UperNetForSemanticSegmentation, hf.UperNetConfig(backbone_config=backbone, **sizes, **LABELS)


def convnext() -> Any:
    return hf.ConvNextConfig(hidden_sizes=[8, 16, 32, 32], depths=[1] * 4, **_STAGES)


def dpt() -> tuple[Any, Any]:
    sizes = dict(backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16)
    return hf.DPTForSemanticSegmentation, hf.DPTConfig(patch_size=16, **_VIT, **sizes, **LABELS)


def beit() -> tuple[Any, Any]:
    sizes = dict(patch_size=8, out_indices=[1, 2, 3, 4], use_relative_position_bias=True)
    return hf.BeitForSemanticSegmentation, hf.BeitConfig(**_VIT, **sizes, **LABELS)


def data2vec() -> tuple[Any, Any]:
    config = hf.Data2VecVisionConfig(patch_size=8, out_indices=[1, 2, 3, 4], **_VIT, **LABELS)
    return hf.Data2VecVisionForSemanticSegmentation, config


def mobilenet_v2() -> tuple[Any, Any]:
    config = hf.MobileNetV2Config(depth_multiplier=0.25, output_stride=8, **LABELS)
    return hf.MobileNetV2ForSemanticSegmentation, config


def mobilevit() -> tuple[Any, Any]:
    sizes = dict(hidden_sizes=[16] * 3, neck_hidden_sizes=[8, 8, 16, 16, 16, 16, 32], num_attention_heads=2)
    config = hf.MobileViTConfig(aspp_out_channels=16, image_size=64, **sizes, **LABELS)
    return hf.MobileViTForSemanticSegmentation, config


def maskformer() -> tuple[Any, Any]:
    halves = dict(layers=1, attention_heads=2, ffn_dim=16)
    decoder = {f"{half}_{name}": value for half in ("encoder", "decoder") for name, value in halves.items()}
    detr = hf.DetrConfig(d_model=32, num_queries=7, **(decoder | {"decoder_layers": 2}))
    config = hf.MaskFormerConfig(
        backbone_config=swin(), decoder_config=detr, fpn_feature_size=32, mask_feature_size=32, **LABELS
    )
    return hf.MaskFormerForInstanceSegmentation, config


def mask2former(**changed: Any) -> tuple[Any, Any]:
    sizes = dict(feature_size=32, mask_feature_size=32, hidden_dim=32, decoder_layers=3, num_queries=7, **_DECODER)
    config = hf.Mask2FormerConfig(backbone_config=swin(), **(sizes | LABELS | changed))
    return hf.Mask2FormerForUniversalSegmentation, config


def oneformer(**changed: Any) -> tuple[Any, Any]:
    sizes = dict(hidden_dim=32, conv_dim=32, mask_dim=32, decoder_layers=3, num_queries=7, **_DECODER)
    text = dict(text_encoder_width=64, text_encoder_num_layers=1, text_encoder_context_length=8, is_training=True)
    config = hf.OneFormerConfig(backbone_config=swin(), **(sizes | text | LABELS | changed))
    return hf.OneFormerForUniversalSegmentation, config


def eomt() -> tuple[Any, Any]:
    sizes = _VIT | dict(num_hidden_layers=3, patch_size=8, num_blocks=2, num_queries=7, num_upscale_blocks=1)
    return hf.EomtForUniversalSegmentation, hf.EomtConfig(**sizes, **LABELS)


SEMANTIC: dict[str, Callable[[], tuple[Any, Any]]] = {
    "segformer": segformer,
    "upernet, swin": lambda: upernet(swin()),
    "upernet, convnext": lambda: upernet(convnext()),
    "dpt": dpt,
    "beit": beit,
    "data2vec": data2vec,
    "mobilenet_v2": mobilenet_v2,
    "mobilevit": mobilevit,
}
MASKS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "maskformer": maskformer,
    "mask2former": mask2former,
    "oneformer": oneformer,
    "eomt": eomt,
}


def build(parts: tuple[Any, Any], seed: int = 0) -> Any:
    """Build a network whose logits are far enough apart for a meaningful comparison."""
    torch.manual_seed(seed)
    kind, config = parts
    with silence():
        network = kind(config).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
        for value in network.parameters():
            if value.dim() > 1:
                value.normal_(0, 1.5 / value[0].numel() ** 0.5)
    return network


def save(folder: Path, network: Any, preprocessing: object = PREPROCESSING, **options: Any) -> Path:
    """Write a network's folder; `preprocessing` None leaves that file out."""
    with silence():
        network.save_pretrained(folder, **options)
    if preprocessing is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    return folder


def edit(folder: Path, name: str = "config.json", **changed: Any) -> Path:
    """Change some settings of a folder; None deletes one."""
    path = folder / name
    settings = json.loads(path.read_text()) | changed
    path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))
    return folder
