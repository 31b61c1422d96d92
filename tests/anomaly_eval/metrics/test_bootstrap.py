"""Resamples against concatenating the drawn images, and intervals against numpy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_eval.metrics.bins import ScoreBins
from anomaly_eval.metrics.bootstrap import ImageHistograms, draw_weights, percentile_interval
from anomaly_eval.metrics.bootstrap import resampled_metrics as resampled
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.metrics.ranking import RankingState
from anomaly_eval.metrics.rates import tpr_at_fpr
from anomaly_eval.metrics.registry import AUROC, RANKING, RankingMetric

N_SCORES = 12
BINS = ScoreBins(np.arange(1, N_SCORES, dtype=np.float32) - 0.5)
"""One for each of the scores 0, 1, 2 … that are used here."""


def random_images(seed, n=8, separation=2.0, n_pixels=40):
    """id: (scores, labels) with whole scores; the images differ in how anomalous they are as a whole."""
    rng = np.random.default_rng(seed)
    images = {}
    for index in range(n):
        size = int(rng.integers(3, n_pixels))
        labels = rng.choice([INLIER, ANOMALY, VOID], size, p=[0.7, 0.2, 0.1]).astype(np.uint8)
        scores = 4 + 2 * rng.standard_normal(size) + separation * (labels == ANOMALY) + rng.standard_normal()
        images[f"frame {index}"] = np.clip(np.round(scores), 0, N_SCORES - 1).astype(np.float32), labels
    return images


def histograms_of(images, bins=BINS):
    state = ImageHistograms(bins)
    for name, (scores, labels) in images.items():
        state.update(scores, labels, name)
    return state


def resampled_metrics(state, weights, metrics=RANKING):
    return resampled(state.ranked(), weights, metrics)


def intervals_of(values, level=0.95):
    return {name: percentile_interval(of_metric, level) for name, of_metric in values.items()}


def bootstrap(state, resamples, seed=0, level=0.95):
    """The interval of each metric of one method."""
    return intervals_of(resampled_metrics(state, draw_weights(len(state.ids), resamples, seed)), level)


def paired_bootstrap(one, other, resamples, seed=0):
    """The interval of each metric of one method minus that of another, on the same resamples."""
    weights = draw_weights(len(one.ids), resamples, seed)
    of_one, of_other = resampled_metrics(one, weights), resampled_metrics(other, weights)
    return intervals_of({name: of_one[name] - of_other[name] for name in of_one})


def assert_same_values(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_resamples_are_concatenations_of_the_drawn_images(seed, n):
    images, weights = random_images(seed, n), draw_weights(n, resamples=7, seed=seed)
    found = resampled_metrics(histograms_of(images), weights)
    for row, drawn in enumerate(weights):
        state = RankingState()
        for name, times in zip(sorted(images), drawn, strict=True):
            for _ in range(times):
                state.update(*images[name])
        try:
            metrics = state.compute(workers=1)
            expected = tuple(metrics.rates.values())
        except ValueError:
            expected = (np.nan,) * 3
        np.testing.assert_array_equal([found[name][row] for name in ("auroc", "ap", "fpr95")], expected)


def test_every_image_once_is_the_pool():
    images = random_images(0)
    state = RankingState()
    for scores, labels in images.values():
        state.update(scores, labels)
    found = resampled_metrics(histograms_of(images), np.ones((1, len(images)), np.int64))
    expected = state.compute()
    assert {name: values[0] for name, values in found.items()} == expected.rates


def test_images_are_drawn_in_the_order_of_their_ids():
    images = {"b": (np.float32([0, 1]), np.uint8([1, 0])), "a": (np.float32([1, 0]), np.uint8([1, 0]))}
    state = histograms_of(images)
    assert state.ids == ["a", "b"]
    found = resampled_metrics(state, np.array([[2, 0], [0, 2]]), [AUROC])
    assert found["auroc"].tolist() == [1.0, 0.0]


def test_bins_without_anomalies_become_one_and_no_pixel_is_lost():
    images = {
        "a": (np.float32([0, 1, 3, 3, 5, 6, 9]), np.uint8([INLIER, INLIER, ANOMALY, INLIER, INLIER, INLIER, ANOMALY])),
        "b": (np.float32([4, 9, 11]), np.uint8([INLIER, INLIER, INLIER])),
    }
    expected = [[[0, 1, 0, 1, 0], [2, 1, 2, 0, 0]], [[0, 0, 0, 0, 0], [0, 0, 1, 1, 1]]]
    assert histograms_of(images).ranked().counts.tolist() == expected


def test_any_metric_of_the_counts_can_be_resampled():
    def metric(key, of):
        return RankingMetric(key=key, title=key, of=of, definition="")

    metrics = [
        metric("tpr@fpr5", lambda counts: tpr_at_fpr(counts, 0.05)),
        metric("n", lambda counts: counts.n_anomalies),
    ]
    images = random_images(3)
    weights = draw_weights(len(images), 30, seed=1)
    found = resampled_metrics(histograms_of(images), weights, metrics)
    n_anomalies = [(images[name][1] == ANOMALY).sum() for name in sorted(images)]
    np.testing.assert_array_equal(found["n"], weights @ n_anomalies)
    assert list(found) == ["tpr@fpr5", "n"]


@given(n=st.integers(1, 200), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_each_resample_draws_as_many_images_as_there_are(n, seed):
    weights = draw_weights(n, resamples=20, seed=seed)
    assert weights.shape == (20, n)
    assert (weights >= 0).all()
    assert (weights.sum(axis=1) == n).all()
    np.testing.assert_array_equal(weights, draw_weights(n, resamples=20, seed=seed))


def test_another_seed_draws_others_and_all_images_are_as_likely():
    weights = draw_weights(10, resamples=2000, seed=0)
    assert (weights != draw_weights(10, resamples=2000, seed=1)).any()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.1)
    np.testing.assert_allclose(weights.var(axis=0), 0.9, atol=0.1)


def test_percentiles_are_those_of_numpy():
    values = np.random.default_rng(0).standard_normal(501)
    for found, level, percentiles in [
        (percentile_interval(values), 0.95, [2.5, 97.5]),
        (percentile_interval(values, 0.9), 0.9, [5, 95]),
    ]:
        np.testing.assert_allclose([found.low, found.high], np.percentile(values, percentiles), rtol=0, atol=1e-12)
        assert (found.level, found.n_resamples) == (level, 501)


def test_percentiles_leave_out_resamples_without_a_value():
    values = np.array([*range(101), np.nan, np.nan])[np.random.default_rng(0).permutation(103)]
    found = percentile_interval(values, level=0.9)
    assert (found.low, found.high) == pytest.approx((5, 95))
    assert found.n_resamples == 101


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.5, np.nan])
def test_a_level_lies_between_0_and_1(level):
    with pytest.raises(ValueError, match="level of an interval must lie between 0 and 1"):
        percentile_interval(np.arange(5.0), level)


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_without_a_value_there_is_no_interval(values):
    with pytest.raises(ValueError, match="no resample holds both"):
        percentile_interval(np.array(values))


def test_resamples_do_not_depend_on_those_beside_them():
    state, weights = histograms_of(random_images(1)), draw_weights(8, 60, seed=3)
    whole = resampled_metrics(state, weights)
    for row in (0, 24, 25, 59):
        alone = resampled_metrics(state, weights[row : row + 1])
        assert_same_values({name: values[row : row + 1] for name, values in whole.items()}, alone)


def test_a_method_does_not_differ_from_itself():
    state = histograms_of(random_images(2))
    for interval in paired_bootstrap(state, histograms_of(random_images(2)), resamples=100).values():
        assert (interval.low, interval.high, interval.n_resamples) == (0.0, 0.0, 100)


def test_a_clearly_better_method_is_better_on_every_choice_of_images():
    one, other = (histograms_of(random_images(5, n=20, separation=s, n_pixels=200)) for s in (5.0, 1.0))
    better = paired_bootstrap(one, other, resamples=200)
    assert better["auroc"].low > 0
    assert better["ap"].low > 0
    assert better["fpr95"].high < 0
    worse = paired_bootstrap(other, one, resamples=200)
    for name in worse:
        assert (worse[name].low, worse[name].high) == pytest.approx((-better[name].high, -better[name].low), abs=1e-12)


def test_methods_are_compared_on_the_same_resamples():
    # The images differ far more than the methods, which only pairs show.
    images = random_images(7, n=15)
    shifted = {
        name: (np.minimum(scores + (labels == ANOMALY) * (np.arange(len(scores)) % 3 == 0), N_SCORES - 1), labels)
        for name, (scores, labels) in images.items()
    }
    one, other = histograms_of(shifted), histograms_of(images)
    paired = paired_bootstrap(one, other, resamples=200, seed=1)["auroc"]
    alone = [bootstrap(state, resamples=200, seed=1)["auroc"] for state in (one, other)]
    assert paired.low > 0
    assert alone[0].low < alone[1].high
    weights = draw_weights(15, 200, seed=1)
    values = [resampled_metrics(state, weights)["auroc"] for state in (one, other)]
    assert paired == percentile_interval(values[0] - values[1])


def test_methods_may_have_bins_of_their_own():
    images = random_images(4)
    finer = ScoreBins(np.arange(1, 2 * N_SCORES, dtype=np.float32) / 2 - 0.25)
    for interval in paired_bootstrap(histograms_of(images, finer), histograms_of(images), resamples=50).values():
        assert (interval.low, interval.high) == (0.0, 0.0)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_order_and_merging_change_no_bit(seed):
    images = random_images(seed)
    expected = resampled_metrics(histograms_of(images), draw_weights(8, 30, seed=0))
    order = list(images.items())
    np.random.default_rng(seed).shuffle(order)
    parts = [histograms_of(dict(order[part])) for part in (slice(3), slice(3, 4), slice(4, None))]
    merged = ImageHistograms(BINS)
    for part in parts:
        merged.merge(part)
    for state in (histograms_of(dict(order)), merged, pickle.loads(pickle.dumps(merged))):
        assert_same_values(resampled_metrics(state, draw_weights(8, 30, seed=0)), expected)
    assert [len(part.ids) for part in parts] == [3, 1, 4]


def test_resamples_without_anomaly_or_inlier_are_left_out_and_counted():
    images = {"a": (np.float32([3, 2]), np.uint8([ANOMALY, INLIER])), "b": (np.float32([0, 5]), np.uint8([0, 0]))}
    state, weights = histograms_of(images), draw_weights(2, 400, seed=0)
    values = resampled_metrics(state, weights)
    np.testing.assert_array_equal(np.isnan(values["auroc"]), weights[:, 0] == 0)
    interval = bootstrap(state, resamples=400, seed=0)["fpr95"]
    assert interval.n_resamples == (weights[:, 0] > 0).sum() < 400
    images["b"] = np.float32([7]), np.uint8([ANOMALY])
    assert bootstrap(histograms_of(images), resamples=400, seed=0)["ap"].n_resamples == interval.n_resamples


@pytest.mark.parametrize("label", [INLIER, ANOMALY, VOID])
def test_one_sided_images_have_no_interval(label):
    state = histograms_of({"a": (np.zeros(3, np.float32), np.full(3, label, np.uint8))})
    with pytest.raises(ValueError, match="no resample holds both"):
        bootstrap(state, resamples=30)


def test_two_images_with_one_id_are_refused_and_add_nothing():
    images = random_images(0, n=3)
    state, other = histograms_of(images), histograms_of(random_images(1, n=2))
    weights = draw_weights(3, 5, seed=0)
    expected = resampled_metrics(state, weights)
    with pytest.raises(ValueError, match="two images with the id 'frame 1'"):
        state.update(*images["frame 1"], "frame 1")
    with pytest.raises(ValueError, match="two images with the id 'frame 0'"):
        state.merge(other)
    assert_same_values(resampled_metrics(state, weights), expected)


def test_other_bins_are_not_merged():
    with pytest.raises(ValueError, match="same bins"):
        ImageHistograms(BINS).merge(ImageHistograms(ScoreBins(np.float32([0]))))


def test_an_image_that_cannot_be_ranked_is_named_and_not_added():
    state = ImageHistograms(BINS)
    with pytest.raises(ValueError, match="scores of frame 7 hold NaN"):
        state.update(np.float32([np.nan, 0]), np.uint8([ANOMALY, INLIER]), "frame 7")
    assert state.ids == []
    state.update(np.float32([1, 0]), np.uint8([ANOMALY, INLIER]), "frame 7")
    assert state.ids == ["frame 7"]


def test_intervals_cover_the_value_of_many_images_about_as_often_as_they_say():
    def drawn(rng, n):
        labels = np.tile(np.repeat(np.uint8([ANOMALY, INLIER]), [10, 40]), (n, 1))
        scores = 5 + 1.5 * rng.standard_normal(labels.shape) + 1.5 * labels + rng.standard_normal((n, 1))
        return np.clip(np.round(scores), 0, N_SCORES - 1).astype(np.float32), labels

    population = RankingState()
    population.update(*drawn(np.random.default_rng(1), 20_000))
    value, covered, repetitions = population.compute().rates["auroc"], 0, 100
    rng = np.random.default_rng(2)
    for _ in range(repetitions):
        images = {str(index): image for index, image in enumerate(zip(*drawn(rng, 30), strict=True))}
        values = resampled_metrics(histograms_of(images), draw_weights(30, 150, seed=0), [AUROC])
        interval = percentile_interval(values["auroc"], level=0.9)
        covered += interval.low <= value <= interval.high
    # 90 % of 100 with a standard deviation of 3, and percentile intervals of 30 images are a little narrow.
    assert 78 <= covered <= 97
