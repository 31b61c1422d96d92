"""Starting several processes by mmengine's launchers, also on machines without a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from gmmseg.errors import InputError


def is_first_process(launcher: str) -> bool:
    """Tell, before the processes know each other, whether this is the one that writes."""
    return launcher == "none" or int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) == 0


@contextmanager
def processes(launcher: str) -> Iterator[None]:
    """Join the processes of a launcher while the context lasts.

    With a GPU mmengine's Runner does that itself. Without one it fails, so gloo is joined here and the Runner finds it.
    Raises InputError where launcher and environment do not fit.
    """
    if launcher == "none":
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise InputError("this is one of several processes of torchrun; add --launcher pytorch.")
    elif launcher == "pytorch" and not {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= os.environ.keys():
        raise InputError(
            "--launcher pytorch needs torchrun; start with torchrun --nproc_per_node=N -m anomaly_eval train ... "
            "--launcher pytorch."
        )
    elif launcher == "slurm" and "SLURM_PROCID" not in os.environ:
        raise InputError("--launcher slurm needs SLURM; start with srun gmmseg-anomaly train ... --launcher slurm.")
    elif launcher == "slurm" and not torch.cuda.is_available():
        raise InputError("--launcher slurm needs a GPU for every process; on CPUs use torchrun and --launcher pytorch.")
    elif launcher == "pytorch" and not torch.cuda.is_available():
        distributed.init_process_group("gloo")
    yield
    # Not after an error: the others may wait for this process until its end.
    if distributed.is_initialized():
        distributed.destroy_process_group()
