"""The adapters against the states they stand for: one process, two processes, and images that a sampler repeats."""

from __future__ import annotations

import doctest
import logging
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import torch
import torch.distributed as dist
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.runner import Runner

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
from tests.anomaly_eval.evaluation.processes.ports import free_port
from tests.forked import ended, in_another_process

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


def without(*kinds: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The images with the pixels of some labels made void."""
    return [(logits, label.masked_fill(torch.isin(label, torch.tensor(kinds)), VOID)) for logits, label in images()]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("batch", "missing"),
    [
        (without(ANOMALY), "none has an anomaly pixel"),
        (without(INLIER), "none has an inlier pixel"),
        (without(ANOMALY, INLIER), "none has an anomaly or an inlier pixel"),
        ([], "of 0 validation images none has an anomaly or an inlier pixel"),
        (without(ANOMALY)[:1], "of 1 validation images none has an anomaly pixel"),
    ],
    ids=["no anomaly", "no inlier", "void alone", "no image", "one image"],
)
def test_mmengine_gives_nan_and_a_warning_where_nothing_can_be_ranked(exact, batch, missing, caplog):
    MMLogger.get_instance("mmengine")
    metric = AnomalyRankingMetric(exact=exact, bits=12)
    metric.process(None, [sample(*image) for image in batch])
    with listening(caplog):
        found = metric.evaluate(len(batch))
    assert all(math.isnan(value) for value in found.values())
    assert found.keys() == ranked(exact).keys()
    assert missing in caplog.text
    # The next validation starts from nothing.
    assert found.keys() == metric.evaluate(0).keys()


@contextmanager
def listening(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Hear what mmengine logs, whose loggers pass nothing on."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    caplog.handler.setLevel(logging.WARNING)
    yield
    logger.removeHandler(caplog.handler)


def ranked(exact: bool) -> dict[str, float]:
    metric = AnomalyRankingMetric(exact=exact, bits=12)
    metric.process(None, [sample(*image) for image in images()])
    return metric.evaluate(len(images()))


def test_anomalies_and_inliers_may_be_in_different_images():
    metric = AnomalyRankingMetric(score="energy")
    halves = [*without(ANOMALY), *without(INLIER)]
    metric.process(None, [sample(*image) for image in halves])
    assert metric.evaluate(len(halves))["anomaly/auroc"] == 100 * pooled(RankingState()).rates["auroc"]


@pytest.mark.parametrize(("key", "rule"), [("anomaly/auroc", "greater"), ("anomaly/fpr95", "less")])
def test_nan_is_never_the_best_checkpoint(tmp_path, key, rule):
    """Three validations of a training by mmengine: without anomaly, with, and without."""
    batches = iter([without(ANOMALY), images(), without(ANOMALY)])

    class Metric(AnomalyRankingMetric):
        def process(self, data_batch, data_samples):
            super().process(data_batch, [sample(*image) for image in next(batches)])

    class Network(BaseModel):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, inputs, mode="tensor"):
            return {"loss": self.weight.sum()} if mode == "loss" else [None]

    loader = {"batch_size": 1, "dataset": [0], "sampler": {"type": "DefaultSampler", "shuffle": False}}
    runner = Runner(
        model=Network(),
        work_dir=str(tmp_path),
        train_dataloader=loader,
        val_dataloader=loader,
        train_cfg={"by_epoch": True, "max_epochs": 3},
        val_cfg={},
        val_evaluator=Evaluator(Metric()),
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        default_hooks={"checkpoint": {"type": "CheckpointHook", "save_best": key, "rule": rule}},
        experiment_name=f"best_{rule}",
        default_scope="mmengine",
    )
    runner.train()
    assert runner.epoch == 3
    assert [path.name for path in tmp_path.glob("best_*")] == [f"best_{key.replace('/', '_')}_epoch_2.pth"]


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


def check_as_one_of_two(rank: int, port: int) -> int:
    """Compare what both processes find together with what one finds, in a process that ends afterwards."""
    from anomaly_eval.adapters.torchmetrics import AnomalyRanking

    dist.init_process_group("gloo", init_method=f"tcp://localhost:{port}", world_size=2, rank=rank)
    whole = images()
    mine = [whole[(2 * i + rank) % len(whole)] for i in range(3)]  # the first image comes twice
    result = {}
    for exact in (False, True):
        metric = AnomalyRankingMetric(score="energy", exact=exact, bits=12)
        metric.process(None, [sample(*image) for image in mine])
        result[exact] = metric.evaluate(len(whole))
        # Process 0 has no anomaly, and process 1 has some or none.
        for batch in (whole, without(ANOMALY)):
            metric.process(None, [sample(*(batch if rank else without(ANOMALY))[rank])])
            found = metric.evaluate(2)
            assert found.keys() == result[exact].keys()
            assert all(map(math.isnan, found.values())) is (batch is not whole), found
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
    # A process that leaves while the other still talks to it would end both.
    dist.barrier()
    return 0


@pytest.mark.skipif(sys.platform == "win32", reason="processes are copied")
def test_two_processes_equal_one_to_the_bit(tmp_path):
    pytest.importorskip("torchmetrics")
    port, printed = free_port(), tmp_path / "printed"
    pids = [in_another_process(partial(check_as_one_of_two, rank, port), printed) for rank in range(2)]
    assert [ended(pid) for pid in pids] == [0, 0], printed.read_text()


def test_docstring_example():
    pytest.importorskip("torchmetrics")
    import anomaly_eval.adapters.torchmetrics as module

    assert doctest.testmod(module) == (0, 3)
