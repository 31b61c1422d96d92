"""Loading checkpoints without running anything that they hold."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from gmmseg.errors import InputError
from gmmseg.safetensors_files import SUFFIX, read_safetensors

_LONGEST_NAME = 1000


@dataclass(frozen=True)
class Checkpoint:
    """The weights and the notes of a checkpoint file."""

    path: Path
    sha256: str
    weights: Mapping[str, Tensor]
    meta: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Class names as mmengine 0.x (`dataset_meta`) or mmcv 1.x (`CLASSES`) noted them.

        Raises InputError for names that are not text, or hold characters that no table can show.
        """
        dataset_meta = self.meta.get("dataset_meta")
        noted = [dataset_meta.get("classes")] if isinstance(dataset_meta, Mapping) else []
        found = next((names for names in (*noted, self.meta.get("CLASSES")) if _is_filled_list(names)), None)
        if found is None:
            return None
        if not all(isinstance(name, str | int) and str(name).isprintable() for name in found):
            raise InputError(f"the checkpoint {self.path} has class names that are not text; save it with plain ones.")
        return tuple(str(name) for name in found)


def _is_filled_list(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of mmengine or plain weights, on the CPU, with `weights_only=True`, or a safetensors file.

    Raises InputError for a missing file, a file that is no checkpoint, one that holds code or no weights, and one that
    would unpack to more than its own size.
    """
    try:
        if not path.is_file():
            if path.exists():
                raise InputError(f"the checkpoint {path} is a folder, a pipe or a device; give the .pth file itself.")
            raise InputError(f"there is no checkpoint file {path}; check its name.")
        digest = sha256_of_file(path)
    except OSError as error:
        raise InputError(f"the checkpoint {path} cannot be read ({error.strerror}); check the file.") from error
    content = _read_tensors_alone(path) if path.suffix.lower() == SUFFIX else _unpickle(path)
    weights = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(weights, Mapping) or not weights:
        raise InputError(f"the checkpoint {path} holds no state_dict; expected a .pth file as mmengine saves it.")
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()):
        raise InputError(f"the checkpoint {path} holds no weights: its state_dict has entries that are not tensors.")
    _refuse_unusual(weights, path)
    meta = content.get("meta") if "state_dict" in content else None
    return Checkpoint(path, digest, _without_wrapper(weights), meta if isinstance(meta, Mapping) else {})


def sha256_of_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _read_tensors_alone(path: Path) -> Any:
    try:
        return read_safetensors(path)
    except Exception as error:  # a damaged file leads its reader to errors of many kinds
        raise InputError(f"{path} is not a safetensors file or is damaged; copy it anew.") from error


def _unpickle(path: Path) -> Any:
    """Read what `torch.save` wrote, without running any of it."""
    try:
        _refuse_compressed(path)
        with torch.serialization.safe_globals(harmless_globals()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # the unpickler raises whatever a broken file leads it to, OSError too
        reason = str(error)
        if "Unsupported global" in reason or "Unsupported class" in reason or "GLOBAL" in reason:
            raise InputError(
                f"the checkpoint {path} holds Python objects that would have to be executed to load it, which is "
                f"refused; save its state_dict alone with torch.save and pass that."
            ) from error
        raise InputError(
            f"{path} is not a PyTorch checkpoint or is damaged; expected a .pth file as mmengine saves it."
        ) from error


def _refuse_compressed(path: Path) -> None:
    """Refuse an archive whose entries are larger than the file; `torch.save` compresses nothing."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise InputError(
            f"the checkpoint {path} would unpack to more than its own size ({unpacked:,} bytes), as torch.save never "
            f"writes it; save it anew with torch.save."
        )


def _refuse_unusual(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that no network can take as they are, and names that no message can show."""
    for name, value in weights.items():
        if not name.isprintable() or len(name) > _LONGEST_NAME:
            raise InputError(f"the checkpoint {path} has a weight whose name is not plain text; save it anew.")
        if value.layout != torch.strided or value.is_quantized or value.is_complex() or value.is_meta:
            raise InputError(
                f"the weight {name} in the checkpoint {path} is sparse, quantised, complex or empty of values; save "
                f"it as a dense tensor of real numbers."
            )


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
