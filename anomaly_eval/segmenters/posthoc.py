"""A trained softmax network with a mixture for each class in the place of its last convolution (GMMSeg, Table 3)."""

from __future__ import annotations

import copy
import io
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.results import FitRecord
from anomaly_eval.segmenters.mmseg import FIT, MmsegSegmenter
from gmmseg.classifier import GMMClassifier
from gmmseg.estimation import Mixtures
from gmmseg.settings import MixtureSettings


def refuse_without_softmax(segmenter: MmsegSegmenter) -> None:
    """Raise InputError where there is no last convolution that mixtures could replace."""
    if not isinstance(segmenter.classifier, torch.nn.Conv2d):
        kind = "is a GMM classifier already" if isinstance(segmenter.classifier, GMMClassifier) else "is missing"
        raise InputError(
            f"the last convolution of {segmenter.checkpoint.path} {kind}, so no mixtures can be fitted in its place."
        )


def checkpoint_with_mixtures(segmenter: MmsegSegmenter, mixtures: Mixtures, known: Tensor, fit: FitRecord) -> bytes:
    """Return a checkpoint of the same network, with its config, in which the mixtures classify the features.

    mixtures: over the input of the last convolution, (C, M, D). known: (C,) bool, classes that had a pixel. fit: what
    they were fitted on; `eval` puts it into its results.
    """
    _, components, dimensions = mixtures.means.shape
    settings = {
        "components": components,
        "dimensions": dimensions,
        "projection": "none",
        "normalisation": "none",
    }
    classifier = GMMClassifier(dimensions, len(known), MixtureSettings.from_config(settings))
    classifier.mixtures.replace(mixtures)
    classifier.mixtures.updates.copy_(known[:, None].expand(-1, components))
    prefix = next(name for name, module in segmenter.model.named_modules() if module is segmenter.classifier)
    weights = {
        name: value.cpu()
        for name, value in segmenter.model.state_dict().items()
        if not name.startswith((f"{prefix}.", "auxiliary_head."))
    }
    weights |= {f"{prefix}.{name}": value for name, value in classifier.state_dict().items()}
    meta = {
        "cfg": Config({"model": _with_mixtures(segmenter.config.model, settings)}).pretty_text,
        "dataset_meta": {"classes": segmenter.classes},
        FIT: fit.model_dump(),
    }
    buffer = io.BytesIO()
    torch.save({"meta": meta, "state_dict": weights}, buffer)
    return buffer.getvalue()


def _with_mixtures(model: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the config of the network with the last decode head turned into a GMMSeg head."""
    changed = copy.deepcopy(model)
    head = changed["decode_head"]
    head = head[-1] if isinstance(head, list | tuple) else head
    head |= {"type": "GMMSegHead", "architecture": head["type"], "mixture": settings}
    return changed
