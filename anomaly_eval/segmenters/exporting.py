"""Networks of mmsegmentation as files: in half the size, or with mixtures in the place of the last layer."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from mmengine.config import Config
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord
from gmmseg.mixtures import ClassMixtures
from gmmseg.safetensors_files import NOTES, safetensors_bytes
from gmmseg.settings import MixtureSettings

if TYPE_CHECKING:
    from anomaly_eval.segmenters.mmseg import MmsegNetwork

FIT = "gmmseg_fit"
"""Where a checkpoint notes what mixtures were fitted on after training."""


def matters_to_inference(name: str) -> bool:
    """Whether inference uses a weight: auxiliary heads only serve training, and batch counters nothing."""
    return not name.startswith("auxiliary_head.") and not name.endswith("num_batches_tracked")


def exported_network(network: MmsegNetwork) -> bytes:
    """Return the weights that inference uses, kernels in float16, as a checkpoint that can be run without more.

    Biases, statistics of normalisations, counters and everything of mixtures, whose densities need all digits, keep
    their types. Raises InputError for weights that float16 cannot hold.
    """
    rounded = _kernels(network)
    tensors: dict[str, Tensor] = {}
    for name, value in network.model.state_dict().items():
        if matters_to_inference(name):
            value = value.detach().cpu().contiguous()
            # A copy: safetensors refuses weights that two modules share.
            tensors[name] = _halved(name, value) if name in rounded else value.clone()
    noted = network.checkpoint.meta
    meta = {
        "cfg": Config({"model": network.config.model}, format_python_code=False).pretty_text,
        "dataset_meta": {"classes": network.facts.class_names},
        **({FIT: noted[FIT]} if FIT in noted else {}),
    }
    return safetensors_bytes(tensors, {NOTES: json.dumps(meta, sort_keys=True)})


def checkpoint_with_classifier(
    network: MmsegNetwork, settings: MixtureSettings, state: Mapping[str, Tensor], fit: FitRecord
) -> bytes:
    """Return a checkpoint of the same network, with its config, whose last layer is a `GMMClassifier` of this state.

    fit: what its mixtures were fitted on; `eval` puts it into its results.
    """
    prefix = next(name for name, module in network.model.named_modules() if module is network.classifier)
    weights = {
        name: value.cpu()
        for name, value in network.model.state_dict().items()
        if not name.startswith((f"{prefix}.", "auxiliary_head."))
    }
    weights |= {f"{prefix}.{name}": value for name, value in state.items()}
    meta = {
        "cfg": Config({"model": _with_mixtures(network.config.model, settings)}).pretty_text,
        "dataset_meta": {"classes": network.facts.class_names},
        FIT: fit.model_dump(),
    }
    buffer = io.BytesIO()
    torch.save({"meta": meta, "state_dict": weights}, buffer)
    return buffer.getvalue()


def _kernels(network: MmsegNetwork) -> set[str]:
    """Return the names of the weights with two dimensions or more, but for those of mixtures."""
    modules = network.model.named_modules()
    mixtures = tuple(f"{name}." for name, module in modules if isinstance(module, ClassMixtures))
    parameters = network.model.named_parameters()
    return {name for name, value in parameters if value.dim() > 1 and not name.startswith(mixtures)}


def _halved(name: str, value: Tensor) -> Tensor:
    half = value.half()
    if not torch.isfinite(half).all():
        raise InputError(f"the weight {name} holds numbers that float16 cannot; keep the network as a .pth file.")
    return half


def _with_mixtures(model: dict[str, Any], settings: MixtureSettings) -> dict[str, Any]:
    """Return the config of the network with the last decode head turned into a GMMSeg head of these settings."""
    changed = copy.deepcopy(model)
    head = changed["decode_head"]
    head = head[-1] if isinstance(head, list | tuple) else head
    architecture = head.get("architecture", head["type"])
    head |= {"type": "GMMSegHead", "architecture": architecture, "mixture": _differing(settings)}
    return changed


def _differing(settings: MixtureSettings) -> dict[str, Any]:
    """Return the fields that are not those of the preset `paper`."""
    defaults = asdict(MixtureSettings())
    return {name: value for name, value in asdict(settings).items() if value != defaults[name]}
