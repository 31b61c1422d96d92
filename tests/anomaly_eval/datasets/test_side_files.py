"""What lies beside images and masks on the disks of users, and is neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomaly_eval.errors import InputError
from tests.anomaly_eval.datasets.drawn_files import draw, draw_pair, find, ids

BESIDE = (
    ".DS_Store",
    "._0.png",
    ".0.png.swp",
    "Thumbs.db",
    "THUMBS.DB",
    "Desktop.ini",
    "0.png~",
    "0.bak",
    "0.png.bak",
    "0.png.orig",
    "0.png.swp",
    "0.png.part",
    "0.png.tmp",
    "#0.png#",
    "0.png:Zone.Identifier",
    "0.png.aux.xml",
    "0.json",
    "0.txt",
    "0.xcf",
    "1.json",
    "README.md",
    "checksums.sha256",
)


@pytest.mark.parametrize("name", BESIDE)
def test_files_beside_images_and_masks_are_neither(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "road_anomaly"
    draw_pair(folder / "images/0.jpg", folder / "labels_masks/0.png")
    for kind in ("images", "labels_masks"):
        (folder / kind / name).write_text("no picture")
    found = find("road_anomaly", tmp_path)
    assert (ids(found), found.samples[0].label.name) == (["0"], "0.png")


@pytest.mark.parametrize("end", ["_color", "_colour"])
def test_coloured_copies_beside_masks_are_no_masks(tmp_path: Path, end: str) -> None:
    folder = tmp_path / "road_anomaly"
    draw_pair(folder / "images/0.jpg", folder / "labels_masks/0.png")
    draw(folder / f"labels_masks/0{end}.png")
    assert ids(find("road_anomaly", tmp_path)) == ["0"]
    # Where an image is called so, it is a mask like others.
    draw(folder / f"images/0{end}.jpg")
    assert ids(find("road_anomaly", tmp_path)) == ["0", f"0{end}"]
    # Of nothing that is there, it is a mask without image.
    alone = draw(folder / f"labels_masks/1{end}.png")
    with pytest.raises(InputError, match=f"the mask {alone} has no image; .*: add the image, or remove the mask"):
        find("road_anomaly", tmp_path)
    alone.unlink()
    assert len(ids(find("road_anomaly", tmp_path))) == 2


@pytest.mark.parametrize("name", ["0.image", "0", "0.png1"])
def test_an_image_without_the_suffix_of_a_picture_is_missed_and_not_skipped(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "road_anomaly"
    draw_pair(folder / "images/0.png", folder / "labels_masks/0.png")
    (folder / "images/0.png").rename(folder / "images" / name)
    with pytest.raises(InputError, match=r"0\.png has no image; expected .*/images/0\.\* with the suffix of a picture"):
        find("road_anomaly", tmp_path)
    (folder / "images" / name).rename(folder / "images/0.PNG")
    assert ids(find("road_anomaly", tmp_path)) == ["0"]


@pytest.mark.parametrize(("image", "mask"), [("0.JPG", "0.PNG"), ("0.Jpeg", "0.Png"), ("Straße 1 (2).JPG",) * 2])
def test_suffixes_may_be_in_capitals(tmp_path: Path, image: str, mask: str) -> None:
    folder = tmp_path / "road_anomaly"
    draw_pair(folder / "images/x.png", folder / "labels_masks/x.png")
    (folder / "images/x.png").rename(folder / "images" / image)
    (folder / "labels_masks/x.png").rename(folder / "labels_masks" / mask)
    assert ids(find("road_anomaly", tmp_path)) == [Path(image).stem]


def test_suffixes_that_a_card_names_may_be_in_capitals_too(tmp_path: Path) -> None:
    released = tmp_path / "RoadAnomaly/frames"
    draw_pair(released / "a b.jpg", released / "a b.labels/x.png")
    (released / "a b.labels/x.png").rename(released / "a b.labels/labels_semantic.PNG")
    assert ids(find("road_anomaly", tmp_path)) == ["a b"]
    twenty_one = tmp_path / "dataset_AnomalyTrack"
    draw_pair(twenty_one / "images/validation0.png", twenty_one / "labels_masks/x.png")
    (twenty_one / "labels_masks/x.png").rename(twenty_one / "labels_masks/validation0_labels_semantic.PNG")
    draw(twenty_one / "labels_masks/validation0_labels_semantic_color.png")
    (found,) = find("smiyc_road_anomaly21", tmp_path).samples
    assert found.label.name == "validation0_labels_semantic.PNG"


def test_names_in_other_capitals_are_other_names(tmp_path: Path) -> None:
    folder = tmp_path / "road_anomaly"
    draw_pair(folder / "images/a.png", folder / "labels_masks/A.png")
    if not (folder / "images/A.png").exists():
        with pytest.raises(InputError, match=r"A\.png has no image"):
            find("road_anomaly", tmp_path)
