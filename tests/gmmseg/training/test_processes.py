"""Several processes train the network that one would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gmmseg.errors import InputError
from gmmseg.training.launch import processes
from tests.gmmseg.training.trainings import UNFORMATTING, losses, train, write_training

# Every process writes what it has at the end, not only the first.
WRITING = f"""{UNFORMATTING}
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class WritingHook(Hook):
    def after_train(self, runner):
        model = getattr(runner.model, "module", runner.model)
        torch.save(model.state_dict(), f"{{runner.work_dir}}/rank{{get_rank()}}.pth")
"""
EXTRA = """
custom_imports["imports"].append("writing")
custom_hooks = [dict(type="WritingHook")]
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01))
# So that the mean over processes is the mean over all pixels.
loss["avg_non_ignore"] = False
model["decode_head"]["dropout_ratio"] = 0
train_cfg["max_iters"] = 5
"""
FULL = """
model["decode_head"]["mixture"].update(covariance="full", margin_loss_weight=1.0, softmax_loss_weight=1.0)
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU each process wants its own")
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_two_processes_learn_the_mixtures_of_one(
    covariance: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "writing.py").write_text(WRITING)
    config = write_training(tmp_path, extra=EXTRA + (FULL if covariance == "full" else ""))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    words = ["train", str(config), "--out", str(tmp_path / "two"), "--data-root", str(tmp_path / "data")]
    surroundings = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [*torchrun, "-m", "anomaly_eval", *words, "--launcher", "pytorch"],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Weights: ") == 1
    monkeypatch.syspath_prepend(tmp_path)
    train(config, out=tmp_path / "one", options=["train_dataloader.batch_size=4"])

    first, second = (torch.load(tmp_path / "two" / f"rank{rank}.pth") for rank in (0, 1))
    alone = torch.load(tmp_path / "one" / "weights.pth", weights_only=True)["state_dict"]
    mixtures = [name for name in alone if ".mixtures." in name]
    assert len(mixtures) == (5 if covariance == "full" else 4)
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in mixtures:
        scale = float(alone[name].abs().max())
        assert (first[name] - alone[name]).abs().max() < 1e-5 * max(scale, 1), name
    assert losses(tmp_path / "two").keys() == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("launcher", "surroundings", "message"),
    [
        ("none", {"WORLD_SIZE": "2"}, "add --launcher pytorch"),
        ("pytorch", {}, "needs torchrun"),
        ("slurm", {}, "needs SLURM"),
    ],
)
def test_a_launcher_that_did_not_start_this_is_refused(
    launcher: str, surroundings: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message), processes(launcher):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_slurm_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PROCID", "0"), ("NTASKS", "2"), ("LOCALID", "0")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(InputError, match="slurm needs a GPU"), processes("slurm"):
        pass
