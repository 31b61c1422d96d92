"""What a config.json of transformers says a network is; what it asks for from elsewhere is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES as SEMANTIC_HEADS
from transformers.utils import logging

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.huggingface.folder import CONFIG, NetworkFolder
from anomaly_eval.segmenters.network import first_line

MASK_CLASSIFIERS = {
    "eomt": "EomtForUniversalSegmentation",
    "eomt_dinov3": "EomtDinov3ForUniversalSegmentation",
    "mask2former": "Mask2FormerForUniversalSegmentation",
    "maskformer": "MaskFormerForInstanceSegmentation",
    "oneformer": "OneFormerForUniversalSegmentation",
}
"""The class of the network by its model_type; `SEMANTIC_HEADS` is the same of the others."""
NO_MATTER = frozenset(
    # How others saved it, and what would look for code or kernels elsewhere.
    {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "fusion_config", "distributed_config"}
    | {"attn_implementation", "_attn_implementation", "_attn_implementation_internal", "_attn_implementation_autoset"}
    | {"experts_implementation", "_experts_implementation", "_experts_implementation_internal"}
    # What a network returns besides its result.
    | {"output_hidden_states", "output_attentions", "return_dict", "use_return_dict"}
)
"""Settings, at any depth, that are left out as if they were not there."""
_MOST_LAYERS = 10_000
_FOR_TRAINING = ("is_training", "use_auxiliary_head")
_OF_BACKBONES = frozenset(
    {"backbone", "backbone_config", "backbone_kwargs", "use_timm_backbone", "use_pretrained_backbone"}
)


def read_config(folder: NetworkFolder) -> tuple[Any, Any]:
    """Return the config of a network for semantic segmentation, without its parts for training, and its class.

    Raises InputError for a config of anything else, and for one that asks for code or weights from elsewhere.
    """
    settings, path = _settings(folder), folder.path / CONFIG
    model_type = settings["model_type"]
    known = MASK_CLASSIFIERS.get(model_type) or SEMANTIC_HEADS.get(model_type)
    said = settings.get("architectures") or [known]
    if known is None or said != [known]:
        what = ", ".join(map(str, said))[:100] if said != [None] else f"network of the type {model_type[:50]!r}"
        raise InputError(
            f"{path} describes a {what}, which does not segment images into classes as far as transformers "
            f"{transformers.__version__} knows; give a network for semantic segmentation."
        )
    try:
        with silence():
            config = CONFIG_MAPPING[model_type].from_dict(settings)
            kind = getattr(transformers, known)
    except Exception as error:  # configs check themselves in many ways
        raise InputError(f"{path} is no config of a {known} ({first_line(error)}); copy it anew.") from error
    for name in _FOR_TRAINING:
        if hasattr(config, name):
            setattr(config, name, False)
    return config, kind


def class_names(config: Any, folder: NetworkFolder) -> tuple[str, ...] | None:
    """Return the names in id2label; None where they only stand in for names."""
    path, labels = folder.path / CONFIG, config.id2label
    if config.num_labels < 2 or sorted(labels) != list(range(config.num_labels)):
        raise InputError(f"{path} does not name two classes or more, numbered from 0, in id2label; correct it.")
    names = tuple(labels[index] for index in range(config.num_labels))
    if not all(isinstance(name, str) and name.isprintable() for name in names):
        raise InputError(f"{path} has class names that are not text in id2label; correct it.")
    return None if all(re.fullmatch(r"LABEL_\d+", name) for name in names) else names


def without(settings: Any, names: frozenset[str]) -> Any:
    """Return settings without the keys of these names, at any depth."""
    if isinstance(settings, dict):
        return {key: without(value, names) for key, value in settings.items() if key not in names}
    return [without(value, names) for value in settings] if isinstance(settings, list) else settings


@contextmanager
def silence() -> Iterator[None]:
    """Keep warnings and progress bars of transformers from the terminal: faults are told in a sentence."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    # Beyond its most critical messages: the reports of what was loaded are read and told by ours.
    logging.set_verbosity(100)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _settings(folder: NetworkFolder) -> dict[str, Any]:
    """Return config.json without what does not matter; refuse what asks for code or weights from elsewhere."""
    path, settings = folder.path / CONFIG, folder.settings(CONFIG)
    if settings is None:
        raise InputError(
            f"the folder {folder.path} has no {CONFIG}; give a folder that save_pretrained of transformers wrote, or "
            f"the file of a checkpoint itself."
        )
    if not isinstance(settings.get("model_type"), str):
        raise InputError(f"{path} names no model_type, so it is none of transformers; give a folder that it wrote.")
    if isinstance(settings.get("decoder_config"), dict):
        # MaskFormer's decoder is that of DETR, whose config has a backbone too; it is not built.
        settings["decoder_config"] = without(settings["decoder_config"], _OF_BACKBONES)
    for part in _nested(settings):
        if part.get("auto_map"):
            raise InputError(
                f"{path} asks for code of its own (auto_map), which is never run; give a network that transformers "
                f"itself knows, and delete auto_map where that is meant."
            )
        if any(_is_endless(value) for key, value in part.items() if re.search("layers|depth|blocks", str(key))):
            # Networks write long lists of their layers before they build the first.
            raise InputError(f"{path} asks for a far larger network than the weights beside it; copy both anew.")
        if part.get("quantization_config"):
            raise InputError(f"{path} describes quantised weights, which are not read; save the network without them.")
        if part.get("backbone") and not part.get("backbone_config"):
            raise InputError(
                f"{path} names a backbone ({str(part['backbone'])[:50]!r}) that would be looked for elsewhere; save "
                f"the network with a backbone_config of transformers."
            )
    found: dict[str, Any] = without(settings, NO_MATTER)
    return found


def _is_endless(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(count, int | float) and count > _MOST_LAYERS for count in values)


def _nested(settings: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield settings and all that are among them."""
    yield settings
    for value in settings.values():
        if isinstance(value, Mapping):
            yield from _nested(value)
