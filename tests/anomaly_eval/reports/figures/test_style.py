"""One look whatever the settings around it are, which stay as they were."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import pytest

from anomaly_eval.reports.figures.curves import draw_roc
from anomaly_eval.reports.figures.saving import file_of
from anomaly_eval.reports.figures.style import COLOURS, line_of, paper_style
from tests.anomaly_eval.reports.figures.drawn import curve


def test_settings_are_as_before_afterwards() -> None:
    before = dict(matplotlib.rcParams)
    file_of(draw_roc({"one": curve(1)}), "pdf")
    with pytest.raises(ZeroDivisionError), paper_style():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
        raise ZeroDivisionError
    assert dict(matplotlib.rcParams) == before


def test_settings_of_the_user_change_nothing() -> None:
    plain = file_of(draw_roc({"one": curve(1)}), "png")
    with matplotlib.rc_context({"font.family": "serif", "lines.linewidth": 9, "axes.facecolor": "red"}):
        assert file_of(draw_roc({"one": curve(1)}), "png") == plain


def test_threads_draw_the_same_as_one() -> None:
    curves = [{f"method {seed}": curve(1, seed)} for seed in range(4)]
    alone = [file_of(draw_roc(one), "png") for one in curves]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda one: file_of(draw_roc(one), "png"), curves)) == alone


def test_methods_differ_in_print_without_colours() -> None:
    drawn = [line_of(index) for index in range(56)]
    assert len({(str(line["color"]), str(line["linestyle"])) for line in drawn}) == 56
    assert len({str(line["linestyle"]) for line in drawn[:8]}) == 8
    assert "#f0e442" not in COLOURS


def test_pyplot_is_never_imported() -> None:
    names = ("anomaly_grid", "class_grid", "curves", "histograms", "reliability", "saving")
    modules = ", ".join(f"anomaly_eval.reports.figures.{name}" for name in names)
    program = f"import sys, {modules}; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
