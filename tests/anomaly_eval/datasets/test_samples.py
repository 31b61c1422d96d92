"""Every layout that users have on disk is found, and every file that is wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import (
    DATA_VARIABLE,
    Sample,
    SampleSet,
    check_same_size,
    resolve_data_root,
    scan_samples,
)
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from tests.anomaly_eval.datasets.drawn_files import draw, draw_pair, find, ids, label_of
from tests.shared_data import shared_data


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A folder of one good Road Anomaly pair."""
    folder = tmp_path / "road_anomaly"
    draw_pair(folder / "images/0.jpg", folder / "labels_masks/0.png")
    return folder


def test_image_without_mask(pair: Path) -> None:
    alone = draw(pair / "images/1.jpg")
    with pytest.raises(InputError) as caught:
        find("road_anomaly", pair.parent)
    assert f"the image {alone} has no mask; expected {pair}/labels_masks/1.*" in str(caught.value)


def test_mask_without_image(pair: Path) -> None:
    alone = draw(pair / "labels_masks/1.png")
    with pytest.raises(InputError) as caught:
        find("road_anomaly", pair.parent)
    assert f"the mask {alone} has no image; expected {pair}/images/1.*" in str(caught.value)


def test_fishyscapes_mask_without_image(tmp_path: Path) -> None:
    alone = draw(tmp_path / "fishyscapes_lostandfound/0000_a_labels.png")
    with pytest.raises(InputError, match=f"{alone} has no image"):
        find("fishyscapes", tmp_path)


def test_two_files_with_one_id(pair: Path) -> None:
    other = draw(pair / "images/0.png", np.zeros((1, 4, 3)))
    with pytest.raises(InputError) as caught:
        find("road_anomaly", pair.parent)
    assert f"{pair}/images/0.jpg and {other} claim the same id" in str(caught.value)


def test_scan_lists_all_problems(pair: Path) -> None:
    for id in ("1", "2"):
        draw(pair / f"images/{id}.jpg")
    draw(pair / "labels_masks/3.png")
    found = scan_samples(*load_card("road_anomaly"), pair.parent)
    assert ids(found) == ["0"]
    assert len(found.problems) == 3


def test_fewer_images_than_expected_are_no_error(pair: Path) -> None:
    samples = find("road_anomaly", pair.parent)
    assert samples.expected_images == 60
    assert not samples.complete


def test_more_images_than_expected_are_not_the_set_either(pair: Path) -> None:
    for number in range(1, 61):
        draw_pair(pair / f"images/{number}.jpg", pair / f"labels_masks/{number}.png")
        if number == 59:
            assert find("road_anomaly", pair.parent).complete
    assert not find("road_anomaly", pair.parent).complete


@pytest.mark.parametrize(
    ("values", "dtype", "unknown"),
    [
        ([[0, 3, 254, 7]], np.uint8, "3, 7, 254"),
        ([[0, 1, 300, 256]], np.uint16, "256, 300"),
        ([[0, 7, 0, 0]], np.uint8, "value 7,"),
    ],
)
def test_unknown_mask_values(pair: Path, values: Any, dtype: type[np.unsignedinteger[Any]], unknown: str) -> None:
    mask = draw(pair / "labels_masks/0.png", values, dtype)
    sample = find("road_anomaly", pair.parent).samples[0]
    with pytest.raises(InputError) as caught:
        sample.read_label()
    assert str(mask) in str(caught.value)
    assert unknown in str(caught.value)
    assert "knows only 0-2, 255" in str(caught.value)


def test_16_bit_mask_with_known_values(pair: Path) -> None:
    draw(pair / "labels_masks/0.png", [[0, 1, 2, 255]], np.uint16)
    assert label_of(find("road_anomaly", pair.parent)) == [[INLIER, INLIER, ANOMALY, VOID]]


def test_check_same_size() -> None:
    sample = Sample("0", Path("a.jpg"), Path("b.png"), bytes(256))
    check_same_size(sample, np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3), np.uint8))
    with pytest.raises(InputError, match=r"a\.jpg is 3x2 pixels, its mask b\.png 4x2"):
        check_same_size(sample, np.zeros((2, 3, 3), np.uint8), np.zeros((2, 4), np.uint8))


