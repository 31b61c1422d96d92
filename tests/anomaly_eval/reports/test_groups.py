"""`report --group` as a user meets it: runs of several seeds in one row, and differences between runs."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import Answer, Command, assert_refused
from tests.anomaly_eval.reports.edited_runs import edited

SCORES = ["msp", "entropy"]
MORE = ["--scores", *SCORES, "--bootstrap", "9", "--per-image", "--components", "obstacle", "--save-scores"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of networks of four seeds on the same four images, and one of the score maps of the first three together."""
    from tests.anomaly_eval import networks
    from tests.anomaly_eval.conftest import draw_data

    folder = tmp_path_factory.mktemp("seeds")
    data = draw_data(folder)
    sets = ["--dataset", "road_anomaly", str(folder / "training.yaml"), "--data-root", str(data), "--device", "cpu"]
    for seed in range(4):
        network = networks.build(networks.CGNET, seed)
        checkpoint = networks.save(folder / f"{seed}.pth", networks.CGNET, network)
        words = ["--ckpt", str(checkpoint), *sets, *MORE, "--out", str(folder / f"seed{seed}")]
        assert main(["eval", *words]) == 0
    names = [f"seed{seed}" for seed in range(3)]
    words = [
        "--score-maps",
        *(str(folder / name) for name in names),
        "--names",
        *names,
        "--dataset",
        "road_anomaly",
        "--data-root",
        str(data),
        "--bootstrap",
        "40",
    ]
    assert main(["eval", *words, "--seed", "3", "--out", str(folder / "joined")]) == 0
    return folder


