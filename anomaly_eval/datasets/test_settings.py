"""How a closed-set dataset is tested: at which size images enter the network, and whole or in windows."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator


class SlidingWindow(BaseModel):
    """Crop and stride in pixels of the network's input, both (height, width)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop: tuple[PositiveInt, PositiveInt]
    stride: tuple[PositiveInt, PositiveInt]

    @model_validator(mode="after")
    def _check(self) -> SlidingWindow:
        if any(step > side for side, step in zip(self.crop, self.stride, strict=True)):
            raise ValueError(f"windows of {self.crop} at a stride of {self.stride} leave gaps; the stride is too large")
        return self


class TestProtocol(BaseModel):
    """The test protocol of a dataset, without test-time augmentation; with no field set, whole images at their size."""

    __test__ = False  # no class of tests, whatever pytest makes of its name
    model_config = ConfigDict(frozen=True, extra="forbid")

    slide: SlidingWindow | None = None
    """Windows whose logits are averaged; None runs each image as a whole."""
    short_side: PositiveInt | None = None
    """Length in pixels that the short side of an image is resized to, with the aspect ratio kept; None is native."""
    long_side_at_most: PositiveInt | None = None
    """Where the long side would exceed this, the image is resized to it instead, and the short side is shorter."""

    @model_validator(mode="after")
    def _check(self) -> TestProtocol:
        if self.long_side_at_most is not None:
            if self.short_side is None:
                raise ValueError("long_side_at_most limits short_side, which is missing")
            if self.long_side_at_most < self.short_side:
                raise ValueError("long_side_at_most must not be below short_side")
        return self
