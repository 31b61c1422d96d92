"""Cards load by name, alias and file, in one of their variants."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from anomaly_eval.datasets.cards import UNKNOWN, LabelValues, load_card, shipped_title
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from tests.anomaly_eval.datasets.own_card import CLOSED_SET, LAYOUT, write_card


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


def test_titles_of_shipped_cards_are_found_by_their_spec() -> None:
    assert shipped_title("smiyc_road_anomaly21") == "SegmentMeIfYouCan RoadAnomaly21"
    card, variant = load_card("fishyscapes_static:v1")
    assert shipped_title(card.spec(variant)) == card.title_of(variant) != shipped_title("fishyscapes_static:v2")
    for unknown in ("other.yaml", "fishyscapes_static:v9", "smiyc_road_anomaly21:other", ""):
        assert shipped_title(unknown) is None


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
    with pytest.raises(InputError, match=r"'roadanomaly21'; did you mean smiyc_road_anomaly21\?"):
        load_card("roadanomaly21")
    with pytest.raises(InputError, match=r"'road_anomly'; did you mean road_anomaly\?.*fishyscapes_static.*\.yaml"):
        load_card("road_anomly")


def test_unknown_variant_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cityscapes has no variant 'test'; choose from val, train"):
        load_card("cityscapes:test")
    with pytest.raises(InputError, match="my_set has no variant 'x'"):
        load_card(f"{write_card(tmp_path / 'mine.yaml')}:x")
    with pytest.raises(InputError, match="has no variant ''"):
        load_card("cityscapes:")


def test_a_merged_mapping_may_be_overridden(tmp_path: Path) -> None:
    path = write_card(tmp_path / "mine.yaml", variants=...)
    content = "variants:\n  test: &a {images: 2}\n  dev: &b {<<: *a, images: 3}\n  val: {<<: *b, images: 4}\n"
    path.write_text(path.read_text() + content)
    card, _ = load_card(str(path))
    assert [card.variants[name].images for name in ("test", "dev", "val")] == [2, 3, 4]


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