def test_files_sha256_depends_on_ids_and_bytes(pair: Path) -> None:
    draw_pair(pair / "images/1.jpg", pair / "labels_masks/1.png")
    steps: list[tuple[int, int]] = []
    first = find("road_anomaly", pair.parent).files_sha256(lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]
    assert first == find("road_anomaly", pair.parent).files_sha256()
    draw(pair / "labels_masks/1.png", [[2, 2, 2, 2]])
    changed = find("road_anomaly", pair.parent).files_sha256()
    (pair / "images/1.jpg").rename(pair / "images/5.jpg")
    (pair / "labels_masks/1.png").rename(pair / "labels_masks/5.png")
    assert len({first, changed, find("road_anomaly", pair.parent).files_sha256()}) == 3


def test_names_that_are_not_utf8_are_refused(pair: Path) -> None:
    good = find("road_anomaly", pair.parent)
    for folder, template in (("images", "0.jpg"), ("labels_masks", "0.png")):
        file = pair / folder / template
        try:
            (pair / folder / f"\udcff{template}").write_bytes(file.read_bytes())
        except OSError:
            pytest.skip("the file system takes only UTF-8")
    found = scan_samples(*load_card("road_anomaly"), pair.parent)
    assert found.samples == good.samples
    assert found.problems == (
        rf"the name of {pair}/images/\udcff0.jpg is not UTF-8; rename it.",
        rf"the name of {pair}/labels_masks/\udcff0.png is not UTF-8; rename it.",
    )
    with pytest.raises(InputError, match="is not UTF-8; rename it"):
        find("road_anomaly", pair.parent)


def test_files_sha256_takes_any_id(pair: Path) -> None:
    (sample,) = find("road_anomaly", pair.parent).samples
    hashes = set()
    for id in ("0", "\udcff0", "ÿ0"):
        named = Sample(id, sample.image, sample.label, sample.label_table)
        hashes.add(SampleSet(load_card("road_anomaly")[0], "test", "flat", (named,)).files_sha256())
    assert len(hashes) == 3


def test_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("given", "variable", "datasets"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert resolve_data_root(None) == Path("datasets")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "variable"))
    assert resolve_data_root(None) == tmp_path / "variable"
    assert resolve_data_root(tmp_path / "given") == tmp_path / "given"


def test_missing_data_root_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, "")
    with pytest.raises(InputError, match=r"data root datasets \(the default"):
        resolve_data_root(None)
    monkeypatch.setenv(DATA_VARIABLE, "/no/such/folder")
    with pytest.raises(InputError, match=rf"/no/such/folder \({DATA_VARIABLE}\)"):
        resolve_data_root(None)
    with pytest.raises(InputError, match=r"gone \(--data-root\) is no folder"):
        resolve_data_root(tmp_path / "gone")


@pytest.mark.parametrize(("name", "words"), [("a" * 300, "File name too long"), ("~no_such_user", "home directory")])
def test_impossible_data_root_is_named(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    monkeypatch.setenv(DATA_VARIABLE, name)
    with pytest.raises(InputError, match=rf"data root {name} \({DATA_VARIABLE}\) cannot be opened \(.*{words}"):
        resolve_data_root(None)


def test_closed_data_root_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    # By hand, as nothing is closed to root, who runs tests in containers.
    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(InputError, match=r"\(--data-root\) cannot be opened \(Permission denied\)"):
        resolve_data_root(tmp_path)


def test_closed_dataset_folder_is_named(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    (pair / "frames/a.labels").mkdir(parents=True)
    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(InputError, match=r"a\.labels/labels_semantic\.png cannot be opened \(Permission denied\)"):
        find("road_anomaly", pair.parent)


@pytest.mark.parametrize(
    ("reference", "count", "size"),
    [
        ("road_anomaly", 60, (720, 1280)),
        ("fishyscapes", 26, (1024, 2048)),
        ("smiyc_road_anomaly21", 10, (720, 1280)),
        ("cityscapes", 4, (1024, 2048)),
        ("camvid", 233, (360, 480)),
        ("camvid:train", 367, (360, 480)),
    ],
)
def test_real_data(reference: str, count: int, size: tuple[int, int]) -> None:
    samples = find(reference, shared_data())
    assert len(samples.samples) == count
    sample = samples.samples[-1]
    image, label = sample.read_image(), sample.read_label()
    check_same_size(sample, image, label)
    assert label.shape == size
