"""ODIN's temperature, without its perturbation of the input (Liang et al., ICLR 2018)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from anomaly_eval.errors import InputError
from anomaly_eval.scores.base import ClassStatistics, Score, ScoreOption

if TYPE_CHECKING:
    from torch import Tensor


def tempered_confidence(logits: Tensor | ClassStatistics, temperature: float = 1000.0) -> Tensor:
    """Return -log(classes max_c p_c), with p the softmax of the logits over the temperature; at most 0.

    It ranks pixels as -max_c p_c does. At a high temperature all p are nearly 1 / classes, where float32 would take
    different pixels for equal; this is near 0 there, where it does not.
    """
    statistics = ClassStatistics.of(logits)
    return (statistics.shifted / temperature).expm1_().mean(dim=0).log1p_()


class ODINTemperature(Score):
    """The largest softmax probability at a high temperature, negated: the half of ODIN that needs no gradient."""

    name = "odin_temperature"
    title = "ODIN (temperature)"
    paper = "Liang et al., ICLR 2018, without its perturbation"
    instead = ("probabilities",)
    place = 16
    by_default = False
    options = (ScoreOption("t", float, "Temperature, above 0 and without unit. Default: 1000.", min=0),)

    def __init__(self, t: float = 1000.0) -> None:
        self.temperature = t

    @classmethod
    def configured(cls, **options: Any) -> Score:
        """Take a temperature; raises InputError for one that is no positive number."""
        temperature = options.get("t", 1000.0)
        if not (temperature > 0 and math.isfinite(temperature)):
            raise InputError(f"--odin-temperature-t is above 0, not {temperature:g}.")
        return super().configured(**options)

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return tempered_confidence(statistics, self.temperature)
