"""`datasets get` says how to get a data set, and checks what was unpacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.datasets.cards import DatasetCard, shipped_cards
from anomaly_eval.datasets.samples import DATA_VARIABLE
from tests.anomaly_eval.commands import Answer, Command, assert_refused


@pytest.fixture
def get(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Answer:
        return command("datasets", "get", *words)

    return run


def draw_road_anomaly(root: Path, values: list[list[int]]) -> None:
    frames = root / "RoadAnomaly" / "frames"
    (frames / "cow.labels").mkdir(parents=True)
    Image.fromarray(np.zeros((1, 4, 3), np.uint8)).save(frames / "cow.jpg")
    Image.fromarray(np.array(values, np.uint8)).save(frames / "cow.labels" / "labels_semantic.png")


@pytest.mark.parametrize("card", shipped_cards(), ids=lambda card: card.name)
def test_every_card_says_how_it_is_got(card: DatasetCard, get: Command) -> None:
    for variant, wanted in card.variants.items():
        code, output, errors = get(card.spec(variant))
        assert (code, errors) == (0, "")
        assert output.startswith(f"{card.title_of(variant)} ({card.spec(variant)})\n")
        said = [card.url, card.licence or "not verified", card.how_to_get, card.notes]
        for line in "\n".join(text for text in said if text).splitlines():
            assert line in output
        assert wanted.images is None or f"{wanted.images} images" in output
        assert output.endswith("With --data-root DIR, what lies there is checked.\n")


def test_places_are_written_out(get: Command) -> None:
    output = get("muad:test_ood_low_adv")[1]
    assert (
        "muad/test_ood_low_adv/leftImg8bit/*_leftImg8bit.* with muad/test_ood_low_adv/leftLabel/*_leftLabel.*" in output
    )
    assert "muad may also be called MUAD." in output


def test_what_is_there_is_checked(tmp_path: Path, get: Command) -> None:
    draw_road_anomaly(tmp_path, [[0, 1, 2, 255]])
    code, output, _ = get("road_anomaly", "--data-root", str(tmp_path))
    assert code == 0
    assert "road_anomaly (released layout): 1 of 60 expected images, 4x1 (1)" in output
    assert "nothing is wrong with these files" in output


def test_what_is_wrong_with_it_is_named(tmp_path: Path, get: Command) -> None:
    draw_road_anomaly(tmp_path, [[0, 1, 2, 7]])
    code, output, _ = get("road_anomaly", "--data-root", str(tmp_path))
    assert code == 2
    assert "cow.labels/labels_semantic.png holds the value 7" in output


def test_what_is_not_there_yet_is_said_and_no_error(tmp_path: Path, get: Command) -> None:
    code, output, errors = get("road_anomaly", "--data-root", str(tmp_path))
    assert (code, errors) == (0, "")
    assert f"Not there yet: nothing of road_anomaly was found under {tmp_path}" in output
    (tmp_path / "deeper").mkdir()
    draw_road_anomaly(tmp_path / "deeper", [[0, 1, 2, 255]])
    assert f"give --data-root {tmp_path / 'deeper'}" in get("road_anomaly", "--data-root", str(tmp_path))[1]


def test_a_name_or_a_data_root_that_is_none_is_refused(tmp_path: Path, get: Command) -> None:
    assert_refused(get("road_anomly"), "'road_anomly'; did you mean road_anomaly?")
    assert_refused(get("road_anomaly", "--data-root", str(tmp_path / "none")), "is no folder")
