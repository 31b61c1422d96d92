"""Every layout that users have on disk is found, and every file that is wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from anomaly_eval.cards import load_card
from anomaly_eval.errors import InputError
from anomaly_eval.labels import ANOMALY, INLIER, VOID
from anomaly_eval.samples import (
    DATA_VARIABLE,
    Sample,
    SampleSet,
    check_same_size,
    find_samples,
    locate_samples,
    resolve_data_root,
    scan_samples,
)
from tests.shared_data import shared_data

VALUES = [[0, 1, 255, 0]]


def draw(path: Path, values: Any = VALUES, dtype: type[np.unsignedinteger[Any]] = np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype=dtype)).save(path)
    return path


def draw_pair(image: Path, mask: Path, values: Any = VALUES) -> None:
    draw(image, np.full((1, 4, 3), 7))
    draw(mask, values)


def find(reference: str, root: Path) -> SampleSet:
    return find_samples(*load_card(reference), root)


def ids(samples: SampleSet) -> list[str]:
    return [sample.id for sample in samples.samples]


def label_of(samples: SampleSet) -> list[Any]:
    label: NDArray[np.uint8] = samples.samples[0].read_label()
    assert label.dtype == np.uint8
    found: list[Any] = label.tolist()
    return found


ANOMALY_SETS = ["fishyscapes", "smiyc_road_anomaly21", "smiyc_road_obstacle21", "lostandfound_noknown"]


@pytest.mark.parametrize("reference", [*ANOMALY_SETS, "fishyscapes_static"])
def test_flat_layout(tmp_path: Path, reference: str) -> None:
    folder = tmp_path / load_card(reference)[0].name
    for id in ("12", "4", "0"):
        draw_pair(folder / f"images/{id}.jpg", folder / f"labels_masks/{id}.png")
    samples = find(reference, tmp_path)
    assert samples.layout == "flat"
    assert ids(samples) == ["0", "4", "12"]
    assert label_of(samples) == [[INLIER, ANOMALY, VOID, INLIER]]
    assert samples.samples[0].read_image().shape == (1, 4, 3)


def test_road_anomaly_flat_and_released(tmp_path: Path) -> None:
    flat, released = tmp_path / "flat", tmp_path / "released"
    draw_pair(flat / "road_anomaly/images/0.jpg", flat / "road_anomaly/labels_masks/0.png", [[0, 1, 2, 255]])
    frames = released / "RoadAnomaly/frames"
    draw_pair(frames / "cow.jpg", frames / "cow.labels/labels_semantic.png", [[0, 1, 2, 255]])
    draw_pair(frames / "bear.webp", frames / "bear.labels/labels_semantic.png", [[0, 1, 2, 255]])
    draw(frames / "bear.labels/labels_semantic_color.png", np.zeros((1, 4, 3)))
    assert find("road_anomaly", flat).layout == "flat"
    samples = find("road_anomaly", released)
    assert samples.layout == "released"
    assert ids(samples) == ["bear", "cow"]
    assert label_of(samples) == [[INLIER, INLIER, ANOMALY, VOID]]


@pytest.mark.parametrize("images", ["fishyscapes_lostandfound", "lostandfound", "LostAndFound", "lost_and_found"])
@pytest.mark.parametrize("masks", ["", "inner/"])
def test_fishyscapes_lostandfound_released(tmp_path: Path, images: str, masks: str) -> None:
    wanted = {"04_Weg_8_000000_000030": "test", "01_Str_45_000000_000080": "train"}
    for index, (id, split) in enumerate(wanted.items()):
        scene = id.rsplit("_", 2)[0]
        draw_pair(
            tmp_path / images / "leftImg8bit" / split / scene / f"{id}_leftImg8bit.png",
            tmp_path / f"fishyscapes_lostandfound/{masks}{index:04d}_{id}_labels.png",
        )
    draw(tmp_path / images / "leftImg8bit/test/04_Weg_8/04_Weg_8_000000_000040_leftImg8bit.png")
    samples = find("fishyscapes", tmp_path)
    assert samples.layout == "released"
    assert ids(samples) == sorted(wanted)
    assert samples.samples[1].image.match("leftImg8bit/test/*/*.png")


def test_fishyscapes_lostandfound_with_laf_images(tmp_path: Path) -> None:
    draw_pair(tmp_path / "laf_images/a_leftImg8bit.png", tmp_path / "fishyscapes_lostandfound/0000_a_labels.png")
    samples = find("fishyscapes", tmp_path)
    assert (samples.layout, ids(samples)) == ("laf_images", ["a"])


@pytest.mark.parametrize(
    ("reference", "folder", "suffix"),
    [
        ("smiyc_road_anomaly21", "dataset_AnomalyTrack", "jpg"),
        ("smiyc_road_obstacle21", "dataset_ObstacleTrack", "webp"),
    ],
)
def test_smiyc_released(tmp_path: Path, reference: str, folder: str, suffix: str) -> None:
    for id in ("validation_10", "validation_2"):
        draw_pair(
            tmp_path / folder / f"images/{id}.{suffix}", tmp_path / folder / f"labels_masks/{id}_labels_semantic.png"
        )
        draw(tmp_path / folder / f"labels_masks/{id}_labels_semantic_color.png", np.zeros((1, 4, 3)))
    draw(tmp_path / folder / f"images/hidden_1.{suffix}")
    samples = find(reference, tmp_path)
    assert (samples.layout, ids(samples)) == ("released", ["validation_2", "validation_10"])


def test_smiyc_obstacle_leaves_out_the_excluded_frames(tmp_path: Path) -> None:
    folder = tmp_path / "dataset_ObstacleTrack"
    for number in range(1, 41):
        draw_pair(
            folder / f"images/validation_{number}.webp",
            folder / f"labels_masks/validation_{number}_labels_semantic.png",
        )
    samples = find("smiyc_road_obstacle21", tmp_path)
    assert len(samples.samples) == samples.expected_images == 30
    assert "validation_20" in ids(samples)
    assert not {"validation_19", "validation_21", "validation_29"} & set(ids(samples))


def test_fishyscapes_static_versions_stay_apart(tmp_path: Path) -> None:
    for folder, id in {
        "fishyscapes_static/v1": "1",
        "fishyscapes_static_v2": "2",
        "fishyscapes_static": "flat",
    }.items():
        draw_pair(tmp_path / folder / f"images/{id}.png", tmp_path / folder / f"labels_masks/{id}.png")
    draw_pair(tmp_path / "fishyscapes_static/images/more.png", tmp_path / "fishyscapes_static/labels_masks/more.png")
    draw_pair(tmp_path / "fs_static_images_v3/0_a_rgb.png", tmp_path / "fs_val_v3/0_a_labels.png")
    assert ids(find("fishyscapes_static:v1", tmp_path)) == ["1"]
    assert ids(find("fishyscapes_static:v2", tmp_path)) == ["2"]
    assert ids(find("fishyscapes_static:v3", tmp_path)) == ["0_a"]
    assert ids(find("fishyscapes_static", tmp_path)) == ["flat", "more"]


def test_files_of_no_stated_version_pass_for_none(tmp_path: Path) -> None:
    flat = tmp_path / "Fishyscapes/Static"
    draw_pair(flat / "images/0.png", flat / "labels_masks/0.png")
    found = find("fishyscapes_static", tmp_path)
    assert (found.title, ids(found)) == ("Fishyscapes Static (version not stated)", ["0"])
    for version in ("v1", "v2", "v3"):
        with pytest.raises(InputError) as caught:
            find(f"fishyscapes_static:{version}", tmp_path)
        assert (
            f"there is fishyscapes_static, evaluate that, or, if its files are {version}, move "
            f"Fishyscapes/Static/images to fishyscapes_static/{version}/images and "
            f"Fishyscapes/Static/labels_masks to fishyscapes_static/{version}/labels_masks; "
        ) in str(caught.value)
    (tmp_path / "fishyscapes_static").mkdir()
    flat.rename(tmp_path / "fishyscapes_static/v1")
    assert find("fishyscapes_static:v1", tmp_path).title == "Fishyscapes Static (v1)"


def test_unstated_version_does_not_guess(tmp_path: Path) -> None:
    draw_pair(tmp_path / "fishyscapes_static/v2/images/1.png", tmp_path / "fishyscapes_static/v2/labels_masks/1.png")
    with pytest.raises(InputError, match="there is fishyscapes_static:v2; set the folder"):
        find("fishyscapes_static", tmp_path)


@pytest.mark.parametrize("folder", ["lostandfound", "fishyscapes_lostandfound"])
@pytest.mark.parametrize(
    ("kind", "values", "layout"),
    [("labelIds", [[0, 1, 2, 39]], "released"), ("labelTrainIds", [[0, 1, 2, 255]], "train_ids")],
)
def test_lostandfound_noknown(tmp_path: Path, folder: str, kind: str, values: list[list[int]], layout: str) -> None:
    for scene, rest in [
        ("04_Maurener_Weg_8", "000000_000030"),
        ("04_Maurener_Weg_8", "000006_000140"),
        ("15_Rechbergstr_Deckenpfronn", "000000_000040"),
    ]:
        draw_pair(
            tmp_path / folder / f"leftImg8bit/test/{scene}/{scene}_{rest}_leftImg8bit.png",
            tmp_path / folder / f"gtCoarse/test/{scene}/{scene}_{rest}_gtCoarse_{kind}.png",
            values,
        )
    samples = find("lostandfound_noknown", tmp_path)
    assert (samples.layout, ids(samples)) == (layout, ["04_Maurener_Weg_8_000000_000030"])
    assert label_of(samples)[0][:3] == [VOID, INLIER, ANOMALY]


def test_fishyscapes_masks_are_not_taken_for_lostandfound(tmp_path: Path) -> None:
    folder = tmp_path / "fishyscapes_lostandfound"
    draw_pair(folder / "images/0.png", folder / "labels_masks/0.png")
    card, variant = load_card("lostandfound_noknown")
    assert locate_samples(card, variant, tmp_path) is None


@pytest.mark.parametrize(
    ("kind", "values", "layout"),
    [("labelTrainIds", [[0, 13, 255, 18]], "train_ids"), ("labelIds", [[7, 26, 3, 33]], "released")],
)
def test_cityscapes(tmp_path: Path, kind: str, values: list[list[int]], layout: str) -> None:
    draw_pair(
        tmp_path / "cityscapes/leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png",
        tmp_path / f"cityscapes/gtFine/train/ulm/ulm_000000_000019_gtFine_{kind}.png",
        values,
    )
    samples = find("cityscapes:train", tmp_path)
    assert (samples.layout, samples.spec) == (layout, "cityscapes:train")
    assert label_of(samples) == [[0, 13, VOID, 18]]


def test_cityscapes_prefers_train_ids(tmp_path: Path) -> None:
    for kind in ("labelIds", "labelTrainIds"):
        draw_pair(
            tmp_path / "cityscapes/leftImg8bit/val/ulm/ulm_0_leftImg8bit.png",
            tmp_path / f"cityscapes/gtFine/val/ulm/ulm_0_gtFine_{kind}.png",
        )
    assert find("cityscapes", tmp_path).layout == "train_ids"


@pytest.mark.parametrize(
    ("images", "masks", "layout"),
    [("camvid/images/val", "camvid/annotations/val", "flat"), ("CamVid/val", "CamVid/valannot", "segnet")],
)
def test_camvid(tmp_path: Path, images: str, masks: str, layout: str) -> None:
    draw_pair(tmp_path / images / "0001TP_1.png", tmp_path / masks / "0001TP_1.png", [[0, 10, 11, 3]])
    samples = find("camvid:val", tmp_path)
    assert samples.layout == layout
    assert label_of(samples) == [[0, 10, VOID, 3]]


def test_the_folder_with_most_pairs_counts(tmp_path: Path) -> None:
    draw(tmp_path / "road_anomaly/images/0.jpg")
    frames = tmp_path / "RoadAnomaly/frames"
    draw_pair(frames / "cow.jpg", frames / "cow.labels/labels_semantic.png")
    assert find("road_anomaly", tmp_path).layout == "released"


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find("road_anomaly", tmp_path)
    message = str(caught.value)
    for words in (str(tmp_path), "road_anomaly/images/*", "RoadAnomaly", "--data-root", DATA_VARIABLE, "epfl.ch"):
        assert words in message


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
