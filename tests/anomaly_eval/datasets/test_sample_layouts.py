"""Every layout in which users have the datasets is found, drawn as the releases name their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import (
    DATA_VARIABLE,
    locate_samples,
)
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.runtime.shipped import shipped_folder
from tests.anomaly_eval.datasets.drawn_files import draw, draw_pair, find, ids, label_of

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


def draw_released(root: Path, folder: str = "streethazards") -> None:
    """Draw two towns of StreetHazards in which the same numbers occur."""
    for id in ("t5/10", "t5/9", "t6/9"):
        test = root / folder / "test"
        draw_pair(test / f"images/test/{id}.png", test / f"annotations/test/{id}.png", [[1, 4, 14, 13]])


@pytest.mark.parametrize("folder", ["streethazards", "StreetHazards", "streethazards_test"])
def test_streethazards_pools_its_towns(tmp_path: Path, folder: str) -> None:
    draw_released(tmp_path, folder)
    samples = find("streethazards", tmp_path)
    assert (samples.layout, ids(samples)) == ("released", ["t5/9", "t5/10", "t6/9"])
    assert label_of(samples) == [[INLIER, INLIER, ANOMALY, INLIER]]
    assert ids(find("streethazards:t5", tmp_path)) == ["t5/9", "t5/10"]
    assert ids(find("streethazards:t6", tmp_path)) == ["t6/9"]


def test_a_town_that_is_not_there_is_told_from_an_empty_folder(tmp_path: Path) -> None:
    draw_released(tmp_path)
    shutil.rmtree(tmp_path / "streethazards/test/images/test/t5")
    shutil.rmtree(tmp_path / "streethazards/test/annotations/test/t5")
    with pytest.raises(InputError, match=r"t6/9\.png is there, but no id such as its t6/9 is among the only_ids of"):
        find("streethazards:t5", tmp_path)


def test_an_image_of_a_town_without_mask_is_named_with_its_town(tmp_path: Path) -> None:
    draw_released(tmp_path)
    (tmp_path / "streethazards/test/annotations/test/t5/9.png").unlink()
    with pytest.raises(InputError, match=r"t5/9\.png has no mask; expected .*annotations/test/t5/9\.\*"):
        find("streethazards", tmp_path)


def test_a_folder_in_an_id_may_hold_no_control_character(tmp_path: Path) -> None:
    test = tmp_path / "streethazards/test"
    draw_pair(test / "images/test/t\n5/9.png", test / "annotations/test/t\n5/9.png")
    with pytest.raises(InputError, match=r"t\\n5/9\.png holds a control character; rename it"):
        find("streethazards", tmp_path)


def test_two_images_of_one_number_in_two_towns_are_told_how_ids_span_folders(tmp_path: Path) -> None:
    draw_released(tmp_path)
    released = shipped_folder("datasets") / "streethazards.yaml"
    card = tmp_path / "flattened.yaml"
    card.write_text(released.read_text().replace("{id:*/*}", "*/{id}"))
    with pytest.raises(InputError, match=r"claim the same id; remove one of them, or, .* as in \{id:\*/\*\}, in"):
        find(str(card), tmp_path)


def test_streethazards_known_classes(tmp_path: Path) -> None:
    train = tmp_path / "streethazards/train"
    for split in ("training", "validation"):
        image, mask = (train / f"{kind}/{split}/t1/7.png" for kind in ("images", "annotations"))
        draw_pair(image, mask, [[1, 2, 12, 13]])
        samples = find(f"streethazards_classes:{split}", tmp_path)
        assert (ids(samples), label_of(samples)) == (["t1/7"], [[0, 1, 11, 12]])


@pytest.mark.parametrize(
    ("images", "masks", "values"),
    [
        ("bdd100k/seg/images/{}.jpg", "bdd100k/seg/labels/{}_train_id.png", [[0, 255, 16, 18]]),
        ("BDD-Anomaly/seg/images/{}.jpg", "BDD-Anomaly/seg/train_labels/{}_train_id.png", [[2, 1, 18, 20]]),
        ("bdd100k/images/10k/{}.jpg", "bdd100k/labels/sem_seg/masks/{}.png", [[15, 255, 17, 16]]),
    ],
)
def test_bdd_anomaly_takes_frames_with_anomalies_of_train_and_val(
    tmp_path: Path, images: str, masks: str, values: list[list[int]]
) -> None:
    for id in ("train/0027eed2-60fb0001", "val/7d22891c-224788c0", "train/0004a4c0-d4dff0ad"):
        draw_pair(tmp_path / images.format(id), tmp_path / masks.format(id), values)
    draw(tmp_path / images.format("test/00000000-00000000"))
    samples = find("bdd_anomaly", tmp_path)
    known = load_card("bdd_anomaly")[0].variants["test"].only_ids
    assert ids(samples) == [id for id in ("0027eed2-60fb0001", "7d22891c-224788c0") if id in known]
    assert label_of(samples) == [[INLIER, INLIER, ANOMALY, ANOMALY]]


@pytest.mark.parametrize("variant", ["test_ood", "test_ood_low_adv", "test_ood_high_adv"])
def test_muad_released(tmp_path: Path, variant: str) -> None:
    folder = tmp_path / "MUAD" / variant
    values = [[0, 11, 12, 13], [15, 16, 18, 19], [20, 21, 255, 14]]
    draw(folder / "leftImg8bit/000001_leftImg8bit.png", np.full((3, 4, 3), 7))
    draw(folder / "leftLabel/000001_leftLabel.png", values)
    samples = find(f"muad:{variant}", tmp_path)
    assert (samples.layout, ids(samples)) == ("released", ["000001"])
    assert label_of(samples) == [
        [INLIER, INLIER, ANOMALY, INLIER],
        [INLIER, ANOMALY, ANOMALY, ANOMALY],
        [ANOMALY, VOID, VOID, INLIER],
    ]


def test_muad_known_classes(tmp_path: Path) -> None:
    folder = tmp_path / "muad/train"
    draw_pair(
        folder / "leftImg8bit/000001_leftImg8bit.png", folder / "leftLabel/000001_leftLabel.png", [[0, 13, 15, 18]]
    )
    assert label_of(find("muad_classes:train", tmp_path)) == [[0, 12, 14, VOID]]


@pytest.mark.parametrize(("suffix", "values"), [("labelIds", [[0, 1, 43, 31]]), ("labelTrainIds", [[255, 1, 2, 0]])])
def test_lost_and_found_released(tmp_path: Path, suffix: str, values: list[list[int]]) -> None:
    for split, scene in (("test", "04_Weg_8"), ("train", "01_Str_45")):
        id = f"{scene}_000000_000030"
        image = tmp_path / "lostandfound/leftImg8bit" / split / scene / f"{id}_leftImg8bit.png"
        draw_pair(image, tmp_path / "lostandfound/gtCoarse" / split / scene / f"{id}_gtCoarse_{suffix}.png", values)
        samples = find(f"lostandfound:{split}", tmp_path)
        assert (ids(samples), label_of(samples)) == ([id], [[VOID, INLIER, ANOMALY, VOID]])


def test_masks_of_fishyscapes_are_not_those_of_lost_and_found(tmp_path: Path) -> None:
    folder = tmp_path / "fishyscapes_lostandfound"
    draw_pair(folder / "images/0.png", folder / "labels_masks/0.png")
    assert locate_samples(*load_card("lostandfound"), tmp_path) is None


def test_issu_as_its_code_converts_it(tmp_path: Path) -> None:
    for id in ("static_0_009599", "temporal_99_520"):
        folder = tmp_path / "dataset_ISSUTrack"
        draw_pair(folder / f"images/{id}.png", folder / f"labels_masks/{id}.png", [[0, 18, 254, 255]])
    assert ids(find("issu_anomaly", tmp_path)) == ["static_0_009599", "temporal_99_520"]
    assert ids(find("issu_anomaly:static", tmp_path)) == ["static_0_009599"]
    assert ids(find("issu_obstacle:temporal", tmp_path)) == ["temporal_99_520"]
    assert label_of(find("issu_anomaly", tmp_path)) == [[INLIER, INLIER, ANOMALY, VOID]]
    assert label_of(find("issu_obstacle", tmp_path)) == [[INLIER, VOID, ANOMALY, VOID]]


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


@pytest.mark.parametrize("folder", ["ADEChallengeData2016", "ade/ADEChallengeData2016", "ade20k"])
def test_ade20k_released(tmp_path: Path, folder: str) -> None:
    root = tmp_path / folder
    for split, id in (("validation", "ADE_val_00000001"), ("training", "ADE_train_00000001")):
        draw_pair(root / f"images/{split}/{id}.jpg", root / f"annotations/{split}/{id}.png", [[0, 1, 2, 150]])
        samples = find(f"ade20k:{split}", tmp_path)
        assert ids(samples) == [id]
        assert label_of(samples) == [[VOID, 0, 1, 149]]
    draw(root / "annotations/validation/ADE_val_00000001.png", [[0, 1, 2, 151]])
    with pytest.raises(InputError, match="holds the value 151"):
        find("ade20k", tmp_path).samples[0].read_label()


def test_cocostuff10k_as_mmsegmentation_converts_it(tmp_path: Path) -> None:
    root = tmp_path / "coco_stuff10k"
    for split, id in (("test2014", "COCO_train2014_000000000077"), ("train2014", "COCO_train2014_000000000081")):
        masks = root / "annotations" / split
        draw_pair(root / f"images/{split}/{id}.jpg", masks / f"{id}_labelTrainIds.png", [[0, 1, 2, 171]])
        samples = find(f"cocostuff10k:{split}", tmp_path)
        assert ids(samples) == [id]
        assert label_of(samples) == [[VOID, 0, 1, 170]]
    draw(root / "annotations/test2014/COCO_train2014_000000000077_labelTrainIds.png", [[0, 1, 2, 255]])
    with pytest.raises(InputError, match="holds the value 255"):
        find("cocostuff10k", tmp_path).samples[0].read_label()
