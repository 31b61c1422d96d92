"""Which file belongs to which image."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.matching import list_maps, match


def samples_of(*names: tuple[str, str, str]) -> SampleSet:
    card, variant = load_card("road_anomaly")
    samples = tuple(Sample(id, Path("images") / image, Path("labels") / label, b"") for id, image, label in names)
    return SampleSet(card, variant, "flat", samples)


THREE = samples_of(("a", "a.png", "a.png"), ("b", "b.png", "b.png"), ("c.d", "c.d.png", "c.d.png"))
RELEASED = samples_of(
    ("02_a", "02_a_leftImg8bit.png", "0001_02_a_labels.png"), ("04 b", "04 b_leftImg8bit.png", "0002_04 b_labels.png")
)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def matched(samples: SampleSet, folder: Path) -> dict[str, str]:
    found = match(samples, folder, list_maps(folder))
    return {id: path.relative_to(folder).as_posix() for id, path in found.files.items()}


@pytest.mark.parametrize("suffix", ["npy", "NPZ", "tif", "TIFF", "h5", "hdf5"])
def test_files_are_called_like_ids(tmp_path, suffix):
    touch(tmp_path, f"a.{suffix}", f"b.{suffix}", f"c.d.{suffix}", "readme.txt", ".hidden.npy", ".cache/a.npy")
    assert matched(THREE, tmp_path) == {"a": f"a.{suffix}", "b": f"b.{suffix}", "c.d": f"c.d.{suffix}"}


@pytest.mark.parametrize(
    "names",
    [
        ("02_a.npy", "04 b.npy"),
        ("02_a.npy", "04_b.npy"),
        ("city/02_a_leftImg8bit.npy", "town/04 b_leftImg8bit.npy"),
        ("0001_02_a_labels.npy", "0002_04 b_labels.npy"),
    ],
)
def test_files_may_be_called_as_images_and_labels_are_released(tmp_path, names):
    assert list(matched(RELEASED, touch(tmp_path, *names)).values()) == list(names)


def test_a_name_that_all_labels_share_stands_for_none(tmp_path):
    samples = samples_of(("a", "a.jpg", "labels_semantic.png"), ("b", "b.jpg", "labels_semantic.png"))
    touch(tmp_path, "a.npy", "b.npy", "labels_semantic.npy")
    assert match(samples, tmp_path, list_maps(tmp_path)).surplus == ["labels_semantic.npy"]


def test_ids_come_before_names_of_images(tmp_path):
    samples = samples_of(("a", "b.png", "1.png"), ("b", "a.png", "2.png"))
    assert matched(samples, touch(tmp_path, "a.npy", "b.npy")) == {"a": "a.npy", "b": "b.npy"}


def test_missing_files_are_named_and_so_are_those_that_fit_nothing(tmp_path):
    touch(tmp_path, "a.npy", "b_score.npy", "c_score.npy")
    with pytest.raises(InputError) as error:
        matched(THREE, tmp_path)
    for words in (str(tmp_path), "2 of the 3 images of road_anomaly: b, c.d", "b_score.npy, c_score.npy", ".hdf5"):
        assert words in str(error.value)


def test_long_lists_are_cut(tmp_path):
    many = samples_of(*((str(i), f"{i}.png", f"{i}.png") for i in range(40)))
    with pytest.raises(
        InputError, match=r"any of the 40 images of road_anomaly: 0, 1, 2, 3, 4 and 35 more; there must"
    ):
        matched(many, tmp_path)


def test_two_files_for_one_image_are_refused(tmp_path):
    touch(tmp_path, "a.npy", "b.npy", "c.d.npy", "deeper/b.tif")
    with pytest.raises(InputError, match=r"b.npy and .*deeper/b.tif are both called like the image b"):
        matched(THREE, tmp_path)
