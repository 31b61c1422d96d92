"""The check lists all that is wrong with a dataset, each problem with its file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from anomaly_eval.datasets.cards import UNKNOWN, DatasetCard, Layout, load_card, shipped_cards
from anomaly_eval.datasets.check import CheckReport, check_dataset, list_datasets
from anomaly_eval.datasets.layouts import fill_template
from anomaly_eval.datasets.samples import scan_samples
from tests.anomaly_eval.datasets.drawn_files import draw
from tests.shared_data import shared_data


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A card of three 4x1 images, half of whose pixels are anomalies, and a folder with these."""
    content = {
        "name": "small",
        "title": "Small",
        "task": "anomaly",
        "variants": {"val": {"images": 3, "anomaly_percent": 50}},
        "default_variant": "val",
        "size": [4, 1],
        "labels": {"inlier": [0], "anomaly": [1], "void": [255]},
        "layouts": [{"name": "flat", "images": "{folder}/images/{id}.*", "masks": "{folder}/masks/{id}.*"}],
    }
    for id in "012":
        draw(tmp_path / f"small/images/{id}.png", np.zeros((1, 4, 3)))
        draw(tmp_path / f"small/masks/{id}.png", [[0, 1, 1, 255]])
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def check(card: Path) -> CheckReport:
    return check_dataset(scan_samples(*load_card(str(card)), card.parent))


ALL_LAYOUTS = [
    pytest.param(card, variant, layout, id=f"{card.name}-{variant}-{layout.name}")
    for card in shipped_cards()
    for variant in card.variants
    for layout in card.layouts_of(variant)
]


@pytest.mark.parametrize(("card", "variant", "layout"), ALL_LAYOUTS)
def test_every_layout_of_every_card_passes_as_it_is_drawn(
    tmp_path: Path, card: DatasetCard, variant: str, layout: Layout
) -> None:
    pattern = re.search(r"\{id:([^{}]*)\}", layout.images[0])
    id = next(iter(card.variants[variant].only_ids), pattern[1] if pattern else "1").replace("*", "1")
    image, mask = (
        tmp_path / fill_template(templates[0], card.search_folders[-1], variant, id).replace("*", "1")
        for templates in (layout.images, layout.masks)
    )
    image, mask = (path.with_suffix(".png") if path.suffix == ".1" else path for path in (image, mask))
    width, height = card.size or (256, 4)
    known = [value for value, label in enumerate(card.label_table(layout)) if label != UNKNOWN]
    draw(image, np.zeros((height, width, 3)))
    draw(mask, np.resize(known, (height, width)))
    report = check_dataset(scan_samples(card, variant, tmp_path))
    assert (report.problems, report.layout, report.found) == ((), layout.name, 1)


def test_a_good_dataset_passes(card: Path) -> None:
    steps: list[tuple[int, int]] = []
    found = scan_samples(*load_card(str(card)), card.parent)
    report = check_dataset(found, lambda done, total: steps.append((done, total)))
    assert report == CheckReport(
        spec="small",
        layout="flat",
        found=3,
        expected=3,
        sizes={(4, 1): 3},
        images_without_anomaly=(),
        anomaly_percent=50.0,
        expected_anomaly_percent=50,
        problems=(),
    )
    assert report.passed
    assert report.complete
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_every_problem_is_listed_with_its_file(card: Path) -> None:
    folder = card.parent / "small"
    (folder / "images/0.png").write_bytes(b"")
    draw(folder / "masks/1.png", [[0, 1, 7, 9]])
    draw(folder / "images/2.png", np.zeros((2, 4, 3)))
    for name in ("images/3.png", "images/4.png"):
        draw(folder / name, np.zeros((1, 4, 3)))
    draw(folder / "masks/5.png", [[0, 0, 0, 0]])
    report = check(card)
    assert not report.passed
    expected = [
        ("masks/5.png", "has no image"),
        ("images/3.png", "has no mask"),
        ("images/4.png", "has no mask"),
        ("images/0.png", "is empty"),
        ("masks/1.png", "holds the values 7, 9"),
        ("images/2.png", "is 4x2 pixels, but small has 4x1"),
        ("masks/2.png", "give both at the same size"),
    ]
    assert len(report.problems) == len(expected)
    for problem, (name, words) in zip(report.problems, expected, strict=True):
        assert str(folder / name) in problem
        assert words in problem
    assert report.sizes == {(4, 1): 1, (4, 2): 1}


