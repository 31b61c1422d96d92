"""How the false-positive rate at a true-positive rate is read off the curve."""

from __future__ import annotations

from typing import Literal, get_args

Convention = Literal["first_geq", "first_gt", "interpolated", "nearest"]
"""See `anomaly_eval.metrics.rates.fpr_at_tpr`."""
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
