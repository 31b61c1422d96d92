"""SegFormer's all-MLP head, computed with a third of the work."""

from __future__ import annotations

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
from collections.abc import Sequence

from mmseg.models.decode_heads import SegformerHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional


@MODELS.register_module()
class LeanSegformerHead(SegformerHead):  # type: ignore[misc]
    """The same function of the same weights as mmsegmentation's SegformerHead (Xie et al., NeurIPS 2021).

    SegFormer resizes the maps of all strides to the finest one and then mixes their channels by a 1x1 convolution. Both
    are linear and commute, so here each map is mixed at its own size first; results differ by rounding alone.
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the class maps (B, C, h, w) of feature maps, the finest of which is (B, ., h, w)."""
        maps = self._transform_inputs(inputs)
        mixing = self.fusion_conv.conv.weight.split(self.channels, dim=1)
        fused = None
        for features, convolution, weight in zip(maps, self.convs, mixing, strict=True):
            mixed = functional.conv2d(convolution(features), weight)
            if mixed.shape[2:] != maps[0].shape[2:]:
                mixed = functional.interpolate(
                    mixed, size=maps[0].shape[2:], mode=self.interpolate_mode, align_corners=self.align_corners
                )
            fused = mixed if fused is None else fused + mixed
        fusion = self.fusion_conv
        if fusion.conv.bias is not None:
            fused = fused + fusion.conv.bias[:, None, None]
        classes: Tensor = self.cls_seg(fusion.activate(fusion.norm(fused) if fusion.with_norm else fused))
        return classes
