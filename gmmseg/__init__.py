"""Segmentation models that describe each class by a mixture of Gaussians in feature space."""

from gmmseg.mmcv_ops import stand_in_for_missing_operations

# Must run before anything imports `mmcv.ops`, and so before anything imports `mmseg.models`.
stand_in_for_missing_operations()
