"""The table of speed as a terminal shows it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from anomaly_eval.studies.speed.records import Machine, SpeedConventions, SpeedFindings, SpeedRow
from anomaly_eval.studies.speed.tables import markdown_of, print_speed

NAMES = ("softmax_efficientnet-lite0_cityscapes", "[red]gmmseg:car:", "x" * 60)


@pytest.fixture
def findings() -> SpeedFindings:
    numbers = dict(fps=1000 / 12, ms=12, ms_low=11.1, ms_high=48, ratio=1.2, ratio_low=1.11, ratio_high=1.29)
    rows = [
        SpeedRow(network=name, score=score, peak_memory_mb=memory, height=64, width=96, runs=3, **numbers)
        for name in NAMES
        for score, memory in (("", None), ("some_score", 1234.0))
    ]
    return SpeedFindings(
        rows=rows,
        seconds={},
        conventions=SpeedConventions(),
        command="",
        versions={},
        networks={},
        machine=Machine(device="cpu", processor="p", cores=2, threads=1, load_before=None),
        warm_up=1,
        warnings=[],
    )


def printed(findings: SpeedFindings, width: int, terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, emoji=False, color_system=None)
    print_speed(console, findings)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_terminal_gets_a_table_that_fits_and_whole_numbers(findings: SpeedFindings, width: int) -> None:
    text = printed(findings, width, terminal=True)
    assert "| ---" not in text and "| gmm" not in text
    table = text.partition("Images of")[0]
    assert max(map(len, table.splitlines())) <= width
    numbers = ("83.3", "12", "11.1 to 48", "1.200", "1.110 to 1.290", "1234")
    lines = [line for line in table.splitlines() if all(number in line for number in numbers)]
    assert len(lines) == len(NAMES) and table.count("not known") == len(NAMES)
    # Names are whole, if in lines.
    start = lines[0].index("83.3") - 2
    names = "".join(line[:start].strip() for line in table.splitlines())
    assert all(name in names for name in NAMES)


def test_a_pipe_gets_markdown(findings: SpeedFindings) -> None:
    assert printed(findings, 80, terminal=False) == markdown_of(findings) + "\n"
