"""A network as one safetensors file of half the size, with its config and its class names."""

from __future__ import annotations

import json

import torch
from mmengine.config import Config
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.mmseg import FIT, MmsegSegmenter, matters_to_inference
from gmmseg.mixtures import ClassMixtures
from gmmseg.safetensors_files import NOTES, safetensors_bytes


def network_file(segmenter: MmsegSegmenter) -> bytes:
    """Return the weights that inference uses, kernels in float16, as a checkpoint that can be run without more.

    Biases, statistics of normalisations, counters and everything of mixtures, whose densities need all digits, keep
    their types. Raises InputError for weights that float16 cannot hold.
    """
    rounded = _kernels(segmenter)
    tensors: dict[str, Tensor] = {}
    for name, value in segmenter.model.state_dict().items():
        if matters_to_inference(name):
            value = value.detach().cpu().contiguous()
            # A copy: safetensors refuses weights that two modules share.
            tensors[name] = _halved(name, value) if name in rounded else value.clone()
    noted = segmenter.checkpoint.meta
    meta = {
        "cfg": Config({"model": segmenter.config.model}, format_python_code=False).pretty_text,
        "dataset_meta": {"classes": segmenter.classes},
        **({FIT: noted[FIT]} if FIT in noted else {}),
    }
    return safetensors_bytes(tensors, {NOTES: json.dumps(meta, sort_keys=True)})


def _kernels(segmenter: MmsegSegmenter) -> set[str]:
    """Return the names of the weights with two dimensions or more, but for those of mixtures."""
    modules = segmenter.model.named_modules()
    mixtures = tuple(f"{name}." for name, module in modules if isinstance(module, ClassMixtures))
    parameters = segmenter.model.named_parameters()
    return {name for name, value in parameters if value.dim() > 1 and not name.startswith(mixtures)}


def _halved(name: str, value: Tensor) -> Tensor:
    half = value.half()
    if not torch.isfinite(half).all():
        raise InputError(f"the weight {name} holds numbers that float16 cannot; keep the network as a .pth file.")
    return half
