"""`gmmseg-anomaly report` as a user meets it: result folders to one table."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from anomaly_eval.reports.report import run_report
from anomaly_eval.reports.request import ReportRequest
from tests.anomaly_eval.commands import Answer, Command, assert_refused, rows


@pytest.fixture
def runs(tmp_path: Path, evaluate) -> tuple[Path, Path]:
    """Two runs of the same network with different scores, one of them with closed-set results."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert evaluate("--scores", "msp", "entropy", "--bootstrap", "20", "--per-image", out=str(first))[0] == 0
    both = ["road_anomaly", str(tmp_path / "training.yaml")]
    assert evaluate("--dataset", *both, "--scores", "max_logit", out=str(second))[0] == 0
    return first, second


@pytest.fixture
def report(tmp_path: Path, command: Command) -> Command:
    """Run `report` and return what it answers."""

    def run(*words: object) -> Answer:
        return command("report", *words, "--out", tmp_path / "report")

    return run


def edit(folder: Path, **replaced: object) -> None:
    """Replace fields of `results.json`; a dotted name goes deeper."""
    path = folder / "results.json"
    content = json.loads(path.read_text())
    for name, value in replaced.items():
        place = content
        *parents, last = name.split("__")
        for parent in parents:
            place = place[int(parent) if isinstance(place, list) else parent]
        place[last] = value
    path.write_text(json.dumps(content))


def test_numbers_of_all_runs_in_every_format(tmp_path: Path, runs, report) -> None:
    code, output, errors = report(*runs, "--with-published", "--intervals", "--figures")
    assert code == 0, errors
    measured = {(folder.name, row["method"]): row for folder in runs for row in rows(folder)}
    with (tmp_path / "report" / "results.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [(row["run"], row["method"]) for row in written] == list(measured)
    for row in written:
        assert {key: value for key, value in row.items() if key != "run"} == measured[row["run"], row["method"]]
    names = ["first: MSP", "first: Entropy", "second: Max logit"]
    for text in (output, *((tmp_path / "report" / name).read_text() for name in ("results.tex", "report.md"))):
        for name, row in zip(names, measured.values(), strict=True):
            assert name in text
            assert f"{float(row['auroc']):.2f}" in text
        for expected in ("GMMSeg-SegFormer", "Published, with resynthesis or OOD data", "SynBoost", "20 resamples"):
            assert expected in " ".join(text.split())
    found = {path.name for path in (tmp_path / "report").iterdir()}
    tables = {"results", "per_image", "closed_set"}
    assert found >= {f"{name}.{kind}" for name in tables for kind in ("csv", "tex")} | {"intervals.csv", "report.md"}
    assert (tmp_path / "report/figures/road_anomaly/roc.pdf").stat().st_size > 1000
    assert "training" in (tmp_path / "report" / "closed_set.tex").read_text().lower()


def test_best_numbers_are_ranked_over_runs(tmp_path: Path, runs, report) -> None:
    assert report(*runs, "--format", "md")[0] == 0
    everything = [row for folder in runs for row in rows(folder)]
    best = max(float(row["auroc"]) for row in everything)
    text = (tmp_path / "report" / "report.md").read_text()
    assert f"**{best:.2f}**" in text
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.md", "report.json"}


@pytest.mark.parametrize("formats", [["md", "csv"], ["md,csv"], ["md", "--format=csv"]])
def test_formats_are_a_list(tmp_path: Path, runs, report, formats) -> None:
    assert report(runs[0], "--format", *formats)[0] == 0
    assert (tmp_path / "report" / "report.md").exists() and (tmp_path / "report" / "results.csv").exists()
    assert not (tmp_path / "report" / "results.tex").exists()


def test_one_run_keeps_its_names(tmp_path: Path, runs, report) -> None:
    assert report(runs[0], "--format", "tex")[0] == 0
    text = (tmp_path / "report" / "results.tex").read_text()
    assert "\nMSP & " in text and "[" not in text.split("midrule")[-1].split("bottomrule")[0]


def test_other_conventions_are_mixed_only_when_told(tmp_path: Path, runs, report) -> None:
    edit(runs[1], conventions__fpr95="nearest: another one")
    assert_refused(report(*runs), "fpr95", "first has 'first_geq", "second has 'nearest: another one'", "--mixed")
    assert not (tmp_path / "report").exists()
    assert report(*runs, "--mixed")[0] == 0
    assert "Not comparable: in fpr95" in (tmp_path / "report" / "results.tex").read_text().replace(r"\_", "_")


def test_other_images_are_mixed_only_when_told(runs, report) -> None:
    edit(runs[1], datasets__0__files_sha256="0" * 64, datasets__0__pixels_sha256="0" * 64)
    assert_refused(report(*runs), "the images of road_anomaly in second are not those in first")
    assert report(*runs, "--mixed")[0] == 0


def test_an_older_format_is_told_with_the_command_to_run_again(runs, report) -> None:
    edit(runs[0], format_version=1)
    assert_refused(report(*runs), "format version 1", "evaluate anew with `gmmseg-anomaly eval --ckpt")


def test_folders_that_are_none_of_ours(tmp_path: Path, runs, report) -> None:
    assert_refused(report(tmp_path / "nothing"), "holds no results.json")
    (runs[0] / "results.json").write_text("{")
    assert_refused(report(*runs), "is damaged")
    edit(runs[1], rows="many")
    assert_refused(report(runs[1]), "was not written by this tool: rows")


def test_folders_of_one_name_are_told_apart(tmp_path: Path, runs, report) -> None:
    twin = tmp_path / "other" / "first"
    shutil.copytree(runs[0], twin)
    assert report(runs[0], twin, "--format", "md")[0] == 0
    assert "other/first: MSP" in (tmp_path / "report" / "report.md").read_text()
    assert_refused(report(runs[0], twin, "--names", "a", "a"), "'a'", "--names")
    assert_refused(report(runs[0], twin, "--names", "a"), "1 names for 2 folders")


def test_labels_of_latex_tables_begin_as_asked_for(tmp_path: Path, runs, report) -> None:
    def labels() -> list[str]:
        texts = [path.read_text() for path in sorted((tmp_path / "report").glob("*.tex"))]
        return [label for text in texts for label in re.findall(r"\\label\{(.*?)\}", text)]

    assert report(*runs, "--format", "tex")[0] == 0
    usual = labels()
    assert report(*runs, "--format", "tex", "--label", "seeds_2:a.1", "--overwrite")[0] == 0
    assert labels() == [label.replace("tab:", "tab:seeds_2:a.1-") for label in usual]
    for label in ("a b", "a%b", "é", "a}"):
        assert_refused(report(*runs, "--label", label), f"--label {label!r} may break LaTeX")


def test_an_unknown_format_is_refused(runs, report) -> None:
    assert_refused(report(*runs, "--format", "docx"), "'docx'", "tex, csv, md, html")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_alone_and_inside_a_paper(tmp_path: Path, runs, report) -> None:
    assert report(*runs, "--with-published", "--intervals", "--format", "tex")[0] == 0
    folder = tmp_path / "report"
    tables = sorted(path.stem for path in folder.glob("*.tex"))
    assert tables == ["closed_set", "per_image", "results"]
    inputs = "".join(rf"\input{{{name}}}" for name in tables)
    packages = r"\usepackage{booktabs,graphicx,amssymb}"
    (folder / "paper.tex").write_text(rf"\documentclass{{article}}{packages}\begin{{document}}{inputs}\end{{document}}")
    for name in (*tables, "paper"):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]
        assert (folder / f"{name}.pdf").stat().st_size > 5000


