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

from gmmseg.class_names import class_names_in
from gmmseg.errors import InputError
from gmmseg.safetensors_files import SUFFIX, read_safetensors
from gmmseg.stand_ins import StandIn, is_of_python, stand_ins
from gmmseg.wrappings import find_weights, without_wrappers

_LONGEST_NAME = 1000
_LARGE = 1 << 30
_TRUSTED = "where you trust it, load it in Python (torch.load with weights_only=False) and "


@dataclass(frozen=True)
class Checkpoint:
    """The weights and the notes of a checkpoint file."""

    path: Path
    sha256: str
    weights: Mapping[str, Tensor]
    meta: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Class names, in whichever spelling the notes have them; see `class_names_in`.

        Raises InputError for names that are not text, or hold characters that no table can show.
        """
        try:
            return class_names_in(self.meta)
        except ValueError as error:
            raise InputError(
                f"the checkpoint {self.path} has class names that are not text; save it with plain ones."
            ) from error


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
    if isinstance(content, StandIn):
        raise InputError(_is_whole_network(path, content))
    weights, notes = find_weights(content)
    if not weights:
        raise InputError(
            f"the checkpoint {path} holds no state_dict{_what_it_has(content)}; expected a .pth file as mmengine saves "
            f"it."
        )
    odd = next(
        (name for name, value in weights.items() if not (isinstance(name, str) and isinstance(value, Tensor))), None
    )
    if odd is not None:
        if isinstance(weights[odd], StandIn) and not any(isinstance(value, Tensor) for value in weights.values()):
            raise InputError(_is_whole_network(path, weights[odd]))
        raise InputError(
            f"the checkpoint {path} holds no weights: its state_dict has entries that are not tensors, such as "
            f"{odd!r:.100} ({_kind(weights[odd])}); save the state_dict of the network alone with torch.save."
        )
    _refuse_unusual(weights, path)
    return Checkpoint(path, digest, without_wrappers(weights), notes)


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
        # Of a large file only what a network needs comes into memory, such as no queues of mixtures of 10 GB.
        large = path.stat().st_size > _LARGE and zipfile.is_zipfile(path)
        with torch.serialization.safe_globals(harmless_globals()), torch.serialization.safe_globals(stand_ins(path)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=large)
    except InputError:
        raise
    except Exception as error:  # the unpickler raises whatever a broken file leads it to, OSError too
        reason = str(error)
        if "torchscript" in reason.lower():
            raise InputError(
                f"the checkpoint {path} is a TorchScript program, which is code; where you trust it, torch.save the "
                f"state_dict() of what torch.jit.load returns, and give that with --config."
            ) from error
        if any(
            words in reason
            for words in ("Unsupported global", "Unsupported class", "GLOBAL", "Can only ", "persistent_load")
        ):
            raise InputError(
                f"the checkpoint {path} holds Python objects that would have to be executed to load it, which is "
                f"refused; {_TRUSTED}torch.save its state_dict alone and give that with --config."
            ) from error
        if "Unsupported operand" in reason and zipfile.is_zipfile(path):
            raise InputError(
                f"the checkpoint {path} was written with another pickle protocol than PyTorch reads safely; "
                f"{_TRUSTED}torch.save it anew without pickle_protocol."
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


def _is_whole_network(path: Path, found: StandIn) -> str:
    return (
        f"the checkpoint {path} holds an object ({_shown(found.path)}) rather than weights; {_TRUSTED}torch.save the "
        f"state_dict() of the network, and give that with --config."
    )


def _what_it_has(content: object) -> str:
    """Say which entries a file has, for the middle of a sentence."""
    if not isinstance(content, Mapping) or not content:
        return ""
    names = [str(name) for name in content if str(name).isprintable() and len(str(name)) <= _LONGEST_NAME]
    return f" but {', '.join(names[:5])[:200]}" + (f" and {len(content) - 5} more" if len(content) > 5 else "")


def _kind(value: object) -> str:
    return _shown(value.path) if isinstance(value, StandIn) else type(value).__name__


def _shown(name: str) -> str:
    """Return the name of a class as a sentence can hold it, whatever a damaged file makes of it."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else f"{ascii(name)[1:-1][:100]}…"


def harmless_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """List what training checkpoints hold beside tensors and may be built: message buffers and plain arrays."""
    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer

    def statistic(owner: object, name: str) -> Any:
        """Stand in for `getattr`, by which a buffer names its own four statistics, and for nothing else."""
        # Schedulers name their own functions so; methods of the standard library are no data.
        if isinstance(owner, type) and issubclass(owner, StandIn) and not is_of_python(owner.path):
            return owner
        if owner is not HistoryBuffer or name not in ("min", "max", "mean", "current"):
            raise UnpicklingError(f"Unsupported global: attribute {name} of {owner}")
        return getattr(HistoryBuffer, name)

    def reconstruct(kind: object, shape: object, dtype: object) -> Any:
        """Make the empty array that numpy's pickles begin with, and none that takes memory."""
        if kind is not np.ndarray or shape != (0,):
            raise UnpicklingError(f"Unsupported global: an array of {kind} and shape {shape}")
        return np.ndarray(shape, np.int8)

    numpys: Any = np.ndarray.__reduce__(np.zeros(1))[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    return [
        HistoryBuffer,
        (statistic, "__builtin__.getattr"),
        (statistic, "builtins.getattr"),
        np.ndarray,
        np.dtype,
        scalar,
        # Files written with numpy 1 name these functions by their old place.
        (reconstruct, f"{numpys.__module__}._reconstruct"),
        (reconstruct, "numpy.core.multiarray._reconstruct"),
        (reconstruct, "numpy._core.multiarray._reconstruct"),
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        *(kind for name, kind in vars(np.dtypes).items() if name.endswith("DType")),
    ]
