"""Which of several processes this one is, by the environment that torchrun or SLURM sets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from gmmseg.errors import InputError

_OF_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_OF_SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")


@dataclass(frozen=True)
class Rank:
    """One process among several, numbered from 0, also among those on the same machine."""

    rank: int
    size: int
    local_rank: int


def find_rank(launcher: str, environment: Mapping[str, str] = os.environ) -> Rank | None:
    """Return what `pytorch` or `slurm` says of this process, None for the launcher `none`.

    Raises InputError where launcher and environment do not fit.
    """
    if launcher == "none":
        if several_by_torchrun(environment):
            raise InputError("this is one of several processes of torchrun; add --launcher pytorch.")
        return None
    if launcher == "pytorch" and not environment.keys() >= set(_OF_TORCHRUN):
        raise InputError(
            "--launcher pytorch needs torchrun; start with torchrun --nproc_per_node=N -m anomaly_eval, then the "
            "command and its options."
        )
    if launcher == "slurm" and not environment.keys() >= set(_OF_SLURM):
        raise InputError(
            "--launcher slurm needs SLURM; start with srun gmmseg-anomaly, then the command and its options."
        )
    names = _OF_TORCHRUN[:3] if launcher == "pytorch" else _OF_SLURM
    return Rank(*(number_in(environment, name) for name in names))


def several_by_torchrun(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether torchrun started more than this process."""
    return number_in(environment, "WORLD_SIZE", "1") > 1


def number_in(environment: Mapping[str, str], name: str, default: str = "") -> int:
    """Return a variable as a whole number; raises InputError for any other text."""
    text = environment.get(name, default)
    if not text.isdecimal():
        raise InputError(f"the environment variable {name} is {text!r} instead of a number; a launcher sets it.")
    return int(text)
