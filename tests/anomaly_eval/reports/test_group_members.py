"""Which runs `report --group` averages, and what the tables say of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from anomaly_eval.cli.main import main
from anomaly_eval.reports.names import run_names
from tests.anomaly_eval.commands import Command, assert_refused
from tests.anomaly_eval.reports.edited_runs import edited

MEANS = ("mean_of_probabilities", "mean_of_scores")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two networks and of their means, on anomalies and on classes."""
    from tests.anomaly_eval import networks
    from tests.anomaly_eval.conftest import draw_data

    folder = tmp_path_factory.mktemp("together")
    data = draw_data(folder)
    checkpoints = [
        str(networks.save(folder / f"{name}.pth", networks.CGNET, networks.build(networks.CGNET, seed)))
        for seed, name in enumerate("ab")
    ]
    sets = ["--dataset", "road_anomaly", str(folder / "training.yaml"), "--data-root", str(data), "--device", "cpu"]
    words = ["--ckpt", *checkpoints, *sets, "--scores", "msp", "max_logit", "--ensemble", "mean"]
    assert main(["eval", *words, "--out", str(folder / "seeds")]) == 0
    return folder


def test_means_of_networks_are_no_further_seeds(report: Command, tmp_path: Path) -> None:
    code, output, errors = report("--group", "seeds=seeds")
    assert code == 0, errors
    assert "over 2 runs (a, b); left out, as means of these networks: mean_of_probabilities, mean_of_scores." in output
    found = pd.read_csv(tmp_path / "report/groups.csv")
    assert set(found["n"]) == {2} and set(found["method"].dropna()) == {"msp", "max_logit"}
    whole = (tmp_path / "report/groups.csv").read_text()
    assert report("--group", "seeds=seeds/a,seeds/b", "--format", "csv")[0] == 0
    assert (tmp_path / "report/groups.csv").read_text() == whole
    # As a run of its own a mean of networks is a row.
    assert report("seeds", "--format", "csv")[0] == 0
    assert set(pd.read_csv(tmp_path / "report/results.csv")["run"]) == {"a", "b", *MEANS}


def test_means_of_networks_that_are_named_are_averaged(report: Command, made: Path, tmp_path: Path) -> None:
    other = edited(made / "seeds/mean_of_scores", tmp_path / "other/mean_of_scores", warnings=["another day"])
    code, output, errors = report("--group", f"means=seeds/mean_of_scores,{other}")
    assert code == 0, errors
    assert "over 2 runs (seeds/mean_of_scores, other/mean_of_scores)." in output
    scores = json.loads((made / "seeds/mean_of_scores/results.json").read_text())["datasets"]
    one = edited(made / "seeds/a", tmp_path / "a", datasets=scores, closed_set=[], closed_set_classes=[])
    code, output, errors = report("--group", f"all={one},seeds/mean_of_scores")
    assert code == 0, errors
    assert "over 2 runs (a, mean_of_scores); among them means of several networks: mean_of_scores." in output
    # The same of their score maps.
    maps = []
    for run in (Path(one), made / "seeds/mean_of_scores"):
        model = json.loads((run / "results.json").read_text())["provenance"]["model"]
        folder = {"folder": "maps", "methods": ["msp"], "n_files": 4, "suffixes": [".tif"], "precision": "float32"}
        folders = [folder | {"maps_sha256": "0" * 64, "model": model}]
        maps.append(edited(run, tmp_path / "maps" / run.name, provenance__model={"folders": folders}))
    code, output, errors = report("--group", f"all={','.join(maps)}")
    assert code == 0, errors
    assert "over 2 runs (a, mean_of_scores); among them means of several networks: mean_of_scores." in output


def test_a_run_of_several_networks_with_means_alone_is_refused(report: Command, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "seeds", tmp_path / "means")
    for name in "ab":
        shutil.rmtree(tmp_path / "means" / name)
    assert_refused(report("--group", f"x={tmp_path / 'means'}"), "x has means of several networks alone", "--group x=")


def test_what_is_no_other_seed_is_said(report: Command, made: Path, tmp_path: Path) -> None:
    again = edited(made / "seeds/a", tmp_path / "again/a", warnings=["another day"])
    code, output, errors = report("--group", f"seeds=seeds/a,{again},seeds/b")
    assert code == 0, errors
    assert "over 3 runs (seeds/a, again/a, b); with the same weights: seeds/a, again/a." in output


def test_a_run_is_there_once_in_a_group(report: Command) -> None:
    assert_refused(report("--group", "x=seeds,seeds/a"), "the group x has seeds/a twice; leave one out")


