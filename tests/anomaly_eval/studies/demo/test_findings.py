"""Plain words say what the numbers say."""

from __future__ import annotations

from functools import partial

import anomaly_eval.scores  # noqa: F401  (scores say what they are called)
from anomaly_eval.results.records import Row
from anomaly_eval.studies.demo.findings import DemoFindings, NetworkFinding, in_words, wins
from anomaly_eval.studies.demo.page import html_page
from tests.anomaly_eval.reports.conftest import row as dataset_row

row = partial(dataset_row, "streets")
NORMALISED = row("gmmseg_normalised", 95, 29, 30)


def findings(density: Row, ece: float) -> DemoFindings:
    rivals = [row("msp", 80, 20, 50), row("entropy", 90, 30, 40), row("max_logit", 70, 10, 60)]
    softmax = NetworkFinding(kind="softmax", name="Softmax", miou=60, ece=4, rows=rivals)
    gmmseg = NetworkFinding(kind="gmmseg", name="GMMSeg", miou=58.25, ece=ece, rows=[density, NORMALISED])
    return DemoFindings(
        command="gmmseg-anomaly demo --out 'a b<'",
        seed=3,
        iterations=70,
        networks=[softmax, gmmseg],
        seconds={"training": 12.4, "all": 20.0},
    )


def test_a_win_is_more_area_more_precision_and_fewer_false_alarms() -> None:
    one = row("gmmseg", 80, 20, 50)
    assert wins(one, row("msp", 79, 19, 51)) == ["AUROC", "AP", "FPR95"]
    assert wins(one, row("msp", 81, 21, 49)) == []
    assert wins(one, one) == []
    assert wins(one, row("msp", 81, 19, 50)) == ["AP"]


def test_each_rival_gets_its_verdict() -> None:
    text = "\n".join(in_words(findings(row("gmmseg", 85, 15, 55), ece=3)))
    assert "GMMSeg 58.2 %" in text
    assert (
        "GMMSeg is better in AUROC only than MSP of Softmax, worse than Entropy of Softmax, "
        "better than Max logit of Softmax." in text
    )
    assert "GMMSeg (normalised) is better than MSP of Softmax, better in AUROC and FPR95 only than Entropy" in text
    assert "highest AP is Entropy of Softmax: 30.0 %" in text
    assert "GMMSeg is better calibrated, ECE 3.0 % against 4.0 %" in text
    assert "worse calibrated" in "\n".join(in_words(findings(row("gmmseg", 85, 15, 55), ece=5)))


def test_the_page_shows_every_score_and_escapes_what_is_no_html() -> None:
    page = html_page(findings(row("gmmseg", 85.128, 15, 55), ece=3))
    assert page.count("<tr><td>") == 5
    assert "<td class=n>85.13" in page
    assert "a b&lt;" in page and "a b<" not in page
    assert "training 12 s" in page
