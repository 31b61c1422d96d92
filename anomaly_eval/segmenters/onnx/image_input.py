"""The input of an ONNX graph: which axis is which, sizes that are fixed, and the type of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.onnx.settings import Layout

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_TYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
}


@dataclass(frozen=True)
class ImageInput:
    """Takes images in RGB or BGR. Sizes are fixed at export, or None where they are free."""

    name: str
    layout: Layout
    batch: int | None
    height: int | None
    width: int | None
    dtype: torch.dtype

    @property
    def takes_pixels(self) -> bool:
        """Whether it takes the 8 bits of pixels as they are."""
        return self.dtype == torch.uint8

    @property
    def size(self) -> InputSize:
        """The only size that it takes, as the network's own one; native where it takes others."""
        if self.width is None or self.height is None:
            return InputSize()
        return InputSize(exact=(self.width, self.height), of_network=True)

    def fits(self, height: int, width: int) -> bool:
        """Whether it takes this size."""
        return self.height in (None, height) and self.width in (None, width)

    def __str__(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        return f"{self.layout} {kind} of {self.width or 'any width'} x {self.height or 'any height'}"

    def array(self, inputs: Tensor) -> NDArray[Any]:
        """Turn inputs (n, 3, h, w) into what the graph takes."""
        ordered = inputs if self.layout == "NCHW" else inputs.permute(0, 2, 3, 1)
        return np.ascontiguousarray(ordered.to(self.dtype).cpu().numpy())


def image_input(session: InferenceSession, path: Path, layout: Layout | None) -> ImageInput:
    """Return the input of a graph; `layout` is what the user says of it.

    Raises InputError where it is not one batch of images with three channels, and where its axes cannot be told apart.
    """
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(repr(entry.name)[1:-1] for entry in inputs[:5]) or "none"
        raise InputError(
            f"{path} has {len(inputs)} inputs ({names}), not one; export a network that takes nothing but the image."
        )
    entry = inputs[0]
    shape = [axis if isinstance(axis, int) and axis > 0 else None for axis in entry.shape]
    if len(shape) != 4:
        raise InputError(
            f"the input of {path} has the shape {shape_text(entry.shape)}; export a network that takes a batch of "
            f"images, (1, 3, height, width) or (1, height, width, 3)."
        )
    if entry.type not in _TYPES:
        raise InputError(
            f"the input of {path} takes {entry.type}; export a network that takes float32, float16 or uint8."
        )
    if shape[0] not in (None, 1):
        raise InputError(f"{path} takes {shape[0]} images at once; export it for one, or with a free number of images.")
    layout = layout or _layout(shape, entry.shape, path)
    channels, height, width = (shape[axis] for axis in ((1, 2, 3) if layout == "NCHW" else (3, 1, 2)))
    if channels not in (None, 3):
        raise _wrong_channels(path, entry.shape)
    return ImageInput(entry.name, layout, shape[0], height, width, _TYPES[entry.type])


def shape_text(shape: Sequence[object]) -> str:
    """Write a shape of onnxruntime, whose free axes have names of any text; 4 of its axes at most matter."""
    axes = [str(axis) if isinstance(axis, int) else repr(axis)[:20] if axis is not None else "?" for axis in shape]
    return f"({', '.join(axes[:6])}{', …' if len(axes) > 6 else ''})"


def _layout(shape: Sequence[int | None], said: Sequence[object], path: Path) -> Layout:
    """Find the axis of three channels."""
    if shape[1] == 3 and shape[3] != 3:
        return "NCHW"
    if shape[3] == 3 and shape[1] != 3:
        return "NHWC"
    if shape[1] != 3 and None not in (shape[1], shape[3]):
        raise _wrong_channels(path, said)
    raise InputError(
        f"the input of {path} has the shape {shape_text(said)}, which does not say where the three channels are; "
        f"write `layout: NCHW` or `layout: NHWC` into {path.with_suffix('.yaml')}."
    )


def _wrong_channels(path: Path, said: Sequence[object]) -> InputError:
    return InputError(
        f"the input of {path} has the shape {shape_text(said)}, which is not that of colour images; use a network "
        f"that takes three channels."
    )
