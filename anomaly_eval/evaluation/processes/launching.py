"""Where several processes that torchrun or SLURM started find each other."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.option_fields import LauncherName
from gmmseg.launchers import Rank, find_rank, number_in, several_by_torchrun

_SHARED = frozenset({"eval", "fit", "train"})
"""Commands that have a --launcher."""
_FIRST_PORT, _PORTS = 20_000, 20_000


@dataclass(frozen=True)
class Place(Rank):
    """One process among several, and where they find each other; process 0 collects the results."""

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
    found = find_rank(launcher, environment)
    if found is None or found.size == 1:
        return None
    if launcher == "pytorch":
        host, port = environment["MASTER_ADDR"], number_in(environment, "MASTER_PORT")
        hosted = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        start = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    else:
        job = number_in(environment, "SLURM_JOB_ID", "0")
        host = environment.get("MASTER_ADDR") or _first_host(environment.get("SLURM_NODELIST", "localhost"))
        port = number_in(environment, "MASTER_PORT", str(_FIRST_PORT + job % _PORTS))
        hosted, start = False, environment.get("SLURM_STEP_ID", "0")
    return Place(found.rank, found.size, found.local_rank, host, port, hosted, start)


def refuse_several_processes(command: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raise InputError where torchrun starts a command several times that does all of its work in each process."""
    if command not in _SHARED and several_by_torchrun(environment):
        raise InputError(f"{command} does not share its work among processes; start it without torchrun.")


def _first_host(hosts: str) -> str:
    """Return the first machine of a list as SLURM writes it, such as `node[03-07]`."""
    if shutil.which("scontrol") is None:
        return hosts
    listed = subprocess.run(["scontrol", "show", "hostnames", hosts], capture_output=True, text=True, check=False)
    return listed.stdout.split("\n", 1)[0] or hosts
