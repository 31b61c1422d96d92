"""What the adapters give where there is no anomaly or no inlier, so that nothing can be ranked."""

from __future__ import annotations

import math

from anomaly_eval.metrics import registry


def undefined_rates(with_bounds: bool) -> dict[str, float]:
    """Return NaN for each ranking metric, and for the bounds of its interval where bins have some."""
    names = registry.keys(registry.RANKING)
    bounds = [f"{name}_{end}" for name in names for end in ("low", "high")] if with_bounds else []
    return dict.fromkeys([*names, *bounds], math.nan)
