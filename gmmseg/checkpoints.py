"""Loading checkpoints without running anything that they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from gmmseg.errors import InputError


@dataclass(frozen=True)
class Checkpoint:
    """The weights and the notes of a checkpoint file."""

    path: Path
    sha256: str
    weights: Mapping[str, Tensor]
    meta: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Class names as mmengine 0.x (`dataset_meta`) or mmcv 1.x (`CLASSES`) noted them."""
        dataset_meta = self.meta.get("dataset_meta")
        found = dataset_meta.get("classes") if isinstance(dataset_meta, Mapping) else None
        found = found or self.meta.get("CLASSES")
        return tuple(str(name) for name in found) if isinstance(found, list | tuple) and found else None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of mmengine or plain weights, on the CPU, with `weights_only=True`.

    Raises InputError for a missing file, a file that is no checkpoint, and one that holds code or no weights.
    """
    if not path.is_file():
        raise InputError(f"there is no checkpoint file {path}; check its name.")
    try:
        digest = sha256_of_file(path)
        with torch.serialization.safe_globals(harmless_globals()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"the checkpoint {path} cannot be read ({error.strerror}).") from error
    except Exception as error:  # the unpickler raises whatever a broken file leads it to
        reason = str(error)
        if "Unsupported global" in reason or "Unsupported class" in reason or "GLOBAL" in reason:
            raise InputError(
                f"the checkpoint {path} holds Python objects that would have to be executed to load it, which is "
                f"refused; save its state_dict alone with torch.save and pass that."
            ) from error
        raise InputError(
            f"{path} is not a PyTorch checkpoint or is damaged; expected a .pth file as mmengine saves it."
        ) from error
    weights = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(weights, Mapping) or not weights:
        raise InputError(f"the checkpoint {path} holds no state_dict; expected a .pth file as mmengine saves it.")
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()):
        raise InputError(f"the checkpoint {path} holds no weights: its state_dict has entries that are not tensors.")
    meta = content.get("meta") if "state_dict" in content else None
    return Checkpoint(path, digest, _without_wrapper(weights), meta if isinstance(meta, Mapping) else {})


def sha256_of_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _without_wrapper(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the `module.` that DistributedDataParallel puts before every name."""
    if all(name.startswith("module.") for name in weights):
        return {name.removeprefix("module."): value for name, value in weights.items()}
    return dict(weights)


def harmless_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """List the classes that mmengine's own training checkpoints hold beside tensors: message buffers and arrays."""
    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer
    from numpy.dtypes import BoolDType, Float32DType, Float64DType, Int32DType, Int64DType

    def statistic(owner: object, name: str) -> Any:
        """Stand in for `getattr`, by which a buffer names its own four statistics, and for nothing else."""
        if owner is not HistoryBuffer or name not in ("min", "max", "mean", "current"):
            raise UnpicklingError(f"Unsupported global: attribute {name} of {owner}")
        return getattr(HistoryBuffer, name)

    reconstruct: Any = np.ndarray.__reduce__(np.zeros(1))[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    return [
        HistoryBuffer,
        (statistic, "__builtin__.getattr"),
        (statistic, "builtins.getattr"),
        np.ndarray,
        np.dtype,
        reconstruct,
        scalar,
        # Files written with numpy 1 name these functions by their old place.
        (reconstruct, "numpy.core.multiarray._reconstruct"),
        (scalar, "numpy.core.multiarray.scalar"),
        BoolDType,
        Float32DType,
        Float64DType,
        Int32DType,
        Int64DType,
    ]
