"""The cards that ship say what the releases say: names, classes, label values, numbers of images, test protocols."""

from __future__ import annotations

import hashlib
import re
from fnmatch import fnmatchcase

import pytest

from anomaly_eval.datasets.cards import UNKNOWN, DatasetCard, load_card, shipped_cards
from anomaly_eval.datasets.test_settings import TestProtocol
from anomaly_eval.metrics.labels import INLIER, VOID
from anomaly_eval.runtime.shipped import shipped_folder


def test_shipped_names() -> None:
    assert [card.name for card in shipped_cards()] == [
        "ade20k",
        "bdd_anomaly",
        "camvid",
        "cityscapes",
        "cityscapes_256",
        "cocostuff10k",
        "fishyscapes_lostandfound",
        "fishyscapes_static",
        "issu_anomaly",
        "issu_obstacle",
        "lostandfound",
        "lostandfound_noknown",
        "muad",
        "muad_classes",
        "road_anomaly",
        "smiyc_road_anomaly21",
        "smiyc_road_obstacle21",
        "streethazards",
        "streethazards_classes",
        "synthetic_streets",
        "synthetic_streets_classes",
    ]


@pytest.mark.parametrize("card", shipped_cards(), ids=lambda card: card.name)
def test_shipped_cards_tell_all(card: DatasetCard) -> None:
    path = shipped_folder("datasets") / f"{card.name}.yaml"
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.url
    assert card.how_to_get
    assert card.citation
    assert load_card(card.name) == (card, card.default_variant)
    if card.task == "anomaly":
        flat = next(layout for layout in card.layouts if layout.name == "flat")
        assert flat.images == ("{folder}/images/{id}.*",)
        assert flat.masks == ("{folder}/labels_masks/{id}.*",)
        # In BDD-Anomaly, 255 is "other", which is tested.
        assert card.label_table(flat)[255] == (INLIER if card.name == "bdd_anomaly" else VOID)


def test_names_and_aliases_are_unique() -> None:
    names = [name for card in shipped_cards() for name in (card.name, *card.aliases)]
    assert len(names) == len(set(names))


def test_titles_tell_the_variants_apart() -> None:
    static, _ = load_card("fishyscapes_static")
    assert [static.title_of(variant) for variant in static.variants] == [
        "Fishyscapes Static (version not stated)",
        *(f"Fishyscapes Static ({version})" for version in ("v1", "v2", "v3")),
    ]
    cityscapes, _ = load_card("cityscapes")
    assert [cityscapes.title_of(variant) for variant in ("val", "train")] == ["Cityscapes", "Cityscapes (train)"]
    titles = [card.title_of(variant) for card in shipped_cards() for variant in card.variants]
    assert len(titles) == len(set(titles))


def test_official_numbers() -> None:
    numbers = {card.spec(variant): found.images for card in shipped_cards() for variant, found in card.variants.items()}
    assert numbers == {
        "ade20k": 2000,
        "ade20k:training": 20210,
        "bdd_anomaly": 810,
        "camvid": 233,
        "camvid:train": 367,
        "camvid:val": 101,
        "cityscapes": 500,
        "cityscapes:train": 2975,
        "cityscapes_256": 500,
        "cityscapes_256:train": 2973,
        "cocostuff10k": 1000,
        "cocostuff10k:train2014": 9000,
        "fishyscapes_lostandfound": 100,
        "fishyscapes_static": 30,
        "fishyscapes_static:v1": 30,
        "fishyscapes_static:v2": 30,
        "fishyscapes_static:v3": 30,
        "issu_anomaly": 2118,
        "issu_anomaly:static": 980,
        "issu_anomaly:temporal": 1138,
        "issu_obstacle": 2118,
        "issu_obstacle:static": 980,
        "issu_obstacle:temporal": 1138,
        "lostandfound": 1203,
        "lostandfound:train": 1036,
        "lostandfound_noknown": 1043,
        "muad": 1668,
        "muad:test_ood_low_adv": 1552,
        "muad:test_ood_high_adv": 1421,
        "muad_classes": 492,
        "muad_classes:train": 3420,
        "road_anomaly": 60,
        "smiyc_road_anomaly21": 10,
        "smiyc_road_obstacle21": 30,
        "streethazards": 1500,
        "streethazards:t5": None,
        "streethazards:t6": None,
        "streethazards_classes": 1031,
        "streethazards_classes:training": 5125,
        "synthetic_streets": 100,
        "synthetic_streets_classes": 60,
        "synthetic_streets_classes:train": 400,
    }


def test_cityscapes_label_ids() -> None:
    card, _ = load_card("cityscapes")
    assert card.classes is not None
    train_ids, released = (card.label_table(layout) for layout in card.layouts)
    assert list(train_ids[:20]) == [*range(19), UNKNOWN]
    assert train_ids[255] == VOID
    classes = {value: card.classes[released[value]] for value in range(34) if released[value] != VOID}
    assert classes[7] == "road"
    assert classes[11] == "building"
    assert classes[26] == "car"
    assert classes[33] == "bicycle"
    assert sorted(released[value] for value in classes) == list(range(19))
    assert released[34] == UNKNOWN


