"""The component metrics against their definition, written out with one mask for each component."""

from __future__ import annotations

import copy
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from anomaly_eval.datasets.images import read_mask
from anomaly_eval.metrics.components import (
    ANOMALY_TRACK,
    OBSTACLE_TRACK,
    THRESHOLDS,
    TRACKS,
    ComponentMetrics,
    ComponentOverlaps,
    ComponentState,
    Track,
    component_metrics,
    component_overlaps,
    match_counts,
)
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from tests.anomaly_eval.metrics.updated import updated
from tests.shared_data import shared_data

SMALL_TRACK = Track("small", least_predicted=3, least_component=2)
ANY_SIZE = Track("any size", least_predicted=1, least_component=1)


def masks_of_components(mask):
    numbers, n = ndimage.label(mask, np.ones((3, 3)))
    return [numbers == number for number in range(1, n + 1)]


def union(masks, shape):
    return np.any(masks, axis=0) if masks else np.zeros(shape, bool)


def by_definition(predicted, label, track):
    """The sIoU of each ground-truth component and the PPV of each predicted one."""
    components = masks_of_components(label == ANOMALY)
    void_again = union([k for k in components if k.sum() < track.least_component], label.shape)
    components = [k for k in components if k.sum() >= track.least_component]
    predictions = masks_of_components(predicted & (label != VOID))
    predictions = [p & ~void_again for p in predictions if p.sum() >= track.least_predicted]
    predictions = [p for p in predictions if p.any()]
    siou = []
    for k in components:
        touching = union([p for p in predictions if (p & k).any()], label.shape)
        others = union([other for other in components if other is not k], label.shape)
        siou.append((k & touching).sum() / ((k | touching).sum() - (touching & others).sum()))
    everything = union(components, label.shape)
    return siou, [(p & everything).sum() / p.sum() for p in predictions]


def metrics_by_definition(overlaps):
    """Mean sIoU, mean PPV, F1 at each threshold and mean F1 of several images, in rational numbers."""
    siou = [value for found, _ in overlaps for value in found]
    ppv = [value for _, found in overlaps for value in found]
    f1 = []
    for t in (Fraction(percent, 100) for percent in range(25, 80, 5)):
        tp = sum(Fraction(value).limit_denominator(10**7) >= t for value in siou)
        fp = sum(Fraction(value).limit_denominator(10**7) < t for value in ppv)
        f1.append(Fraction(2 * tp, 2 * tp + (len(siou) - tp) + fp))
    return np.mean(siou), np.mean(ppv) if ppv else math.nan, [float(value) for value in f1], float(sum(f1) / 11)


def assert_same_overlaps(found: ComponentOverlaps, expected) -> None:
    for got, wanted in zip((found.siou, found.ppv), expected, strict=True):
        np.testing.assert_allclose(np.sort(got), np.sort(wanted), rtol=0, atol=1e-12)


def assert_same_metrics(found: ComponentMetrics, expected) -> None:
    got = (found.mean_siou, found.mean_ppv, found.f1, found.mean_f1)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12, equal_nan=True)


def same(one: ComponentMetrics, other: ComponentMetrics) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in vars(one))


def compute(images, track=SMALL_TRACK, threshold=0.5) -> ComponentMetrics:
    return updated(ComponentState(track, threshold), images).compute()


def drawing(text):
    """A prediction and a label: # is a hit, a a missed anomaly, p a predicted inlier, v void, V predicted void."""
    rows = [list(line) for line in text.split()]
    kinds = np.array(rows)
    label = np.full(kinds.shape, INLIER, np.uint8)
    label[np.isin(kinds, ["#", "a"])] = ANOMALY
    label[np.isin(kinds, ["v", "V"])] = VOID
    return np.isin(kinds, ["#", "p", "V"]), label


def overlaps_of(text, track=ANY_SIZE):
    found = component_overlaps(*drawing(text), track)
    return sorted(found.siou.tolist()), sorted(found.ppv.tolist())


