"""Cityscapes at a small size: which files make a frame, and what is left of their pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gmmseg.cityscapes import LoadSmallFrame, SmallCityscapes
from gmmseg.errors import InputError


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def genuine(root: Path) -> None:
    for city, frame in (("ulm", "000001_000019"), ("aachen", "000000_000019")):
        name = f"{city}_{frame}"
        write(root / f"leftImg8bit/train/{city}/{name}_leftImg8bit.png", np.zeros((8, 16, 3), np.uint8))
        write(root / f"gtFine/train/{city}/{name}_gtFine_labelTrainIds.png", np.zeros((8, 16), np.uint8))
        write(root / f"gtFine/train/{city}/{name}_gtFine_color.png", np.zeros((8, 16, 3), np.uint8))


def flat(root: Path) -> None:
    for name in ("0002", "0001"):
        write(root / f"images/train/{name}.jpg", np.zeros((8, 8, 3), np.uint8))
        write(root / f"annotations/train/{name}.png", np.zeros((8, 8), np.uint8))


def test_the_genuine_tree(tmp_path: Path) -> None:
    genuine(tmp_path)
    dataset = SmallCityscapes(split="train", data_root=str(tmp_path), pipeline=[])
    assert [Path(dataset.get_data_info(index)["img_path"]).name for index in range(len(dataset))] == [
        "aachen_000000_000019_leftImg8bit.png",
        "ulm_000001_000019_leftImg8bit.png",
    ]
    for index in range(2):
        info = dataset.get_data_info(index)
        assert Path(info["seg_map_path"]).is_file()
        assert info["seg_map_path"].endswith("_gtFine_labelTrainIds.png")
    assert len(dataset.metainfo["classes"]) == 19


def test_the_flat_copy(tmp_path: Path) -> None:
    flat(tmp_path)
    dataset = SmallCityscapes(split="train", data_root=str(tmp_path), pipeline=[])
    found = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [Path(info["img_path"]).name for info in found] == ["0001.jpg", "0002.jpg"]
    assert [Path(info["seg_map_path"]).name for info in found] == ["0001.png", "0002.png"]


def test_no_layout_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="neither leftImg8bit/val nor images/val"):
        SmallCityscapes(split="val", data_root=str(tmp_path), pipeline=[])


def frame(root: Path, image: np.ndarray, labels: np.ndarray) -> dict[str, object]:
    write(root / "image.png", image)
    write(root / "labels.png", labels)
    return dict(img_path=str(root / "image.png"), seg_map_path=str(root / "labels.png"), seg_fields=[])


def test_a_large_frame_is_averaged_and_its_labels_are_picked(tmp_path: Path) -> None:
    image = np.kron(np.arange(8, dtype=np.uint8).reshape(2, 4, 1) * 20, np.ones((4, 4, 3), np.uint8))
    image[0, 0] = 160
    labels = np.kron(np.arange(8, dtype=np.uint8).reshape(2, 4), np.ones((4, 4), np.uint8))
    load = LoadSmallFrame(size=(4, 2))
    results = load.transform(frame(tmp_path, image, labels))
    expected = np.arange(8).reshape(2, 4, 1) * 20 * np.ones(3)
    expected[0, 0] = 10  # a sixteenth of 160
    np.testing.assert_array_equal(results["img"], expected)
    np.testing.assert_array_equal(results["gt_seg_map"], np.arange(8).reshape(2, 4))
    assert results["img_shape"] == results["ori_shape"] == (2, 4)
    assert results["seg_fields"] == ["gt_seg_map"]


def test_a_squashed_frame_gets_its_shape_back(tmp_path: Path) -> None:
    image, labels = np.zeros((4, 2, 3), np.uint8), np.array([[1, 2]] * 4, np.uint8)
    image[:, 1] = 100
    results = LoadSmallFrame(size=(4, 4)).transform(frame(tmp_path, image, labels))
    np.testing.assert_array_equal(results["img"][0, :, 0], [0, 25, 75, 100])
    np.testing.assert_array_equal(results["gt_seg_map"][0], [1, 1, 2, 2])


def test_a_file_is_read_once_and_later_steps_cannot_change_it(tmp_path: Path) -> None:
    given = frame(tmp_path, np.full((2, 4, 3), 7, np.uint8), np.ones((2, 4), np.uint8))
    load = LoadSmallFrame(size=(4, 2))
    first = load.transform(dict(given))
    first["img"][:], first["gt_seg_map"][:] = 0, 0
    Path(str(given["img_path"])).unlink()
    second = load.transform(dict(given))
    assert (second["img"] == 7).all() and (second["gt_seg_map"] == 1).all()


def test_labels_with_a_palette_are_their_indices(tmp_path: Path) -> None:
    given = frame(tmp_path, np.zeros((2, 4, 3), np.uint8), np.zeros((2, 4), np.uint8))
    labels = Image.fromarray(np.arange(8, dtype=np.uint8).reshape(2, 4), mode="P")
    labels.putpalette([value for index in range(256) for value in (index, 255 - index, 0)])
    labels.save(tmp_path / "labels.png")
    found = LoadSmallFrame(size=(4, 2)).transform(given)["gt_seg_map"]
    np.testing.assert_array_equal(found, np.arange(8).reshape(2, 4))


def test_files_that_cannot_be_read_or_do_not_fit(tmp_path: Path) -> None:
    colours = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    given = frame(tmp_path, np.zeros((2, 4, 3), np.uint8), colours)
    load = LoadSmallFrame(size=(4, 2))
    with pytest.raises(InputError, match=r"mask .*labels\.png is a colour picture"):
        load.transform(given)
    Image.fromarray(np.full((2, 4), 300, np.uint16)).save(tmp_path / "labels.png")
    with pytest.raises(InputError, match=r"mask .*labels\.png holds the value 300"):
        load.transform(given)
    Image.fromarray(np.zeros((4, 8), np.uint8)).save(tmp_path / "labels.png")
    with pytest.raises(
        InputError, match=r"image\.png is 4x2 pixels, its mask .*labels\.png 8x4; give both at the same"
    ):
        load.transform(given)
    (tmp_path / "image.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"image\.png cannot be read"):
        load.transform(given)
    (tmp_path / "labels.png").unlink()
    with pytest.raises(InputError, match=r"there is no file .*labels\.png"):
        load.transform(given)
