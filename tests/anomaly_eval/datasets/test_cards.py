"""Cards load by name, alias and file, and a wrong card is told in one sentence."""

from __future__ import annotations

import hashlib
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from anomaly_eval.datasets.cards import UNKNOWN, DatasetCard, LabelValues, load_card, shipped_cards
from anomaly_eval.datasets.test_settings import TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.runtime.shipped import shipped_folder


def own_card(**changes: Any) -> dict[str, Any]:
    card = {
        "name": "my_set",
        "title": "My set",
        "task": "anomaly",
        "variants": {"val": {"images": 2}, "test": None},
        "default_variant": "val",
        "labels": {"inlier": [0], "anomaly": [1], "void": [255]},
        "layouts": [{"name": "flat", "images": "{folder}/images/{id}.*", "masks": "{folder}/labels_masks/{id}.*"}],
    }
    return {key: value for key, value in (card | changes).items() if value is not ...}


def write_card(path: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump(own_card(**changes)), encoding="utf-8")
    return path


CLOSED_SET = {"task": "closed_set", "classes": ["road", "sky"], "labels": {"inlier": ["0-1"], "void": [255]}}


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


def test_alias_and_variant() -> None:
    card, variant = load_card("fishyscapes")
    assert (card.name, variant) == ("fishyscapes_lostandfound", "val")
    assert load_card("fishyscapes_static")[1] == "unstated"
    assert load_card("fishyscapes_static:v2")[1] == "v2"
    assert load_card("cityscapes:train")[1] == "train"


def test_spec() -> None:
    card, _ = load_card("fishyscapes_static")
    assert card.spec("unstated") == "fishyscapes_static"
    assert card.spec("v2") == "fishyscapes_static:v2"


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


def test_own_card_by_path(tmp_path: Path) -> None:
    path = write_card(tmp_path / "mine.yaml")
    card, variant = load_card(str(path))
    assert (card.name, variant) == ("my_set", "val")
    assert card.search_folders == ("my_set",)
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_card(f"{path}:test")[1] == "test"


def test_own_closed_set_card(tmp_path: Path) -> None:
    card, _ = load_card(str(write_card(tmp_path / "mine.yaml", **CLOSED_SET)))
    assert card.classes == ("road", "sky")
    assert card.labels.inlier == (0, 1)


def test_unknown_name_lists_the_known_and_guesses() -> None:
    with pytest.raises(InputError, match=r"'road_anomly'; did you mean road_anomaly\?.*fishyscapes_static.*\.yaml"):
        load_card("road_anomly")


def test_unknown_variant_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cityscapes has no variant 'test'; choose from val, train"):
        load_card("cityscapes:test")
    with pytest.raises(InputError, match="my_set has no variant 'x'"):
        load_card(f"{write_card(tmp_path / 'mine.yaml')}:x")
    with pytest.raises(InputError, match="has no variant ''"):
        load_card("cityscapes:")


@pytest.mark.parametrize("folder", ["missing", "~no_such_user", "a" * 300])
def test_missing_card_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"mine\.yaml cannot be read"):
        load_card(f"{folder}/mine.yaml")


