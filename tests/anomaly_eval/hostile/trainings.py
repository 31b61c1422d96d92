"""Rows of the table: labels and settings of trainings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from anomaly_eval.cli.main import main
from tests.anomaly_eval.hostile.bench import Bench, Prepare, Row
from tests.gmmseg.training.trainings import forget_earlier_trainings, write_training

RIGHT = np.zeros((64, 64), np.uint8)
RIGHT[30:] = 1
WRONG = np.where(RIGHT == 1, 9, RIGHT)
AMP = "optim_wrapper['type'] = 'AmpOptimWrapper'\n"


def words(bench: Bench, extra: str = "") -> list[str]:
    """Return the words of a small training whose config ends in these lines."""
    forget_earlier_trainings()
    config = write_training(bench.folder / "training", extra=extra)
    return ["train", str(config), "--out", str(bench.out), "--data-root", str(config.parent / "data")]


def label(pixels: np.ndarray, part: str = "train") -> Prepare:
    """Return how a row puts a label in the place of the second one."""

    def prepare(bench: Bench) -> list[str]:
        found = words(bench)
        Image.fromarray(pixels).save(bench.folder / "training" / "data" / "drawn" / "labels" / part / "1.png")
        return found

    return prepare


def of_both(pixels: np.ndarray) -> tuple[Prepare, Prepare]:
    """Return the same for a label of training and one of validation."""
    return label(pixels), label(pixels, "val")


def setting(extra: str) -> Prepare:
    """Return how a row changes the config."""
    return lambda bench: words(bench, extra)


def resumed(*options: str) -> Prepare:
    """Return how a row resumes a training with other settings, after it has kept its checkpoints in another folder."""

    def prepare(bench: Bench) -> list[str]:
        found = words(bench)
        place = found.index(str(bench.out))
        found[place] = str(bench.folder / "begun")
        assert main(found) == 0
        forget_earlier_trainings()
        return [*found, "--resume", "--cfg-options", *options]

    return prepare


def trained(count: int) -> Callable[[Bench], None]:
    """Return how to check that a training ended."""

    def check(bench: Bench) -> None:
        assert Path(bench.out, f"iter_{count}.pth").is_file()

    return check


ROWS = [
    Row(
        "a label for training or validation of another size than its image",
        2,
        "`is 64x64 pixels, its mask`, `128x128; give both at the same size`",
        of_both(RIGHT.repeat(2, 0).repeat(2, 1)),
        "1.png",
    ),
    Row(
        "a label for training or validation in colours",
        2,
        "`is a colour picture`",
        of_both(np.random.default_rng(0).integers(0, 3, (64, 64, 3), dtype=np.uint8)),
        "1.png",
    ),
    Row(
        "a label for training with a value that is no class",
        2,
        "`holds the value 9, but the network has 3 classes`, `by a step ReplaceLabels after LoadAnnotations`",
        label(WRONG),
        "train/1.png",
    ),
    Row(
        "a label for validation with a value that is no class",
        2,
        "`holds the value 9, but the network has 3 classes`, `by a step ReplaceLabels after LoadAnnotations`",
        label(WRONG, "val"),
        "val/1.png",
    ),
    Row(
        "a training that is resumed with another learning rate or schedule",
        2,
        "`cannot go on with other settings than it began with`, `resume with those, or start anew from its weights`",
        (resumed("optim_wrapper.optimizer.lr=0.1"), resumed("param_scheduler.0.power=2.0")),
        "iter_4.pth",
    ),
    Row(
        "class weights of another number than the classes",
        2,
        "`set class_weight of loss_decode to 3 numbers, or to None`",
        setting("loss['class_weight'] = [1.0, 2.0]\n"),
        "class weights",
    ),
    Row(
        "class weights beside pixels to ignore",
        0,
        "trained with the weights of the pixels that count",
        setting("loss['class_weight'] = [1.0, 2.0, 0.5]\n"),
        check=trained(4),
    ),
    Row(
        "pretrained weights that need a network",
        2,
        "`cannot be loaded`, `start from a file with --init-from, or from random weights with --cfg-options`",
        setting("model['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint='http://127.0.0.1:9/a.pth')\n"),
        "http://127.0.0.1:9/a.pth",
    ),
    Row(
        "mixed precision on a CPU",
        2,
        "`needs a GPU; on a CPU give --cfg-options optim_wrapper.type=BFloat16OptimWrapper`",
        setting(AMP),
        "AmpOptimWrapper",
        only_without_gpu=True,
    ),
]
