"""Bins against their borders: one look at each value and each border."""

from __future__ import annotations

import itertools
import pickle
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_eval.metrics.bins import FEWEST_BITS, MOST_BITS, ScoreBins, from_key, to_key

LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).smallest_subnormal)
NORMAL = float(np.finfo(np.float32).smallest_normal)
EDGES = [sign * value for sign in (-1, 1) for value in (0.0, SMALLEST, NORMAL, 0.5, 1.0, 2.0, LARGEST, np.inf)]
SINGLES = st.one_of(st.sampled_from(EDGES), st.floats(allow_nan=False, width=32), st.floats(-4, 4, width=32))
VALUES = st.lists(SINGLES, min_size=1, max_size=40).map(np.float32)
BORDERS = st.lists(SINGLES, min_size=0, max_size=8).map(lambda values: np.unique(np.float32([0.0, *values]))[1:])


def place(bins, value):
    """The bin of one value, and that it is in no other."""
    counts = bins.counts(np.array([value]))
    assert counts.sum() == 1
    return int(np.flatnonzero(counts)[0])


def assert_inside(bins, index, value):
    """No border says otherwise; NaN borders, which no number reaches, say nothing."""
    borders = [-np.inf, *bins.borders, np.nan]
    assert not borders[index] > value
    assert not borders[index + 1] <= value


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_keys_keep_order_and_ties(values):
    keys = to_key(values)
    assert keys.dtype == np.uint32
    np.testing.assert_array_equal(keys[:, None] < keys, values[:, None] < values)
    np.testing.assert_array_equal(keys[:, None] == keys, values[:, None] == values)


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_keys_can_be_turned_back(values):
    back = from_key(to_key(values))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, values)
    # Equal is not enough for 0.0: its key stands for both zeros and gives the positive one.
    assert not np.signbit(back[values == 0]).any()


def test_keys_of_the_whole_range_ascend():
    values = np.sort(np.float32([*EDGES[:7], *EDGES[8:]]))
    ascending = np.unique(np.concatenate([values, [-np.inf, np.inf]]).astype(np.float32))
    assert (np.diff(to_key(ascending).astype(np.int64)) > 0).all()
    assert to_key(np.float32([-0.0]))[0] == to_key(np.float32([0.0]))[0] == 1 << 31


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
@settings(max_examples=200, deadline=None)
def test_keys_that_no_number_has_give_nan(numbers):
    keys = np.array(numbers, np.uint32)
    least, most = (int(key) for key in to_key(np.float32([-np.inf, np.inf])))
    values = from_key(keys)
    np.testing.assert_array_equal(np.isnan(values), [not least <= key <= most for key in numbers])
    known = keys[~np.isnan(values) & (keys != (1 << 31) - 1)]
    np.testing.assert_array_equal(to_key(from_key(known)), known)


@given(BORDERS, VALUES)
@settings(max_examples=200, deadline=None)
def test_each_value_is_in_the_bin_that_the_borders_say(borders, values):
    bins = ScoreBins(borders)
    assert len(bins) == len(borders) + 1
    edges = [-np.inf, *borders.tolist(), np.inf]
    counts = np.zeros(len(bins), np.int64)
    for value in values.tolist():
        # Half-open, but for the last bin, which also holds infinity.
        inside = [low <= value < high for low, high in itertools.pairwise(edges)]
        index = inside.index(True) if any(inside) else len(bins) - 1
        assert place(bins, np.float32(value)) == index
        counts[index] += 1
    found = bins.counts(values)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, counts)


def test_a_border_belongs_to_the_bin_above_it():
    bins = ScoreBins(np.float32([0, 1]))
    below_one = np.nextafter(np.float32(1), np.float32(0))
    assert [place(bins, value) for value in np.float32([-SMALLEST, -0.0, 0.0, below_one, 1])] == [0, 1, 1, 1, 2]


def test_no_borders_are_one_bin():
    assert ScoreBins(np.empty(0, np.float32)).counts(np.float32([-np.inf, 0, np.inf])).tolist() == [3]


@pytest.mark.parametrize("bits", [8, 12, 16])
@given(values=VALUES)
@settings(max_examples=40, deadline=None)
def test_uniform_bins_keep_to_their_borders(bits, values):
    bins = ScoreBins.uniform(bits)
    assert len(bins) == 1 << bits
    for value in values[:10]:
        assert_inside(bins, place(bins, value), value)


@pytest.mark.parametrize("bits", [8, 12, 16, 20])
def test_both_ways_to_count_agree(bits):
    rng = np.random.default_rng(bits)
    bins = ScoreBins.uniform(bits)
    usable = np.flatnonzero(~np.isnan(bins.borders))
    assert (np.diff(usable) == 1).all()
    searched = ScoreBins(bins.borders[usable])
    # Any bits, and the borders with their neighbours.
    random = from_key(rng.integers(0, 1 << 32, 20000, np.uint32))
    borders = rng.choice(searched.borders, 2000)
    with np.errstate(over="ignore", under="ignore"):
        values = np.concatenate([random, borders, np.nextafter(borders, -np.inf), np.nextafter(borders, np.inf)])
    values = values[np.isfinite(values)]
    found, expected = bins.counts(values), searched.counts(values)
    np.testing.assert_array_equal(found[usable[0] : usable[-1] + 2], expected)
    assert found.sum() == len(values)


