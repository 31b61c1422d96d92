"""Calibration against plain loops over pixels and bins, torchmetrics, torch and scikit-learn."""

from __future__ import annotations

import pickle
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss, log_loss
from torch.nn import functional

from anomaly_eval.metrics.calibration import CalibrationMetrics, CalibrationState
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.metrics.reliability import (
    STEPS,
    ReliabilityBins,
    confidence_cells,
    equal_mass_cuts,
    equal_width_cuts,
    equal_width_edges,
    exact_sum,
    expected_calibration_error,
)
from tests.anomaly_eval.metrics.calibrated import calibration_metrics

BOUND = 2.0**-31 + 1e-14
"""What the metrics may be off by: half a step, and the rounding of the float64 they are compared with."""


def in_bins(confidence, right, bins) -> tuple[float, float, list[int]]:
    """ECE, MCE and counts of [i / bins, (i + 1) / bins), the last one closed, one bin after the other."""
    ece, mce, counts = 0.0, 0.0, []
    for i in range(bins):
        inside = (confidence >= i / bins) & ((confidence < (i + 1) / bins) | (i == bins - 1))
        counts.append(int(inside.sum()))
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            ece, mce = ece + gap * inside.mean(), max(mce, gap)
    return ece, mce, counts


def assert_equals_loops(found: CalibrationMetrics, probabilities, label, bins, predicted=None) -> None:
    kept = label != VOID
    predicted = probabilities.argmax(axis=0) if predicted is None else predicted
    p, y = np.asarray(probabilities, np.float64)[:, kept], label[kept]
    ece, mce, counts = in_bins(p.max(axis=0), predicted[kept] == y, bins)
    assert found.ece == pytest.approx(ece, rel=0, abs=BOUND)
    assert found.mce == pytest.approx(mce, rel=0, abs=BOUND)
    assert found.reliability.counts.tolist() == counts
    classes = [in_bins(p[c], y == c, bins) for c in range(len(p))]
    np.testing.assert_allclose(found.class_ece, [ece for ece, _, _ in classes], rtol=0, atol=BOUND)
    assert found.classwise_ece == pytest.approx(np.mean([ece for ece, _, _ in classes]), rel=0, abs=BOUND)
    assert [bins.counts.tolist() for bins in found.class_reliability] == [counts for _, _, counts in classes]
    brier = np.mean([sum((p[c, n] - (y[n] == c)) ** 2 for c in range(len(p))) for n in range(len(y))])
    assert found.brier == pytest.approx(brier, rel=0, abs=BOUND)
    with np.errstate(divide="ignore"):
        assert found.nll == pytest.approx(np.mean([-np.log(p[y[n], n]) for n in range(len(y))]), rel=1e-14, abs=BOUND)
    assert found.n_pixels == kept.sum()


def same(one: CalibrationMetrics, other: CalibrationMetrics) -> bool:
    """Whether all numbers are equal to the bit, those of the bins too."""
    return pickle.dumps(one) == pickle.dumps(other)


def softmax(logits):
    e = np.exp(logits - logits.max(axis=0))
    return e / e.sum(axis=0)


def compute(logits, label, bins=15) -> CalibrationMetrics:
    state = CalibrationState(len(logits), bins)
    state.update(logits, label)
    return state.compute()


@st.composite
def labels(draw, n_classes):
    """A label with void pixels, and at least one pixel that is not; often that is the only pixel."""
    shape = (draw(st.integers(1, 8)), draw(st.integers(1, 8)))
    ids = st.integers(0, n_classes - 1)
    label = draw(arrays(np.uint8, shape, elements=st.one_of(ids, st.just(VOID))))
    label[0, 0] = draw(ids)
    return label


@st.composite
def fractions(draw):
    """Probabilities that are fractions with small denominators, so that many lie on edges, at 0, at 1, or are tied."""
    n_classes = draw(st.integers(1, 5))
    label = draw(labels(n_classes))
    parts = draw(arrays(np.int64, (n_classes, *label.shape), elements=st.integers(0, 8)))
    parts[0] += parts.sum(axis=0) == 0
    return parts / parts.sum(axis=0), label


