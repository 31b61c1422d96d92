"""The closed-set metrics against mmsegmentation's IoUMetric and scikit-learn, which count in their own ways."""

from __future__ import annotations

import copy

import gmmseg  # noqa: F401  isort: skip
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mmseg.evaluation import IoUMetric
from sklearn import metrics as sklearn_metrics

from anomaly_eval.metrics.closed_set import MOST_CLASSES, ClosedSetMetrics, ClosedSetState, confusion_matrix
from anomaly_eval.metrics.labels import VOID


def compute(predicted, label, n_classes) -> ClosedSetMetrics:
    state = ClosedSetState(n_classes)
    state.update(predicted, label)
    return state.compute()


def same(one: ClosedSetMetrics, other: ClosedSetMetrics) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in vars(one))


@st.composite
def predictions(draw):
    """Some classes, a prediction, and a label with void pixels and at least one pixel that is not."""
    n_classes = draw(st.integers(1, 9))
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 12)))
    ids = st.integers(0, n_classes - 1)
    predicted = draw(arrays(np.uint8, shape, elements=ids))
    label = draw(arrays(np.uint8, shape, elements=st.one_of(ids, st.just(VOID))))
    label[0, 0] = draw(ids)
    return predicted, label, n_classes


@given(predictions())
@settings(max_examples=200, deadline=None)
def test_equals_scikit_learn(case):
    predicted, label, n_classes = case
    kept = label != VOID
    expected = sklearn_metrics.confusion_matrix(label[kept], predicted[kept], labels=range(n_classes))
    np.testing.assert_array_equal(confusion_matrix(predicted, label, n_classes), expected)
    found = compute(predicted, label, n_classes)
    classes = np.union1d(label[kept], predicted[kept])
    iou = sklearn_metrics.jaccard_score(label[kept], predicted[kept], labels=classes, average=None)
    np.testing.assert_allclose(found.iou[classes], iou, atol=1e-12)
    assert np.flatnonzero(~np.isnan(found.iou)).tolist() == classes.tolist()
    assert found.mean_iou == pytest.approx(iou.mean(), abs=1e-12)
    shown = np.unique(label[kept])
    recall = sklearn_metrics.recall_score(label[kept], predicted[kept], labels=shown, average=None)
    np.testing.assert_allclose(found.accuracy[shown], recall, atol=1e-12)
    assert np.flatnonzero(~np.isnan(found.accuracy)).tolist() == shown.tolist()
    assert found.mean_accuracy == pytest.approx(recall.mean(), abs=1e-12)
    assert found.pixel_accuracy == pytest.approx(sklearn_metrics.accuracy_score(label[kept], predicted[kept]))
    assert found.n_pixels == kept.sum()


