"""Any decode head of mmsegmentation with a GMM classifier in the place of its last convolution."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.sampling import check_labels
from gmmseg.settings import MixtureSettings


class _LearnsMixtures(BaseDecodeHead):  # type: ignore[misc]
    """What every GMMSeg head adds to its architecture: the mixtures learn when the loss is computed."""

    conv_seg: GMMClassifier

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list[Any]) -> dict[str, Tensor]:
        """Return the architecture's losses and those of the classifier."""
        # Some architectures return edges beside the labels.
        labels = BaseDecodeHead._stack_batch_gt(self, batch_data_samples).squeeze(1)
        # First, because a cross-entropy of labels outside the classes fails less clearly.
        check_labels(labels, self.num_classes, self.ignore_index)
        losses: dict[str, Tensor] = super().loss_by_feat(seg_logits, batch_data_samples)
        losses.update(self.conv_seg.learn(labels, self.ignore_index))
        return losses

    def _stack_batch_gt(self, batch_data_samples: list[Any]) -> Any:
        """Return the labels of the pixels that have logits; some architectures return edges beside them."""
        stacked = super()._stack_batch_gt(batch_data_samples)
        return self.conv_seg.labels_of_loss(stacked) if isinstance(stacked, Tensor) else stacked


@cache
def _gmmseg_class(architecture: type[BaseDecodeHead]) -> type[BaseDecodeHead]:
    # Before the architecture in the order of inheritance, so that its own losses come first.
    return type(f"GMMSeg{architecture.__name__}", (_LearnsMixtures, architecture), {"__module__": __name__})


@MODELS.register_module()  # type: ignore[untyped-decorator]
def GMMSegHead(architecture: str, mixture: Mapping[str, Any] | None = None, **settings: Any) -> BaseDecodeHead:
    """Build the decode head `architecture` with a GMM classifier as its `conv_seg`.

    architecture: the `type` that the head has with softmax; settings: its usual arguments; mixture: the fields of
    `MixtureSettings`, over a `preset`. The head's dropout becomes the classifier's.

    Raises InputError for an architecture that mmsegmentation does not know or that does not end in one convolution.
    """
    kind = MODELS.module_dict.get(architecture) if isinstance(architecture, str) else None
    if not (isinstance(kind, type) and issubclass(kind, BaseDecodeHead)):
        raise InputError(f"there is no decode head {architecture!r} in mmsegmentation; check `architecture`.")
    chosen = MixtureSettings.from_config(mixture or {})
    own_losses = ("loss_by_feat", "_stack_batch_gt")
    if chosen.loss_stride > 1 and any(getattr(kind, name) is not getattr(BaseDecodeHead, name) for name in own_losses):
        raise InputError(f"{architecture} has losses of its own, which look at all pixels: mixture.loss_stride=1.")
    head = _gmmseg_class(kind)(**settings)
    softmax = getattr(head, "conv_seg", None)
    if not isinstance(softmax, nn.Conv2d) or head.out_channels != head.num_classes:
        raise InputError(
            f"{architecture} does not end in one convolution with an output for each class, so no GMM classifier can "
            f"take its place; choose another architecture."
        )
    head.conv_seg = GMMClassifier(
        softmax.in_channels,
        head.num_classes,
        chosen,
        dropout=head.dropout_ratio,
        norm_cfg=head.norm_cfg,
    )
    # Not None, as ANNHead calls it unasked.
    head.dropout = nn.Identity()
    # They would set the classifier's normalisations to small random numbers; the classifier starts by itself.
    head.init_cfg = [step for step in _as_list(head.init_cfg) if "conv_seg" not in _overridden(step)] or None
    return head


def _overridden(step: Mapping[str, Any]) -> list[str]:
    """Return the names of the modules that one step of an `init_cfg` singles out."""
    return [override["name"] for override in _as_list(step.get("override"))]


def _as_list(value: Any) -> list[Any]:
    """Return what mmengine takes as nothing, one or many as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
