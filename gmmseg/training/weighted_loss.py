"""The cross-entropy with class weights where labels hold values to ignore, at which mmsegmentation's own fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from torch import Tensor

from gmmseg.errors import InputError


@MODELS.register_module()
class WeightedCrossEntropyLoss(CrossEntropyLoss):  # type: ignore[misc]
    """mmsegmentation's CrossEntropyLoss over the sum of the weights of all pixels that are not ignored, as in PyTorch.

    Its own looks up a weight for the ignored value too. Without ignored pixels both are equal.
    """

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: Any = None,
        reduction_override: str | None = None,
        ignore_index: int = -100,
        **settings: Any,
    ) -> Tensor:
        """Return the loss of logits (N, C, H, W) and labels (N, H, W)."""
        if avg_factor is None and (reduction_override or self.reduction) == "mean":
            avg_factor = cls_score.new_tensor(self.class_weight)[label[label != ignore_index]].sum()
        loss: Tensor = super().forward(
            cls_score, label, weight, avg_factor, reduction_override, ignore_index=ignore_index, **settings
        )
        return loss


def with_weighted_losses(settings: Any, classes: int | None = None) -> Any:
    """Return the settings of a model with that loss in the place of every cross-entropy with class weights.

    Raises InputError for another number of weights than the head around it has classes.
    """
    if isinstance(settings, Mapping):
        classes = settings.get("num_classes", classes)
        inner = {key: with_weighted_losses(value, classes) for key, value in settings.items()}
        weights, binary = inner.get("class_weight"), inner.get("use_sigmoid") or inner.get("use_mask")
        if str(inner.get("type")).split(".")[-1] != "CrossEntropyLoss" or weights is None or binary:
            return inner
        if isinstance(weights, Sequence) and not isinstance(weights, str) and classes not in (None, len(weights)):
            raise InputError(
                f"a loss has {len(weights)} class weights, but its head {classes} classes; set class_weight of "
                f"loss_decode to {classes} numbers, or to None."
            )
        return {**inner, "type": "WeightedCrossEntropyLoss"}
    if isinstance(settings, list | tuple):
        return type(settings)(with_weighted_losses(item, classes) for item in settings)
    return settings
