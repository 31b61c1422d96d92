"""Weights and the network that they are to fill: whether they fit, and what to say where they do not."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from anomaly_eval.errors import InputError, closest
from anomaly_eval.segmenters.configs import ModelConfig
from anomaly_eval.segmenters.exporting import matters_to_inference
from gmmseg.checkpoints import Checkpoint
from gmmseg.wrappings import TwoNetworksError, named_as

_TOLD = 3
"""Differences that a sentence names."""
_COMPARED = 30
"""Weights whose closest counterpart is looked for."""


def load_weights(model: nn.Module, checkpoint: Checkpoint, config: ModelConfig) -> None:
    """Load strictly: every weight that inference uses must be there, in its shape, and none be left over.

    What other trainers put before the names is dropped. Raises InputError for weights that do not fit.
    """
    wanted = {name: value for name, value in model.state_dict().items() if matters_to_inference(name)}
    try:
        named = named_as(checkpoint.weights, wanted)
    except TwoNetworksError as error:
        raise InputError(
            f"the checkpoint {checkpoint.path} holds several networks, under {error}; save the weights of one of them "
            f"alone with torch.save."
        ) from error
    given = {name: value for name, value in named.items() if matters_to_inference(name)}
    _refuse_other_classes(wanted, given, checkpoint, config)
    faults = _differences(wanted, given)
    if faults:
        more = f"; and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
        raise InputError(
            f"the checkpoint {checkpoint.path} does not fit the config ({config.source}): "
            f"{'; '.join(faults[:_TOLD])}{more}; name its own config with --config."
        )
    model.load_state_dict(given, strict=False)


def _refuse_other_classes(
    wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], checkpoint: Checkpoint, config: ModelConfig
) -> None:
    for name in wanted.keys() & given.keys():
        of_classes = name.endswith(("conv_seg.weight", "conv_seg.mixtures.means")) and given[name].dim() > 0
        if of_classes and len(wanted[name]) != len(given[name]):
            raise InputError(
                f"the checkpoint {checkpoint.path} was trained for {len(given[name])} classes, but the config "
                f"({config.source}) builds {len(wanted[name])}; name its own config with --config."
            )


def _differences(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """Say what is wrong with each weight; first where the file has something of a similar name."""
    missing = [name for name in wanted if name not in given]
    foreign = [name for name in given if name not in wanted]
    paired: list[str] = []
    alone: list[str] = []
    for name in missing:
        close = closest(name, foreign) if len(paired) + len(alone) < _COMPARED else None
        if close is None:
            alone.append(f"{name} is missing, {_shape(wanted[name])}")
        else:
            foreign.remove(close)
            paired.append(f"{name} is missing, {_shape(wanted[name])} (the file has {close}, {_shape(given[close])})")
    shapes = [
        f"{name} has shape {tuple(given[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in given and given[name].shape != value.shape
    ]
    return paired + alone + [f"{name} is not part of the network" for name in foreign] + shapes


def _shape(value: Tensor) -> str:
    return f"of shape {tuple(value.shape)}"
