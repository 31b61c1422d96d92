"""Labels that do not belong to their image or their network are refused by their file, before the first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations
from numpy.typing import NDArray
from PIL import Image

from gmmseg.errors import InputError
from gmmseg.training import data
from gmmseg.training.labels import LoadCheckedLabels
from tests.gmmseg.training.trainings import losses, train, write_training

RIGHT = np.zeros((64, 64), np.uint8)
RIGHT[30:] = 1
RIGHT[:, :2] = 255
WRONG = RIGHT.copy()
WRONG[0, 60:] = (3, 7, 7, 9)
COLOURS = np.random.default_rng(0).integers(0, 3, (64, 64, 3), dtype=np.uint8)


def save(pixels: NDArray[Any], suffix: str = "png", **options: Any) -> Callable[[Path], None]:
    """Return how to put a picture in the place of another, whatever its suffix says."""
    return lambda path: Image.fromarray(pixels).save(path, suffix, **options)


def save_as(mode: str) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(RIGHT).convert(mode).save(path)


def save_with_palette(path: Path) -> None:
    image = Image.fromarray(RIGHT)
    image.putpalette([200, 10, 30, 7, 7, 7, 0, 255, 0] + [9, 9, 9] * 253)
    image.save(path)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 3
    return exif


REFUSED = [
    ("double", save(RIGHT.repeat(2, 0).repeat(2, 1)), r"is 64x64 pixels, its mask .* 128x128; give both at the same"),
    ("smaller", save(RIGHT[::2, ::2]), "64x64 pixels, its mask .* 32x32"),
    ("turned", save(RIGHT[:, :40].T.copy()), "64x64 pixels, its mask .* 64x40"),
    ("colours", save(COLOURS), "is a colour picture"),
    ("a class too much", save(WRONG), r"holds the values 3, 7, 9, but the network has 3 classes, and 255 is ignored"),
    ("16 bits", save(RIGHT.astype(np.uint16) * 256), r"holds the value 65280; labels for training are 0 to 255"),
    ("16 bits of other values", save(RIGHT.astype(np.uint16) + 1), "holds the values? .*256"),
    ("JPEG", save(RIGHT, "jpeg"), "is compressed with loss"),
    ("real numbers", save(RIGHT.astype(np.float32), "tiff"), "has the pixel format F"),
    ("EXIF", save(RIGHT, exif=turned()), "has the EXIF orientation 3"),
    ("several", save(RIGHT, "tiff", save_all=True, append_images=[Image.fromarray(RIGHT)]), "holds several pictures"),
    ("empty", lambda path: path.write_bytes(b""), "is empty; replace the file"),
    ("no picture", lambda path: path.write_bytes(b"<html>"), "is not an image in PNG"),
    ("cut off", lambda path: path.write_bytes(path.read_bytes()[:-60]), "cannot be read"),
]
ACCEPTED = [
    ("a palette", save_with_palette),
    ("equal channels", save_as("RGB")),
    ("transparency", save_as("RGBA")),
    ("16 bits", save(RIGHT.astype(np.uint16))),
    ("TIFF", save(RIGHT, "tiff")),
]


def cases(rows: list[Any]) -> Any:
    return pytest.mark.parametrize("row", [pytest.param(row[1:], id=row[0]) for row in rows])


def label_of(folder: Path, part: str) -> Path:
    return folder / "data" / "drawn" / "labels" / part / "1.png"


@pytest.mark.parametrize("part", ["train", "val"])
@cases(REFUSED)
def test_labels_that_do_not_fit_are_refused_before_anything_starts(row: Any, part: str, tmp_path: Path) -> None:
    put, told = row
    config = write_training(tmp_path)
    put(label_of(tmp_path, part))
    with pytest.raises(InputError, match=told) as error:
        train(config)
    message = str(error.value)
    assert f"{part}/1.png" in message and "\n" not in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", ["train", "val"])
def test_labels_without_a_pixel_that_counts_are_refused(part: str, tmp_path: Path) -> None:
    config = write_training(tmp_path)
    for path in label_of(tmp_path, part).parent.iterdir():
        save(np.full((64, 64), 255, np.uint8))(path)
    with pytest.raises(InputError, match=f"all labels of {part} hold nothing but 255, which is ignored"):
        train(config)
    # One that counts is enough.
    save(RIGHT)(label_of(tmp_path, part))
    train(config)


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("workers", [0, 1])
def test_labels_of_large_sets_are_refused_when_they_are_read(
    part: str, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "_READ_AT_ONCE", 0)
    config = write_training(tmp_path)
    for index in range(5 if part == "train" else 2):
        save(np.full((64, 64), 7, np.uint8))(label_of(tmp_path, part).with_name(f"{index}.png"))
    options = [f"{part}_dataloader.num_workers={workers}", "train_cfg.max_iters=1"]
    with pytest.raises(InputError, match=r"^the label \S*\d\.png holds the value 7, but .*num_classes\.$"):
        train(config, options=options)


@cases(ACCEPTED)
def test_labels_in_other_forms_are_what_they_say(row: Any, tmp_path: Path) -> None:
    (put,) = row
    path = tmp_path / "label.png"
    put(path)
    results: dict[str, Any] = {"seg_map_path": str(path), "reduce_zero_label": False, "seg_fields": []}
    np.testing.assert_array_equal(LoadCheckedLabels()(results)["gt_seg_map"], RIGHT)


@pytest.mark.parametrize("reduce", [False, True])
@pytest.mark.parametrize("label_map", [None, {0: 1, 1: 0, 7: 255}])
def test_labels_are_those_of_mmsegmentation(reduce: bool, label_map: dict[int, int] | None, tmp_path: Path) -> None:
    save(np.arange(256, dtype=np.uint8).reshape(16, 16))(tmp_path / "label.png")
    seen = []
    for step in (LoadAnnotations(), LoadCheckedLabels()):
        results = {"seg_map_path": str(tmp_path / "label.png"), "reduce_zero_label": reduce, "seg_fields": []}
        seen.append(step({**results, "label_map": label_map})["gt_seg_map"])
    np.testing.assert_array_equal(*seen)
    assert seen[0].dtype == seen[1].dtype


def test_an_image_that_readers_would_turn_is_refused(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    image = tmp_path / "data" / "drawn" / "images" / "train" / "1.png"
    Image.open(image).convert("RGB").save(image, "jpeg", exif=turned())
    with pytest.raises(InputError, match=r"train/1\.png has the EXIF orientation 3"):
        train(config)


def test_what_the_metric_ignores_may_stand_in_validation(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    save(np.where(RIGHT == 255, 7, RIGHT))(label_of(tmp_path, "val"))
    with pytest.raises(InputError, match=r"val/1\.png holds the value 7"):
        train(config)
    for path in label_of(tmp_path, "val").parent.iterdir():
        save(np.where(RIGHT == 255, 7, RIGHT))(path)
    train(config, options=["val_evaluator.ignore_index=7"])


def test_the_remedy_for_other_values_works(tmp_path: Path) -> None:
    extra = "\n".join(
        f"{part}_dataloader['dataset']['pipeline'].insert(2, dict(type='ReplaceLabels', values={{3: 255, 7: 0, 9: 2}}))"
        for part in ("train", "val")
    )
    config = write_training(tmp_path, extra=f"{extra}\n")
    for part in ("train", "val"):
        save(WRONG)(label_of(tmp_path, part))
    train(config)
    assert len(losses(tmp_path / "out")) == 4


def test_other_loaders_keep_their_ways(tmp_path: Path) -> None:
    extra = "for part in (train_dataloader, val_dataloader): part['dataset']['pipeline'][1]['imdecode_backend'] = 'cv2'"
    train(write_training(tmp_path, extra=f"{extra}\n"))
    assert len(losses(tmp_path / "out")) == 4
