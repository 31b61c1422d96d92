"""Checkpoints of the authors' own GMMSeg code, read into a network of ours with the preset `official`."""

from __future__ import annotations

import copy
from dataclasses import replace

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.configs import ModelConfig, find_config
from gmmseg.checkpoints import Checkpoint
from gmmseg.official_checkpoints import OfficialHead


def official_network(checkpoint: Checkpoint, config: str | None) -> tuple[Checkpoint, ModelConfig] | None:
    """Return a checkpoint of the official code with our names, and a config for it; None for any other checkpoint.

    `config` says backbone and head, with GMMSeg or without; what GMMSeg adds is taken from the weights. Raises
    InputError where no config is named, as the official ones cannot be built by mmsegmentation 1.x.
    """
    try:
        head = OfficialHead.find(checkpoint.weights)
    except InputError as error:
        raise InputError(f"the checkpoint {checkpoint.path} cannot be used: {error}") from error
    if head is None:
        return None
    if config is None:
        raise InputError(
            f"{checkpoint.path} is a checkpoint of the official GMMSeg code, whose config mmsegmentation 1.x cannot "
            f"build; name the same backbone and head with --config, such as gmmseg_segformer_mit-b5_cityscapes."
        )
    found = find_config(checkpoint, config)
    return replace(checkpoint, weights=head.renamed()), _with_head(found, head)


def _with_head(config: ModelConfig, head: OfficialHead) -> ModelConfig:
    """Put the official mixtures into the last decode head of a config; what is no head is left for mmsegmentation."""
    model = copy.deepcopy(config.model)
    heads = model.get("decode_head")
    last = heads[-1] if isinstance(heads, list | tuple) and heads else heads
    if isinstance(last, dict) and "type" in last:
        architecture = last.get("architecture", last["type"])
        last |= {"type": "GMMSegHead", "architecture": architecture, "mixture": head.mixture}
        last["channels"] = head.channels
    return ModelConfig(model, f"{config.source}, preset official")