def test_the_page_of_a_report_has_all_tables_and_curves(tmp_path: Path, runs, report) -> None:
    assert report(*runs, "--format", "html")[0] == 0
    page = (tmp_path / "report" / "index.html").read_text()
    for expected in ("first: MSP", "second: Max logit", "<h2>first</h2>", "<h2>second</h2>", "Closed-set segmentation"):
        assert expected in page
    (text,) = re.findall(r'id="page-data"[^>]*>(.*?)</script>', page, re.S)
    assert json.loads(text)["methods"] == ["first: MSP", "first: Entropy", "second: Max logit"]
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seed", "5"], "--seed is that of the resamples; add --bootstrap NUMBER"),
        (["--label", "x", "--format", "csv"], "--label is for LaTeX tables; add tex to --format"),
        (["--intervals"], "--intervals has nothing to show, as no run has any; add --bootstrap NUMBER"),
    ],
)
def test_options_that_would_do_nothing_are_refused(tmp_path: Path, runs, report, words: list[str], said: str) -> None:
    first, second = runs
    assert_refused(report(second, *words), said)
    assert not (tmp_path / "report").exists()
    if words == ["--intervals"]:
        assert_refused(report("--group", f"x={first}", *words), "as groups have none of their own; add --bootstrap")
        assert report(first, second, *words)[0] == 0


def test_figures_of_classes_alone_are_refused(tmp_path: Path, evaluate, report) -> None:
    assert evaluate(dataset=str(tmp_path / "training.yaml"))[0] == 0
    assert report(tmp_path / "out")[0] == 0
    assert_refused(report(tmp_path / "out", "--figures", "--overwrite"), "--figures draws how scores rank pixels")


def test_every_mark_of_every_table_has_its_footnote(tmp_path: Path, evaluate) -> None:
    more = ["--per-image", "--components", "obstacle", "--operating-points", "f1"]
    fitted = ["--scores", "mahalanobis", "--fit-dataset", str(tmp_path / "training.yaml")]
    code, _, errors = evaluate(*fitted, *more)
    assert code == 0, errors
    for runs, groups in (([tmp_path / "out"], []), ([], [f"x={tmp_path / 'out'}"])):
        tables = run_report(ReportRequest(runs, out=tmp_path / "report", groups=groups, overwrite=True))
        assert [table.subject for table in tables] == [
            "Anomaly segmentation", "Means over images", "Component metrics", "Operating points"
        ]  # fmt: skip
        for table in tables:
            marks = {line.mark for section in table.sections for line in section.lines}
            marks |= {title.mark for title in table.datasets}
            assert marks == {"1", "†"} == {note.mark for note in table.notes} - {""}
            assert any("Mahalanobis: fitted on training, 3 of 3 images" in note.text for note in table.notes)
