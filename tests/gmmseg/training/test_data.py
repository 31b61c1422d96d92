"""Where datasets lie, and what is checked of them before a training starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from gmmseg.errors import InputError
from gmmseg.training.data import replace_data_root
from tests.gmmseg.training.trainings import train, write_training


def test_the_leading_data_of_every_dataset_is_replaced() -> None:
    parts = dict(type="ConcatDataset", datasets=[dict(data_root="data/ade"), dict(data_root="./data/b/c")])
    config = Config(
        dict(
            data_root="data/cityscapes/",
            train_dataloader=dict(dataset=dict(data_root="data/cityscapes/")),
            val_dataloader=dict(dataset=parts),
            test_dataloader=dict(dataset=dict(data_root="/elsewhere/data")),
            other=dict(data_root="database/x"),
        )
    )
    replace_data_root(config, Path("/sets"))
    assert config.data_root == config.train_dataloader.dataset.data_root == "/sets/cityscapes"
    assert [part.data_root for part in config.val_dataloader.dataset.datasets] == ["/sets/ade", "/sets/b/c"]
    assert config.test_dataloader.dataset.data_root == "/elsewhere/data"
    assert config.other.data_root == "database/x"


def test_nothing_to_replace_is_said() -> None:
    with pytest.raises(InputError, match="nothing to replace"):
        replace_data_root(Config(dict(data_root="/absolute")), Path("/sets"))


def assert_refused(config: Path, message: str, **settings: object) -> None:
    with pytest.raises(InputError, match=message):
        train(config, **settings)
    assert not (config.parent / "out").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    assert_refused(config, r"no folder .*nowhere/drawn; .*--data-root", data_root=tmp_path / "nowhere")


def test_a_missing_folder_of_images_is_named(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    (tmp_path / "data" / "drawn" / "images" / "train").rename(tmp_path / "data" / "drawn" / "images" / "other")
    assert_refused(config, r"train dataset .* is incomplete: there is no [^\['\"]*images/train; check --data-root")


def test_an_empty_dataset_is_named(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    for path in (tmp_path / "data" / "drawn" / "images" / "val").iterdir():
        path.unlink()
    assert_refused(config, r"the val dataset has no image in .*images/val")


def test_missing_labels_are_counted_and_named(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    for index in (1, 3):
        (tmp_path / "data" / "drawn" / "labels" / "train" / f"{index}.png").unlink()
    assert_refused(config, r"2 of the files of the train dataset's 5 images are missing, the first is .*train/1\.png")


def test_other_classes_than_the_network_s_are_refused(tmp_path: Path) -> None:
    options = ["model.decode_head.num_classes=4"]
    assert_refused(write_training(tmp_path), "has 3 classes, but the decode head 4", options=options)
