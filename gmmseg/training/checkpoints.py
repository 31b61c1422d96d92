"""Training checkpoints: written whole or not at all, and read without running anything that they hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS

from gmmseg.checkpoints import harmless_globals
from gmmseg.errors import InputError

TRAINING_STATE = "gmmseg_training"
"""The key of a training checkpoint under which everything of ours lies."""
EXPORTED = "weights.pth"
_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_NUMBERED = re.compile(r"(?:iter|epoch)_(\d+)\.pth")


@contextmanager
def weights_only() -> Iterator[None]:
    """Let every `torch.load` refuse code, also those of mmengine, which ask for the contrary."""
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = "1"
    try:
        with torch.serialization.safe_globals(harmless_globals()):
            yield
    finally:
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before


def read_training_checkpoint(path: Path, *, lazily: bool = False) -> dict[str, Any]:
    """Read a checkpoint that `train` wrote, onto the CPU; `lazily` leaves the tensors on the disk.

    Raises InputError for a damaged file, one that holds code, and one that is no training checkpoint of ours.
    """
    try:
        with weights_only():
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=lazily)
    except Exception as error:  # the unpickler raises whatever a broken file leads it to
        if "Unsupported" in str(error) or "GLOBAL" in str(error):
            raise InputError(
                f"the checkpoint {path} holds Python objects that would have to be executed to load it, which is "
                f"refused; resume only from checkpoints of your own trainings."
            ) from error
        raise InputError(
            f"the checkpoint {path} is damaged and cannot be resumed; delete it to go on from the one before it."
        ) from error
    complete = isinstance(content, dict) and {"state_dict", "meta", "optimizer", "message_hub", TRAINING_STATE} <= set(
        content
    )
    if not complete:
        raise InputError(
            f"{path} is no training checkpoint of gmmseg-anomaly, so training cannot go on from it; start from its "
            f"weights with --init-from and another --out."
        )
    # mmengine would execute this text, which older versions of it wrote.
    content["meta"].pop("config", None)
    return content  # type: ignore[no-any-return]


def newest_checkpoint(work_dir: Path) -> Path | None:
    """Return the checkpoint of the latest iteration in a work dir, else the one that mmengine noted there."""
    numbered = {
        int(match[1]): path for path in work_dir.glob("*.pth") if (match := _NUMBERED.fullmatch(path.name)) is not None
    }
    if numbered:
        return numbered[max(numbered)]
    note = work_dir / "last_checkpoint"
    noted = Path(note.read_text().strip()) if note.is_file() else None
    return noted if noted is not None and noted.is_file() else None


def remove_training_files(work_dir: Path) -> None:
    """Remove the checkpoints of an earlier training, which a later `--resume` would take for this one's."""
    for name in ("iter_*.pth", "epoch_*.pth", "best_*.pth", "last_checkpoint", EXPORTED):
        for path in work_dir.glob(name):
            path.unlink()


def remove_partial_files(work_dir: Path) -> None:
    """Remove what an interruption left half-written."""
    for path in work_dir.glob(partial_name("*.pth")):
        path.unlink()


def partial_name(name: str) -> str:
    """Return the name of a file while it is being written."""
    return f".{name}.partial"


def finish(partial: Path, path: Path) -> None:
    """Give a wholly written file its name, once it lies on the disk."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_whole(content: Any, path: Path) -> None:
    """Write with `torch.save`: the file is there completely, or not at all."""
    partial = path.with_name(partial_name(path.name))
    torch.save(content, partial)
    finish(partial, path)


class _Postponing:
    """A file backend that removes nothing before it is told to."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._unwanted: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._unwanted.append(("remove", path))

    def rmtree(self, path: str) -> None:
        self._unwanted.append(("rmtree", path))

    def remove_now(self, kept: set[str]) -> None:
        for method, path in self._unwanted:
            if path not in kept and self._backend.exists(path):
                getattr(self._backend, method)(path)


def make_plain(checkpoint: dict[str, Any]) -> None:
    """Leave in the notes of a checkpoint what can be loaded without running anything, in place.

    Schedules keep functions of their own among their numbers, which the next training has anyway.
    """
    for name in ("meta", "param_schedulers"):
        if name in checkpoint:
            checkpoint[name] = plain(checkpoint[name])
    hub = checkpoint.get("message_hub")
    if isinstance(hub, dict) and "runtime_info" in hub:
        checkpoint["message_hub"] = {**hub, "runtime_info": plain(hub["runtime_info"])}


def plain(value: Any) -> Any:
    """Return nested values as numbers, text, tensors and plain containers; leaves out functions."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items() if not callable(item)}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    # By exact type: enumerations are numbers or text too, of a class of their own.
    known = isinstance(value, torch.Tensor) or type(value) in (str, bytes, bool, int, float, type(None))
    return value if known else str(value)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):  # type: ignore[misc]
    """mmengine's hook, except that an old checkpoint stays until the new one is written."""

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        with self._removal_postponed():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Any, metrics: dict[str, Any]) -> None:
        with self._removal_postponed():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _removal_postponed(self) -> Iterator[None]:
        backend = self.file_backend
        postponing = _Postponing(backend)
        self.file_backend: Any = postponing
        try:
            yield
            best = getattr(self, "best_ckpt_path", None), *getattr(self, "best_ckpt_path_dict", {}).values()
            postponing.remove_now({str(self.last_ckpt), *map(str, best)})
        finally:
            self.file_backend = backend
