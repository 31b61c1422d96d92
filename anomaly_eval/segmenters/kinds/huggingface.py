"""Networks of transformers: folders as `save_pretrained` writes them, and networks of the Hugging Face hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.network import NetworkKind

if TYPE_CHECKING:
    from anomaly_eval.segmenters.huggingface.networks import TransformersNetwork

_HUB = "hf:"


class TransformersFolders(NetworkKind):
    """Semantic heads and mask classifiers of transformers."""

    title = "networks of transformers (a folder with config.json, or hf:ORG/NAME)"
    takes = frozenset({"mean", "std"})

    def recognises(self, given: Path) -> bool:
        """Take names on the hub, and any folder: none of the other kinds is one."""
        try:
            return str(given).startswith(_HUB) or given.is_dir()
        except OSError:
            return False

    def load(self, given: Given, device: torch.device) -> TransformersNetwork:
        """Find the files, build the network and load its weights; importing transformers takes seconds."""
        try:
            import transformers  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"{given.path} is a network of transformers, which is not installed ({error}); install it with `pip "
                f"install 'transformers>=5.0,<6'`."
            ) from error
        from anomaly_eval.segmenters.huggingface.building import build
        from anomaly_eval.segmenters.huggingface.folder import NetworkFolder
        from anomaly_eval.segmenters.huggingface.hub import folder_of

        name = str(given.path)
        if name.startswith(_HUB):
            folder = folder_of(name.removeprefix(_HUB))
        else:
            folder = NetworkFolder(given.path, os.path.basename(os.path.abspath(given.path)))
        mean, std = (
            None if values is None else (values[0], values[1], values[2]) for values in (given.mean, given.std)
        )
        return build(folder, device, mean, std)
