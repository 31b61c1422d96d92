"""What the demo found, as numbers and in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.registry import AVERAGE_PRECISION
from anomaly_eval.results.record import Record
from anomaly_eval.results.records import Row
from anomaly_eval.results.titles import method_name

RIVALS = ("msp", "entropy", "max_logit")
"""Scores of the softmax network that GMMSeg's density is held against, as in the paper's Table 2."""
DENSITIES = ("gmmseg", "gmmseg_normalised")
"""The paper's density, and what the official network makes of it."""


class NetworkFinding(Record):
    """One network: its mean IoU on the val scenes, its calibration error there, and its anomaly scores, in percent."""

    kind: str
    name: str
    miou: float
    ece: float
    rows: list[Row]


class DemoFindings(Record):
    """The content of `demo.json`."""

    command: str
    seed: int
    iterations: int
    networks: list[NetworkFinding]
    seconds: dict[str, float]
    """Wall time of each part."""

    @property
    def times(self) -> str:
        """The wall times in words."""
        return ", ".join(f"{part} {seconds:.0f} s" for part, seconds in self.seconds.items())


def wins(density: Row, rival: Row) -> list[str]:
    """Return the metrics in which the density is the better score."""
    won = []
    for metric in registry.RANKING:
        gain = density.metrics[metric.key] - rival.metrics[metric.key]
        if (gain if metric.higher_is_better else -gain) > 0:
            won.append(metric.title)
    return won


def in_words(findings: DemoFindings) -> list[str]:
    """Return sentences: how much the networks learnt, how the density did against its rivals, and the calibration."""
    softmax, gmmseg = findings.networks
    sentences = [
        f"Known classes: {softmax.name} {softmax.miou:.1f} % mean IoU, {gmmseg.name} {gmmseg.miou:.1f} %.",
    ]
    for name in DENSITIES:
        density = _row(gmmseg.rows, name)
        verdicts = []
        for rival in RIVALS:
            won = wins(density, _row(softmax.rows, rival))
            verdict = {0: "worse", len(registry.RANKING): "better"}.get(len(won), f"better in {' and '.join(won)} only")
            verdicts.append(f"{verdict} than {_of(softmax, rival)}")
        sentences.append(f"Unknown objects: {method_name(name)} is {', '.join(verdicts)}.")
    best, owner = max(((row, network) for network in findings.networks for row in network.rows), key=_average_precision)
    highest = best.metrics[AVERAGE_PRECISION.key]
    sentences.append(
        f"The score with the highest {AVERAGE_PRECISION.title} is {_of(owner, best.method)}: {highest:.1f} %."
    )
    better = "better" if gmmseg.ece < softmax.ece else "worse"
    sentences.append(
        f"Calibration: {gmmseg.name} is {better} calibrated, ECE {gmmseg.ece:.1f} % against {softmax.ece:.1f} %."
    )
    sentences.append("These are drawn scenes: the numbers show how the tool works, and nothing about real images.")
    return sentences


def _row(rows: Sequence[Row], method: str) -> Row:
    return next(row for row in rows if row.method == method)


def _average_precision(item: tuple[Row, NetworkFinding]) -> float:
    return item[0].metrics[AVERAGE_PRECISION.key]


def _of(network: NetworkFinding, method: str) -> str:
    return f"{method_name(method)} of {network.name}"
