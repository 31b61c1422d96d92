"""`--overwrite` deletes nothing that a command is to read, whichever option names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from tests.anomaly_eval.commands import Command, assert_refused

MARKERS = {
    "results.json": ("format_version", "rows", "provenance"),
    "predictions.json": ("format_version", "network", "score", "images"),
    "calibration.json": ("format_version", "rows", "networks"),
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder that `eval` may replace, with a folder that anything may lie in."""
    (tmp_path / "out" / "scores").mkdir(parents=True)
    (tmp_path / "out" / "results.json").write_text(json.dumps(dict.fromkeys(MARKERS["results.json"])))
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--thresholds", "{}"),
        ("--stats", "{}"),
        ("--ckpt", "{}"),
        ("--ckpt", "{}:network"),
        ("--model", "{}:network"),
        ("--config", "{}"),
        ("--import", "{}"),
        ("--dataset", "{}"),
        ("--fit-dataset", "{}"),
        ("--data-root", "{}"),
        ("--score-maps", "{}"),
        ("--score-maps", "{}:key"),
        ("--score-maps", "{}:key:of:several"),
    ],
)
@pytest.mark.parametrize("name", ["out/scores/given", "linked"])
def test_eval_reads_nothing_that_it_would_delete(
    tmp_path: Path, out: Path, command: Command, option: str, named: str, name: str
) -> None:
    given = out / "scores" / "given"
    given.write_text("content")
    (tmp_path / "linked").symlink_to(given)
    words = {"--dataset": "road_anomaly", "--out": str(out)}
    if option not in ("--model", "--score-maps"):
        words["--ckpt"] = "net.pth"
    words[option] = named.format(tmp_path / name)
    answer = command("eval", *(word for pair in words.items() for word in pair), "--overwrite")
    assert_refused(answer, f"--overwrite would delete {tmp_path / name}, which this run reads; choose another --out")
    assert given.read_text() == "content"


def test_what_lies_elsewhere_or_is_not_there_is_another_matter(tmp_path: Path, out: Path) -> None:
    (tmp_path / "outside.json").write_text("")
    (out / "link.json").symlink_to(tmp_path / "outside.json")
    for path in (tmp_path / "outside.json", out / "missing.json", out / "link.json"):
        refuse_lost_inputs(EvaluationRequest(["msp"], [path], out=out, overwrite=True, names=[str(out)]))
    (out / "net.pth").write_text("")
    refuse_lost_inputs(EvaluationRequest(["msp"], [out / "net.pth"], out=out))


def test_results_may_be_called_like_what_they_are_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cityscapes", "network"):
        Path(name).mkdir()
    for datasets, out in ((["road_anomaly", "cityscapes"], "cityscapes"), (["cityscapes:train"], "cityscapes")):
        refuse_lost_inputs(EvaluationRequest(datasets, [Path("network")], out=Path(out), overwrite=True))
    refuse_lost_inputs(EvaluationRequest(["cityscapes"], [Path("network")], out=Path("network"), overwrite=True))
    with pytest.raises(InputError, match="would delete network, which this run reads"):
        refuse_lost_inputs(EvaluationRequest(["x"], score_maps=[Path("network")], out=Path("network"), overwrite=True))


Words = Callable[[Path, Path], list[Any]]
"""The words of a command by the folder that it replaces, and by a file in it."""


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("predictions.json", lambda out, file: ["predict", file]),
        ("predictions.json", lambda out, file: ["predict", "photo.jpg", "--thresholds", file]),
        ("predictions.json", lambda out, file: ["predict", "photo.jpg", "--format", "smiyc", "--stats", file]),
        ("calibration.json", lambda out, file: ["calibrate", "--ckpt", file, "--dataset", "cityscapes"]),
        ("calibration.json", lambda out, file: ["calibrate", "--ckpt", "a.pth", "--dataset", file]),
        ("results.json", lambda out, file: ["speed", "--ckpt", "a.pth", "--config", file]),
        ("results.json", lambda out, file: ["report", file]),
        ("results.json", lambda out, file: ["report", "--group", f"seeds=elsewhere,{file}"]),
        ("results.json", lambda out, file: ["ablate", "camvid", "--init-from", file]),
    ],
)
def test_other_commands_do_neither(tmp_path: Path, command: Command, marker: str, words: Words) -> None:
    out = tmp_path / "out"
    file = out / "scores" / "given"
    file.parent.mkdir(parents=True)
    file.write_text("content")
    (out / marker).write_text(json.dumps(dict.fromkeys(MARKERS[marker])))
    assert_refused(command(*words(out, file), "--out", out, "--overwrite"), f"--overwrite would delete {file}, which")
    assert file.read_text() == "content"


@pytest.mark.parametrize("name", ["fit", "fit-mixtures"])
def test_files_that_are_written_are_none_that_are_read(
    tmp_path: Path, data: Path, checkpoint: Path, command: Command, name: str
) -> None:
    before = checkpoint.read_bytes()
    words = ("--dataset", tmp_path / "training.yaml", "--data-root", data)
    answer = command(name, *words, "--ckpt", checkpoint, "--out", checkpoint, "--overwrite")
    assert_refused(answer, f"--overwrite would delete {checkpoint}, which this run reads")
    assert checkpoint.read_bytes() == before


def test_a_grid_is_no_figure_of_its_own_statistics(tmp_path: Path, data: Path, command: Command) -> None:
    for name in ("grid.json", "net.pth"):
        (tmp_path / name).write_text("statistics")
    words = ("--ckpt", tmp_path / "net.pth", "--dataset", "road_anomaly", "--data-root", data)
    answer = command("grid", *words, "--stats", tmp_path / "grid.json", "--out", tmp_path / "grid", "--overwrite")
    assert_refused(answer, f"--overwrite would delete {tmp_path / 'grid.json'}, which this run reads")
