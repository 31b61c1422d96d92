"""The demo does as much as its minutes allow."""

from __future__ import annotations

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.studies.demo.plan import DemoPlan


def test_twice_the_time_to_train_is_twice_the_iterations() -> None:
    four, six = DemoPlan.of(4, quick=False), DemoPlan.of(6, quick=False)
    assert six.iterations == 2 * four.iterations
    assert (six.train, six.test) == (four.train, four.test)


def test_the_schedule_ends_with_the_training() -> None:
    plan = DemoPlan.of(2.05, quick=False)
    assert 0 < plan.warm_up < plan.iterations
    assert f"param_scheduler.1.end={plan.iterations}" in plan.options
    assert f"param_scheduler.1.begin={plan.warm_up}" in plan.options


@pytest.mark.parametrize("minutes", [-1, 0, 2, float("nan")])
def test_too_little_time(minutes: float) -> None:
    with pytest.raises(InputError, match="--quick"):
        DemoPlan.of(minutes, quick=False)


def test_quick_takes_any_minutes() -> None:
    assert DemoPlan.of(0, quick=True).iterations < 100
