"""The command that draws the synthetic streets, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import anomaly_eval.synthetic_streets.writing as writing
from anomaly_eval.cli.main import main
from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import find_samples
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.synthetic_streets.scene import draw_scene
from tests.anomaly_eval.commands import Answer, Command, assert_refused

COUNTS = ("--train", "3", "--val", "1", "--test", "2")


@pytest.fixture
def make(command: Command) -> Command:
    def run(out: Path, *options: str, name: str = "synthetic_streets") -> Answer:
        return command("datasets", "make", name, "--out", out, *options)

    return run


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_made_passes_the_check(tmp_path, make, capsys):
    code, output, errors = make(tmp_path / "data", *COUNTS)
    assert code == 0, errors
    assert "2 images of synthetic_streets, 3 + 1 of synthetic_streets_classes" in output
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    for name, count in (
        ("synthetic_streets", 2),
        ("synthetic_streets_classes:train", 3),
        ("synthetic_streets_classes", 1),
    ):
        assert main(["datasets", "check", name, "--data-root", str(tmp_path / "data")]) == 0
        report = capsys.readouterr().out
        assert f"{count} of " in report and f"512x256 ({count})" in report


def test_the_files_hold_the_scenes(tmp_path, make):
    assert make(tmp_path / "data", *COUNTS, "--seed", "5")[0] == 0
    card, variant = load_card("synthetic_streets")
    for index, sample in enumerate(find_samples(card, variant, tmp_path / "data").samples):
        scene = draw_scene(5, "test", index, with_anomalies=True)
        assert sample.id == f"seed5_test_{index:05d}"
        assert (sample.read_label() == scene.label).all()
        assert set(np.unique(sample.read_label())) == {INLIER, ANOMALY, VOID}
        assert np.abs(sample.read_image().astype(int) - scene.image).mean() < 4
    card, variant = load_card("synthetic_streets_classes:train")
    for index, sample in enumerate(find_samples(card, variant, tmp_path / "data").samples):
        assert (sample.read_label() == draw_scene(5, "train", index, with_anomalies=False).classes).all()
        assert Image.open(sample.image).format == "JPEG"


def test_the_bytes_do_not_depend_on_the_processes_nor_on_the_counts(tmp_path, make):
    assert make(tmp_path / "alone", *COUNTS, "--workers", "1")[0] == 0
    assert make(tmp_path / "both", *COUNTS, "--workers", "2")[0] == 0
    assert make(tmp_path / "fewer", "--train", "2", "--val", "0", "--test", "1")[0] == 0
    alone, fewer = files(tmp_path / "alone"), files(tmp_path / "fewer")
    assert files(tmp_path / "both") == alone
    assert len(alone) == 12 and len(fewer) == 6
    assert fewer.items() <= alone.items()
    assert not (tmp_path / "fewer/synthetic_streets_classes/images/val").exists()


def test_an_empty_folder_is_taken_and_another_refused(tmp_path, make):
    (tmp_path / "empty").mkdir()
    assert make(tmp_path / "empty", "--train", "1", "--val", "0", "--test", "0")[0] == 0
    before = files(tmp_path)
    assert_refused(make(tmp_path / "empty", *COUNTS), str(tmp_path / "empty"), "is not empty")
    (tmp_path / "file").touch()
    assert_refused(make(tmp_path / "file", *COUNTS), "is a file")
    assert files(tmp_path) == before | {"file": b""}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]


def test_nothing_to_draw_and_unknown_names_are_refused(tmp_path, make):
    assert_refused(make(tmp_path / "out", "--train", "0", "--val", "0", "--test", "0"), "nothing to draw")
    assert_refused(make(tmp_path / "out", name="road_anomaly"), "'road_anomaly'", "synthetic_streets")
    assert not list(tmp_path.iterdir())


def test_a_failure_on_the_way_leaves_nothing(tmp_path, make, monkeypatch):
    def fail(seed, split, index, with_anomalies):
        if index == 1:
            raise OSError(28, "No space left on device")
        return draw_scene(seed, split, index, with_anomalies)

    monkeypatch.setattr(writing, "draw_scene", fail)
    assert_refused(make(tmp_path / "new" / "out", *COUNTS, "--workers", "1"), "No space left on device")
    assert not list(tmp_path.iterdir())
