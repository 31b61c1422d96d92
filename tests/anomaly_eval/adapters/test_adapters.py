"""The adapters against the states they stand for: one process, two processes, and images that a sampler repeats."""

from __future__ import annotations

import doctest
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gmmseg  # noqa: F401  (mmseg needs its stub of mmcv's operations)
from anomaly_eval.adapters.mmengine import AnomalyRankingMetric
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.binned import BinnedRankingState
from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.scores.base import ClassStatistics
from anomaly_eval.scores.energy import Energy
from anomaly_eval.scores.msp import MSP

ROOT = Path(__file__).parents[3]
LABELS = [INLIER, ANOMALY, VOID]


def images(count: int = 5) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    found = []
    for _ in range(count):
        logits = 30 * torch.randn(4, 9, 11, generator=generator)
        label = torch.tensor(LABELS)[torch.randint(0, 3, (9, 11), generator=generator)]
        found.append((logits, label))
    return found


def sample(logits: torch.Tensor, label: torch.Tensor) -> dict:
    return {"seg_logits": {"data": logits}, "gt_sem_seg": {"data": label[None]}, "img_path": "frames/7.png"}


def scores_of(kind, logits):
    return kind().reduce(ClassStatistics(logits))


def pooled(state, kind=Energy):
    for logits, label in images():
        state.update(scores_of(kind, logits), label)
    return state.compute()


def test_torchmetrics_exact_equals_the_state_where_a_sigmoid_ties():
    torchmetrics = pytest.importorskip("torchmetrics")
    from anomaly_eval.adapters.torchmetrics import AnomalyRanking

    ours, theirs, exact = AnomalyRanking(), torchmetrics.classification.BinaryAUROC(ignore_index=VOID), RankingState()
    for logits, label in images():
        # Log densities of -150 and less: as float32 their negatives are all 1 after a sigmoid.
        for metric in (ours, theirs, exact):
            metric.update(scores_of(Energy, logits) + 150, label)
    expected, found = exact.compute(), ours.compute()
    assert found == expected.rates
    assert theirs.compute() == 0.5 != expected.rates["auroc"]


def test_torchmetrics_resets_and_counts_bins():
    pytest.importorskip("torchmetrics")
    from anomaly_eval.adapters.torchmetrics import AnomalyRanking

    bins = ScoreBins.uniform(12)
    metric = AnomalyRanking(bins)
    for _ in range(2):
        metric.reset()
        for logits, label in images():
            metric.update(scores_of(Energy, logits), label)
        found = {name: value.item() for name, value in metric.compute().items()}
        assert found == pooled(BinnedRankingState(bins)).rates
    assert found["auroc_low"] <= pooled(RankingState()).rates["auroc"] <= found["auroc_high"]
    with pytest.raises(ValueError, match="NaN"):
        metric.update(torch.tensor([math.nan]), torch.tensor([0]))


@pytest.mark.parametrize("bins", [None, ScoreBins.uniform(12)])
def test_torchmetrics_called_on_batches_without_anomalies_keeps_what_it_has(bins):
    pytest.importorskip("torchmetrics")
    from anomaly_eval.adapters.torchmetrics import AnomalyRanking

    called, updated = AnomalyRanking(bins), AnomalyRanking(bins)
    for logits, label in images():
        for part in (label, torch.full_like(label, INLIER)):
            found = called(scores_of(Energy, logits), part)
            updated.update(scores_of(Energy, logits), part)
        assert all(value.isnan() for value in found.values())
    assert called.compute() == updated.compute()
    assert called.compute().keys() == found.keys()


@pytest.mark.parametrize("exact", [False, True])
def test_mmengine_equals_the_states_in_percent_and_drops_repeated_images(exact):
    metric = AnomalyRankingMetric(score="msp", exact=exact, bits=12)
    batch = [sample(*image) for image in images()]
    metric.process(None, batch[:3])
    # A sampler that pads gives the first image once more.
    metric.process(None, [*batch[3:], batch[0]])
    found = metric.evaluate(len(batch))
    state = RankingState() if exact else BinnedRankingState(ScoreBins.uniform(12))
    expected = pooled(state, MSP)
    assert found["anomaly/auroc"] == 100 * expected.rates["auroc"]
    assert ("anomaly/ap_low" in found) is not exact


def test_mmengine_names_the_image_and_refuses_other_scores():
    metric = AnomalyRankingMetric()
    logits, label = images(1)[0]
    logits[:, 0, 0], label[0, 0] = math.nan, INLIER
    with pytest.raises(ValueError, match=r"frames/7\.png hold NaN"):
        metric.process(None, [sample(logits, label)])
    for name in ("mahalanobis", "sml", "gmmseg", "nonsense"):
        with pytest.raises(InputError, match=r"choose one of msp, entropy, max_logit, energy"):
            AnomalyRankingMetric(score=name)


def test_the_metric_is_found_by_its_name_in_mmseg_configs():
    from mmseg.registry import METRICS

    built = METRICS.build({"type": "AnomalyRankingMetric", "score": "entropy"})
    assert built.score.name == "entropy"


PROGRAM = """
import sys, torch, torch.distributed as dist
import gmmseg
dist.init_process_group("gloo")
rank = dist.get_rank()
from test_adapters import *
from anomaly_eval.adapters.torchmetrics import AnomalyRanking
whole = images()
mine = [whole[(2 * i + rank) % len(whole)] for i in range(3)]  # the first image comes twice
result = {}
for exact in (False, True):
    metric = AnomalyRankingMetric(score="energy", exact=exact, bits=12)
    metric.process(None, [sample(*image) for image in mine])
    result[exact] = metric.evaluate(len(whole))
own = whole[:2] if rank == 0 else whole[2:]
for bins in (None, ScoreBins.uniform(12)):
    metric = AnomalyRanking(bins)
    for logits, label in own:
        metric.update(scores_of(Energy, logits), label)
    result[bins is None, "torchmetrics"] = {k: v.item() for k, v in metric.compute().items()}
if rank == 0:
    exact, binned = pooled(RankingState()), pooled(BinnedRankingState(ScoreBins.uniform(12)))
    assert result[True]["anomaly/fpr95"] == 100 * exact.rates["fpr95"], result
    assert result[False] == {f"anomaly/{k}": 100 * v for k, v in binned.rates.items()}, result
    assert result[True, "torchmetrics"]["ap"] == exact.rates["ap"], result
    assert result[False, "torchmetrics"] == binned.rates, result
    print("equal to the bit")
# A process that leaves while the other still talks to it would end both.
dist.barrier()
dist.destroy_process_group()
"""


def test_two_processes_equal_one_to_the_bit(tmp_path):
    pytest.importorskip("torchmetrics")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(program)]
    result = subprocess.run(
        launch,
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
            "OMP_NUM_THREADS": "1",
        },
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "equal to the bit" in result.stdout


def test_docstring_example():
    pytest.importorskip("torchmetrics")
    import anomaly_eval.adapters.torchmetrics as module

    assert doctest.testmod(module) == (0, 3)
