"""The files of a network of transformers: JSON that is parsed and weights that are read, nothing that is run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.safe_read import read_regular
from gmmseg.checkpoints import load_checkpoint

CONFIG = "config.json"
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
"""Where networks say how their inputs are made; the second holds the first since transformers 5, with a tokenizer's."""
INDEX = ".index.json"
WEIGHTS = ("model.safetensors", f"model.safetensors{INDEX}", "pytorch_model.bin", f"pytorch_model.bin{INDEX}")
"""The first that is there is taken; an index lists the files of which the weights are."""

_LARGEST_JSON = 16 << 20
"""Bytes; the index of a large network has some hundred thousand."""
_MOST_SHARDS = 1000


@dataclass(frozen=True)
class NetworkFolder:
    """A folder as `save_pretrained` writes it."""

    path: Path
    name: str
    """What results call the network."""

    def settings(self, name: str) -> dict[str, Any] | None:
        """Return what a JSON file of the folder holds; None without one.

        Raises InputError where it cannot be read, or is no JSON object.
        """
        path = self.path / name
        try:
            content = read_regular(path, _LARGEST_JSON)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); check the file.") from error
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is no JSON or is damaged; copy it anew.") from error
        if not isinstance(found, dict):
            raise InputError(f"{path} holds no settings; copy it anew.")
        return found

    def weights(self) -> tuple[dict[str, Tensor], str]:
        """Return all weights by name, and the sha256 of their file, or of the list of hashes of several.

        Raises InputError where they are missing or damaged, or would have to be executed.
        """
        name = next((name for name in WEIGHTS if (self.path / name).exists()), None)
        if name is None:
            raise InputError(
                f"{self.path} has neither {WEIGHTS[0]} nor {WEIGHTS[2]} (nor {INDEX} files of several parts); give a "
                f"folder that save_pretrained wrote."
            )
        if not name.endswith(INDEX):
            checkpoint = load_checkpoint(self.path / name)
            return dict(checkpoint.weights), checkpoint.sha256
        weights: dict[str, Tensor] = {}
        hashes = []
        for file, names in self.shards(name).items():
            checkpoint = load_checkpoint(self.path / file)
            weights |= _with_whole_names(checkpoint.weights, names)
            hashes.append(checkpoint.sha256)
        return weights, hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def shards(self, index: str) -> dict[str, list[str]]:
        """Return the files that an index lists, in order, and the names of the weights in each.

        Raises InputError for an index that is none.
        """
        listed = (self.settings(index) or {}).get("weight_map")
        files: dict[str, list[str]] = {}
        for name, file in listed.items() if isinstance(listed, Mapping) else ():
            files.setdefault(str(file), []).append(name)
        ending = PurePath(index.removesuffix(INDEX)).suffix
        plain = all(PurePath(file).name == file and file.endswith(ending) for file in files)
        if not files or not plain or len(files) > _MOST_SHARDS:
            raise InputError(f"{self.path / index} lists no files of weights beside it; copy it anew.")
        return dict(sorted(files.items()))


def _with_whole_names(weights: Mapping[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """Put back what a checkpoint's reader takes for a wrapper: the part that all names of a file have in common."""
    before = {whole[: -len(name)] for name in weights for whole in names if whole.endswith(name)}
    shared = [prefix for prefix in before if all(prefix + name in names for name in weights)]
    return {min(shared, key=len, default="") + name: value for name, value in weights.items()}