@pytest.mark.parametrize(
    "content",
    [b"a: [1\nb: }", b"a: \xc3\x28", b"a: &x [*y]", b"a: 2024-13-45", b"2024-13-45: a", b"[1]: a", b"a: !!int"],
)
def test_invalid_yaml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.yaml is not valid YAML"):
        load_card(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize("content", ["", "a", "- a"])
def test_card_without_fields(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(InputError, match=r"mine\.yaml has no fields"):
        load_card(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("content", "key", "line"),
    [
        ("title: a\ntitle: b", "'title'", 2),
        ("labels:\n  inlier: [0]\n  anomaly: [1]\n  inlier: [2]", "'inlier'", 4),
        ("labels: {class_ids: {7: 0, 0x7: 1}}", "7", 1),
        ("layouts:\n- {name: a}\n- {name: b, 'name': c}", "'name'", 3),
    ],
)
def test_repeated_keys(tmp_path: Path, content: str, key: str, line: int) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(InputError) as caught:
        load_card(str(tmp_path / "mine.yaml"))
    assert str(caught.value) == (
        f"the dataset card {tmp_path}/mine.yaml has the key {key} twice, at line {line} again; remove one of the two."
    )


def test_a_merged_mapping_may_be_overridden(tmp_path: Path) -> None:
    path = write_card(tmp_path / "mine.yaml", variants=...)
    content = "variants:\n  test: &a {images: 2}\n  dev: &b {<<: *a, images: 3}\n  val: {<<: *b, images: 4}\n"
    path.write_text(path.read_text() + content)
    card, _ = load_card(str(path))
    assert [card.variants[name].images for name in ("test", "dev", "val")] == [2, 3, 4]


@pytest.mark.parametrize("bracket", ["[", "{", "- "])
def test_endless_nesting(tmp_path: Path, bracket: str) -> None:
    (tmp_path / "mine.yaml").write_text(bracket * 100_000)
    with pytest.raises(InputError, match=r"mine\.yaml is nested too deep"):
        load_card(str(tmp_path / "mine.yaml"))


LAYOUT = {"name": "flat", "images": "{folder}/i/{id}.*", "masks": "{folder}/m/{id}.*"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": ...}, "title: the field is missing"),
        ({"title": 2024}, "title: give text, in quotes where it looks like a number"),
        ({"variants": ["all"]}, "variants: give fields, such as {a: b}"),
        ({"folders": "own"}, "folders: give a list, such as [a, b]"),
        ({"layouts": {"name": "x"}}, "layouts: give a list, such as [a, b]"),
        ({"labels": {"inlier": ["5-0"], "anomaly": [7]}}, "5-0 runs backwards, give the lower value first"),
        (
            {"layouts": [{"name": "x", "images": "own/**/{id}.png", "masks": "own/{id}.png"}]},
            "holds **; write one level of the path for each folder, as in */*",
        ),
        ({"titel": "x"}, "titel: no field is called so"),
        ({"name": "My Set"}, "name: 'My Set' may only have small letters, digits and _"),
        ({"default_variant": "dev"}, "default_variant 'dev' is not among the variants"),
        ({"variants": {"a/b": {}}, "default_variant": "a/b"}, "the variant 'a/b'"),
        ({"variants": {"val": {"images": 0}}}, "variants.val.images"),
        ({"size": [2048]}, "size"),
        ({"folders": ["../other"]}, "folders: '../other' must be relative"),
        ({"folders": ["a*"]}, "folders: the folder 'a*'"),
        ({"folders": [".."]}, "without empty names, . or ..; correct it."),
        ({"folders": ["a\0"]}, "folders: 'a\\x00' holds a NUL character"),
        (
            {"labels": {"inlier": ["0-99999999999999"], "anomaly": [1]}},
            "labels.inlier: mask values lie between 0 and 255",
        ),
        ({"labels": {"inlier": [0], "anomaly": [256]}}, "labels.anomaly: mask values lie between 0 and 255"),
        ({"labels": {"inlier": [0], "anomaly": ["x"]}}, "labels.anomaly: 'x' is neither"),
        ({"labels": {"inlier": 0, "anomaly": [1]}}, "labels.inlier: give a list"),
        ({"labels": {"inlier": [0, 1], "anomaly": [1]}}, "labels: the mask value 1 has two meanings"),
        ({"labels": {"inlier": [0]}}, "need inlier and anomaly values"),
        ({"labels": {"inlier": ["0-18"], "anomaly": ["18-21", 33]}}, "labels: the mask value 18 has two meanings"),
        (
            {"labels": {"inlier": ["0..18"], "anomaly": [19]}},
            "'0..18' is neither a mask value nor a range such as 0-18",
        ),
        ({"labels": {"inlier": [0], "anomaly": ["26000-26999"]}}, "mask values lie between 0 and 255"),
        ({"variants": {"val": {"only_ids": "t5/*"}, "test": {}}}, "variants.val.only_ids: give a list"),
        (
            {"layouts": [{"name": "x", "images": "own/{id:../*}.png", "masks": "own/{id}.png"}]},
            "{id:../*} must hold patterns of names, with / between them, such as {id:*/*}, not . or ..",
        ),
        ({"classes": ["road"]}, "closed_set"),
        ({**CLOSED_SET, "classes": None}, "needs classes"),
        ({**CLOSED_SET, "labels": {"inlier": ["0-2"]}}, "class ids from 0 to 1"),
        ({**CLOSED_SET, "labels": {"inlier": [0], "anomaly": [1]}}, "class ids from 0 to 1"),
        ({**CLOSED_SET, "labels": {"class_ids": {300: 1}}}, "between 0 and 255"),
        ({**CLOSED_SET, "labels": {"class_ids": {"1-3": "0-1"}}}, "1-3 are 3 mask values, but 0-1 are 2 class ids"),
        ({**CLOSED_SET, "labels": {"class_ids": {"1-2": "0-1", 2: 1}}}, "a mask value has two class ids"),
        ({**CLOSED_SET, "labels": {"class_ids": {"x": 1}}}, "labels.class_ids: 'x' is neither"),
        ({**CLOSED_SET, "labels": {"class_ids": [1]}}, "labels.class_ids: give fields, such as {a: b}"),
        ({"protocol": {}}, "classes, class_ids and protocol belong to task: closed_set"),
        ({**CLOSED_SET, "protocol": {"short_side": 0}}, "protocol.short_side"),
        ({**CLOSED_SET, "protocol": {"tta": True}}, "protocol.tta: no field is called so"),
        ({**CLOSED_SET, "protocol": {"long_side_at_most": 9}}, "long_side_at_most limits short_side"),
        ({**CLOSED_SET, "protocol": {"short_side": 9, "long_side_at_most": 8}}, "must not be below short_side"),
        ({**CLOSED_SET, "protocol": {"slide": {"crop": [8, 8], "stride": [8, 9]}}}, "the stride is too large"),
        ({"layouts": []}, "layouts"),
        ({"layouts": [LAYOUT, LAYOUT]}, "two layouts have the same name"),
        ({"layouts": [LAYOUT | {"images": []}]}, "layouts.0.images"),
        ({"layouts": [LAYOUT | {"masks": "{folder}/m"}]}, "layouts.0.masks: the template '{folder}/m' must hold {id}"),
        ({"layouts": [LAYOUT | {"masks": "m\0/{id}"}]}, "layouts.0.masks: 'm\\x00/{id}' holds a NUL character"),
        (
            {"layouts": [LAYOUT | {"images": "{folder}/i/{id:*/*}.*", "masks": "{folder}/m/*/{id}.*"}]},
            "layouts.0: ids of images span 2 and those of masks 1 levels of the path, so that none are the same; write",
        ),
        ({"layouts": [LAYOUT | {"variants": ["v9"]}]}, "the variant 'v9'"),
        ({"layouts": [LAYOUT | {"variants": ["val"]}]}, "no layout is for the variant 'test'"),
        ({"layouts": [LAYOUT | {"unlabelled_images": "skip"}]}, "layouts.0.unlabelled_images"),
    ],
)
def test_wrong_cards(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = write_card(tmp_path / "mine.yaml", **changes)
    with pytest.raises(InputError) as caught:
        load_card(str(path))
    message = str(caught.value)
    assert message.startswith(f"the dataset card {path} is wrong: ")
    assert words in message
    assert message.endswith("; correct it.")
    assert "\n" not in message


def test_a_layout_may_pool_ids_of_several_depths(tmp_path: Path) -> None:
    images, masks = ([f"{{folder}}/{kind}/{id}.*" for id in ("{id:*/*}", "{id:*/*/*}")] for kind in "im")
    card, _ = load_card(str(write_card(tmp_path / "mine.yaml", layouts=[LAYOUT | {"images": images, "masks": masks}])))
    assert card.layouts[0].images == tuple(images)


def test_cards_are_immutable() -> None:
    with pytest.raises(ValidationError):
        load_card("road_anomaly")[0].title = "other"


def test_ranges_of_class_ids() -> None:
    labels = LabelValues.model_validate({"class_ids": {7: 0, "2-4": "1-3"}, "void": [0]})
    assert labels.class_ids == {7: 0, 2: 1, 3: 2, 4: 3}


def test_label_table() -> None:
    labels = LabelValues.model_validate({"inlier": [0, 1], "anomaly": ["2-4"], "void": [255]})
    table = labels.table("anomaly")
    assert list(table[:6]) == [INLIER, INLIER, ANOMALY, ANOMALY, ANOMALY, UNKNOWN]
    assert table[255] == VOID
    assert len(table) == 256
