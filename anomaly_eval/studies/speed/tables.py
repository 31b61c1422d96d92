"""Speed as a table in Markdown and in the terminal, with the row of the paper in a footnote."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from anomaly_eval.reports.markdown import escape
from anomaly_eval.reports.published_tables import read_published_runtime
from anomaly_eval.results.titles import method_name
from anomaly_eval.studies.speed.records import SpeedFindings, SpeedRow

_HEAD = ("Network", "Frames a second", "ms", "ms, 5 to 95 %", "Time ratio", "Ratio, 5 to 95 %", "Peak memory, MB")


def markdown_of(findings: SpeedFindings) -> str:
    """Return the table and its notes; times and ratios have three digits."""
    cells = ((escape(_name(row)), *_numbers(row)) for row in findings.rows)
    rows = [_HEAD, ("---", *["--:"] * (len(_HEAD) - 1)), *cells]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *(f"- {escape(note)}" for note in _notes(findings)), ""])


def print_speed(console: Console, findings: SpeedFindings) -> None:
    """Print the table and its notes; Markdown where the console is no terminal.

    In a narrow terminal names are broken into lines, and numbers are not.
    """
    if not console.is_terminal:
        console.print(markdown_of(findings), highlight=False, soft_wrap=True, markup=False)
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    drawn.add_column(_HEAD[0], overflow="fold", vertical="bottom")
    numbers = [_numbers(row) for row in findings.rows]
    for heading, column in zip(_HEAD[1:], zip(*numbers, strict=True), strict=True):
        narrow = textwrap.fill(heading, max(map(len, column)), break_long_words=False)
        drawn.add_column(narrow, justify="right", no_wrap=True, vertical="bottom")
    for row, cells in zip(findings.rows, numbers, strict=True):
        drawn.add_row(Text(_name(row)), *map(Text, cells))
    console.print(drawn)
    console.print()
    for note in _notes(findings):
        console.print(Text(note), style="dim")


def _name(row: SpeedRow) -> str:
    return f"{row.network}, {method_name(row.score)}" if row.score else row.network


def _numbers(row: SpeedRow) -> tuple[str, ...]:
    return (
        _digits(row.fps),
        _digits(row.ms),
        f"{_digits(row.ms_low)} to {_digits(row.ms_high)}",
        f"{row.ratio:.3f}",
        f"{row.ratio_low:.3f} to {row.ratio_high:.3f}",
        "not known" if row.peak_memory_mb is None else f"{row.peak_memory_mb:.0f}",
    )


def _digits(value: float) -> str:
    """Return a number with three digits, and all of those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _notes(findings: SpeedFindings) -> Iterator[str]:
    row, machine, said = findings.rows[0], findings.machine, findings.conventions
    threads = "" if machine.threads is None else f", {machine.threads} thread{'s' if machine.threads > 1 else ''}"
    device = "" if machine.device == "cpu" else f"{machine.device}, "
    torch = f"torch {findings.versions.get('torch', 'unknown')}"
    size = f"{row.height}x{row.width} (height x width)"
    yield f"Images of {size}: {said.image}. {row.runs} runs after {findings.warm_up}."
    yield f"{device}{machine.processor}, {machine.cores} cores{threads}, {torch}."
    yield f"Network: {said.network}. With a score: {said.score}."
    yield f"{_sentence(said.turns)} {_sentence(said.spread)} Peak memory: {said.memory}."
    for name, model in findings.networks.items():
        file = f"{model.checkpoint} (sha256 {model.checkpoint_sha256[:12]})"
        yield f"{name}: {file}; input: {model.resolution}, inference: {model.inference}."
    published = read_published_runtime()
    (first, fps), *others = published.items()
    ratios = ", ".join(f"{name} {other:g} ({fps / other:.3f} of the time)" for name, other in others)
    yield f"Published in GMMSeg, NeurIPS 2022, section 4.3, on one GeForce RTX 3090: {first} {fps:g}, {ratios}."
    yield from map(_sentence, findings.warnings)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
