"""The published table is read as the paper printed it."""

from __future__ import annotations

from anomaly_eval.reports.published import read_published


def test_rows_of_the_paper() -> None:
    rows = {row.method: row for row in read_published()}
    assert list(rows)[:3] == ["SynthCP", "SynBoost", "MSP"] and len(rows) == 9
    boost, best = rows["SynBoost"], rows["GMMSeg-SegFormer"]
    assert (boost.resynthesis, boost.ood_data, boost.miou) == (True, True, None)
    assert (best.resynthesis, best.ood_data, best.miou) == (False, False, 82.6)
    assert best.metrics == {
        "fishyscapes_lostandfound": dict(auroc=97.83, ap=50.03, fpr95=12.55),
        "road_anomaly": dict(auroc=89.37, ap=57.65, fpr95=44.34),
    }
