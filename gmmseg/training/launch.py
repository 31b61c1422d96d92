"""Starting several processes by mmengine's launchers, also on machines without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from gmmseg.errors import InputError
from gmmseg.launchers import find_rank


def is_first_process(launcher: str) -> bool:
    """Tell, before the processes know each other, whether this is the one that writes."""
    place = find_rank(launcher)
    return place is None or place.rank == 0


@contextmanager
def processes(launcher: str) -> Iterator[None]:
    """Join the processes of a launcher while the context lasts.

    With a GPU mmengine's Runner does that itself. Without one it fails, so gloo is joined here and the Runner finds it.
    Raises InputError where launcher and environment do not fit.
    """
    if find_rank(launcher) is not None and not torch.cuda.is_available():
        if launcher == "slurm":
            raise InputError(
                "--launcher slurm needs a GPU for every process; on CPUs use torchrun and --launcher pytorch."
            )
        distributed.init_process_group("gloo")
    yield
    # Not after an error: the others may wait for this process until its end.
    if distributed.is_initialized():
        distributed.destroy_process_group()