def test_folders_are_told_apart_by_as_many_names_as_it_takes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("1/x/a", "2/x/a", "2/y/a", "b", "1/b/a")]
    assert run_names(folders) == ["1/x/a", "2/x/a", "y/a", "b", "b/a"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("tta", "flip", "in --tta, seeds/a has 'none', other/a has 'flip'"),
        ("resize", "short side 200", "in --resize, seeds/a has 'native', other/a has 'short side 200'"),
        ("inference", "slide", "in inference, seeds/a has 'whole', other/a has 'slide'"),
        ("dropped_classes", ["sky", "car"], "in outputs left out, seeds/a has 'none', other/a has 'sky, car'"),
    ],
)
def test_networks_that_were_run_otherwise_are_no_seeds_of_one(
    report: Command, made: Path, tmp_path: Path, field: str, value: object, said: str
) -> None:
    other = edited(made / "seeds/a", tmp_path / "other/a", **{f"provenance__model__{field}": value})
    for more in ([], ["--mixed"]):
        answer = report("--group", f"x=seeds/a,{other},seeds/b", *more)
        assert_refused(answer, f"the runs of x cannot be averaged: {said}, b has ", "evaluate them alike")
    # Beside each other they may stand, as before.
    assert report("seeds/a", other)[0] == 0
    assert report("--group", "x=seeds/a", f"y={other}")[0] == 0


def test_the_images_own_size_is_the_same_however_it_was_asked_for(report: Command, made: Path, tmp_path: Path) -> None:
    other = edited(made / "seeds/a", tmp_path / "other/a", provenance__model__resize="1x")
    assert report("--group", f"x={other},seeds/b")[0] == 0


def test_a_run_may_stand_beside_its_group_and_in_another(report: Command, tmp_path: Path) -> None:
    code, output, errors = report("seeds/a", "--group", "both=seeds/a,seeds/b", "lone=seeds/b")
    assert code == 0, errors
    runs = pd.read_csv(tmp_path / "report/results.csv")["run"]
    assert list(dict.fromkeys(runs)) == ["a", "both/a", "both/b", "lone/b"]
    assert "a: MSP" in output and "both: MSP" in output and "lone: MSP" in output


def test_tables_speak_of_the_groups_that_they_show(report: Command, made: Path, tmp_path: Path) -> None:
    anomalies = json.loads((made / "seeds/b/results.json").read_text())["datasets"][:1]
    bare = edited(made / "seeds/b", tmp_path / "b", datasets=anomalies, closed_set=[], closed_set_classes=[])
    code, output, errors = report("--group", "classes=seeds", f"scores={bare}")
    assert code == 0, errors
    assert output.count("classes: mean ±") == 2 and output.count("scores: one run (b)") == 1


def test_footnotes_are_of_all_runs_of_a_group(report: Command, made: Path, tmp_path: Path) -> None:
    """Facts that may differ between seeds: no footnote says those of the first alone."""
    fit = {"dataset": "cityscapes", "n_images": 3, "expected_images": 3, "files_sha256": "f" * 64}
    part = {"dataset": "road_anomaly", "method": "msp", "track": "obstacle", "threshold_from": "given",
            "n_components": 3, "n_predicted": 4, "mean_siou": 1.0, "mean_ppv": 2.0, "mean_f1": 3.0}  # fmt: skip
    runs = [
        edited(
            made / f"seeds/{name}",
            tmp_path / name,
            closed_set__0__n_classes=classes,
            closed_set__0__protocol=protocol,
            components=[part | {"threshold": threshold}],
            provenance__fits={"msp": fit | {"notes": ["alike", *notes]}},
            conventions__class_maps=maps,
            datasets__0__expected_images=expected,
        )
        for name, classes, protocol, threshold, notes, maps, expected in (
            ("a", 5, "card: whole", 0.25, [], "not known: score maps of the labels' sizes were read from files", 4),
            ("b", 3, "card: slide", 0.125, ["no pixel of car"], "resized bilinearly", 60),
        )
    ]
    anomalies = json.loads((made / "seeds/b/results.json").read_text())["datasets"][:1]
    alike = {"conventions__class_maps": "resized bilinearly", "datasets": anomalies, "closed_set": []}
    beside = edited(made / "seeds/b", tmp_path / "beside", **alike, closed_set_classes=[])
    for singles in ([], [beside]):
        code, output, errors = report(*singles, "--group", f"x={','.join(runs)}")
        assert code == 0, errors
        assert "test settings of the card: whole or card: slide; mIoU over 3 or 5 of 5 classes." in output
        assert "thresholds given: " + "x: " * bool(singles) + "MSP 0.125 or 0.25." in output
        assert "fitted on cityscapes, 3 of 3 images. Alike. No pixel of car (b)." in output
        assert "Class maps: resized bilinearly; of x/a not known: score maps" in output
        assert "† Road Anomaly: 4 of 60 images" in output
