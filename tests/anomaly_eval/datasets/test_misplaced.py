"""A dataset that lies a folder too deep or too high is not found, and what is said then leads to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import scan_samples
from anomaly_eval.errors import InputError
from tests.anomaly_eval.datasets.drawn_files import draw_pair, find, ids


def refusal(root: Path, dataset: str = "road_anomaly") -> str:
    with pytest.raises(InputError) as error:
        scan_samples(*load_card(dataset), root)
    return str(error.value)


@pytest.mark.parametrize(
    ("lies_in", "given", "root"),
    [
        ("road_anomaly/road_anomaly", ".", "road_anomaly"),
        ("road_anomaly", "road_anomaly", "."),
        ("road_anomaly", "road_anomaly/images", "."),
        ("RoadAnomaly", "RoadAnomaly", "."),
        ("RoadAnomaly/RoadAnomaly_jpg", "RoadAnomaly/RoadAnomaly_jpg", "RoadAnomaly"),
        ("Downloads/road_anomaly", ".", "Downloads"),
        ("my data/straße/road_anomaly", "my data", "my data/straße"),
    ],
)
def test_the_root_that_is_advised_has_the_dataset(tmp_path: Path, lies_in: str, given: str, root: str) -> None:
    draw_pair(tmp_path / lies_in / "images/0.jpg", tmp_path / lies_in / "labels_masks/0.png")
    said = re.search(r": give --data-root (.*)\.$", refusal(tmp_path / given))
    assert said is not None
    assert Path(said[1]) == (tmp_path / root).resolve()
    assert ids(find("road_anomaly", Path(said[1]))) == ["0"]


@pytest.mark.parametrize("name", ["Road_Anomaly", "Road Anomaly", "ROADANOMALY", "road-anomaly"])
def test_a_folder_of_nearly_the_name_is_to_be_renamed(tmp_path: Path, name: str) -> None:
    draw_pair(tmp_path / name / "images/0.jpg", tmp_path / name / "labels_masks/0.png")
    if (tmp_path / "road_anomaly").exists() or (tmp_path / "RoadAnomaly").exists():
        pytest.skip("the file system does not tell upper from lower case")
    said = re.search(r"it lies in (.*): rename that folder to (.*)\.$", refusal(tmp_path))
    assert said is not None
    Path(said[1]).rename(tmp_path / said[2])
    assert ids(find("road_anomaly", tmp_path)) == ["0"]


def test_a_root_that_holds_images_itself_is_to_be_renamed(tmp_path: Path) -> None:
    root = tmp_path / "ra"
    draw_pair(root / "images/0.jpg", root / "labels_masks/0.png")
    said = re.search(
        r"if (.*) is the dataset itself, rename it to (.*) and give --data-root (.*), where", refusal(root)
    )
    assert said is not None
    Path(said[1]).rename(Path(said[3]) / said[2])
    assert ids(find("road_anomaly", Path(said[3]))) == ["0"]


def test_other_datasets_are_not_taken_for_the_wanted_one(tmp_path: Path) -> None:
    """Their folders hold files called alike."""
    draw_pair(tmp_path / "fishyscapes_static/images/0.jpg", tmp_path / "fishyscapes_static/labels_masks/0.png")
    draw_pair(tmp_path / "other/images/0.jpg", tmp_path / "other/labels_masks/0.png")
    assert "set the folder that holds the datasets with --data-root" in refusal(tmp_path)


def test_an_empty_root_or_folder_gets_no_advice(tmp_path: Path) -> None:
    assert "or get the dataset from https://" in refusal(tmp_path)
    (tmp_path / "road_anomaly/images").mkdir(parents=True)
    assert "or get the dataset from https://" in refusal(tmp_path)


@pytest.mark.parametrize("images", ["own/images/{id:[a-z]+}.png", "own/pictures/{id}.png", "own/images/{id}_rgb.png"])
def test_a_folder_without_a_file_of_the_layout_needs_another_layout(tmp_path: Path, images: str) -> None:
    draw_pair(tmp_path / "own/images/a.png", tmp_path / "own/labels_masks/a.png")
    fields = yaml.safe_load(Path(str(load_card("road_anomaly")[0].path)).read_text())
    layout = {"name": "odd", "images": images, "masks": images.replace("images", "masks")}
    card = tmp_path / "own.yaml"
    card.write_text(yaml.safe_dump({**fields, "name": "own", "layouts": [layout]}))
    said = refusal(tmp_path, str(card))
    assert (
        "looked for " + {"own/images/{id:[a-z]+}.png": "own/images/[a-z]+.png"}.get(images, images.replace("{id}", "*"))
        in said
    )
    assert f"{tmp_path / 'own'} is there, but no file in it is called so" in said
    layout |= {"images": "{folder}/images/{id}.*", "masks": "{folder}/labels_masks/{id}.*"}
    copy = tmp_path / "copy.yaml"
    copy.write_text(yaml.safe_dump({**yaml.safe_load(card.read_text()), "layouts": [layout]}))
    assert f"describe how they lie as a layout in a copy of {card}, given as --dataset COPY.yaml" in said
    assert ids(find(str(copy), tmp_path)) == ["a"]