@given(st.integers(0, 2**32 - 1), st.integers(2, 171), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_equals_mmsegmentations_metric(seed, n_classes, n_images):
    """Classes that are absent from the labels, from the predictions, or from both, are among them."""
    rng = np.random.default_rng(seed)
    state, theirs = ClosedSetState(n_classes), []
    known = rng.choice(n_classes, size=max(n_classes // 2, 1), replace=False)
    for _ in range(n_images):
        predicted = rng.choice(known, (17, 23)).astype(np.uint8)
        label = np.where(rng.random((17, 23)) < 0.4, predicted, rng.integers(0, n_classes, (17, 23))).astype(np.uint8)
        label[rng.random((17, 23)) < 0.2] = VOID
        state.update(predicted, label)
        maps = torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(label.astype(np.int64))
        theirs.append(IoUMetric.intersect_and_union(*maps, n_classes, VOID))
    areas = [sum(found) for found in zip(*theirs, strict=True)]
    expected = IoUMetric.total_area_to_metrics(*areas, ["mIoU"])
    found = state.compute()
    np.testing.assert_allclose(found.iou, expected["IoU"], rtol=1e-6)
    np.testing.assert_allclose(found.accuracy, expected["Acc"], rtol=1e-6)
    assert found.mean_iou == pytest.approx(np.nanmean(expected["IoU"]), rel=1e-5)
    assert found.mean_accuracy == pytest.approx(np.nanmean(expected["Acc"]), rel=1e-5)
    assert found.pixel_accuracy == pytest.approx(float(expected["aAcc"]), rel=1e-6)


@given(predictions(), st.integers(1, 5), st.randoms())
@settings(max_examples=60, deadline=None)
def test_order_and_merging_change_nothing_to_the_bit(case, parts, random):
    predicted, label, n_classes = case
    order = list(range(predicted.size))
    random.shuffle(order)
    merged = ClosedSetState(n_classes)
    for part in np.array_split(order, parts):
        other = ClosedSetState(n_classes)
        other.update(predicted.ravel()[part], label.ravel()[part])
        before = other.counts.copy()
        merged.merge(other)
        np.testing.assert_array_equal(other.counts, before)
    assert same(merged.compute(), compute(predicted, label, n_classes))


@given(predictions(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_what_is_predicted_on_void_does_not_matter(case, seed):
    predicted, label, n_classes = case
    other = np.where(label == VOID, np.random.default_rng(seed).integers(0, n_classes, label.shape), predicted)
    assert same(compute(other.astype(np.uint8), label, n_classes), compute(predicted, label, n_classes))


def test_counts_do_not_round_where_float32_would():
    state = ClosedSetState(2)
    state.counts[:] = [[2**24, 1], [0, 2**40]]
    assert state.compute().pixel_accuracy == (2**24 + 2**40) / (2**24 + 2**40 + 1)
    assert state.compute().iou[0] == 2**24 / (2**24 + 1)


def test_means_leave_out_classes_without_a_value():
    label = np.array([0, 0, 1, VOID], np.uint8)
    found = compute(np.array([0, 2, 1, 3], np.uint8), label, 4)
    np.testing.assert_array_equal(found.iou, [0.5, 1, 0, np.nan])
    np.testing.assert_array_equal(found.accuracy, [0.5, 1, np.nan, np.nan])
    assert (found.mean_iou, found.mean_accuracy, found.pixel_accuracy) == (0.5, 0.75, 2 / 3)
    assert (found.label_pixels.tolist(), found.predicted_pixels.tolist()) == ([2, 1, 0, 0], [1, 1, 1, 0])


def test_the_most_classes_that_can_be_counted():
    ids = np.arange(MOST_CLASSES, dtype=np.uint8)
    label = np.append(ids, np.uint8(VOID))
    found = confusion_matrix(np.append(ids, np.uint8(MOST_CLASSES - 1)), label, MOST_CLASSES)
    np.testing.assert_array_equal(found, np.eye(MOST_CLASSES, dtype=np.int64))


@pytest.mark.parametrize(
    ("predicted", "label", "n_classes", "words"),
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 2, "does not fit"),
        (np.zeros(3, np.int64), np.zeros(3, np.uint8), 2, "must be uint8"),
        (np.zeros(3, np.uint8), np.array([0, 3, VOID], np.uint8), 3, "label holds 3, but there are 3 classes"),
        (np.zeros(3, np.uint8), np.array([0, 254, VOID], np.uint8), 3, "label holds 254"),
        (np.array([0, 3], np.uint8), np.array([0, VOID], np.uint8), 3, "prediction holds class 3"),
        (np.zeros(3, np.uint8), np.zeros(3, np.uint8), 0, "0 classes"),
        (np.zeros(3, np.uint8), np.zeros(3, np.uint8), 255, "255 classes"),
    ],
)
def test_what_is_no_class_is_refused(predicted, label, n_classes, words):
    with pytest.raises(ValueError, match=words):
        confusion_matrix(predicted, label, n_classes)


def test_a_refused_image_adds_nothing():
    state = ClosedSetState(2)
    state.update(np.array([0, 1], np.uint8), np.array([0, 0], np.uint8))
    before = copy.deepcopy(state.counts)
    with pytest.raises(ValueError, match="label holds 2"):
        state.update(np.array([0, 1], np.uint8), np.array([0, 2], np.uint8))
    np.testing.assert_array_equal(state.counts, before)


def test_states_of_other_classes_do_not_merge():
    with pytest.raises(ValueError, match="counts of 3 classes do not fit those of 2"):
        ClosedSetState(2).merge(ClosedSetState(3))


@pytest.mark.parametrize("label", [np.empty(0, np.uint8), np.full(4, VOID, np.uint8)])
def test_nothing_but_void_is_refused(label):
    with pytest.raises(ValueError, match="no pixel of any class"):
        compute(np.zeros_like(label), label, 3)
