"""Small mmsegmentation networks with random weights, saved as mmengine saves checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gmmseg.heads  # noqa: F401  isort: skip
import mmseg.models  # noqa: F401
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

NORM = dict(type="BN", requires_grad=True)
CLASSES = ("sky", "building", "road", "vegetation", "car")

PREPROCESSOR = dict(
    type="SegDataPreProcessor",
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)

CGNET = dict(
    type="EncoderDecoder",
    data_preprocessor=PREPROCESSOR,
    backbone=dict(type="CGNet", norm_cfg=NORM, num_channels=(8, 16, 16), num_blocks=(1, 1), reductions=(8, 8)),
    decode_head=dict(
        type="FCNHead",
        in_channels=32,
        in_index=2,
        channels=32,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=5,
        norm_cfg=NORM,
        loss_decode=dict(type="CrossEntropyLoss"),
    ),
    test_cfg=dict(mode="whole"),
)


def cascade() -> dict[str, Any]:
    """An OCRNet: two heads, the last of which reads the first, with align_corners."""
    shared = dict(num_classes=5, norm_cfg=NORM, align_corners=True, loss_decode=dict(type="CrossEntropyLoss"))
    model = copy.deepcopy(CGNET)
    model["type"] = "CascadeEncoderDecoder"
    model["num_stages"] = 2
    model["decode_head"] = [
        dict(type="FCNHead", in_channels=32, in_index=2, channels=16, num_convs=1, concat_input=False, **shared),
        dict(type="OCRHead", in_channels=32, in_index=2, channels=16, ocr_channels=8, **shared),
    ]
    return model


def point_rend() -> dict[str, Any]:
    """A PointRend: its last head refines logits at inference and has no conv_seg."""
    shared = dict(num_classes=5, loss_decode=dict(type="CrossEntropyLoss"))
    model = copy.deepcopy(CGNET)
    model["type"] = "CascadeEncoderDecoder"
    model["num_stages"] = 2
    model["decode_head"] = [
        dict(CGNET["decode_head"]),
        dict(
            type="PointHead",
            in_channels=[32],
            in_index=[2],
            channels=16,
            num_fcs=1,
            coarse_pred_each_layer=True,
            dropout_ratio=-1,
            **shared,
        ),
    ]
    model["test_cfg"] = dict(mode="whole", subdivision_steps=2, subdivision_num_points=64, scale_factor=2)
    return model


def with_test_settings(model: dict[str, Any], **test_cfg: Any) -> dict[str, Any]:
    """A network with another test_cfg."""
    return copy.deepcopy(model) | {"test_cfg": test_cfg}


def padded(model: dict[str, Any]) -> dict[str, Any]:
    """A network whose images are padded to multiples of 32."""
    model = copy.deepcopy(model)
    model["data_preprocessor"]["test_cfg"] = dict(size_divisor=32)
    return model


def mix_transformer(
    widths: Sequence[int], heads: Sequence[int], layers: Sequence[int], channels: int, **head: Any
) -> dict[str, Any]:
    """A small SegFormer; `head` replaces settings of its head."""
    return dict(
        type="EncoderDecoder",
        data_preprocessor=PREPROCESSOR,
        backbone=dict(
            type="MixVisionTransformer",
            in_channels=3,
            embed_dims=widths[0] // heads[0],
            num_stages=4,
            num_layers=list(layers),
            num_heads=list(heads),
            patch_sizes=[7, 3, 3, 3],
            sr_ratios=[8, 4, 2, 1],
            out_indices=(0, 1, 2, 3),
            mlp_ratio=4,
            qkv_bias=True,
        ),
        decode_head=dict(
            type="SegformerHead",
            in_channels=list(widths),
            in_index=[0, 1, 2, 3],
            channels=channels,
            dropout_ratio=0.1,
            num_classes=5,
            norm_cfg=NORM,
            align_corners=False,
            loss_decode=dict(type="CrossEntropyLoss"),
        )
        | head,
        test_cfg=dict(mode="whole"),
    )


def build(model: dict[str, Any], seed: int = 0) -> torch.nn.Module:
    """Build a network with random weights and batch statistics, in evaluation mode."""
    torch.manual_seed(seed)
    init_default_scope("mmseg")
    network = MODELS.build(ConfigDict(copy.deepcopy(model)))
    network.init_weights()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None and module.kernel_size == (1, 1):
            # A new classifier's logits are nearly equal; spread ones make a meaningful comparison.
            torch.nn.init.normal_(module.weight, 0, 0.5)
    return network.eval()


def save(path: Path, model: dict[str, Any], network: torch.nn.Module | None = None, **meta: Any) -> Path:
    """Write a checkpoint with its config in the meta."""
    network = network if network is not None else build(model)
    config = Config(dict(model=model), format_python_code=False).pretty_text
    content = {"dataset_meta": {"classes": list(CLASSES)}, "cfg": config} | meta
    torch.save({"meta": content, "state_dict": network.state_dict()}, path)
    return path


def save_gmm(path: Path, **meta: Any) -> Path:
    """Write a GMMSeg network whose mixtures look as if they were fitted after training."""
    model = copy.deepcopy(CGNET)
    model["decode_head"] |= {
        "type": "GMMSegHead",
        "architecture": "FCNHead",
        "mixture": dict(dimensions=8, components=3),
    }
    network = build(model)
    mixtures = network.decode_head.conv_seg.mixtures
    seen: list[torch.Tensor] = []
    hook = mixtures.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    with torch.no_grad():
        network(torch.randn(1, 3, 64, 96))
    hook.remove()
    # Around features that occur, so that all classes are predicted.
    features = seen[0].flatten(2)[0].T
    mixtures.means.copy_(features[torch.randperm(len(features))[:15]].reshape(mixtures.means.shape))
    mixtures.log_deviations.normal_(-3, 0.3)
    mixtures.updates.fill_(2**40)
    return save(path, model, network, **meta)