@st.composite
def logit_maps(draw):
    n_classes = draw(st.integers(1, 6))
    label = draw(labels(n_classes))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    logits = draw(arrays(np.float64, (n_classes, *label.shape), elements=st.floats(-30, 30))).astype(dtype)
    return logits, label


@given(fractions(), st.integers(1, 20))
@settings(max_examples=150, deadline=None)
def test_equals_loops_with_confidences_on_edges(case, bins):
    probabilities, label = case
    assert_equals_loops(calibration_metrics(probabilities, label, bins), probabilities, label, bins)


@given(logit_maps(), st.integers(1, 20))
@settings(max_examples=100, deadline=None)
def test_logits_equal_loops_over_their_softmax(case, bins):
    logits, label = case
    probabilities = softmax(logits.astype(np.float64))
    # Logits that differ may have probabilities that round to a tie.
    assert_equals_loops(compute(logits, label, bins), probabilities, label, bins, logits.argmax(axis=0))


@given(logit_maps(), st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]))
@settings(max_examples=60, deadline=None)
def test_tensors_of_any_type_equal_arrays(case, dtype):
    logits, label = case
    tensor = torch.from_numpy(logits).to(dtype).requires_grad_()
    assert same(compute(tensor, label), compute(tensor.detach().double().numpy(), label))
    channels_last = tensor.unsqueeze(0).to(memory_format=torch.channels_last).squeeze(0)
    assert same(compute(channels_last, label), compute(tensor, label))


@pytest.mark.parametrize("n_classes", [2, 19])
def test_losses_equal_torch_and_scikit_learn(n_classes):
    rng = np.random.default_rng(n_classes)
    logits = rng.standard_normal((n_classes, 30, 40)) * 3
    label = rng.integers(0, n_classes, (30, 40)).astype(np.uint8)
    found = compute(logits, label)
    p, y = softmax(logits).reshape(n_classes, -1), label.ravel()
    target = torch.from_numpy(y.astype(np.int64))
    nll = functional.cross_entropy(torch.from_numpy(logits.reshape(n_classes, -1).T), target)
    assert found.nll == pytest.approx(float(nll), rel=0, abs=BOUND)
    assert found.nll == pytest.approx(log_loss(y, p.T, labels=range(n_classes)), rel=0, abs=BOUND)
    squared = functional.mse_loss(torch.from_numpy(p.T), functional.one_hot(target, n_classes).double())
    assert found.brier == pytest.approx(float(squared) * n_classes, rel=0, abs=BOUND)
    each = [brier_score_loss(y == c, p[c], pos_label=True) for c in range(n_classes)]
    assert found.brier == pytest.approx(sum(each), rel=0, abs=BOUND)


def assert_equals_torchmetrics(probabilities, label, bins) -> None:
    calibration_error = pytest.importorskip("torchmetrics.functional.classification").multiclass_calibration_error
    found = calibration_metrics(probabilities, label, bins)
    given_ = torch.from_numpy(probabilities).unsqueeze(0), torch.from_numpy(label.astype(np.int64)).unsqueeze(0)
    for norm, error in {"l1": found.ece, "max": found.mce}.items():
        theirs = calibration_error(*given_, len(probabilities), bins, norm, ignore_index=VOID)
        assert error == pytest.approx(float(theirs), rel=0, abs=1e-6)


@pytest.mark.parametrize("bins", [1, 10, 15, 100])
@pytest.mark.parametrize("n_classes", [2, 19])
def test_equals_torchmetrics(n_classes, bins):
    rng = np.random.default_rng(n_classes * bins)
    probabilities = softmax(rng.standard_normal((n_classes, 20, 50)) * 2)
    label = np.where(rng.random((20, 50)) < 0.6, probabilities.argmax(axis=0), rng.integers(0, n_classes, (20, 50)))
    label[rng.random((20, 50)) < 0.1] = VOID
    assert_equals_torchmetrics(probabilities, label.astype(np.uint8), bins)


