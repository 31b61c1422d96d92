"""From the files of a network of transformers to the network."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from anomaly_eval.datasets.test_settings import SlidingWindow
from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.huggingface.config import (
    MASK_CLASSIFIERS,
    NO_MATTER,
    class_names,
    read_config,
    silence,
    without,
)
from anomaly_eval.segmenters.huggingface.folder import CONFIG, NetworkFolder
from anomaly_eval.segmenters.huggingface.networks import InputRule, MaskNetwork, SemanticNetwork, TransformersNetwork
from anomaly_eval.segmenters.huggingface.processor import Preprocessing, read_preprocessing
from anomaly_eval.segmenters.linear_classifier import linear_classifier
from anomaly_eval.segmenters.network import NetworkFacts, first_line
from anomaly_eval.segmenters.parameter_limit import TooLargeError, no_larger_than

_DIVISOR = 32
"""Of the sides of a mask classifier's input, where its processor says none: the deepest stride of all backbones."""
_SQUARES = {"beit": 2 / 3, "data2vec-vision": 2 / 3, "dpt": 2 / 3, "eomt": 1.0, "eomt_dinov3": 1.0}
"""Networks, or backbones, that take squares of `image_size` alone, and the stride of windows in sides of the square.

Two thirds is what mmsegmentation takes for BEiT; EoMT's own windows overlap only where they have to.
"""
_TASK = (49406, 518, 10549, 533, 29119, 1550, 49407)
"""`the task is semantic`, as CLIP's tokenizer writes it."""
_CLIP_VOCABULARY = 49408
_IN_TRAINING_ONLY = re.compile(r"(^|\.)(auxiliary_head|criterion|text_mapper|pooler)(\.|$)")


def build(
    folder: NetworkFolder,
    device: torch.device,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
) -> TransformersNetwork:
    """Build the network of a folder and load its weights; mean and deviation go before those of its processor.

    Raises InputError where the folder holds no network that segments into classes, or asks for code of its own.
    """
    config, kind = read_config(folder)
    preprocessing = read_preprocessing(folder, mean, std)
    names = class_names(config, folder)
    weights, sha256 = folder.weights()
    model = _filled(folder, kind, config, weights)
    of_masks = config.model_type in MASK_CLASSIFIERS
    classifier = None if of_masks else _classifier(model, config.num_labels)
    known_layer = {"features"} if classifier else set()
    # ViM looks at the layer itself.
    known_layer |= {"classifier"} if linear_classifier(classifier) else set()
    rule, windows = _input_rule(config, preprocessing, of_masks)
    read = [without(config.to_dict(), NO_MATTER), asdict(preprocessing)]
    text = json.dumps(read, sort_keys=True, default=str)
    facts = NetworkFacts(
        name=folder.name,
        sha256=sha256,
        n_classes=config.num_labels,
        class_names=names,
        config=CONFIG,
        config_sha256=hashlib.sha256(text.encode()).hexdigest(),
        provides=frozenset({"evidence"} if of_masks else {"logits"} | known_layer),
        normalisation=preprocessing.normalisation,
        windows=windows,
        processor_size=preprocessing.size,
    )
    if of_masks:
        return MaskNetwork(model, facts, rule, device, _told(folder, model))
    return SemanticNetwork(model, facts, rule, device, classifier=classifier, resizes=config.model_type == "upernet")


def _filled(folder: NetworkFolder, kind: Any, config: Any, weights: dict[str, Tensor]) -> Any:
    """Build the network and load its weights: every one that inference uses must be there, and none be left over."""
    path = folder.path
    try:
        with silence(), no_larger_than(weights):
            # Without a name there is no folder in which transformers could look for anything else.
            model, report = kind.from_pretrained(
                None,
                config=config,
                state_dict=weights,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except TooLargeError as error:
        raise InputError(
            f"{path / CONFIG} asks for a far larger network than the weights beside it; copy both anew."
        ) from error
    except Exception as error:  # networks fail in their own ways on settings that make no sense
        raise InputError(
            f"{path / CONFIG} does not build a {kind.__name__} ({first_line(error)}); copy it anew."
        ) from error
    faults = [f"{name} is missing" for name in sorted(report["missing_keys"]) if _matters(name)]
    # Numbers of positions and batches, which networks counted in their weights at times.
    faults += [
        f"{name} is not part of the network"
        for name in sorted(report["unexpected_keys"])
        if _matters(name) and (name not in weights or weights[name].is_floating_point())
    ]
    faults += [
        f"{name} has shape {tuple(given)} instead of {tuple(wanted)}"
        for name, given, wanted in sorted(report["mismatched_keys"])
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise InputError(
            f"the weights in {path} do not fit its {CONFIG}: {'; '.join(faults[:3])}{more}; give the config that they "
            f"were saved with."
        )
    return model


def _matters(name: str) -> bool:
    return _IN_TRAINING_ONLY.search(name) is None


def _classifier(model: nn.Module, classes: int) -> nn.Conv2d | None:
    """Return the convolution that makes the logits: the last one with so many channels, one called so before others."""
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and module.out_channels == classes
    ]
    called = [(name, module) for name, module in found if "classifier" in name.split(".")]
    return (called or found)[-1][1] if found else None


def _input_rule(config: Any, preprocessing: Preprocessing, of_masks: bool) -> tuple[InputRule, SlidingWindow | None]:
    """Return which inputs the network takes, and the windows in which it sees larger images."""
    parts = [part for part in (config, getattr(config, "backbone_config", None)) if part is not None]
    square = next((part for part in parts if part.model_type in _SQUARES), None)
    if square is None:
        return InputRule(divisor=(preprocessing.divisor or _DIVISOR) if of_masks else 1), None
    side = square.image_size
    height, width = (side, side) if isinstance(side, int) else (side[0], side[1])
    share = _SQUARES[square.model_type]
    stride = (max(int(height * share), 1), max(int(width * share), 1))
    return InputRule(only=(height, width), black=of_masks), SlidingWindow(crop=(height, width), stride=stride)


def _told(folder: NetworkFolder, model: Any) -> dict[str, Tensor]:
    """Return what a mask classifier is told besides the image: OneFormer, that the task is semantic."""
    kept = getattr(model, "attn_mask_probs", None)
    if kept is not None and bool(((kept > 0) & (kept < 1)).any()):
        raise InputError(
            f"{folder.path} was saved while its attention masks were being annealed, and would draw them at random; "
            f"train it to the end."
        )
    config = model.config
    if config.model_type != "oneformer":
        return {}
    if config.text_encoder_vocab_size != _CLIP_VOCABULARY or config.task_seq_len < len(_TASK):
        raise InputError(
            f"{folder.path / CONFIG} has another vocabulary than CLIP's, so the network cannot be told that its task "
            f"is semantic; give a network with a text_encoder_vocab_size of {_CLIP_VOCABULARY} and a task_seq_len of "
            f"{len(_TASK)} or more."
        )
    return {"task_inputs": torch.tensor([[*_TASK, *[0] * (config.task_seq_len - len(_TASK))]])}
