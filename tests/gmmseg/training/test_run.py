"""Whole trainings: what they write and log, and how they end when something is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gmmseg.checkpoints import load_checkpoint
from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.settings import MixtureSettings
from gmmseg.training.watching import live_line
from tests.gmmseg.training.trainings import CLASSES, SOFTMAX, losses, scalars, train, write_training


def test_the_mixtures_are_logged_in_every_interval(trained: Path) -> None:
    logged = scalars(trained / "out")
    names = {name for name in logged[1] if name.startswith("mixture/")}
    assert names == {
        "mixture/em_log_likelihood",
        "mixture/live_components",
        "mixture/live_components_min",
        "mixture/deviation_min",
        "mixture/deviation_max",
        "mixture/memory_fill",
        "mixture/reseeded",
        "mixture/em_share",
    }
    assert all(names <= logged[step].keys() for step in range(1, 11))
    assert all(0 < logged[step]["mixture/em_share"] < 1 for step in range(1, 11))
    assert logged[10]["mixture/memory_fill"] > logged[1]["mixture/memory_fill"] > 0
    assert 0 <= logged[10]["mIoU"] <= 100


def test_the_exported_weights_are_the_last_ones_and_nothing_else(trained: Path) -> None:
    exported = torch.load(trained / "out" / "weights.pth", weights_only=True)
    assert exported.keys() == {"meta", "state_dict"}
    last = torch.load(trained / "out" / "iter_10.pth", weights_only=False)["state_dict"]
    assert exported["state_dict"].keys() == last.keys()
    assert all(torch.equal(exported["state_dict"][name], last[name]) for name in last)
    checkpoint = load_checkpoint(trained / "out" / "weights.pth")
    assert checkpoint.classes == CLASSES
    # The config is the user's, without what training inserted.
    assert "GMMSegHead" in checkpoint.meta["cfg"] and "SeededSamples" not in checkpoint.meta["cfg"]


def test_the_config_in_the_work_dir_trains_again(trained: Path, tmp_path: Path) -> None:
    options = ["train_cfg.max_iters=2"]
    train(trained / "out" / "tiny.py", out=tmp_path / "out", data_root=None, options=options)
    first, again = losses(trained / "out"), losses(tmp_path / "out")
    assert again == {step: first[step] for step in (1, 2)}


def test_the_same_seed_gives_the_same_losses_and_another_one_does_not(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(config, out=tmp_path / out, seed=seed, options=["train_cfg.max_iters=2"])
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    assert losses(tmp_path / "a") != losses(tmp_path / "c")


def test_a_softmax_network_trains_too(tmp_path: Path) -> None:
    options = ["train_cfg.max_iters=2", "train_dataloader.num_workers=1"]
    visualizer = 'visualizer = dict(type="SegLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")], name="v")\n'
    train(write_training(tmp_path, extra=SOFTMAX + visualizer), options=options)
    assert losses(tmp_path / "out").keys() == {1, 2}
    assert not [name for name in scalars(tmp_path / "out")[1] if name.startswith("mixture")]


def test_a_full_folder_is_not_written_into(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    (tmp_path / "out" / "iter_99.pth").write_text("of another training")
    with pytest.raises(InputError, match="not empty; go on with --resume, start anew with --overwrite"):
        train(config)
    for mistake in ("model.decode_head.mixture.componets=3", "optim_wrapper.optimizer.lr=x", "train_cfg.max_iters=0"):
        with pytest.raises(InputError):
            train(config, overwrite=True, options=[mistake])
        assert (tmp_path / "out" / "iter_99.pth").read_text() == "of another training"
    train(config, overwrite=True, options=["train_cfg.max_iters=1"])
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert {path.name for path in (tmp_path / "out").glob("*.pth")} == {"iter_1.pth", "weights.pth"}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("model.decode_head=5", "cannot be understood"),
        ("model.decode_head.mixture=paper", "give a dictionary"),
        ("default_hooks.checkpoint.interval=abc", "cannot be understood"),
        ("model.decode_head.in_index=1", "first training step failed"),
        ("train_cfg.max_iters=0", "max_iters is 0"),
    ],
)
def test_settings_that_cannot_work_are_one_sentence(option: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        train(write_training(tmp_path), options=[option])


def test_a_file_is_no_work_dir(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is no folder"):
        train(write_training(tmp_path), overwrite=True)


def test_resuming_and_starting_from_other_weights_is_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave --init-from out"):
        train(tmp_path / "tiny.py", resume=True, init_from=tmp_path / "a.pth")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("extra", ["", SOFTMAX])
def test_labels_outside_the_classes_stop_the_training(workers: int, extra: str, tmp_path: Path) -> None:
    config = write_training(tmp_path, images=1, extra=extra)
    label = tmp_path / "data" / "drawn" / "labels" / "train" / "0.png"
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(label)
    with pytest.raises(InputError) as error:
        train(config, options=[f"train_dataloader.num_workers={workers}"])
    message = str(error.value)
    assert message.startswith("the label ") and "labels/train/0.png holds the value 7, but" in message
    assert "\n" not in message


def test_an_image_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    config = write_training(tmp_path, images=1)
    (tmp_path / "data" / "drawn" / "images" / "train" / "0.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"images/train/0\.png is not an image in PNG") as error:
        train(config)
    assert "\n" not in str(error.value)


def test_a_loss_that_is_no_number_stops_the_training_before_a_checkpoint(tmp_path: Path) -> None:
    options = ["model.decode_head.loss_decode.loss_weight=nan", "default_hooks.checkpoint.interval=1"]
    with pytest.raises(InputError, match="the loss is nan in training iteration 1; start anew with a lower"):
        train(write_training(tmp_path), options=options)
    assert not list((tmp_path / "out").glob("*.pth"))


def test_settings_that_cannot_be_built_are_refused_in_one_sentence(tmp_path: Path) -> None:
    for option in ("model.backbone.type=NoNet", "model.decode_head.mixture.componentz=2", "train_cfg.max_itres=2"):
        with pytest.raises(InputError) as error:
            train(write_training(tmp_path), options=[option])
        assert not (tmp_path / "out").exists()
        assert option.split(".")[-1].split("=")[0] in str(error.value) or "NoNet" in str(error.value)
        assert "\n" not in str(error.value)


def test_live_components_are_told_in_a_line() -> None:
    classifier = GMMClassifier(4, 4, MixtureSettings(components=5, dimensions=2))
    assert classifier.em is not None
    classifier.mixtures.updates += 1
    classifier.em.idle[1, :2] = 1000
    classifier.em.idle[3, 0] = 1000
    assert live_line(classifier, ["a", "b", "c"]) == "5 of 5 in 2 classes; 4 of 5 in 3; 3 of 5 in b"
