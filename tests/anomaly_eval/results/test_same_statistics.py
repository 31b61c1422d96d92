"""Which statistics count as the same."""

from __future__ import annotations

import pytest

from anomaly_eval.results.origins import SHIPPED_STATISTICS, FitRecord
from anomaly_eval.results.same_statistics import statistics_difference

FIT = FitRecord(dataset="training", n_images=3, expected_images=3, files_sha256="a" * 64, notes=["never seen: car"])


def test_fitted_read_and_shipped_statistics_of_the_same_images_are_the_same() -> None:
    shipped = FIT.model_copy(update={"notes": [*FIT.notes, SHIPPED_STATISTICS]})
    assert statistics_difference(FIT, shipped) is None and statistics_difference(shipped, FIT) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dataset": "other"}, "those of other (aaaaaaaaaaaa)"),
        ({"files_sha256": "b" * 64}, "those of training (bbbbbbbbbbbb)"),
        ({"notes": []}, "another note (never seen: car, now none)"),
        ({"dataset": "two\nlines"}, "those of 'two\\nlines' ("),
    ],
)
def test_other_images_and_notes_are_told(change: dict[str, object], told: str) -> None:
    found = statistics_difference(FIT, FIT.model_copy(update=change))
    assert found is not None and found.startswith("statistics of training (aaaaaaaaaaaa)") and told in found
