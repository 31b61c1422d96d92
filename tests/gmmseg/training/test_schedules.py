"""Every schedule and optimiser leaves checkpoints that training goes on from, and that evaluation reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmmseg.checkpoints import load_checkpoint
from tests.gmmseg.training.trainings import losses, train, write_training

SCHEDULES = {
    "one cycle": "type='OneCycleLR', eta_max=0.1, total_steps=8, by_epoch=False",
    "one cycle of lines": "type='OneCycleLR', eta_max=0.1, total_steps=8, anneal_strategy='linear', by_epoch=False",
    "plateau": "type='ReduceOnPlateauLR', monitor='mIoU', rule='greater', patience=0",
    "restarts": "type='CosineRestartLR', periods=[3, 5], restart_weights=[1, 0.5], eta_min=0.001, by_epoch=False",
    "cosine": "type='CosineAnnealingLR', by_epoch=False",
    "exponential": "type='ExponentialLR', gamma=0.9, by_epoch=False",
    "steps": "type='StepLR', step_size=2, by_epoch=False",
    "milestones": "type='MultiStepLR', milestones=[2, 5], by_epoch=False",
    "line": "type='LinearLR', by_epoch=False",
    "constant": "type='ConstantLR', by_epoch=False",
    "momentum": "type='CosineAnnealingMomentum', by_epoch=False",
    "by epochs": "type='LinearLR', by_epoch=True, convert_to_iter_based=True, end=3",
}
OPTIMISERS = (
    "SGD",
    "Adam",
    "AdamW",
    "NAdam",
    "RAdam",
    "Adamax",
    "Adagrad",
    "Adadelta",
    "RMSprop",
    "Rprop",
    "ASGD",
)


def check(config: Path) -> None:
    options = ["train_cfg.max_iters=8", "train_cfg.val_interval=2"]
    folder = config.parent
    train(config, options=options)
    whole = losses(folder / "out")
    (folder / "out" / "iter_8.pth").unlink()
    assert load_checkpoint(folder / "out" / "iter_4.pth").weights
    train(config, options=options, resume=True)
    assert losses(folder / "out") == whole and len(whole) == 8


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_schedules(schedule: str, tmp_path: Path) -> None:
    check(write_training(tmp_path, extra=f"param_scheduler = dict({schedule})\n"))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers(name: str, tmp_path: Path) -> None:
    extra = f"optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='{name}', lr=0.001))\n"
    check(write_training(tmp_path, extra=extra))
