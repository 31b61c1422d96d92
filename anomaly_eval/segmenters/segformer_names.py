"""Weights of the SegFormers of NVlabs, under the names and in the arrangement of mmsegmentation's.

The backbone computes the same under other names. In the head, NVlabs projects each scale by a linear layer with a bias,
from the coarsest scale to the finest, where mmsegmentation has a convolution with batch normalisation and ReLU, from
the finest to the coarsest. A head without that ReLU, whose normalisation does nothing but add the bias, is the same.
Xie et al., "SegFormer", NeurIPS 2021; names of the backbone as in tools/model_converters/mit2mmseg.py.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_BATCH_NORM_EPS = 1e-5
_MARK = "decode_head.linear_c1.proj.weight"
_STEPS = (
    (re.compile(r"^backbone\.patch_embed(\d)\.proj\."), r"backbone.layers.\1.0.projection."),
    (re.compile(r"^backbone\.patch_embed(\d)\."), r"backbone.layers.\1.0."),
    (re.compile(r"^backbone\.block(\d)\."), r"backbone.layers.\1.1."),
    (re.compile(r"^backbone\.norm(\d)\."), r"backbone.layers.\1.2."),
    (re.compile(r"\.attn\.q\.(weight|bias)$"), r".attn.attn.in_proj_\1"),
    (re.compile(r"\.attn\.proj\."), ".attn.attn.out_proj."),
    (re.compile(r"\.mlp\.fc1\."), ".ffn.layers.0."),
    (re.compile(r"\.mlp\.dwconv\.dwconv\."), ".ffn.layers.1."),
    (re.compile(r"\.mlp\.fc2\."), ".ffn.layers.4."),
    (re.compile(r"^decode_head\.linear_fuse\."), "decode_head.fusion_conv."),
    (re.compile(r"^decode_head\.linear_pred\."), "decode_head.conv_seg."),
)
_STAGE = re.compile(r"^backbone\.layers\.(\d)\.")
_SCALE = re.compile(r"^decode_head\.linear_c(\d)\.proj\.(weight|bias)$")


def is_of_nvlabs(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of a whole SegFormer of NVlabs."""
    return _MARK in weights and "decode_head.linear_pred.weight" in weights


def network_of_nvlabs(model: dict[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the config of a SegFormer with a head as NVlabs': as wide as the weights, and without the first ReLU."""
    changed = copy.deepcopy(model)
    if isinstance(changed.get("decode_head"), dict) and changed["decode_head"].get("type") == "SegformerHead":
        changed["decode_head"] |= {"channels": len(weights[_MARK]), "act_cfg": None}
    return changed


def weights_of_nvlabs(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights for a network of `network_of_nvlabs`."""
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        scale = _SCALE.match(name)
        if scale is not None:
            found |= _projection(int(scale[1]) - 1, scale[2], value)
        # NVlabs' heads keep a classifier that they never call. Keys and values are added to the queries.
        elif not name.startswith("decode_head.conv_seg.") and ".attn.kv." not in name:
            if ".attn.q." in name:
                value = torch.cat([value, weights[name.replace(".attn.q.", ".attn.kv.")]])
            found[_renamed(name)] = _arranged(name, value)
    return found


def _renamed(name: str) -> str:
    for pattern, new in _STEPS:
        name = pattern.sub(new, name)
    return _STAGE.sub(lambda stage: f"backbone.layers.{int(stage[1]) - 1}.", name)


def _arranged(name: str, value: Tensor) -> Tensor:
    if name.startswith("backbone.") and name.endswith((".mlp.fc1.weight", ".mlp.fc2.weight")):
        return value[:, :, None, None]
    if name == "decode_head.linear_fuse.conv.weight":
        # The coarsest scale comes first there, and last here.
        return torch.cat(value.chunk(4, dim=1)[::-1], dim=1)
    return value


def _projection(scale: int, what: str, value: Tensor) -> dict[str, Tensor]:
    """Return the weights of one projection: a convolution, and a normalisation that only adds the bias."""
    prefix = f"decode_head.convs.{scale}"
    if what == "weight":
        return {f"{prefix}.conv.weight": value[:, :, None, None]}
    return {
        f"{prefix}.bn.weight": torch.full_like(value, (1 + _BATCH_NORM_EPS) ** 0.5),
        f"{prefix}.bn.bias": value,
        f"{prefix}.bn.running_mean": torch.zeros_like(value),
        f"{prefix}.bn.running_var": torch.ones_like(value),
    }
