"""Percentiles by counting equal numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_eval.reports.percentiles import percentiles

PERCENTS = [0.0, 1.0, 37.5, 50.0, 99.0, 100.0]


@given(
    st.lists(
        arrays(np.float32, st.integers(0, 30), elements=st.floats(-(2.0**99), 2.0**99, width=32)),
        min_size=1,
        max_size=4,
    )
)
def test_equals_numpy(parts: list[np.ndarray]) -> None:
    values = np.concatenate(parts).astype(np.float64)
    found = percentiles(lambda: iter(parts), PERCENTS)
    if len(values) == 0:
        assert found is None
    else:
        assert found == pytest.approx(np.percentile(values, PERCENTS), rel=1e-12, abs=1e-30)


def test_what_is_not_finite_is_left_out() -> None:
    values = np.float32([np.nan, 1, np.inf, 2, -np.inf, 3])
    assert percentiles(lambda: [values], [0, 50, 100]) == [1, 2, 3]
    assert percentiles(lambda: [values[:1]], [50]) is None


def test_many_close_values() -> None:
    values = -0.9 + 1e-5 * np.random.default_rng(0).random((300, 400)).astype(np.float32)
    found = percentiles(lambda: [values[:100], values[100:]], [1, 99])
    assert found == pytest.approx(np.percentile(values.astype(np.float64), [1, 99]), rel=1e-12)
