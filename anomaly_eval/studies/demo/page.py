"""The summary page of the demo, and its table for the terminal."""

from __future__ import annotations

from html import escape

from rich.table import Table

from anomaly_eval.metrics import registry
from anomaly_eval.results.titles import method_name
from anomaly_eval.studies.demo.findings import DemoFindings, in_words

COMPARISON, RELIABILITY = "comparison.png", "reliability.png"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "img{max-width:100%}table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #ccc}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
)


def terminal_table(findings: DemoFindings) -> Table:
    """Return all scores of both networks."""
    table = Table(title="Drawn streets: unknown objects, in percent")
    for title in ("Network", "Score"):
        table.add_column(title)
    for metric in registry.RANKING:
        table.add_column(metric.heading, justify="right")
    for cells in _cells(findings):
        table.add_row(*cells)
    return table


def html_page(findings: DemoFindings) -> str:
    """Return the page; it shows the pictures that lie beside it."""
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in in_words(findings))
    rows = "".join(
        f"<tr><td>{escape(network)}<td>{escape(score)}<td class=n>{'<td class=n>'.join(numbers)}"
        for network, score, *numbers in _cells(findings)
    )
    heads = "".join(f"<th class=n>{escape(metric.heading)}</th>" for metric in registry.RANKING)
    folders = "".join(
        f'<li><a href="{kind}/results.md">{kind}/</a>: what <code>gmmseg-anomaly eval</code> writes</li>'
        for kind in (network.kind for network in findings.networks)
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>gmmseg-anomaly demo</title>'
        f"<style>{_STYLE}</style><h1>gmmseg-anomaly demo</h1><ul>{sentences}</ul>"
        f"<table><tr><th>Network</th><th>Score</th>{heads}</tr>{rows}</table>"
        f'<h2>Score maps</h2><img src="{COMPARISON}" alt="image, anomaly and scores side by side">'
        f'<h2>Calibration</h2><img src="{RELIABILITY}" alt="reliability diagrams of both networks">'
        f"<h2>Files</h2><ul>{folders}</ul>"
        f"<p>{findings.iterations} training iterations of each network, seed {findings.seed}. {findings.times}.</p>"
        f"<p><code>{escape(findings.command)}</code></p></html>\n"
    )


def _cells(findings: DemoFindings) -> list[tuple[str, ...]]:
    return [
        (
            network.name,
            method_name(row.method),
            *(f"{row.metrics[metric.key]:.{metric.unit.digits}f}" for metric in registry.RANKING),
        )
        for network in findings.networks
        for row in network.rows
    ]