@given(st.data(), st.sampled_from([2, 4, 8, 16]))
@settings(max_examples=60, deadline=None)
def test_equals_torchmetrics_on_edges(data, bins):
    """Sixteenths are the same in float32 and float64; 1 is left out, to which torchmetrics gives its own bin."""
    label = data.draw(labels(2))
    first = data.draw(arrays(np.int64, label.shape, elements=st.integers(1, 15)))
    assert_equals_torchmetrics(np.stack([first, 16 - first]) / 16, label, bins)


def torchmetrics_ece(probabilities, label, bins) -> float:
    calibration_error = pytest.importorskip("torchmetrics.functional.classification").multiclass_calibration_error
    given_ = torch.from_numpy(probabilities)[None], torch.from_numpy(label.astype(np.int64))[None]
    return float(calibration_error(*given_, len(probabilities), bins, "l1", ignore_index=VOID))


def test_torchmetrics_puts_confidence_1_into_a_bin_of_its_own():
    """Four pixels of 0.95 that are right, four of 1 of which two are: here one bin, there two."""
    first = np.repeat([0.95, 1.0], 4)[None]
    label = np.array([[0, 0, 0, 0, 0, 0, 1, 1]], np.uint8)
    probabilities = np.stack([first, 1 - first])
    assert calibration_metrics(probabilities, label, 10).ece == pytest.approx(abs(0.75 - 0.975), abs=BOUND)
    assert torchmetrics_ece(probabilities, label, 10) == pytest.approx((0.05 + 0.5) / 2, abs=1e-6)


@pytest.mark.parametrize("bins", [1, 10, 15])
@pytest.mark.parametrize("least_gap", [0.0, 2.0**-60, 2.0**-30, 2.0**-26, 2.0**-24])
def test_ece_differs_from_that_of_torchmetrics_by_that_bin_alone(bins, least_gap):
    rng = np.random.default_rng(bins)
    gap = np.where(rng.random((20, 50)) < 0.4, least_gap, rng.random((20, 50)) / 2)
    probabilities = np.stack([1 - gap, gap])
    label = (rng.random(gap.shape) < 0.2).astype(np.uint8)
    confidence, right = probabilities.max(axis=0), probabilities.argmax(axis=0) == label
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    place[confidence.astype(np.float32) == 1] = bins
    gaps = [abs(confidence[place == one].sum() - right[place == one].sum()) for one in range(bins + 1)]
    found, theirs = calibration_metrics(probabilities, label, bins).ece, torchmetrics_ece(probabilities, label, bins)
    assert theirs == pytest.approx(sum(gaps) / gap.size, abs=1e-6)
    assert theirs >= found - 1e-6
    if not (place == bins).any():
        assert theirs == pytest.approx(found, abs=1e-6)


def test_every_edge_is_in_the_bin_above_and_one_in_the_last():
    for bins in range(1, 70):
        edges = equal_width_edges(bins)
        np.testing.assert_array_equal(edges, [i / bins for i in range(bins + 1)])
        p = np.stack([edges, 1 - edges])[:, None]
        found = calibration_metrics(p, np.zeros((1, bins + 1), np.uint8), bins)
        assert found.class_reliability[0].counts.tolist() == [1] * (bins - 1) + [2]
        inside = edges[edges > 0.5]
        found = calibration_metrics(np.stack([inside, 1 - inside])[:, None], np.zeros((1, len(inside)), np.uint8), bins)
        assert found.reliability.counts.sum() == len(inside)
        assert found.reliability.counts.tolist() == found.class_reliability[0].counts.tolist()


def test_two_equally_likely_classes():
    label = np.array([[0, 0, 0, 1]], np.uint8)
    found = calibration_metrics(np.full((2, 1, 4), 0.5), label, bins=10)
    assert found.reliability.counts.tolist() == [0, 0, 0, 0, 0, 4, 0, 0, 0, 0]
    assert (found.ece, found.mce, found.adaptive_ece, found.classwise_ece) == (0.25, 0.25, 0.25, 0.25)
    assert (found.brier, found.n_pixels) == (0.5, 4)
    assert found.nll == pytest.approx(np.log(2), rel=0, abs=BOUND)