@pytest.fixture
def report(made: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `report` beside the runs and return what it answers."""
    monkeypatch.chdir(made)

    def run(*words: str) -> Answer:
        return command("report", *words, "--out", tmp_path / "report")

    return run


def table(path: Path) -> pd.DataFrame:
    """Read a CSV file; unlike those of pandas, the numbers are the nearest to the text."""
    with path.open(newline="") as file:
        found = pd.DataFrame(list(csv.DictReader(file)))
    numbers = [name for name in found if not {name} & {"run", "group", "dataset", "method", "other", "metric"}]
    return found.assign(**{name: found[name].map(as_number) for name in numbers})


def as_number(text: str) -> float | str:
    try:
        return float(text or "nan")
    except ValueError:
        return text


def test_means_and_deviations_are_those_of_pandas(report, tmp_path: Path) -> None:
    code, output, errors = report("seed3", "--group", "three=seed0,seed1,seed2")
    assert code == 0, errors
    found = table(tmp_path / "report/groups.csv").set_index(["dataset", "method", "metric"])
    assert set(found["group"]) == {"three"} and set(found["n"]) == {3}
    counted = 0
    for name, metrics in {
        "results": ["auroc", "ap", "fpr95"],
        "per_image": ["per_image_auroc", "per_image_ap", "per_image_fpr95"],
        "components": ["mean_siou", "mean_ppv", "mean_f1"],
        "closed_set": ["miou", "macc", "aacc"],
    }.items():
        measured = table(tmp_path / f"report/{name}.csv")
        assert sorted(set(measured["run"])) == ["seed3", "three/seed0", "three/seed1", "three/seed2"]
        place = ["dataset", "method"] if "method" in measured else ["dataset"]
        grouped = measured[measured["run"] != "seed3"].groupby(place)[metrics]
        for key, own in grouped:
            dataset, method = key if len(place) == 2 else (key[0], "")
            for metric in metrics:
                row = found.loc[(dataset, method, metric)]
                counted += 1
                if own[metric].isna().any():
                    assert np.isnan(row["mean"])
                    continue
                assert float(row["mean"]) == pytest.approx(own[metric].mean(), rel=1e-13)
                assert float(row["sd"]) == pytest.approx(own[metric].std(), rel=1e-12, abs=1e-13)
    assert counted == len(found) == 3 * (3 * len(SCORES) + 1)
    mean, sd = (float(found.loc[("road_anomaly", "msp", "auroc")][name]) for name in ("mean", "sd"))
    assert "three: MSP" in output and f"{mean:.2f} ± {sd:.2f}" in output
    assert f"{mean:.2f}** ± {sd:.2f}" in (text := (tmp_path / "report/report.md").read_text()) or f"{mean:.2f}" in text
    assert re.search(
        rf"{mean:.2f}\}}? {{\\scriptsize \$\\pm\$ {sd:.2f}}}", (tmp_path / "report/results.tex").read_text()
    )
    assert f"<small>± {sd:.2f}</small>" in (tmp_path / "report/index.html").read_text()
    assert "three: mean ± sample standard deviation (n - 1) over 3 runs (seed0, seed1, seed2)." in text
    assert "| three | " in text and "three/seed1: Checkpoint: 1.pth" in text
    record = json.loads((tmp_path / "report/report.json").read_text())
    assert record["groups"] == {"three": ["three/seed0", "three/seed1", "three/seed2"]}
    assert list(record["runs"]) == ["seed3", "three/seed0", "three/seed1", "three/seed2"]


def test_the_best_is_the_best_mean_and_overlaps_are_named(report, tmp_path: Path) -> None:
    assert report("--group", "one=seed0,seed1", "two=seed2,seed3", "--format", "md,csv")[0] == 0
    found = table(tmp_path / "report/groups.csv")
    lines = found[found["metric"] == "ap"].sort_values("mean", ascending=False)
    text = (tmp_path / "report/report.md").read_text()
    best, second = (lines.iloc[place] for place in (0, 1))
    assert f"**{best['mean']:.2f}** ± {best['sd']:.2f}" in text
    assert f"<ins>{second['mean']:.2f}</ins> ± {second['sd']:.2f}" in text
    (note,) = re.findall(r"- (Best and second are by the mean.*)", text[: text.index("mean AUROC")])
    overlap = best["mean"] - second["mean"] <= best["sd"] + second["sd"]
    assert ("AP" in note.partition("overlap: Road Anomaly")[2]) == overlap


def test_a_group_of_one_run_and_a_lone_group(report, tmp_path: Path) -> None:
    code, output, errors = report("--group", "lone=seed0")
    assert code == 0, errors
    assert "lone: one run (seed0), so that there is no deviation." in " ".join(output.split())
    assert "±" not in (tmp_path / "report/results.tex").read_text().split("midrule")[1]
    found = table(tmp_path / "report/groups.csv")
    assert found["sd"].isna().all() and set(found["n"]) == {1}
    shutil.rmtree(tmp_path / "report")
    assert report("--group", "all=seed0,seed1,seed2,seed3", "--format", "tex")[0] == 0
    assert "\nMSP & " in (tmp_path / "report/results.tex").read_text()


def test_differences_between_runs_are_those_of_the_joined_score_maps(report, made: Path, tmp_path: Path) -> None:
    code, _, errors = report("seed0", "seed1", "seed2", "--bootstrap", "40", "--seed", "3", "--intervals")
    assert code == 0, errors
    joined = table(made / "joined/differences.csv")
    # The maps of a run are called like its scores, and those of several runs after their folders.
    found = table(tmp_path / "report/differences.csv")
    assert len(found) == len(joined) == 3 * 15
    pd.testing.assert_frame_equal(found, joined, check_exact=True)
    intervals = table(tmp_path / "report/intervals.csv")
    intervals["method"] = intervals["run"] + "/" + intervals["method"]
    pd.testing.assert_frame_equal(intervals.drop(columns="run"), table(made / "joined/intervals.csv"), check_exact=True)
    assert "Differences between methods, in points" in (tmp_path / "report/index.html").read_text()
    assert "40 resamples of the images of each dataset, seed 3" in (tmp_path / "report/results.tex").read_text()


def test_images_are_paired_by_their_pixels_whatever_they_are_called(report, made: Path, tmp_path: Path) -> None:
    data = shutil.copytree(made / "data/road_anomaly", tmp_path / "renamed/road_anomaly")
    for path in [*data.rglob("*.png")]:
        path.rename(path.with_name(f"{'cadb'[int(path.stem)]}.png"))
    words = ["--ckpt", str(made / "1.pth"), "--dataset", "road_anomaly", "--data-root", str(data.parent)]
    assert main(["eval", *words, "--device", "cpu", *MORE, "--out", str(tmp_path / "seed1")]) == 0
    assert report("seed0", "seed1", "--bootstrap", "30", "--format", "csv")[0] == 0
    expected = (tmp_path / "report/differences.csv").read_text()
    shutil.rmtree(tmp_path / "report")
    assert report("seed0", str(tmp_path / "seed1"), "--bootstrap", "30", "--format", "csv")[0] == 0
    assert (tmp_path / "report/differences.csv").read_text() == expected


def test_on_each_draw_a_group_is_the_mean_of_its_runs(report, tmp_path: Path) -> None:
    code, output, errors = report("seed3", "--group", "three=seed0,seed1,seed2", "--bootstrap", "1", "--intervals")
    assert code == 0, errors
    groups, singles = table(tmp_path / "report/intervals.csv"), []
    for seed in range(3):
        shutil.rmtree(tmp_path / "report")
        assert report(f"seed{seed}", "--bootstrap", "1", "--format", "csv")[0] == 0
        singles.append(table(tmp_path / "report/intervals.csv"))
    # Both ends of the interval of one draw are that draw.
    expected = sum(single["low"] for single in singles) / 3
    assert groups[groups["run"] == "three"]["low"].tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    assert "of a group, means over its runs on the same resamples" in " ".join(output.split())
    # Those that runs have are not those of their mean.
    shutil.rmtree(tmp_path / "report")
    code, output, errors = report("seed3", "--group", "three=seed0,seed1,seed2", "--intervals")
    assert code == 0, errors
    assert "seed 0; groups have none without --bootstrap." in " ".join(output.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--group", "seed0,seed1"], "--group seed0,seed1 names no runs; give NAME=RUN,RUN,RUN"),
        (["--group", "a=seed0,seed1", "seed2"], "--group seed2 names no runs"),
        (["--group", "a="], "--group a= names no runs"),
        (["--group", "a=seed0", "a=seed1"], "there are two groups 'a'"),
        (["--group", "a=seed0,seed1,seed0"], "the group a has seed0 twice"),
        (["--group", "a=seed0,./nothing/../seed0"], "the group a has seed0 and nothing/../seed0, which are one run"),
        (["seed0", "--group", "seed0=seed1,seed2"], "two of the runs and groups are called 'seed0'"),
        (["seed3", "--names", "a/seed0", "--group", "a=seed0"], "two of the runs and groups are called 'a/seed0'"),
        (["--group", "a/seed1=seed0", "a=seed1"], "two of the runs and groups are called 'a/seed1'"),
        (["--group", "a=seed0,nothing"], "nothing holds no results.json"),
        (["--group", "a=seed0,joined"], "the runs of a cannot be averaged: "),
        (["--group", "a=seed0,joined"], "joined lacks datasets: "),
        (["--bootstrap", "9"], "there is nothing to report"),
    ],
)
def test_groups_that_are_refused(report, tmp_path: Path, words: list[str], said: str) -> None:
    assert_refused(report(*words), said)
    assert not (tmp_path / "report").exists()


def test_what_differs_between_the_runs_of_a_group_is_named(report, made: Path, tmp_path: Path) -> None:
    run = made / "seed1"
    shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("scores"))
    assert_refused(report("--group", f"a={run},{tmp_path / 'copy'}"), "copy, which are one run; leave one out")
    other = edited(run, tmp_path / "nearest", conventions__fpr95="nearest: another one")
    for more in ([], ["--mixed"]):
        assert_refused(
            report("--group", f"a=seed0,{other}", *more), "cannot be averaged: in fpr95, seed0 has 'first_geq"
        )
    other = edited(run, tmp_path / "images", datasets__0__files_sha256="0" * 64, datasets__0__pixels_sha256="0" * 64)
    assert_refused(report("--group", f"a=seed0,{other}"), "the images of road_anomaly in images are not those in seed0")
    other = edited(run, tmp_path / "fewer", per_image=[])
    assert_refused(
        report("--group", f"a=seed0,{other}"),
        "fewer lacks means over images: entropy on road_anomaly, msp on road_anomaly;",
    )
    other = edited(run, tmp_path / "given", components__0__threshold_from="given")
    assert_refused(report("--group", f"a=seed0,{other}"), "lacks components: msp on road_anomaly (obstacle track")
    other = edited(run, tmp_path / "negated", provenance__negated=["msp"])
    assert_refused(report("--group", f"a=seed0,{other}"), "seed0 lacks --negate: msp")


def test_runs_that_cannot_be_paired(report, made: Path, tmp_path: Path) -> None:
    without = edited(made / "seed1", tmp_path / "without", counts_sha256=None)
    assert_refused(report("seed0", without, "--bootstrap", "9"), "without holds no counts.npz", "--bootstrap 1000")
    assert report("seed0", without)[0] == 0
    shutil.rmtree(tmp_path / "report")
    swapped = Path(edited(made / "seed1", tmp_path / "swapped"))
    shutil.copy(made / "seed2/counts.npz", swapped)
    assert_refused(report("seed0", str(swapped), "--bootstrap", "9"), "counts.npz is damaged or of another run")
    other = edited(made / "seed1", tmp_path / "other", conventions__fpr95="nearest: another one")
    classes = edited(made / "seed1", tmp_path / "classes", rows=[], intervals=[], differences=[])
    assert_refused(report(classes, "--bootstrap", "9"), "--bootstrap draws images of anomaly datasets, and these runs")
    words = ["seed0", other, "--mixed", "--bootstrap", "9"]
    assert_refused(report(*words), "--bootstrap pairs runs, and these must not be compared: in fpr95")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_of_groups_compiles(report, tmp_path: Path) -> None:
    assert (
        report("seed3", "--group", "a=seed0,seed1,seed2", "--bootstrap", "9", "--intervals", "--format", "tex")[0] == 0
    )
    for name in ("results", "components", "per_image", "closed_set"):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
        done = subprocess.run(command, cwd=tmp_path / "report", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]
