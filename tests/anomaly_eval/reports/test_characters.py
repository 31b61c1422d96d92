"""Names of any script and length: in LaTeX, in figures, and in files."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from rich.console import Console

from anomaly_eval.metrics.curves import Curve
from anomaly_eval.metrics.histograms import ScoreHistogram
from anomaly_eval.reports.characters import shortened, spelt_out
from anomaly_eval.reports.figures.class_grid import SegmentedImage, draw_class_grid
from anomaly_eval.reports.figures.dataset import dataset_figures, draw_distributions
from anomaly_eval.reports.figures.saving import file_of
from anomaly_eval.reports.heatmap_figure import HeatmapContent, Scale, draw_heatmap
from anomaly_eval.reports.latex_characters import escape
from anomaly_eval.reports.tables import print_results, results_latex, results_markdown
from anomaly_eval.results.curves import Distribution
from anomaly_eval.results.records import Results
from anomaly_eval.runtime.file_names import file_names
from tests.anomaly_eval.reports.conftest import ROAD_ANOMALY

LONG = "a_rather-long name of a method " * 7
NAMES = [
    "λ = 10⁻³, β → ∞",
    "score ≤ τ ≠ 0 ± 1 × 2 ÷ 3 − 4",  # noqa: RUF001  (signs of mathematics)
    "汉字 かな 한국어",
    "🚗 🙂",
    "naïve façade Łódź Škoda Åre ŝ",
    "Жук",
    "[bracketed]",
    "*starred*",
    "_hidden",
    "ﬁne ① \uff26\uff55\uff4c\uff4c ½ x² H₂O",
    "e\u0301 x\u0301 \u200b zero\u00a0width",
    "a & b % c $d$ #e ~ ^ \\f {g} <h> |i|",
    LONG,
    "漢" * 200,
]


@pytest.fixture
def named(complete_results: Results) -> Results:
    """A table whose methods have such names."""
    row = complete_results.rows[0]
    rows = [row.model_copy(update={"method": name}) for name in NAMES]
    return complete_results.model_copy(update={"rows": rows})


def compiled(folder: Path, text: str) -> str:
    """Return what pdflatex says of a file; fails where it stops."""
    (folder / "table.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, log[-1500:]
    return log


needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


@needs_latex
def test_a_table_of_any_names_compiles_alone(tmp_path: Path, named: Results) -> None:
    dataset = named.datasets[0].model_copy(update={"title": "Σ-Daten 漢字 ≥ 1"})
    text = results_latex(named.model_copy(update={"datasets": [dataset]}), False)
    log = compiled(tmp_path, text)
    assert "Missing character" not in log


@needs_latex
def test_every_character_of_many_scripts_compiles(tmp_path: Path) -> None:
    ranges = [(0x20, 0x7F), (0xA0, 0x250), (0x370, 0x400), (0x2000, 0x2320), (0x3040, 0x3050), (0xFF00, 0xFF20)]
    characters = [chr(code) for first, last in ranges for code in range(first, last)]
    lines = "\n\n".join(f"x{escape(one)}x" for one in characters if one.isprintable())
    log = compiled(
        tmp_path, rf"\documentclass{{article}}\usepackage{{amssymb}}\begin{{document}}{lines}\end{{document}}"
    )
    assert "Missing character" not in log


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_what_latex_has_no_type_for_is_spelt_out(text: str) -> None:
    written = escape(text)
    for character in filter(lambda one: not one.isascii(), written):
        assert unicodedata.normalize("NFD", character)[0].isascii() or character in "ßæÆœŒøØłŁ–—‘’“”…§¶©"  # noqa: RUF001


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("β", r"$\beta$"),
        ("Ω", r"$\Omega$"),
        ("Α", "A"),  # noqa: RUF001  (a capital alpha)
        ("10⁻⁵", "10$^{-}$$^{5}$"),
        ("x₂", "x$_{2}$"),
        ("≥∞", r"$\geq$$\infty$"),
        ("漢", "[U+6F22]"),
        ("🚗", "[U+1F697]"),
        ("½", "1/2"),
        ("e\u0301", "é"),
    ],
)
def test_characters_in_latex(text: str, expected: str) -> None:
    assert escape(text) == expected


def distributions(names: list[str]) -> list[Distribution]:
    steps = np.linspace(0, 1, 5)
    curve = Curve(steps[::-1], steps, steps, np.full(5, 0.5))
    histogram = ScoreHistogram(steps, np.arange(4), np.arange(4)[::-1].copy())
    return [Distribution(ROAD_ANOMALY, name, curve, histogram) for name in names]


def test_figures_with_any_names_are_written_without_a_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = draw_distributions(distributions(NAMES), tmp_path)
        assert len(paths) == 2 * (4 + len(NAMES))
        scores = np.zeros((8, 8), np.float32)
        content = HeatmapContent(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), scores)
        for name in NAMES:
            draw_heatmap(content, Scale(0, 1, 2), name, f"{name} of {name}")
        label = np.zeros((8, 8), np.uint8)
        image = SegmentedImage(content.image, label, {"漢字": label, "_hidden": label})
        file_of(draw_class_grid([image], ["道路"]), "png")


@pytest.mark.parametrize("names", [["_hidden", "__x"], ["_only"], ["_a", "b", "_c", "d", "_e"]])
def test_names_that_begin_with_an_underscore_are_in_legends(names: list[str]) -> None:
    for key, figure in dataset_figures(distributions(names)).items():
        if key in ("roc", "roc_log", "precision_recall"):
            legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
            shown = [text.get_text().replace("\u200b", "") for legend in legends for text in legend.get_texts()]
            assert shown == names


def test_long_names_leave_room_for_the_curves() -> None:
    figures = dataset_figures(distributions([LONG, f"{LONG}!", "漢" * 200, "x" * 200, "y" * 200]))
    for key in ("roc", "precision_recall"):
        file_of(figures[key], "png")
        box = figures[key].axes[0].get_position()
        assert box.width > 0.4 and box.height > 0.3
        texts = [text.get_text() for text in figures[key].findobj(Text) if "a_rather" in text.get_text()]
        assert len(set(texts)) == 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["W" * 81, "a name of several words in capitals".upper() * 2, "漢" * 60])
def test_a_few_wide_names_leave_room_for_the_curves(name: str) -> None:
    figures = dataset_figures(distributions([name, f"{name}!"]))
    for key, figure in figures.items():
        file_of(figure, "png")
        box = figure.axes[0].get_position()
        assert box.width > 0.4 and box.height > 0.3, key


def test_long_names_are_cut_in_tables_and_written_out_below(named: Results) -> None:
    console = Console(file=io.StringIO(), width=120, record=True)
    print_results(console, named, False)
    short = shortened([LONG], 80)[LONG]
    for text in (console.export_text(), results_markdown(named, False).replace("\\", ""), results_latex(named, False)):
        plain = " ".join(text.replace(r"\_", "_").split())
        assert " ".join(f"{short} is {LONG}".split()) in plain
    table = results_latex(named, False).split(r"\midrule")[-1].split(r"\bottomrule")[0]
    assert max(map(len, table.splitlines())) < 900 and LONG.replace("_", r"\_") not in table


def test_shortened_names_stay_different() -> None:
    names = ["a" * 30 + middle + "b" * 30 for middle in ("1" * 30, "2" * 30, "3" * 30)] + ["short"]
    short = shortened(names, 40)
    assert len(set(short.values())) == 4 and short["short"] == "short"
    assert max(map(len, short.values())) <= 44


def test_file_names_of_any_script_fit_into_a_file_system(tmp_path: Path) -> None:
    names = ["漢" * 200, "漢" * 200 + "字", "é" * 100, "🚗" * 100, "x" * 300]
    chosen = file_names(names)
    assert len(set(chosen.values())) == len(names)
    for name in chosen.values():
        (tmp_path / f"threshold_{name}.pdf").touch()


def test_characters_are_spelt_by_what_they_are_made_of_or_by_number() -> None:
    assert [spelt_out(one) for one in "ﬁ①漢"] == ["fi", "1", "[U+6F22]"]
    assert re.fullmatch(r"\[U\+[0-9A-F]{4,6}\]", spelt_out(chr(sys.maxunicode - 2)))
