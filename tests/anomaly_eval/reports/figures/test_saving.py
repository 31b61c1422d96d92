"""Files that publishers take: fonts embedded, the width of a column, and the same bytes again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from anomaly_eval.errors import InputError
from anomaly_eval.reports.figures.anomaly_grid import draw_anomaly_grid
from anomaly_eval.reports.figures.curves import draw_roc
from anomaly_eval.reports.figures.saving import file_of, save
from anomaly_eval.reports.figures.style import ONE_COLUMN, TWO_COLUMNS
from tests.anomaly_eval.reports.figures.drawn import compared, curve


def test_fonts_are_embedded_as_type_42() -> None:
    for log_fpr in (False, True):
        pdf = file_of(draw_roc({"of $x$_1": curve(1)}, log_fpr), "pdf")
        assert b"/CIDFontType2" in pdf and b"/FontFile2" in pdf
        assert b"/Type3" not in pdf
        # One family alone, also for powers of ten.
        assert set(re.findall(rb"/BaseFont /(?:[A-Z]+\+)?(\w+)", pdf)) == {b"DejaVuSans"}


@pytest.mark.parametrize("format", ["pdf", "png"])
def test_the_same_figure_is_the_same_bytes(format: str) -> None:
    first, second = (file_of(draw_anomaly_grid([compared()]), format) for _ in range(2))  # type: ignore[arg-type]
    assert first == second
    assert b"CreationDate" not in first


def test_both_files_have_the_width_of_a_column(tmp_path: Path) -> None:
    # A stem may have dots.
    paths = save(draw_roc({"one": curve(1)}), tmp_path / "msp-0.5")
    assert [path.name for path in paths] == ["msp-0.5.pdf", "msp-0.5.png"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", paths[0].read_bytes())
    assert box is not None and float(box[1]) == pytest.approx(72 * ONE_COLUMN)
    with Image.open(paths[1]) as picture:
        assert picture.width == int(300 * ONE_COLUMN)
    with Image.open(save(draw_anomaly_grid([compared()]), tmp_path / "grid")[1]) as picture:
        assert picture.width == int(300 * TWO_COLUMNS)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*roc\.pdf"):
        save(draw_roc({"one": curve(1)}), tmp_path / "missing" / "roc")