def test_missing_images_are_no_problem(card: Path) -> None:
    for name in ("images/2.png", "masks/2.png"):
        (card.parent / "small" / name).unlink()
    draw(card.parent / "small/masks/1.png", [[0, 0, 0, 0]])
    report = check(card)
    assert report.passed
    assert not report.complete
    assert report.images_without_anomaly == (card.parent / "small/images/1.png",)
    assert report.anomaly_percent == 25.0


def test_too_many_images(card: Path) -> None:
    draw(card.parent / "small/images/3.png", np.zeros((1, 4, 3)))
    draw(card.parent / "small/masks/3.png", [[0, 1, 1, 255]])
    report = check(card)
    (problem,) = report.problems
    assert "small has 4 images instead of 3" in problem
    assert not report.complete


def test_wrong_share_of_anomalies(card: Path) -> None:
    draw(card.parent / "small/masks/1.png", [[0, 0, 0, 0]])
    (problem,) = check(card).problems
    assert "33.3 % of the pixels of small are anomalies instead of 50 %" in problem
    assert str(card.parent / "small/masks") in problem


def test_closed_set_has_no_share(tmp_path: Path) -> None:
    draw(tmp_path / "camvid/images/test/a.png", np.zeros((360, 480, 3)))
    draw(tmp_path / "camvid/annotations/test/a.png", np.full((360, 480), 11))
    report = check_dataset(scan_samples(*load_card("camvid"), tmp_path))
    assert report.passed
    assert report.anomaly_percent is None
    assert report.images_without_anomaly == ()


def test_new_values_in_masks_of_ade20k_are_listed(tmp_path: Path) -> None:
    for id, values in (("ADE_val_00000001", [[0, 1, 2, 150]]), ("ADE_val_00000002", [[0, 151, 2, 255]])):
        draw(tmp_path / f"ADEChallengeData2016/images/validation/{id}.jpg", np.zeros((1, 4, 3)))
        draw(tmp_path / f"ADEChallengeData2016/annotations/validation/{id}.png", values)
    report = check_dataset(scan_samples(*load_card("ade20k"), tmp_path))
    assert (report.found, report.expected, report.complete) == (2, 2000, False)
    (problem,) = report.problems
    assert "ADE_val_00000002.png holds the values 151, 255, but its dataset card knows only 0-150" in problem


def test_list_datasets(tmp_path: Path) -> None:
    draw(tmp_path / "road_anomaly/images/0.jpg", np.zeros((1, 4, 3)))
    draw(tmp_path / "road_anomaly/labels_masks/0.png", [[0, 1, 2, 255]])
    draw(tmp_path / "camvid/images/val/a.png", np.zeros((1, 4, 3)))
    listings = {listing.name: listing for listing in list_datasets(tmp_path)}
    assert {"cityscapes", "cityscapes:train", "fishyscapes_static:v3"} < set(listings)
    road = listings["road_anomaly"]
    assert (road.title, road.task, road.variant) == ("Road Anomaly", "anomaly", "test")
    assert (road.layout, road.found, road.expected, road.problem) == ("flat", 1, 60, None)
    camvid = listings["camvid:val"]
    assert (camvid.layout, camvid.found) == ("flat", 0)
    assert "a.png has no mask" in (camvid.problem or "")
    assert listings["cityscapes:train"].title == "Cityscapes (train)"
    assert listings["fishyscapes_static"].title == "Fishyscapes Static (version not stated)"
    missing = listings["cityscapes"]
    assert (missing.layout, missing.found, missing.expected, missing.problem) == (None, 0, 500, None)


@pytest.mark.parametrize(
    ("reference", "percent", "without_anomaly"),
    [("road_anomaly", 9.85, 0), ("smiyc_road_anomaly21", 14.29, 0), ("fishyscapes", 0.287, 1)],
)
def test_real_data(reference: str, percent: float, without_anomaly: int) -> None:
    report = check_dataset(scan_samples(*load_card(reference), shared_data()))
    assert report.problems == ()
    assert report.anomaly_percent == pytest.approx(percent, rel=0.01)
    assert len(report.images_without_anomaly) == without_anomaly
