"""A whole study with real trainings: its numbers, its records, and going on after interruptions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from anomaly_eval.cli.main import main
from anomaly_eval.results.records import Results
from anomaly_eval.studies.ablation import run
from anomaly_eval.studies.ablation.doing import Workshop
from anomaly_eval.studies.ablation.request import AblationRequest
from anomaly_eval.studies.ablation.steps import Step
from anomaly_eval.studies.trainings import Training
from tests.anomaly_eval.commands import assert_refused, rows
from tests.anomaly_eval.studies.ablation.studies import ablate, copied
from tests.gmmseg.training.trainings import leave_unformatted_elsewhere

NETWORKS = ("softmax", "mixtures", "refitted")
EVALUATIONS = {"evaluate", "closed_set", "calibrate"}


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished study."""
    return copied(finished, tmp_path / "study")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The steps that are done, beside trainings, which would fail."""
    seen: list[tuple[str, str]] = []
    do = Workshop.do

    def noted(self: Workshop, step: Step, console: Any) -> None:
        seen.append((step.kind, step.network))
        do(self, step, console)

    def refused(trainings: list[Training], *_: Any, **__: Any) -> None:
        raise AssertionError(f"{len(trainings)} trainings were started")

    monkeypatch.setattr(Workshop, "do", noted)
    monkeypatch.setattr(run, "train_all", refused)
    return seen


def results(folder: Path, kind: str, network: str) -> Results:
    return Results.model_validate_json((folder / kind / network / "results.json").read_text())


def test_every_number_is_that_of_the_evaluations(finished: Path) -> None:
    out = finished / "out"
    found = rows(out, "ablation.csv")
    names = [(line["section"], line["row"], line["network"], line["score"]) for line in found]
    assert names == [
        ("Twins", "Softmax", "softmax", "msp"),
        ("Twins", "Softmax", "softmax", "mahalanobis"),
        ("Twins", "GMMSeg", "mixtures", "gmmseg"),
        ("Twins", "GMMSeg", "mixtures", "gmmseg_normalised"),
        ("After training", "At first", "softmax", "energy"),
        ("After training", "Refit", "refitted", "gmmseg"),
    ]
    markdown = (out / "ablation.md").read_text()
    for line in found:
        measured = results(out, "evaluation", line["network"])
        row = next(row for row in measured.rows if row.method == line["score"])
        assert {name: float(line[name]) for name in ("auroc", "ap", "fpr95")} == row.metrics
        auroc = f"{row.metrics['auroc']:.2f}"
        bounds = {one.metric: (one.low, one.high) for one in measured.intervals if one.method == line["score"]}
        for name, interval in bounds.items():
            assert (float(line[f"{name}_low"]), float(line[f"{name}_high"])) == interval
        assert len(bounds) == 3
        miou = results(out, "closed_set", line["network"]).closed_set[0].metrics["miou"]
        calibration = json.loads((out / "calibration" / line["network"] / "calibration.json").read_text())
        assert float(line["miou"]) == miou
        assert float(line["ece"]) == calibration["rows"][0]["ece"]
        assert sum(auroc in text and f"{miou:.2f}" in text for text in markdown.splitlines()) >= 1


def test_the_tables_have_sections_ranks_intervals_and_notes(finished: Path) -> None:
    markdown, latex = ((finished / "out" / f"ablation.{kind}").read_text() for kind in ("md", "tex"))
    head = markdown.splitlines()[0]
    assert head.startswith("| Method | Drawn scenes mIoU ↑ | Drawn scenes ECE ↓ | Odd scenes AUROC ↑ |")
    assert [line for line in markdown.splitlines() if line.startswith("| *")] == [
        "| *Twins* |  |  |  |  |  |",
        "| *After training* |  |  |  |  |  |",
    ]
    # Each column has its best in each of two sections.
    columns = [line.split(" | ")[1:] for line in markdown.splitlines() if line.startswith("| ")][2:]
    for place in range(5):
        assert sum("**" in line[place] for line in columns if len(line) > place) >= 2
    assert r"\caption{A study of 2 \% \& more (Drawn scenes, Odd scenes)." in latex
    assert r"\label{tab:a-study-of-2-more}" in latex
    assert r"\begin{tabular}{lccccc}" in latex
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-6}" in latex
    assert latex.count("scriptsize") == 6 * 3
    for text in (markdown, latex):
        assert "Trainings: 4 iterations, seed 0; default" in text
        assert "20 resamples" in text
        assert "Softmax, At first: network softmax, study-softmax.py." in text
        assert (
            "Refit: network refitted, mixtures fitted after training to softmax (study-softmax.py), components 2"
            in text
        )
        assert "Resolution of the anomaly datasets: short side 48." in text


def test_the_record_tells_what_each_step_took(finished: Path) -> None:
    record = json.loads((finished / "out" / "ablation.json").read_text())
    steps = {(step["kind"], step["network"]) for step in record["steps"]}
    assert steps == {
        ("train", "softmax"),
        ("train", "mixtures"),
        ("refit", "refitted"),
        *((kind, network) for kind in EVALUATIONS for network in NETWORKS),
    }
    assert all(step["seconds"] > 0 and step["hardware"]["cores"] >= 1 for step in record["steps"])
    assert record["study"]["iterations"] == 4 and record["study"]["seed"] == 0
    assert record["study"]["plan"]["networks"]["refitted"]["components"] == 2
    assert record["trainings_at_once"] == 2
    assert record["hardware"]["gpu"] is None and record["hardware"]["processor"]
    assert "torch" in record["versions"]
    assert len(record["rows"]) == 6


def test_each_size_is_for_its_own_and_the_seed_for_all(finished: Path) -> None:
    out = finished / "out"
    assert results(out, "evaluation", "softmax").provenance.model.resize == "short side 48"
    assert results(out, "closed_set", "softmax").provenance.model.resize == "short side 40"
    assert any(
        "short side 56" in note for note in results(out, "evaluation", "refitted").provenance.fits["gmmseg"].notes
    )
    assert set(results(out, "evaluation", "softmax").provenance.fits) == {"mahalanobis"}
    seeds = [torch.load(out / "training" / name / "weights.pth")["meta"]["seed"] for name in ("softmax", "mixtures")]
    assert seeds == [0, 0]


def test_a_finished_study_is_only_written_again(
    finished: Path, study: Path, done: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "ablation.md").unlink()
    assert ablate(finished, out=study) == 0
    assert done == []
    assert "12 of 12 steps are done already" in capsys.readouterr().err
    assert (study / "ablation.md").read_text() == (finished / "out" / "ablation.md").read_text()
    assert json.loads((study / "ablation.json").read_text())["steps"]


def test_another_score_costs_one_evaluation_and_reaches_the_table(
    finished: Path, study: Path, done: list[tuple[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = (finished / "study.yaml").read_text()
    (more := tmp_path / "more.yaml").write_text(re.sub(r"( *)- energy\n", r"\1- energy\n\1- msp_smoothed\n", plan))
    where = ["--out", str(study), "--data-root", str(finished / "data"), "--device", "cpu"]
    assert main(["ablate", str(more), *where, "--only", "GMMSeg"]) == 0
    assert done == []
    assert main(["ablate", str(more), *where]) == 0
    assert done == [("evaluate", "softmax")]
    assert "evaluate softmax: anew" in capsys.readouterr().err
    before, after = rows(finished / "out", "ablation.csv"), rows(study, "ablation.csv")
    assert [line["score"] for line in after] == [*[line["score"] for line in before[:5]], "msp_smoothed", "gmmseg"]
    assert [line for line in after if line["score"] != "msp_smoothed"] == before
    # One score fewer costs nothing, and neither does having it back.
    assert ablate(finished, out=study) == 0
    assert main(["ablate", str(more), *where]) == 0
    assert done == [("evaluate", "softmax")]


def test_a_run_that_was_killed_between_steps_goes_on(
    finished: Path, study: Path, done: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As after a kill when only the trainings were through.
    for path in ("ablation.json", "ablation.csv", "ablation.md", "ablation.tex", "networks/refitted.pth"):
        (study / path).unlink()
    do = Workshop.do

    def killed(self: Workshop, step: Step, console: Any) -> None:
        if (step.kind, step.network) == ("closed_set", "refitted"):
            raise KeyboardInterrupt
        do(self, step, console)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Workshop, "do", killed)
        run.run_ablation(
            AblationRequest(str(finished / "study.yaml"), study, finished / "data", device="cpu"), run.Console()
        )
    assert done == [("refit", "refitted"), ("evaluate", "refitted")]
    # What came from the mixtures before is gone, and the networks that were done are as they were.
    assert not (study / "closed_set" / "refitted").exists()
    assert not (study / "ablation.md").exists()
    done.clear()
    assert ablate(finished, out=study) == 0
    assert done == [("closed_set", "refitted"), ("calibrate", "refitted")]
    assert (study / "ablation.csv").read_text() == (finished / "out" / "ablation.csv").read_text()


def test_an_interrupted_training_goes_on_to_the_same_weights(
    finished: Path, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_unformatted_elsewhere(tmp_path, monkeypatch)
    training = study / "training" / "softmax"
    for name in ("weights.pth", "iter_4.pth"):
        (training / name).unlink()
    assert ablate(finished, "--only", "At first", out=study) == 0
    assert "going on from" in (study / "training" / "softmax.log").read_text()
    before, after = (
        torch.load(folder / "training" / "softmax" / "weights.pth")["state_dict"]
        for folder in (finished / "out", study)
    )
    assert all(torch.equal(before[name], after[name]) for name in before)
    steps = json.loads((study / "ablation.json").read_text())["steps"]
    assert [step["network"] for step in steps if step["resumed"]] == ["softmax"]
    # All that was made of it is made anew; what was made of the others stays.
    assert [line["row"] for line in rows(study, "ablation.csv")] == ["At first"]
    assert results(study, "evaluation", "softmax").rows == results(finished / "out", "evaluation", "softmax").rows
    assert (study / "evaluation" / "mixtures" / "results.json").is_file()


def test_an_edited_config_is_refused(
    finished: Path, study: Path, done: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    config = finished / "study-gmmseg.py"
    text = config.read_text()
    assert set(json.loads((study / "plan.json").read_text())["configs_sha256"]) == {"softmax", "mixtures"}
    try:
        config.write_text(text + "\noptim_wrapper['optimizer']['lr'] = 0.123\n")
        code = ablate(finished, out=study)
        assert_refused((code, "", capsys.readouterr().err), "the config of mixtures was changed", "--overwrite")
        # The other network is as it was, and the words of a config do not matter.
        assert ablate(finished, "--only", "At first", out=study) == 0
        config.write_text("# A remark.\n" + text)
        assert ablate(finished, out=study) == 0
    finally:
        config.write_text(text)
    assert done == []


def test_only_some_rows(finished: Path, study: Path, done: list[tuple[str, str]]) -> None:
    assert ablate(finished, "--only", "Refit", "GMMSeg", out=study) == 0
    assert done == []
    assert [line["row"] for line in rows(study, "ablation.csv")] == ["GMMSeg", "GMMSeg", "Refit"]


def test_a_step_that_fails_is_told_and_finished_ones_stay(
    finished: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = study / "training" / "mixtures" / "weights.pth"
    path.write_bytes(b"damaged")
    (study / "evaluation" / "mixtures" / "results.json").unlink()
    code = ablate(finished, out=study)
    assert_refused((code, "", capsys.readouterr().err.split("done already\n")[1]), "weights.pth")
    assert (study / "evaluation" / "softmax" / "results.json").is_file()
    assert (study / "training" / "softmax" / "weights.pth").is_file()
