"""Every row of the table of hostile and broken files in docs/hostile-files.md, through the command."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import torch

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import Command, assert_refused
from tests.anomaly_eval.hostile import (
    cards,
    checkpoints,
    huggingface,
    images,
    journals,
    labels,
    numbers,
    onnx_networks,
    outputs,
    places,
    predictions,
    results,
    score_maps,
    statistics,
    thresholds,
    trainings,
)
from tests.anomaly_eval.hostile.bench import Bench, Prepare, Row, copy_of, draw
from tests.gmmseg.training.trainings import UNFORMATTED

PAGE = Path(__file__).parents[3] / "docs" / "hostile-files.md"
MODULES = (
    checkpoints,
    huggingface,
    onnx_networks,
    cards,
    images,
    labels,
    places,
    statistics,
    score_maps,
    results,
    numbers,
    thresholds,
    predictions,
    outputs,
    journals,
    trainings,
)
ROWS: list[Row] = [row for module in MODULES for row in module.ROWS]


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The bench before anything is damaged; the network, its statistics and its results are made once."""
    from tests.anomaly_eval import networks

    bench = draw(tmp_path_factory.mktemp("good"), pytest.MonkeyPatch())
    networks.save(bench.folder / "net.pth", networks.CGNET)
    assert main(bench.fit(bench.folder / "stats.safetensors")) == 0
    assert main(bench.eval(out=bench.folder / "run", bootstrap=20, operating_points="f1")) == 0
    return bench


@pytest.mark.parametrize(
    ("row", "prepare"),
    [
        pytest.param(row, prepare, id=f"{row.what}{f' {number}' if number else ''}")
        for row in ROWS
        for number, prepare in enumerate(row.variations)
    ],
)
def test_row(
    row: Row,
    prepare: Prepare,
    good: Bench,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if row.only_as_ordinary_user and not permissions_bind(tmp_path / "closed"):
        pytest.skip("permissions do not bind this user")
    if row.only_without_gpu and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    monkeypatch.delenv(checkpoints.RAN, raising=False)
    monkeypatch.setattr(*UNFORMATTED)
    bench = copy_of(good, tmp_path, monkeypatch)
    words = prepare(bench)
    code, output, errors = command(*words)
    print(errors)
    assert checkpoints.RAN not in os.environ
    assert code == row.code, errors
    row.check(bench)
    if code < 2:
        return
    assert_refused((code, output, errors), row.names, *row.fragments)
    assert re.search(r"[;,:] \S+ .*\.$", errors.strip()), "no remedy"
    assert len(errors) < 2000
    # The journal holds the images before the broken one, from which the next run goes on.
    assert not bench.out.exists() and {path.name for path in bench.folder.glob(".out*")} <= {".out.journal"}


def permissions_bind(path: Path) -> bool:
    """Whether a file without permissions cannot be read, as everybody but root expects."""
    path.touch(mode=0)
    binding = not os.access(path, os.R_OK)
    path.unlink()
    return binding


def test_the_table_in_the_docs_has_exactly_these_rows() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if re.match(r"\| .* \| [012] \| ", line)]
    assert found == [line_of(row) for row in ROWS]


def line_of(row: Row) -> str:
    """Return a row as Markdown."""
    return f"| {row.what} | {row.code} | {row.answer} |"
