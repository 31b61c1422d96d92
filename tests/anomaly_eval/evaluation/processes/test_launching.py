"""What the environment of a launcher says, and what does not fit."""

from __future__ import annotations

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.processes.launching import Place, find_place

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "node7", "MASTER_PORT": "4321"}
SLURM = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "123456"}


def test_torchrun():
    assert find_place("pytorch", TORCHRUN) == Place(1, 4, 1, "node7", 4321, hosted=False, start="0")
    agent = TORCHRUN | {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "2"}
    assert find_place("pytorch", agent) == Place(1, 4, 1, "node7", 4321, hosted=True, start="2")


def test_slurm():
    found = find_place("slurm", SLURM | {"MASTER_ADDR": "node3", "SLURM_STEP_ID": "9"})
    assert found == Place(5, 8, 1, "node3", 20_000 + 123456 % 20_000, hosted=False, start="9")
    assert find_place("slurm", SLURM | {"MASTER_ADDR": "node3", "MASTER_PORT": "77"}).port == 77


@pytest.mark.parametrize(
    ("launcher", "environment"),
    [("none", {}), ("none", {"WORLD_SIZE": "1"}), ("pytorch", TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1"})],
)
def test_a_single_process_is_alone(launcher, environment):
    assert find_place(launcher, environment) is None


@pytest.mark.parametrize(
    ("launcher", "environment", "message"),
    [
        ("none", TORCHRUN, "add --launcher pytorch"),
        ("pytorch", {}, "needs torchrun; start with torchrun .* anomaly_eval"),
        ("pytorch", {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "needs torchrun"),
        ("slurm", {}, "needs SLURM; start with srun"),
    ],
)
def test_a_launcher_that_did_not_start_this_is_refused(launcher, environment, message):
    with pytest.raises(InputError, match=message):
        find_place(launcher, environment)
