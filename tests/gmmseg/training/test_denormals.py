"""Trainings compute without denormal numbers, and leave the caller's own code as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmmseg.errors import InputError
from tests.denormals import probed, two_threads
from tests.gmmseg.training.trainings import train, write_training


def test_both_directions_flush_and_the_caller_does_not(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    with two_threads(), probed() as found:
        train(config, options=["train_cfg.max_iters=1", "train_dataloader.num_workers=1"])
    assert set(found["forward"]) == set(found["backward"]) == {0}


def test_the_caller_does_not_flush_after_a_training_that_fails(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    with two_threads(), probed() as found, pytest.raises(InputError, match="the loss is nan"):
        train(config, options=["model.decode_head.loss_decode.loss_weight=nan"])
    assert set(found["forward"]) == {0}
