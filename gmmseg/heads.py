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
from gmmseg.settings import MixtureSettings


class _LearnsMixtures(BaseDecodeHead):  # type: ignore[misc]
    """What every GMMSeg head adds to its architecture: the mixtures learn when the loss is computed."""

    conv_seg: GMMClassifier

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list[Any]) -> dict[str, Tensor]:
        """Return the architecture's losses and those of the classifier."""
        losses: dict[str, Tensor] = super().loss_by_feat(seg_logits, batch_data_samples)
        labels = self._stack_batch_gt(batch_data_samples).squeeze(1)
        losses.update(self.conv_seg.learn(labels, self.ignore_index))
        return losses


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
    kind = MODELS.module_dict.get(architecture)
    if not (isinstance(kind, type) and issubclass(kind, BaseDecodeHead)):
        raise InputError(f"there is no decode head {architecture!r} in mmsegmentation; check `architecture`.")
    head = _gmmseg_class(kind)(**settings)
    softmax = getattr(head, "conv_seg", None)
    if not isinstance(softmax, nn.Conv2d) or head.out_channels != head.num_classes:
        raise InputError(
            f"{architecture} does not end in one convolution with an output for each class, so no GMM classifier can "
            f"take its place."
        )
    head.conv_seg = GMMClassifier(
        softmax.in_channels,
        head.num_classes,
        MixtureSettings.from_config(mixture or {}),
        dropout=head.dropout_ratio,
        norm_cfg=head.norm_cfg,
    )
    head.dropout = None
    if isinstance(head.init_cfg, Mapping) and (head.init_cfg.get("override") or {}).get("name") == "conv_seg":
        # It would set the classifier's normalisations to small random numbers; the classifier starts by itself.
        head.init_cfg = None
    return head
