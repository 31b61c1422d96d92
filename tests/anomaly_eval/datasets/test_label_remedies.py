"""Values in masks that do not mean what a card says: what is written then, put into a copy of the card, works."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from anomaly_eval.datasets.cards import DatasetCard, load_card
from anomaly_eval.datasets.check import check_dataset
from anomaly_eval.datasets.samples import Sample, SampleSet, find_samples
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import ANOMALY, INLIER
from tests.anomaly_eval.datasets.drawn_files import draw, draw_pair, find

NO_ANOMALY = ValueError("there is no anomaly pixel at all, so nothing can be ranked")
NO_INLIER = ValueError("there is no inlier pixel at all, so nothing can be ranked")


def set_with(root: Path, values: list[list[int]], dataset: str = "road_anomaly") -> SampleSet:
    folder = root / dataset
    draw_pair(folder / "images/0.jpg", folder / "labels_masks/0.png", values)
    return find(dataset, root)


def followed(sentence: str, copy: Path) -> DatasetCard:
    """Do what a sentence says, to the letter."""
    said = re.search(r"write `labels: (.*)`(?: of the layout (\w+))? in a copy of (.*), given as --dataset", sentence)
    assert said is not None, sentence
    fields = yaml.safe_load(Path(said[3]).read_text())
    place = fields if said[2] is None else next(one for one in fields["layouts"] if one["name"] == said[2])
    place["labels"] = yaml.safe_load(said[1])
    copy.write_text(yaml.safe_dump(fields))
    return load_card(str(copy))[0]


@pytest.mark.parametrize(
    "dataset", ["road_anomaly", "fishyscapes_lostandfound", "smiyc_road_anomaly21", "lostandfound_noknown"]
)
def test_masks_of_0_and_255_are_named_with_the_setting_that_maps_them(tmp_path: Path, dataset: str) -> None:
    samples = set_with(tmp_path, [[0, 255, 255, 0]], dataset)
    sentence = str(samples.wrong_labels(NO_ANOMALY))
    assert "its masks hold only 0 (inlier), 255 (void); if 255 is the anomaly, write" in sentence
    card = followed(sentence, tmp_path / "copy.yaml")
    (sample,) = find_samples(card, card.default_variant, tmp_path).samples
    np.testing.assert_array_equal(sample.read_label(), [[INLIER, ANOMALY, ANOMALY, INLIER]])
    assert str(samples.wrong_labels(NO_ANOMALY)) in check_dataset(samples).problems


@pytest.mark.parametrize(
    ("values", "error", "label"),
    [
        ([[0, 1, 1, 0]], NO_ANOMALY, [INLIER, ANOMALY, ANOMALY, INLIER]),
        ([[0, 1, 255, 0]], NO_ANOMALY, [INLIER, INLIER, ANOMALY, INLIER]),
        ([[2, 255, 2, 2]], NO_INLIER, [ANOMALY, INLIER, ANOMALY, ANOMALY]),
        ([[255, 1, 1, 1]], NO_ANOMALY, [ANOMALY, INLIER, INLIER, INLIER]),
    ],
)
def test_other_values_without_one_of_the_two(
    tmp_path: Path, values: list[list[int]], error: ValueError, label: list[int]
) -> None:
    card = followed(str(set_with(tmp_path, values).wrong_labels(error)), tmp_path / "copy.yaml")
    (sample,) = find_samples(card, card.default_variant, tmp_path).samples
    assert sample.read_label().tolist() == [label]


@pytest.mark.parametrize(("value", "kind"), [(0, "anomaly"), (255, "anomaly"), (2, "inlier")])
def test_masks_of_one_value_cannot_be_told_apart_by_any_card(tmp_path: Path, value: int, kind: str) -> None:
    sentence = str(set_with(tmp_path, [[value] * 4]).wrong_labels(NO_ANOMALY if kind == "anomaly" else NO_INLIER))
    assert f"its masks hold only {value} (" in sentence
    assert sentence.endswith(f"; give masks that also hold a value of the kind {kind}.")


def test_the_setting_of_a_layout_is_named_where_it_has_its_own(tmp_path: Path) -> None:
    released = tmp_path / "lostandfound_noknown"
    draw_pair(
        released / "leftImg8bit/test/a/a_000000_leftImg8bit.png",
        released / "gtCoarse/test/a/a_000000_gtCoarse_labelIds.png",
        [[0, 1, 1, 255]],
    )
    samples = find("lostandfound_noknown", tmp_path)
    sentence = str(samples.wrong_labels(NO_ANOMALY))
    assert f"of the layout {samples.layout} in a copy" in sentence
    card = followed(sentence, tmp_path / "copy.yaml")
    (sample,) = find_samples(card, card.default_variant, tmp_path).samples
    assert sample.read_label().tolist() == [[INLIER, INLIER, INLIER, ANOMALY]]


def test_an_unknown_value_is_to_be_named_in_a_copy_of_the_card(tmp_path: Path) -> None:
    (sample,) = set_with(tmp_path, [[0, 7, 2, 0]]).samples
    with pytest.raises(InputError) as error:
        sample.read_label()
    said = re.search(r"name the value under `labels` in a copy of (.*), given as --dataset", str(error.value))
    assert said is not None
    fields = yaml.safe_load(Path(said[1]).read_text())
    fields["labels"]["void"].append(7)
    (tmp_path / "copy.yaml").write_text(yaml.safe_dump(fields))
    find(str(tmp_path / "copy.yaml"), tmp_path).samples[0].read_label()


def test_no_card_can_name_a_value_beyond_255(tmp_path: Path) -> None:
    samples = set_with(tmp_path, [[0, 2, 2, 0]])
    draw(samples.samples[0].label, [[0, 26001, 2, 0]], np.uint16)
    with pytest.raises(InputError, match=r"the value 26001, .*; give the mask that holds .* values from 0 to 255"):
        samples.samples[0].read_label()


@pytest.mark.parametrize(("values", "kind"), [([0, 0], "anomaly"), ([1, 1], "inlier"), ([255, 255], "anomaly")])
def test_masks_are_looked_at_until_both_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[int], kind: str
) -> None:
    folder, seen = tmp_path / "smiyc_road_anomaly21", []
    for index in range(4):
        draw_pair(folder / f"images/{index}.png", folder / f"labels_masks/{index}.png", [values])
    samples = find("smiyc_road_anomaly21", tmp_path)
    with pytest.raises(InputError, match=f"there is no {kind} pixel at all, so nothing can be ranked: its masks hold"):
        samples.check_masks()
    draw_pair(folder / "images/1.png", folder / "labels_masks/1.png", [[0, 1]])
    read = Sample.read_label
    monkeypatch.setattr(Sample, "read_label", lambda sample: seen.append(sample.id) or read(sample))
    samples.check_masks()
    assert seen == ["0", "1"]
    # What cannot be read is told when its image has its turn.
    (folder / "labels_masks/0.png").write_bytes(b"")
    samples.check_masks()
