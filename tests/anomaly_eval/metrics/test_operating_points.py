"""Thresholds that serve a goal, and what a threshold does, against the plain definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from anomaly_eval.metrics.operating_points import Goal, ThresholdState, false_alarms, threshold_for
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.metrics.rates import best_f1, fpr_at_tpr, tpr_at_fpr

LABELS = arrays.arrays(np.uint8, (6, 7), elements=st.sampled_from([0, 0, 1, 255]))
SCORES = arrays.arrays(np.float32, (6, 7), elements=st.sampled_from([-1.5, 0.0, 0.1, 0.7, 2.0]))


def both_kinds(label):
    return (label == 0).any() and (label == 1).any()


@given(SCORES, LABELS.filter(both_kinds), st.floats(0.01, 1), st.floats(0, 0.99))
def test_thresholds_serve_their_goal_as_trying_all_of_them_does(scores, label, tpr, fpr):
    state = RankingState()
    state.update(scores, label)
    counts = state.counts()
    anomalies, inliers = scores[label == 1], scores[label == 0]
    candidates = np.unique(anomalies)
    reaching = [value for value in candidates if (anomalies >= value).mean() >= tpr]
    assert threshold_for(counts, Goal("tpr", tpr)) == max(reaching)
    keeping = [value for value in candidates if (inliers >= value).mean() <= fpr]
    found = threshold_for(counts, Goal("fpr", fpr))
    assert found == min(keeping, default=None)
    assert tpr_at_fpr(counts, fpr) == (0 if found is None else (anomalies >= found).mean())
    assert fpr_at_tpr(counts, tpr) == (inliers >= threshold_for(counts, Goal("tpr", tpr))).mean()
    assert threshold_for(counts, Goal("f1")) == best_f1(counts).threshold


@given(st.lists(st.tuples(SCORES, LABELS), min_size=1, max_size=3), st.sampled_from([0.0, 0.1, float(np.float32(0.1))]))
def test_counts_are_those_of_plain_definitions(images, threshold):
    state, halves = ThresholdState(threshold), [ThresholdState(threshold), ThresholdState(threshold)]
    alarms = 0
    for index, (scores, label) in enumerate(images):
        state.update(scores, label)
        halves[index % 2].update(scores, label)
        predicted = (scores.astype(np.float64) >= threshold) & (label != 255)
        numbers, count = ndimage.label(predicted, structure=np.ones((3, 3)))
        alarms += sum(not (label[numbers == number] == 1).any() for number in range(1, count + 1))
    pooled = np.concatenate([scores.astype(np.float64).ravel() for scores, _ in images]) >= threshold
    labels = np.concatenate([label.ravel() for _, label in images])
    hits, alarmed = (pooled & (labels == 1)).sum(), (pooled & (labels == 0)).sum()
    missed = ((labels == 1) & ~pooled).sum()
    found = state.compute()
    assert (found.true_positives, found.false_positives, found.false_alarms) == (hits, alarmed, alarms)
    assert found.false_alarms_per_image == alarms / len(images)
    if (labels == 1).any():
        assert found.tpr == hits / (labels == 1).sum()
        assert found.f1 == 2 * hits / (2 * hits + alarmed + missed)
        assert found.iou == hits / (hits + alarmed + missed)
    else:
        assert all(map(math.isnan, (found.tpr, found.precision, found.f1, found.iou)))
    halves[0].merge(halves[1])
    assert halves[0].compute() == found


def test_false_alarms_join_over_corners_and_part_at_void():
    label = np.zeros((3, 7), np.uint8)
    label[:, 3] = 255
    label[2, 6] = 1
    predicted = np.array([[1, 0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1]], bool)
    # Left of the void one component over corners, right of it one, and the one that touches the anomaly.
    assert false_alarms(predicted, label) == 2


@pytest.mark.parametrize("word", ["tpr", "fpr=", "fpr=one", "f1=0.5", "tpr=0", "fpr=1", "tpr=nan", "ap=0.5", ""])
def test_goals_that_are_none_are_refused(word):
    with pytest.raises(ValueError, match=r"write tpr=RATE|a rate is a number"):
        Goal.parse(word)


def test_goals_are_written_as_they_are_read():
    assert [str(Goal.parse(word)) for word in ("tpr=0.95", "fpr=1e-3", "f1")] == ["tpr=0.95", "fpr=0.001", "f1"]


def test_a_threshold_must_be_a_number_and_the_same_to_merge():
    with pytest.raises(ValueError, match="not NaN"):
        ThresholdState(math.nan)
    with pytest.raises(ValueError, match="do not fit"):
        ThresholdState(1).merge(ThresholdState(2))
