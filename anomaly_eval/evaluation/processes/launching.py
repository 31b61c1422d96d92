"""Which of several processes this one is, by the environment that torchrun or SLURM sets."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.choices import LauncherName

_OF_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_OF_SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
_SHARED = frozenset({"eval", "fit", "train"})
"""Commands that have a --launcher."""
_FIRST_PORT, _PORTS = 20_000, 20_000


@dataclass(frozen=True)
class Place:
    """One process among several, and where they find each other."""

    rank: int
    """From 0; process 0 collects the results."""
    size: int
    local_rank: int
    """Among those on the same machine."""
    host: str
    port: int
    hosted: bool
    """Whether the launcher itself listens there, so that no process has to."""
    start: str
    """Tells one start of the processes from another one at the same place."""


def find_place(launcher: LauncherName, environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return the place of this process, None where it is alone.

    Raises InputError where launcher and environment do not fit.
    """
    if launcher == "none":
        if _number(environment, "WORLD_SIZE", "1") > 1:
            raise InputError("this is one of several processes of torchrun; add --launcher pytorch.")
        return None
    if launcher == "pytorch":
        if not environment.keys() >= set(_OF_TORCHRUN):
            raise InputError(
                "--launcher pytorch needs torchrun; start with torchrun --nproc_per_node=N -m anomaly_eval, then eval "
                "or fit and its options."
            )
        rank, size, local_rank = (_number(environment, name) for name in _OF_TORCHRUN[:3])
        host, port = environment["MASTER_ADDR"], _number(environment, "MASTER_PORT")
        hosted = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        start = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    else:
        if not environment.keys() >= set(_OF_SLURM):
            raise InputError(
                "--launcher slurm needs SLURM; start with srun gmmseg-anomaly, then eval or fit and its options."
            )
        rank, size, local_rank = (_number(environment, name) for name in _OF_SLURM)
        job = _number(environment, "SLURM_JOB_ID", "0")
        host = environment.get("MASTER_ADDR") or _first_host(environment.get("SLURM_NODELIST", "localhost"))
        port = _number(environment, "MASTER_PORT", str(_FIRST_PORT + job % _PORTS))
        hosted, start = False, environment.get("SLURM_STEP_ID", "0")
    return Place(rank, size, local_rank, host, port, hosted, start) if size > 1 else None


def refuse_several_processes(command: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raise InputError where torchrun starts a command several times that does all of its work in each process."""
    if command not in _SHARED and _number(environment, "WORLD_SIZE", "1") > 1:
        raise InputError(f"{command} does not share its work among processes; start it without torchrun.")


def _number(environment: Mapping[str, str], name: str, default: str = "") -> int:
    """Return a variable as a whole number; raises InputError for any other text."""
    text = environment.get(name, default)
    if not text.isdecimal():
        raise InputError(f"the environment variable {name} is {text!r} instead of a number; a launcher sets it.")
    return int(text)


def _first_host(hosts: str) -> str:
    """Return the first machine of a list as SLURM writes it, such as `node[03-07]`."""
    if shutil.which("scontrol") is None:
        return hosts
    listed = subprocess.run(["scontrol", "show", "hostnames", hosts], capture_output=True, text=True, check=False)
    return listed.stdout.split("\n", 1)[0] or hosts