@st.composite
def images(draw):
    """A random prediction and label, from nothing to everything, in single pixels or in blocks."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 14)), draw(st.integers(1, 14))

    def mask():
        density = draw(st.sampled_from([0, 0.05, 0.2, 0.4, 0.6, 0.9, 1]))
        block = draw(st.integers(1, 4))
        return (rng.random(shape) < density).repeat(block, axis=0).repeat(block, axis=1)[: shape[0], : shape[1]]

    predicted, anomalies, void = mask(), mask(), mask()
    return predicted, np.where(void, VOID, anomalies).astype(np.uint8)


@given(images(), st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=500, deadline=None)
def test_equals_the_definition(case, least_predicted, least_component):
    for track in (SMALL_TRACK, Track("other", least_predicted, least_component)):
        assert_same_overlaps(component_overlaps(*case, track), by_definition(*case, track))


@given(st.lists(images(), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_metrics_of_a_set_equal_the_definition(cases):
    overlaps = [by_definition(*case, SMALL_TRACK) for case in cases]
    pooled = [(predicted.astype(np.float32), label) for predicted, label in cases]
    if not any(siou for siou, _ in overlaps):
        with pytest.raises(ValueError, match="no ground-truth component"):
            compute(pooled)
        return
    found = compute(pooled)
    assert_same_metrics(found, metrics_by_definition(overlaps))
    assert found.n_components == sum(len(siou) for siou, _ in overlaps)
    assert found.n_predicted == sum(len(ppv) for _, ppv in overlaps)


@pytest.mark.parametrize(
    ("reference", "step", "track", "smoothing"),
    [("smiyc_road_anomaly21", 2, ANOMALY_TRACK, 20), ("fishyscapes_lostandfound", 6, OBSTACLE_TRACK, 12)],
)
def test_equals_the_definition_on_real_masks(reference, step, track, smoothing):
    paths = sorted((shared_data() / reference / "labels_masks").iterdir())[::step]
    pooled, overlaps = [], []
    for seed, path in enumerate(paths):
        label = np.asarray(read_mask(path), np.uint8)
        noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(label.shape), smoothing)
        scores = (noise / noise.std() + 1.5 * (label == ANOMALY)).astype(np.float32)
        pooled.append((scores, label))
        overlaps.append(by_definition(scores >= 1.75, label, track))
        assert_same_overlaps(component_overlaps(scores >= 1.75, label, track), overlaps[-1])
    found = compute(pooled, track, 1.75)
    assert_same_metrics(found, metrics_by_definition(overlaps))
    # So that all of it is known to matter.
    assert found.n_components >= 5 and found.n_predicted >= 50 and 0 < found.mean_f1 < 1


@given(st.lists(images(), min_size=1, max_size=8), st.integers(1, 4), st.randoms())
@settings(max_examples=100, deadline=None)
def test_order_and_merging_change_nothing_to_the_bit(cases, parts, random):
    label = np.array([[ANOMALY, ANOMALY]], np.uint8)
    pooled = [(predicted.astype(np.float32), label) for predicted, label in cases] + [(np.zeros((1, 2)), label)]
    expected = compute(pooled)
    random.shuffle(pooled)
    states = [ComponentState(SMALL_TRACK, 0.5) for _ in range(parts)]
    for number, image in enumerate(pooled):
        states[number % parts].update(*image)
    random.shuffle(states)
    merged = ComponentState(SMALL_TRACK, 0.5)
    for state in states:
        before = copy.deepcopy(vars(state))
        merged.merge(state)
        for name, value in vars(state).items():
            np.testing.assert_equal(value, before[name])
    assert same(merged.compute(), expected)


def test_means_are_rounded_once():
    # A running sum of these depends on their order.
    values = np.tile([0.1, 0.2, 0.3, 1e-9, 0.7], 999)
    shuffled = np.random.default_rng(0).permutation(values)
    exact = float(sum(map(Fraction, values.tolist())) / len(values))
    for siou in (values, shuffled, values[::-1]):
        found = component_metrics(ComponentOverlaps(siou=siou, ppv=siou))
        assert found.mean_siou == found.mean_ppv == pytest.approx(exact, rel=1e-15)
        assert found.mean_siou == math.fsum(values) / len(values)


@given(images(), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_what_is_predicted_on_void_does_not_matter(case, seed):
    predicted, label = case
    other = np.where(label == VOID, np.random.default_rng(seed).random(label.shape) < 0.5, predicted)
    expected = component_overlaps(predicted, label, SMALL_TRACK)
    assert_same_overlaps(component_overlaps(other, label, SMALL_TRACK), (expected.siou, expected.ppv))


@given(images())
@settings(max_examples=50, deadline=None)
def test_the_layout_in_memory_does_not_matter(case):
    predicted, label = case
    expected = component_overlaps(predicted, label, SMALL_TRACK)
    for turned in (np.transpose, np.fliplr, np.flipud, np.asfortranarray):
        found = component_overlaps(turned(predicted), turned(label), SMALL_TRACK)
        assert_same_overlaps(found, (expected.siou, expected.ppv))


def test_a_component_found_in_part_and_beyond():
    assert overlaps_of("a##pp ....p") == ([2 / 6], [2 / 5])


def test_two_predictions_share_a_component():
    assert overlaps_of("p#a## ....p") == ([3 / 6], [1 / 2, 2 / 3])


def test_a_prediction_over_two_components_is_not_blamed_for_the_other():
    # One prediction of 7 pixels, 2 of 3 and 3 of 3 of which are on anomalies.
    assert overlaps_of("a##pp###") == ([2 / 5, 3 / 5], [5 / 7])


def test_diagonal_neighbours_are_one_component():
    assert overlaps_of("#... .#.. ..a.") == ([2 / 3], [1.0])


def test_void_splits_a_prediction_and_is_no_part_of_it():
    assert overlaps_of("##VVp ..V..") == ([1.0], [0.0, 1.0])


def test_small_predictions_are_dropped_by_their_size_outside_void():
    track = Track("", least_predicted=3, least_component=1)
    assert overlaps_of("##VVV", track) == ([0.0], [])
    assert overlaps_of("##pVV", track) == ([2 / 3], [2 / 3])


def test_small_components_become_void_after_predictions_were_joined():
    track = Track("", least_predicted=4, least_component=2)
    # Four pixels of which one becomes void: the rest is not dropped, and not two predictions.
    assert overlaps_of("p#pp.aa", track) == ([0.0], [0.0])
    assert overlaps_of("pp#p##.", track) == ([2 / 5], [2 / 5])
    # Nothing is left of a prediction that lies in what becomes void.
    assert overlaps_of("##.##.##", Track("", 1, 3)) == ([], [])


def test_touching_means_to_share_a_pixel():
    assert overlaps_of("aapp") == ([0.0], [0.0])


def test_nothing_predicted_and_everything_predicted():
    assert overlaps_of("aa..a") == ([0.0, 0.0], [])
    assert overlaps_of("##ppp#") == ([1 / 4, 2 / 5], [1 / 2])


def test_the_tracks_of_the_benchmark():
    assert (ANOMALY_TRACK.least_predicted, ANOMALY_TRACK.least_component) == (500, 100)
    assert (OBSTACLE_TRACK.least_predicted, OBSTACLE_TRACK.least_component) == (50, 10)
    assert TRACKS == {"anomaly": ANOMALY_TRACK, "obstacle": OBSTACLE_TRACK}


@pytest.mark.parametrize("track", TRACKS.values(), ids=TRACKS)
def test_components_of_just_the_least_size_are_kept(track):
    label = np.zeros((3, 1000), np.uint8)
    predicted = np.zeros((3, 1000), bool)
    label[0, : track.least_component] = ANOMALY
    predicted[2, : track.least_predicted] = True
    assert [len(found) for found in vars(component_overlaps(predicted, label, track)).values()] == [1, 1]
    label[0, 0], predicted[2, 0] = INLIER, False
    assert [len(found) for found in vars(component_overlaps(predicted, label, track)).values()] == [0, 0]


def test_thresholds_are_compared_exactly():
    np.testing.assert_array_equal(THRESHOLDS, [0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75])
    for whole in [*range(1, 400), 2**31 - 20, 2**31 - 12]:
        parts = np.unique([whole * k // 20 + offset for k in range(5, 16) for offset in (-1, 0, 1)])
        values = parts / whole
        counts = match_counts(ComponentOverlaps(siou=values, ppv=values))
        at_least = [sum(20 * part >= k * whole for part in parts.tolist()) for k in range(5, 16)]
        assert counts.true_positives.tolist() == at_least
        assert counts.false_negatives.tolist() == [len(parts) - n for n in at_least]
        assert counts.false_positives.tolist() == counts.false_negatives.tolist()


def test_metrics_by_hand():
    found = component_metrics(ComponentOverlaps(siou=np.array([1, 0.5, 0.2]), ppv=np.array([0.9, 0.6])))
    assert (found.n_components, found.n_predicted) == (3, 2)
    assert (found.mean_siou, found.mean_ppv) == (pytest.approx(1.7 / 3), 0.75)
    # Up to 0.5 two of three are found; 0.6 is a false positive above itself.
    expected = [4 / 5] * 6 + [2 / 4] * 2 + [2 / 5] * 3
    np.testing.assert_allclose(found.f1, expected, rtol=1e-15)
    assert found.mean_f1 == pytest.approx(sum(expected) / 11, rel=1e-15)


def test_scores_at_the_threshold_are_predicted():
    label = np.array([[1, 1, 1, 0]], np.uint8)
    scores = np.array([[np.inf, 0.5, np.nextafter(0.5, 0), -np.inf]])
    assert compute([(scores, label)]).n_predicted == 0
    assert compute([(scores, label)], ANY_SIZE).mean_siou == 2 / 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_threshold_is_not_rounded_to_the_type_of_the_scores(dtype):
    label = np.array([[1, 1]], np.uint8)
    scores = np.array([[0.1, 0.1]], dtype)
    exactly = float(scores[0, 0])
    assert compute([(scores, label)], ANY_SIZE, exactly).mean_siou == 1
    assert compute([(scores, label)], ANY_SIZE, np.nextafter(exactly, 1)).mean_siou == 0


def test_without_a_prediction_the_mean_ppv_is_nan():
    found = compute([(np.zeros((2, 3)), np.ones((2, 3), np.uint8))])
    assert math.isnan(found.mean_ppv)
    assert (found.mean_siou, found.mean_f1, found.n_components, found.n_predicted) == (0, 0, 1, 0)
    np.testing.assert_array_equal(found.f1, np.zeros(11))


def test_an_image_without_an_anomaly_adds_its_false_positives():
    image, empty = (np.ones((2, 3)), np.ones((2, 3), np.uint8)), (np.ones((2, 3)), np.zeros((2, 3), np.uint8))
    found = compute([image, empty])
    assert (found.n_components, found.n_predicted, found.mean_siou, found.mean_ppv) == (1, 2, 1, 0.5)
    np.testing.assert_array_equal(found.f1, np.full(11, 2 / 3))


@pytest.mark.parametrize("label", [np.zeros((2, 3), np.uint8), np.array([[1, 0, 1]], np.uint8)])
def test_no_ground_truth_component_is_refused(label):
    with pytest.raises(ValueError, match="there is no ground-truth component at all"):
        compute([(np.ones(label.shape), label)])
    with pytest.raises(ValueError, match="there is no ground-truth component at all"):
        ComponentState(SMALL_TRACK, 0.5).compute()


@pytest.mark.parametrize(
    ("scores", "label", "words"),
    [
        (
            np.zeros((2, 3)),
            np.zeros((3, 2), np.uint8),
            r"shape \(2, 3\) do not fit a label of shape \(3, 2\)",
        ),
        (np.array([[0, np.nan]]), np.zeros((1, 2), np.uint8), "the scores hold NaN"),
        (np.array([[0, np.nan]]), np.ones((1, 2), np.uint8), "the scores hold NaN"),
        (np.zeros(3), np.zeros(3, np.uint8), r"not shape \(3,\)"),
        (np.zeros((0, 3)), np.zeros((0, 3), np.uint8), r"not shape \(0, 3\)"),
        (np.zeros((1, 2)), np.zeros((1, 2), np.int64), "not bool and int64"),
        (np.zeros((1, 2)), np.array([[0, 2]], np.uint8), "the label holds 2,"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_adds_nothing(scores, label, words):
    state = ComponentState(ANY_SIZE, 0.5)
    state.update(np.ones((1, 2)), np.ones((1, 2), np.uint8))
    before = state.compute()
    with pytest.raises(ValueError, match=f"^image frame_7: .*{words}"):
        state.update(scores, label, "frame_7")
    with pytest.raises(ValueError, match=words) as caught:
        state.update(scores, label)
    assert "image :" not in str(caught.value)
    assert same(state.compute(), before)


def test_a_prediction_that_does_not_fit_is_refused():
    label = np.zeros((1, 2), np.uint8)
    with pytest.raises(ValueError, match=r"a prediction of shape \(2, 1\) does not fit"):
        component_overlaps(np.zeros((2, 1), bool), label, ANY_SIZE)
    with pytest.raises(ValueError, match="not float64 and uint8"):
        component_overlaps(np.zeros((1, 2)), label, ANY_SIZE)


def test_nan_on_void_is_no_error():
    label = np.array([[1, 1, VOID]], np.uint8)
    assert compute([(np.array([[1, 1, np.nan]]), label)], ANY_SIZE).mean_siou == 1


def test_states_of_another_track_or_threshold_do_not_merge():
    with pytest.raises(ValueError, match=r"anomaly.*do not fit those of.*obstacle"):
        ComponentState(OBSTACLE_TRACK, 0.5).merge(ComponentState(ANOMALY_TRACK, 0.5))
    with pytest.raises(ValueError, match=r"threshold 0\.25 do not fit those at 0\.5"):
        ComponentState(OBSTACLE_TRACK, 0.5).merge(ComponentState(OBSTACLE_TRACK, 0.25))


def test_a_threshold_that_is_nan_is_refused():
    with pytest.raises(ValueError, match="threshold is NaN"):
        ComponentState(ANOMALY_TRACK, math.nan)