def test_reliability_shows_the_numbers_of_each_bin():
    p = np.array([[[0.6, 0.7, 0.9]], [[0.4, 0.3, 0.1]]])
    found = calibration_metrics(p, np.array([[0, 1, 0]], np.uint8), bins=4)
    np.testing.assert_array_equal(found.reliability.edges, [0, 0.25, 0.5, 0.75, 1])
    assert found.reliability.counts.tolist() == [0, 0, 2, 1]
    np.testing.assert_allclose(found.reliability.confidence, [np.nan, np.nan, 0.65, 0.9], atol=BOUND)
    np.testing.assert_array_equal(found.reliability.accuracy, [np.nan, np.nan, 0.5, 1])
    second = found.class_reliability[1]
    assert second.counts.tolist() == [1, 2, 0, 0]
    np.testing.assert_allclose(second.confidence, [0.1, 0.35, np.nan, np.nan], atol=BOUND)
    np.testing.assert_array_equal(second.accuracy, [0, 0.5, np.nan, np.nan])
    assert expected_calibration_error(found.reliability) == found.ece


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_bins_of_equal_mass_equal_sorting(seed, bins, n):
    """With one pixel in a cell nothing is lost by the cells."""
    rng = np.random.default_rng(seed)
    edges = confidence_cells(bins)
    cell = rng.choice(np.flatnonzero(edges[:-1] > 0.5), n, replace=False)
    confidence = (edges[cell] + edges[cell + 1]) / 2
    label = rng.integers(0, 2, (1, n)).astype(np.uint8)
    found = calibration_metrics(np.stack([confidence, 1 - confidence])[:, None], label, bins)
    order, right = np.argsort(confidence), label[0] == 0
    ends = [-(-i * n // bins) for i in range(bins + 1)]
    parts = [order[start:end] for start, end in pairwise(ends)]
    assert found.adaptive_reliability.counts.tolist() == [len(part) for part in parts]
    gaps = [abs(right[part].sum() - confidence[part].sum()) for part in parts]
    assert found.adaptive_ece == pytest.approx(sum(gaps) / n, rel=0, abs=BOUND)


@given(arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 50)), st.integers(1, 20))
@settings(max_examples=100, deadline=None)
def test_masses_are_equal_up_to_a_cell(counts, bins):
    counts[0] += 1
    cuts = equal_mass_cuts(counts, bins)
    assert (cuts[0], cuts[-1], len(cuts)) == (0, len(counts), bins + 1)
    masses = [int(counts[start:end].sum()) for start, end in pairwise(cuts)]
    assert sum(masses) == counts.sum()
    assert np.abs(np.array(masses) - counts.sum() / bins).max() <= counts.max()


def test_bins_of_equal_mass_divide_a_sharp_network():
    rng = np.random.default_rng(3)
    margin = rng.uniform(10, 26, (100, 100))
    found = compute(np.stack([margin, 0 * margin]), np.zeros((100, 100), np.uint8))
    assert found.reliability.counts[-1] == 10_000
    bins = found.adaptive_reliability
    np.testing.assert_allclose(bins.counts, 10_000 / 15, atol=25)
    confidence = 1 / (1 + np.exp(-margin))
    inside = [((confidence >= a) & (confidence < b)).sum() for a, b in pairwise(bins.edges)]
    np.testing.assert_array_equal(bins.counts, inside)


def test_one_confidence_leaves_bins_of_equal_mass_empty():
    found = calibration_metrics(np.full((2, 3, 3), 0.5), np.zeros((3, 3), np.uint8))
    assert found.adaptive_reliability.counts.tolist() == [9] + [0] * 14
    assert np.isnan(found.adaptive_reliability.confidence[1:]).all()
    assert found.adaptive_ece == 0.5


@pytest.mark.parametrize("bins", [1, 2, 7, 10, 15, 1000, 2**14, 20_000])
def test_edges_of_equal_width_are_edges_of_cells(bins):
    cells = confidence_cells(bins)
    assert (np.diff(cells) > 0).all()
    np.testing.assert_array_equal(cells[equal_width_cuts(cells, bins)], equal_width_edges(bins))
    assert len(cells) < 2**14 + 20_000 + 26 * 64


