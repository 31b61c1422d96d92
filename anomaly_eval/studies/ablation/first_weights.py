"""Where the first weights of a backbone come from, and whether they are on this machine."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.runner.checkpoint import get_external_models

from anomaly_eval.errors import InputError
from gmmseg.efficientnet_lite import SCHEME, imagenet_file

_ZOO = "open-mmlab://"


def missing_weights(source: str) -> str | None:
    """Say what is missing of pretrained weights, a file or an address as configs name it; None where they are here."""
    if source.startswith(SCHEME):
        try:
            imagenet_file(int(source.removeprefix(SCHEME)))
        except (InputError, ValueError) as error:
            return str(error).rstrip(".")
        return None
    # Names that nobody knows stay: mmengine says what is wrong with them.
    address = get_external_models().get(source.removeprefix(_ZOO), source) if source.startswith(_ZOO) else source
    if "://" not in address:
        return None if Path(address).is_file() else f"the pretrained weights {address} are not there"
    # Where PyTorch keeps what it downloads.
    path = Path(torch.hub.get_dir(), "checkpoints", address.rpartition("/")[2])
    return None if path.is_file() else f"the pretrained weights {address} would be downloaded to {path}"
