"""The three renderings show the measured numbers, mark the right ones, and say what stands behind them."""

from __future__ import annotations

import csv
import io
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.segment import Segment

from anomaly_eval.reports.comparison import Rank, compare, ranks
from anomaly_eval.reports.latex import escape
from anomaly_eval.reports.published import read_published
from anomaly_eval.reports.tables import print_results, results_csv, results_latex, results_markdown
from anomaly_eval.results.records import DatasetRecord, Results, Row
from anomaly_eval.results.titles import method_name
from anomaly_eval.scores import SCORES
from tests.anomaly_eval.reports.conftest import terminal

Cells = dict[str, list[str]]
METRICS = ("auroc", "ap", "fpr95")


def latex_cells(text: str) -> list[tuple[str, list[str]]]:
    """Return the name and the cells of each method's row."""
    lines = [line.removesuffix(r" \\") for line in text.splitlines() if line.count("&") >= 3]
    rows = [[cell.strip() for cell in line.split(" & ")] for line in lines]
    return [(row[0], row[1:]) for row in rows if row[0] not in ("", "Method")]


def markdown_cells(text: str) -> list[tuple[str, list[str]]]:
    """Return the name and the cells of each method's row."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return [(row[0], row[1:]) for row in rows[2:] if not row[0].startswith("*")]


def plain(cell: str) -> str:
    """Remove the marks of the best and the second."""
    return re.sub(r"\\textbf|\\underline|[{}*]|</?ins>", "", cell)


def expected(results: Results, dataset: str, method: str, metric: str) -> float | None:
    """Look a value up in the rows."""
    found = [row for row in results.rows if (row.dataset, row.method) == (dataset, method)]
    return found[0].metrics[metric] if found else None


def brute_force(results: Results, dataset: str, metric: str) -> tuple[set[str], set[str]]:
    """Find the methods that are best and second on one dataset by looking at each value."""
    sign = -1 if metric == "fpr95" else 1
    values = {
        row.method: sign * row.metrics[metric]
        for row in results.rows
        if row.dataset == dataset and math.isfinite(row.metrics[metric])
    }
    best = {method for method, value in values.items() if all(value >= other for other in values.values())}
    rest = {method: value for method, value in values.items() if method not in best}
    second = {method for method, value in rest.items() if all(value >= other for other in rest.values())}
    return best, second


ORDER = ["msp", "max_logit", "energy", "sml", "my_score", "mahalanobis"]


def test_csv_holds_the_rows_exactly(results: Results) -> None:
    text = results_csv(results)
    assert text.splitlines()[0] == "dataset,method,auroc,ap,fpr95,n_images,n_anomaly_pixels,n_inlier_pixels"
    read = [Row.model_validate(line) for line in csv.DictReader(io.StringIO(text))]
    assert [repr(row) for row in read] == [repr(row) for row in results.rows]


@pytest.mark.parametrize(
    ("render", "cells", "best", "second"),
    [
        (results_latex, latex_cells, r"\textbf{", r"\underline{"),
        (results_markdown, markdown_cells, "**", "<ins>"),
    ],
)
def test_numbers_and_marks(
    results: Results,
    render: Callable[[Results, bool], str],
    cells: Callable[[str], list[tuple[str, list[str]]]],
    best: str,
    second: str,
) -> None:
    lines = cells(render(results, False))
    assert [re.sub(r"(<sup>|\$\^).*|\\", "", name) for name, _ in lines] == list(map(method_name, ORDER))
    columns = [(record.name, metric) for record in results.datasets for metric in METRICS]
    for method, (_, line) in zip(ORDER, lines, strict=True):
        for (dataset, metric), cell in zip(columns, line, strict=True):
            value = expected(results, dataset, method, metric)
            assert plain(cell) == ("--" if value is None else f"{value:.2f}")
            firsts, seconds = brute_force(results, dataset, metric)
            assert cell.startswith(best) == (method in firsts)
            assert cell.startswith(second) == (method in seconds)


def styled(results: Results, with_published: bool) -> list[Segment]:
    """Return the pieces of the terminal table with their styles."""
    console = Console(file=io.StringIO(), width=200, force_terminal=True, record=True)
    print_results(console, results, with_published)
    return [segment for segment in console._record_buffer if segment.text.strip()]


def test_terminal_numbers_and_marks(results: Results) -> None:
    lines = [line.split() for line in terminal(results, False).splitlines()]
    for method in ORDER:
        name = method_name(method).split()
        (line,) = [line for line in lines if [word.rstrip("¹") for word in line[: len(name)]] == name and len(line) > 6]
        values = [expected(results, record.name, method, metric) for record in results.datasets for metric in METRICS]
        assert line[len(name) :] == ["--" if value is None else f"{value:.2f}" for value in values]
    for attribute, place in (("bold", 0), ("underline", 1)):
        marked = sorted(
            segment.text for segment in styled(results, False) if segment.style and getattr(segment.style, attribute)
        )
        wanted = sorted(
            f"{expected(results, record.name, method, metric):.2f}"
            for record in results.datasets
            for metric in METRICS
            for method in brute_force(results, record.name, metric)[place]
        )
        assert marked == wanted


@pytest.mark.parametrize("width", [20, 60, 80, 120])
def test_a_narrow_terminal_cuts_no_number(results: Results, width: int) -> None:
    narrow, wide = terminal(results, True, width), terminal(results, True, 300)
    assert "…" not in narrow
    numbers = re.compile(r"\d+\.\d\d")
    assert sorted(numbers.findall(narrow)) == sorted(numbers.findall(wide))


@pytest.mark.parametrize(
    ("values", "higher", "wanted"),
    [
        ([1.0, 3.0, 2.0], True, "other best second"),
        ([1.0, 3.0, 2.0], False, "best other second"),
        ([3.0, 3.0, 2.0, 2.0, 1.0], True, "best best second second other"),
        ([1.0, 1.0 + 1e-12], True, "second best"),
        ([math.nan, math.inf, -math.inf, None, 1.0, 2.0], True, "other other other other second best"),
        ([2.0, None], True, "other other"),
        ([], True, ""),
    ],
)
def test_ranks(values: list[float | None], higher: bool, wanted: str) -> None:
    assert " ".join(rank.value for rank in ranks(values, higher)) == wanted


def test_published_rows_are_ranked_apart(results: Results) -> None:
    with_more, published, measured = compare(results, read_published()).sections
    ours = [line.cells for line in compare(results).sections[0].lines]
    assert [line.cells for line in measured.lines] == ours
    by_name = {line.name: line for section in (with_more, published) for line in section.lines}
    assert [line.name for line in with_more.lines] == ["SynthCP", "SynBoost"]
    assert [cell.rank for cell in by_name["GMMSeg-SegFormer"].cells[0]] == [Rank.BEST] * 3
    assert [cell.rank for cell in by_name["GMMSeg-SegFormer"].cells[1]] == [Rank.BEST] * 3
    assert by_name["SynBoost"].cells[0][1].rank is Rank.BEST
    assert by_name["SynBoost"].settings == ("✓", "✓", "--")
    assert {line.settings for line in measured.lines} == {("--", "--", "--")}


def test_published_numbers_stand_above_the_rule(results: Results) -> None:
    text = results_latex(results, True)
    assert r"SynthCP & $\checkmark$ & $\checkmark$ & 80.3 & \underline{88.34}" in text
    assert r"MSP & $\times$ & $\times$ & 80.3 & 86.99 & 6.02" in text
    assert text.index("GMMSeg-SegFormer &") < text.rindex(r"\midrule") < text.index("MSP & -- & -- & --")
    assert "Resyn." not in results_latex(results, False)
    assert "SynthCP" in results_markdown(results, True) and "SynthCP" in terminal(results, True)


def test_nothing_published_for_these_datasets_is_said_and_adds_no_row(results: Results) -> None:
    other = results.model_copy(
        update={
            "rows": [row.model_copy(update={"dataset": "elsewhere"}) for row in results.rows[:5]],
            "datasets": [results.datasets[1].model_copy(update={"name": "elsewhere"})],
        }
    )
    with_published, without = compare(other, read_published()), compare(other)
    assert with_published.sections == without.sections
    *notes, added = with_published.notes
    assert tuple(notes) == without.notes
    assert re.fullmatch(r"Nothing is published for .+ in GMMSeg, NeurIPS 2022, Table 2\.", added.text)


@pytest.mark.parametrize("with_published", [False, True])
@pytest.mark.parametrize(
    ("render", "dagger"), [(results_latex, r"$^\dagger$"), (results_markdown, "†"), (terminal, "†")]
)
def test_incomplete_sets_carry_a_dagger(
    results: Results,
    complete_results: Results,
    render: Callable[[Results, bool], str],
    dagger: str,
    with_published: bool,
) -> None:
    text = render(results, with_published)
    assert escape("Lost&Found") + dagger in text or f"Lost&Found{dagger}" in text
    assert f"Road Anomaly{dagger}" not in text
    assert "26 of 100 images" in text
    assert dagger not in render(complete_results, with_published)


def test_a_title_that_ends_in_a_dagger_keeps_it_in_the_caption(complete_results: Results) -> None:
    record = complete_results.datasets[0].model_copy(update={"title": "Roads†"})
    text = results_latex(complete_results.model_copy(update={"datasets": [record]}), False)
    assert r"\caption{Anomaly segmentation (Roads$^\dagger$" in text


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"n_images": 60, "expected_size": (2048, 1024)}, None),
        ({"n_images": 59}, "59 of 60 images"),
        ({"n_images": 63}, "63 images instead of 60"),
        ({"expected_images": None, "n_images": 7}, None),
        ({"image_sizes": [(1024, 512)], "expected_size": None}, None),
        ({"image_sizes": [(1024, 512)], "expected_size": (2048, 1024)}, "images of 1024x512 instead of 2048x1024"),
        (
            {"image_sizes": [(1, 2), (3, 4), (5, 6)], "expected_size": (1, 2), "n_images": 7},
            "7 of 60 images, some images of 3x4 and 5x6 instead of 1x2",
        ),
        (
            {"image_sizes": [(size, 1) for size in range(9)], "expected_size": (9, 9)},
            "images of 0x1, 1x1, 2x1 and 6 more sizes instead of 9x9",
        ),
    ],
)
@pytest.mark.parametrize("with_published", [False, True])
def test_what_differs_from_the_whole_set(
    complete_results: Results, changes: dict[str, Any], note: str | None, with_published: bool
) -> None:
    record = DatasetRecord.model_validate(complete_results.datasets[0].model_dump() | changes)
    assert DatasetRecord.model_validate_json(record.model_dump_json()) == record
    different = complete_results.model_copy(update={"datasets": [record]})
    caution = ", not comparable with the published rows" if with_published else ""
    for render, dagger in ((results_latex, r"$^\dagger$"), (results_markdown, "†"), (terminal, "†")):
        text = render(different, with_published)
        assert (f"Road Anomaly{dagger}" in text) == (note is not None)
        if note is not None:
            assert f"Road Anomaly: {note}{caution}." in text


@pytest.mark.parametrize("render", [results_latex, results_markdown, terminal])
def test_fits_and_conventions_are_told(
    results: Results, complete_results: Results, render: Callable[[Results, bool], str]
) -> None:
    text = render(results, False).replace("\\", "")
    for words in (
        "SML, Mahalanobis: fitted on cityscapes, 4 of 500 images",
        "No pixel of the classes wall & train_car.",
        "all pixels of the set are pooled",
        "step-wise sum",
        "first_geq",
        "native",
        "cgnet_cityscapes_100%.pth",
        "sha256 0123456789ab)",
        "cgnet_fcn_4xb4-60k",
    ):
        assert words in " ".join(text.split())
    assert "some/folder" not in text
    assert "fitted" not in render(complete_results, False)


def test_fitted_methods_carry_a_mark(results: Results) -> None:
    assert "SML$^{1}$ &" in results_latex(results, False) and "Mahalanobis$^{1}$ &" in results_latex(results, False)
    assert "| SML<sup>1</sup> |" in results_markdown(results, False)
    assert "SML¹ " in terminal(results, False)


def test_warnings_are_listed(results: Results, complete_results: Results) -> None:
    text = results_markdown(results, False)
    assert "\nWarnings:\n" in text and r"- a \<second> \| warning" in text
    assert "Warnings" not in results_markdown(complete_results, False)
    assert "Warning: a <second> | warning" in terminal(results, False)
    assert "% Warning: a <second> | warning" in results_latex(results, False)


def test_latex_escapes() -> None:
    assert escape(r"a_b & 5% $x$ #1 {y} ~ ^ \z") == (
        r"a\_b \& 5\% \$x\$ \#1 \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}z"
    )


def test_latex_names_what_it_needs(results: Results) -> None:
    assert r"\usepackage{booktabs,graphicx,amssymb}" in results_latex(results, True)
    assert "amssymb" not in results_latex(results, False)
    body = "".join(
        line for line in results_latex(results, True).splitlines() if not line.startswith(("%", r"\resizebox"))
    )
    # Nothing of ours or of the user's reaches LaTeX unescaped.
    assert not re.search(r"(?<!\\)[_%#]", body)


@pytest.mark.parametrize("with_published", [False, True])
def test_latex_compiles(results: Results, tmp_path: Path, with_published: bool) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("there is no pdflatex")
    table = results_latex(results, with_published)
    preamble = table.splitlines()[0].split(": ", 1)[1]
    source = f"\\documentclass{{article}}{preamble}\\begin{{document}}\n{table}\\end{{document}}\n"
    (tmp_path / "table.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_scores_are_called_as_they_say_and_others_by_their_names() -> None:
    assert {name: method_name(name) for name in SCORES} == {name: kind.title for name, kind in SCORES.items()}
    assert method_name("run/sml") == "run: SML"
    assert method_name("someone_elses") == "someone_elses"
