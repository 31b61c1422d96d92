"""Means over images against scikit-learn, image by image."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.metrics.per_image import PerImageMetrics, PerImageState
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.metrics.registry import RANKING, means_over_images
from tests.anomaly_eval.metrics.updated import updated

SCORES = st.one_of(st.sampled_from([-np.inf, np.inf]), st.integers(-8, 8).map(lambda step: step / 4))
LABELS = st.sampled_from([INLIER, ANOMALY, VOID])

PERFECT = {"auroc": 1.0, "ap": 1.0, "fpr95": 0.0}


@st.composite
def images(draw):
    """Small images, some of which lack anomalies or inliers."""
    drawn = []
    for size in draw(st.lists(st.integers(1, 20), min_size=1, max_size=8)):
        scores = draw(st.lists(SCORES, min_size=size, max_size=size))
        labels = draw(st.lists(LABELS, min_size=size, max_size=size))
        drawn.append((np.array(scores, draw(st.sampled_from([np.float16, np.float32, np.float64]))), np.uint8(labels)))
    usable = np.float32([0.5, 0.25, 0.5]), np.uint8([ANOMALY, INLIER, INLIER])
    drawn.insert(draw(st.integers(0, len(drawn))), usable)
    return drawn


def state_of(drawn):
    return updated(PerImageState(), drawn)


def by_scikit_learn(scores, labels):
    """AUROC, AP and FPR95 of one image, None where there are none."""
    truth = labels[labels != VOID] == ANOMALY
    if truth.all() or not truth.any():
        return None
    # scikit-learn refuses infinities; ranks have the same order and the same ties.
    ranks = np.unique(scores[labels != VOID], return_inverse=True)[1]
    fpr, tpr, _ = roc_curve(truth, ranks, drop_intermediate=False)
    return roc_auc_score(truth, ranks), average_precision_score(truth, ranks), fpr[tpr >= 0.95][0]


@given(images())
@settings(max_examples=100, deadline=None)
def test_equals_the_mean_over_images_with_both_kinds(drawn):
    found = state_of(drawn).compute()
    expected = [metrics for metrics in (by_scikit_learn(*image) for image in drawn) if metrics is not None]
    np.testing.assert_allclose(
        [found.means[key] for key in ("auroc", "ap", "fpr95")], np.mean(expected, axis=0), rtol=0, atol=1e-12
    )
    assert (found.n_images, found.n_left_out) == (len(expected), len(drawn) - len(expected))


@given(drawn=images(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_order_and_merging_change_no_bit(drawn, seed):
    expected = state_of(drawn).compute()
    rng = np.random.default_rng(seed)
    order = [drawn[index] for index in rng.permutation(len(drawn))]
    assert state_of(order).compute() == expected
    parts = [state_of(order[:2]), state_of(order[2:4]), state_of(order[4:])]
    merged = PerImageState()
    for part in parts:
        merged.merge(part)
    assert merged.compute() == pickle.loads(pickle.dumps(merged)).compute() == expected


def test_many_images_are_meaned_the_same_in_any_order():
    rng = np.random.default_rng(0)
    drawn = [(rng.standard_normal(50).astype(np.float32), rng.integers(0, 2, 50).astype(np.uint8)) for _ in range(200)]
    expected = state_of(drawn).compute()
    for _ in range(5):
        assert state_of([drawn[index] for index in rng.permutation(200)]).compute() == expected


def test_merging_leaves_the_other_as_it_was():
    drawn = [(np.float32([1, 0]), np.uint8([ANOMALY, INLIER])), (np.float32([1, 0]), np.uint8([INLIER, INLIER]))]
    one, other = state_of(drawn), state_of(drawn)
    one.merge(other)
    one.update(*drawn[0])
    assert (one.compute().n_images, one.compute().n_left_out) == (3, 2)
    assert (other.compute().n_images, other.compute().n_left_out) == (1, 1)


def test_each_image_has_a_threshold_of_its_own():
    # Perfect in both images, whose scores differ by an offset: the pool is not.
    drawn = [(np.float32([1, 0]) + offset, np.uint8([ANOMALY, INLIER])) for offset in (0, 5)]
    pooled = RankingState()
    for image in drawn:
        pooled.update(*image)
    assert state_of(drawn).compute() == PerImageMetrics(
        {"auroc": 1.0, "ap": 1.0, "fpr95": 0.0}, n_images=2, n_left_out=0
    )
    rates = pooled.compute().rates
    assert (rates["auroc"], rates["fpr95"]) == (0.75, 0.5)


def test_the_names_cannot_be_taken_for_those_of_the_pool():
    assert not {metric.key for metric in means_over_images()} & {metric.key for metric in RANKING}


def test_means_by_another_convention_are_not_merged():
    with pytest.raises(ValueError, match="first_gt do not fit those by first_geq"):
        PerImageState().merge(PerImageState("first_gt"))


def test_an_image_can_be_a_tensor_of_any_shape_and_is_not_changed():
    scores, labels = torch.tensor([[3.0, 1.0], [2.0, 0.0]]), torch.tensor([[1, 0], [0, 255]], dtype=torch.uint8)
    found = state_of([(scores, labels), (scores.to(torch.bfloat16), labels)]).compute()
    assert (found.means["auroc"], found.n_images) == (1.0, 2)
    assert scores.tolist() == [[3.0, 1.0], [2.0, 0.0]]


@pytest.mark.parametrize("labels", [[], [[ANOMALY, ANOMALY]], [[INLIER, VOID], [VOID, VOID], [ANOMALY, VOID]]])
def test_without_a_usable_image_there_is_no_mean(labels):
    state = state_of([(np.zeros(2, np.float32), np.uint8(image)) for image in labels])
    with pytest.raises(ValueError, match="no image with both anomaly and inlier pixels"):
        state.compute()


def test_what_cannot_be_ranked_is_refused_and_adds_nothing():
    state = state_of([(np.float32([1, 0]), np.uint8([ANOMALY, INLIER]))])
    for scores, labels, message in [
        ([np.nan, 0], [ANOMALY, INLIER], "scores of frame 7 hold NaN"),
        ([1, 0, 2], [ANOMALY, INLIER], "scores of frame 7 of shape"),
        ([1, 0], [ANOMALY, 7], "labels of frame 7 hold 7"),
    ]:
        with pytest.raises(ValueError, match=message):
            state.update(np.float32(scores), np.uint8(labels), "frame 7")
    assert state.compute() == PerImageMetrics(PERFECT, n_images=1, n_left_out=0)
