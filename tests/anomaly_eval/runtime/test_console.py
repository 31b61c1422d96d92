"""Off a terminal nothing is wrapped, so that names can be looked for."""

from __future__ import annotations

import pytest
from rich.table import Table

from anomaly_eval.cli.main import main
from anomaly_eval.datasets.cards import shipped_cards
from anomaly_eval.runtime.console import open_console
from anomaly_eval.segmenters.zoo import shipped_networks


@pytest.fixture(autouse=True)
def no_width_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.mark.parametrize("stderr", [False, True])
def test_tables_and_text_keep_their_lines_off_a_terminal(stderr: bool, capsys: pytest.CaptureFixture[str]) -> None:
    cells = ["one cell of many words " * 20, "and another " * 20]
    table = Table("name", "value", box=None)
    table.add_row(*cells)
    console = open_console(stderr=stderr)
    console.print(table)
    console.print(cells[0])
    captured = capsys.readouterr()
    lines = (captured.err if stderr else captured.out).splitlines()
    assert len(lines) == 3
    assert all(cell.strip() in lines[1] for cell in cells)
    assert lines[2].strip() == cells[0].strip()


def test_who_gives_a_width_gets_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    open_console().print("word " * 20)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40


def test_listings_have_a_line_for_each_name(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "--data-root", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for card in shipped_cards():
        for variant in card.variants:
            (line,) = [line for line in lines if line.split()[:1] == [card.spec(variant)]]
            assert f" {card.title_of(variant)} " in line
    assert main(["networks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for network in shipped_networks():
        for result in network.card.anomaly:
            for rates in result.scores.values():
                assert any(" / ".join(f"{rate:.2f}" for rate in rates) in line for line in lines)
    assert any(line.startswith("GMMSeg (log-sum-exp) ") for line in lines)