@pytest.mark.parametrize("bits", [8, 20])
def test_infinities_are_in_the_outermost_bins_that_hold_anything(bits):
    bins = ScoreBins.uniform(bits)
    places = [place(bins, value) for value in np.float32([-np.inf, -LARGEST, LARGEST, np.inf])]
    assert places == sorted(places)
    # Fine cells have room for infinities of their own.
    assert (len(set(places)) == 4) == (bits == 20)


def test_uniform_bins_part_each_power_of_two_evenly():
    bins = ScoreBins.uniform(12)
    inside = bins.borders[(bins.borders >= 1) & (bins.borders < 2)]
    np.testing.assert_array_equal(inside, np.float32(1 + np.arange(8) / 8))


def test_cells_of_the_key_round_float64_and_borders_do_not():
    assert place(ScoreBins.uniform(12), 1 - 1e-12) == place(ScoreBins.uniform(12), np.float32(1))
    bins = ScoreBins(np.float32([0, 1]))
    assert place(bins, 1 - 1e-12) == place(bins, 0.5) == place(bins, 1) - 1


@pytest.mark.parametrize("bins", [ScoreBins(np.float32([0, 1])), ScoreBins.uniform(12)])
def test_what_float32_cannot_hold_is_beyond_all_borders(bins):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [place(bins, value) for value in (-1e300, 1e300)] == [place(bins, v) for v in (-np.inf, np.inf)]


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e3, 1e3)), st.integers(10, 12))
@settings(max_examples=50, deadline=None)
def test_fitted_bins_keep_to_their_borders(sample, bits):
    bins = ScoreBins.fitted(sample, bits)
    assert len(bins) <= 1 << bits
    held = (sample.astype(np.float32) == sample).all()
    assert bins.borders.dtype == (np.float32 if held else np.float64)
    assert np.isfinite(bins.borders).all()
    assert (np.diff(bins.borders) > 0).all()
    # So small a sample is wholly among the borders: each distinct score starts a bin.
    for value in sample[:10]:
        index = place(bins, value)
        assert_inside(bins, index, value)
        assert bins.borders[index - 1] == value


@pytest.mark.parametrize("bits", range(FEWEST_BITS, 15))
def test_fitted_bins_share_out_the_sample(bits):
    rng = np.random.default_rng(0)
    sample = rng.gamma(2.0, 1e-3, 100_000).astype(np.float32)
    bins = ScoreBins.fitted(sample, bits)
    assert (1 << bits) * 0.6 < len(bins) <= 1 << bits
    # Half of the borders are quantiles at equal steps; ties and rounding cost one pixel or two.
    steps = (1 << (bits - 1)) - 3
    counts = bins.counts(sample)
    assert counts.max() <= len(sample) / steps + 3
    # Ever finer towards the top, where the last of the bins that hold anything have one score each.
    assert counts[counts > 0][-8:].max() <= 3


def test_fitted_bins_know_scores_that_the_sample_does_not_hold():
    bins = ScoreBins.fitted(np.full(10, 0.5, np.float32), bits=12)
    places = [place(bins, value) for value in np.float32([-1e30, -3, -1e-20, 0, 1e-20, 0.2, 0.5, 3, 1e30])]
    assert len(set(places)) == len(places)


def test_fitted_bins_take_tensors_infinities_and_any_shape():
    sample = np.float32([[1, 2, -np.inf], [3, np.inf, np.inf]])
    assert ScoreBins.fitted(torch.tensor(sample), 10) == ScoreBins.fitted(sample.ravel().astype(np.float64), 10)
    assert np.isfinite(ScoreBins.fitted(sample, 10).borders).all()


@pytest.mark.parametrize("borders", [[0, 0], [1, 0], [-0.0, 0.0], [np.nan], [0, np.nan], [np.inf, np.inf]])
def test_borders_must_ascend_strictly(borders):
    with pytest.raises(ValueError, match="ascend strictly"), np.errstate(invalid="ignore"):
        ScoreBins(np.float32(borders))


def test_borders_may_lie_anywhere():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bins = ScoreBins(np.float32([-np.inf, -LARGEST, LARGEST, np.inf]))
    assert [place(bins, value) for value in np.float32([-np.inf, -LARGEST, 0, LARGEST, np.inf])] == [1, 2, 2, 3, 4]


@pytest.mark.parametrize("bits", [-1, FEWEST_BITS - 1, MOST_BITS + 1])
def test_bits_have_a_range(bits):
    with pytest.raises(ValueError, match=rf"2\^{bits} bins are not possible; choose 8 to 20 bits"):
        ScoreBins.uniform(bits)
    with pytest.raises(ValueError, match=rf"2\^{bits} bins are not possible; choose 8 to 20 bits"):
        ScoreBins.fitted(np.float32([1, 2]), bits)


@pytest.mark.parametrize("sample", [[], [np.nan], [1.0, np.nan, 2.0]])
def test_a_sample_holds_scores_and_no_nan(sample):
    with pytest.raises(ValueError, match="fitted to one score or more, and none may be NaN"):
        ScoreBins.fitted(np.float32(sample))


def test_bins_are_equal_where_their_borders_are():
    bins = ScoreBins(np.float32([0, 1]))
    assert bins == ScoreBins(np.float32([0, 1]))
    assert bins == pickle.loads(pickle.dumps(bins))
    assert ScoreBins.uniform(8) == ScoreBins.uniform(8)
    assert ScoreBins.uniform(8) != ScoreBins.uniform(9)
    assert bins != ScoreBins(np.float32([0, 2]))
    assert bins != ScoreBins(np.float32([0]))
    assert bins != "bins"