def test_order_and_merging_of_images_change_nothing_to_the_bit():
    rng = np.random.default_rng(5)
    images = []
    for size in [(1, 1), (40, 50), (3, 7), (33, 1), (200, 190), (2, 2), (60, 60)]:
        logits = (rng.standard_normal((5, *size)) * rng.choice([0.1, 3, 300])).astype(np.float32)
        images.append((logits, rng.choice([0, 1, 2, 3, 4, VOID], size).astype(np.uint8)))
    expected = None
    for parts in [1, 2, 3, 7] * 3:
        merged = CalibrationState(5)
        for part in np.array_split(rng.permutation(len(images)), parts):
            state = CalibrationState(5)
            for index in part:
                state.update(*images[index])
            before = pickle.dumps(state)
            merged.merge(state)
            assert pickle.dumps(state) == before
        expected = expected or merged.compute()
        assert same(merged.compute(), expected)


def test_memory_does_not_grow_and_sums_do_not_overflow():
    rng = np.random.default_rng(6)
    state = CalibrationState(3)
    state.update(rng.standard_normal((3, 20, 20)), rng.integers(0, 3, (20, 20)).astype(np.uint8))
    size, once = len(pickle.dumps(state)), state.compute()
    for _ in range(35):
        state.merge(state)
    assert len(pickle.dumps(state)) < 1.5 * size
    found = state.compute()
    assert found.n_pixels == 400 * 2**35
    assert found.n_pixels * STEPS > 2**63
    for field in fields(found):
        if isinstance(getattr(found, field.name), float):
            assert getattr(found, field.name) == getattr(once, field.name)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False).map(np.trunc), max_size=60))
@settings(max_examples=100, deadline=None)
def test_sums_of_whole_numbers_do_not_round(values):
    assert exact_sum(np.array(values, np.float64)) == sum(int(value) for value in values)


def test_likelihood_stays_finite_where_a_probability_rounds_to_zero():
    largest = float(np.finfo(np.float32).max)
    found = compute(np.array([[[0.0, 2000.0]], [[2000.0, 0.0]]]), np.zeros((1, 2), np.uint8))
    assert (found.nll, found.brier, found.ece) == (1000, 1, 0.5)
    assert compute(np.array([[[-largest]], [[largest]]]), np.zeros((1, 1), np.uint8)).nll == 2 * largest


def test_probability_zero_for_the_label_is_an_infinite_loss():
    label = np.array([[0, 0, 1]], np.uint8)
    found = calibration_metrics(np.array([[[1, 0.0, 0.5]], [[0, 1.0, 0.5]]]), label)
    assert found.nll == np.inf
    assert found.brier == pytest.approx(2.5 / 3)
    assert found.ece == 0.5


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rounded_probabilities_are_taken_as_they_are(dtype):
    rng = np.random.default_rng(8)
    probabilities = softmax(rng.standard_normal((19, 40, 40)) * 4).astype(dtype)
    label = rng.integers(0, 19, (40, 40)).astype(np.uint8)
    assert_equals_loops(calibration_metrics(probabilities, label), probabilities, label, 15)


def test_void_pixels_do_not_matter_and_input_is_left_alone():
    rng = np.random.default_rng(9)
    logits = rng.standard_normal((3, 5, 6))
    label = rng.choice([0, 1, 2, VOID], (5, 6)).astype(np.uint8)
    before = compute(logits, label)
    logits[:, label == VOID] = np.nan
    copied = logits.copy()
    logits.setflags(write=False)
    assert same(compute(logits, label), before)
    assert same(compute(torch.from_numpy(copied), label), before)
    np.testing.assert_array_equal(copied, logits)


def test_empty_bins_do_not_count():
    bins = ReliabilityBins(
        edges=np.array([0, 0.5, 1]),
        counts=np.array([0, 4]),
        confidence=np.array([np.nan, 0.75]),
        accuracy=np.array([np.nan, 0.5]),
    )
    assert expected_calibration_error(bins) == 0.25