@pytest.mark.parametrize(("name", "n_classes"), [("ade20k", 150), ("cocostuff10k", 171)])
def test_zero_is_void_and_the_classes_begin_at_one(name: str, n_classes: int) -> None:
    """What mmsegmentation calls reduce_zero_label."""
    card, variant = load_card(name)
    table = card.label_table(card.layouts_of(variant)[0])
    assert list(table) == [VOID, *range(n_classes), *[UNKNOWN] * (255 - n_classes)]


@pytest.mark.parametrize(("name", "dataset"), [("ade20k", "ADE20KDataset"), ("cocostuff10k", "COCOStuffDataset")])
def test_classes_are_those_of_mmsegmentation(name: str, dataset: str) -> None:
    import gmmseg  # noqa: F401  isort: skip
    import mmseg.datasets

    expected = getattr(mmseg.datasets, dataset).METAINFO["classes"]
    assert load_card(name)[0].classes == tuple(name.strip() for name in expected)


@pytest.mark.parametrize("name", ["ade20k", "cocostuff10k"])
def test_short_sides_are_those_of_mmsegmentations_test_pipeline(name: str) -> None:
    protocol = load_card(name)[0].protocol
    assert protocol is not None
    assert (protocol.slide, protocol.short_side, protocol.long_side_at_most) == (None, 512, 2048)


def test_test_protocols_of_road_scenes() -> None:
    cityscapes, camvid = (load_card(name)[0].protocol for name in ("cityscapes", "camvid"))
    assert cityscapes is not None and cityscapes.slide is not None
    assert (cityscapes.slide.crop, cityscapes.slide.stride, cityscapes.short_side) == ((768, 768), (512, 512), None)
    assert camvid == TestProtocol()


# First and last frame number of each sequence of the Lost & Found test scenes; frames are ten apart.
LOST_AND_FOUND_TEST = {
    "02_Hanns_Klemm_Str_44": "20-190 20-210 20-190 20-180 20-200 20-200 20-200 20-250 20-220 20-240 20-220 30-240 "
    "20-200 20-230 20-220 50-210 20-180 20-180 50-210",
    "04_Maurener_Weg_8": "20-200 30-210 10-150 10-140 20-210 10-200 20-150 20-170 20-200 40-210 10-150 20-190 20-190 "
    "20-240",
    "05_Schafgasse_1": "20-200 70-260 110-230 20-170 20-170 30-140 20-170 10-150 10-120 70-240 40-190 100-180 30-220 "
    "30-180 30-160 50-170 30-170 30-180 30-150 70-210",
    "07_Festplatz_Flugfeld": "30-260 30-230 190-440 80-340 30-220 20-200",
    "15_Rechbergstr_Deckenpfronn": "40-180 40-300 80-180 120-170 150-290 20-100 90-350 40-360",
}
# Positions in the sorted list of these frames that the SegmentMeIfYouCan code leaves out, as they have no labels.
WITHOUT_LABELS = [17, 37, 55, 72, 91, 110, 129, 153, 174, 197, 218, 353, 490, 618, 686, 792, 793]


def test_lostandfound_noknown_leaves_out_the_official_frames() -> None:
    frames = sorted(
        f"{scene}_{sequence:06d}_{frame:06d}"
        for scene, sequences in LOST_AND_FOUND_TEST.items()
        for sequence, span in enumerate(sequences.split())
        for frame in range(int(span.split("-")[0]), int(span.split("-")[1]) + 1, 10)
    )
    assert len(frames) == 1203
    variant = load_card("lostandfound_noknown")[0].variants["test"]
    left_out = [frame for frame in frames if any(fnmatchcase(frame, pattern) for pattern in variant.exclude_ids)]
    children = [frame for frame in frames if frame.startswith("15_Rechbergstr_Deckenpfronn")]
    assert left_out == [frames[position] for position in WITHOUT_LABELS] + children
    assert len(frames) - len(left_out) == variant.images == 1043


def test_bdd_anomaly_lists_each_frame_once() -> None:
    ids = load_card("bdd_anomaly")[0].variants["test"].only_ids
    assert len(set(ids)) == len(ids) == 810
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{8}", id) for id in ids)


def test_lost_and_found_says_the_same_in_both_kinds_of_files() -> None:
    """Non-hazards have the train id of the background, as the table of the release says."""
    card, _ = load_card("lostandfound")
    released, train_ids, _ = (card.label_table(layout) for layout in card.layouts)
    non_hazards = (31, 33, 34, 36, 37, 38, 39)
    train_id = {label: 0 if label in (0, *non_hazards) else min(label, 2) for label in range(44)}
    assert [released[label] for label in range(44)] == [train_ids[train_id[label]] for label in range(44)]
