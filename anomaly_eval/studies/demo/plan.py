"""How much the demo does in the minutes it is given."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.shipped import shipped_folder

NETWORK = "segformer_r18w16_synthetic_streets"
"""Shipped configs `softmax_NAME` and `gmmseg_NAME`."""
BACKBONE = shipped_folder("configs") / "pretrained" / "resnet18_w16_drawn_streets.pth"
"""Where both networks start from, as the paper's start from ImageNet: trained on drawn streets of another seed."""
TWINS = {"softmax": "Softmax", "gmmseg": "GMMSeg"}
"""Kinds of the two networks, and what readers see."""

_MINUTES_BESIDE_TRAINING = 2
# Of both networks at once, on two cores of 2023; not measured on the spot, so that a seed gives one table everywhere.
_ITERATIONS_A_MINUTE = 155


@dataclass(frozen=True)
class DemoPlan:
    """How many scenes are drawn, how long each network trains, and how many pictures are made."""

    train: int
    val: int
    test: int
    iterations: int
    pictures: int
    warm_up: int

    @classmethod
    def of(cls, minutes: float, quick: bool) -> DemoPlan:
        """Return the plan for about so many minutes on two cores; `quick` shows in one that everything works.

        Raises InputError where the minutes do not suffice to draw and to evaluate.
        """
        if quick:
            return cls(train=48, val=8, test=8, iterations=40, pictures=2, warm_up=4)
        if not minutes > _MINUTES_BESIDE_TRAINING:
            raise InputError(
                f"--minutes {minutes:g} leaves no time to train: drawing and evaluating take "
                f"{_MINUTES_BESIDE_TRAINING}; give more, or --quick."
            )
        iterations = round(_ITERATIONS_A_MINUTE * (minutes - _MINUTES_BESIDE_TRAINING))
        return cls(train=400, val=60, test=100, iterations=iterations, pictures=4, warm_up=min(50, iterations // 2))

    @property
    def options(self) -> list[str]:
        """The length of the training as options of its config."""
        return [
            f"train_cfg.max_iters={self.iterations}",
            f"train_cfg.val_interval={self.iterations}",
            f"default_hooks.checkpoint.interval={self.iterations}",
            f"param_scheduler.0.end={self.warm_up}",
            f"param_scheduler.1.begin={self.warm_up}",
            f"param_scheduler.1.end={self.iterations}",
        ]
