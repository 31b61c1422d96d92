"""The outputs of an ONNX graph: which one holds the classes, on which axis, and whether as logits or probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.onnx.image_input import shape_text
from anomaly_eval.segmenters.onnx.settings import Gives, Layout

Found = Literal["logits", "probabilities", "log probabilities"]

_ROUNDING = 0.02
"""By which probabilities of quantised networks may miss a sum of 1."""


def class_output(outputs: Sequence[Any], chosen: str | None, path: Path) -> str:
    """Return the name of the output that holds the classes: the one that the user names, or the only one of four axes.

    outputs: those of a session of onnxruntime. Raises InputError where there is none, or several.
    """
    if chosen is not None:
        return named_output(outputs, chosen, path, "output")
    # Shapes may not be known before an image comes.
    maps = [entry for entry in outputs if len(entry.shape) in (0, 4)]
    if len(maps) > 1:
        raise InputError(
            f"{path} has several outputs ({_names(maps)}); write the name of the one with the classes into "
            f"{path.with_suffix('.yaml')}, as in `output: {_names(maps[:1])}`."
        )
    entry = maps[0] if maps else outputs[0]
    refuse_other_shapes(entry.shape or None, entry.type.removeprefix("tensor(").removesuffix(")"), path)
    name: str = entry.name
    return name


def named_output(outputs: Sequence[Any], chosen: str, path: Path, field: str) -> str:
    """Return the name of an output that the user gave in a field of the settings; raises InputError for another."""
    if chosen not in [entry.name for entry in outputs]:
        raise InputError(
            f"{path} has no output {chosen!r}, as `{field}` in {path.with_suffix('.yaml')} says; it has "
            f"{_names(outputs)}."
        )
    return chosen


def refuse_other_shapes(shape: Sequence[object] | None, kind: str, path: Path) -> None:
    """Raise InputError for what is no map of each class; `kind` is the type of the numbers, as in `float`."""
    if "int" in kind or kind == "bool":
        raise InputError(
            f"{path} gives numbers of classes ({kind}), of which no score can be computed; export it without its "
            f"final argmax."
        )
    if shape is None:
        return
    if len(shape) == 2 or (len(shape) == 4 and list(shape[2:]) == [1, 1]):
        raise InputError(
            f"{path} gives the shape {shape_text(shape)}: one answer for the whole image, as a classifier does; use a "
            f"network that segments."
        )
    if len(shape) != 4:
        raise InputError(
            f"{path} gives the shape {shape_text(shape)}; export a network that gives (1, classes, rows, columns)."
        )


def axes_of(values: Tensor, size: tuple[int, int], layout: Layout, path: Path) -> Layout:
    """Return where the channels of an output (1, …) for an input of size (height, width) are.

    The other two axes have the proportions of the input; where that does not decide, it is as in the input.
    """
    refuse_other_shapes(values.shape, "float", path)
    fitting: list[Layout] = []
    if _covers((values.shape[2], values.shape[3]), size):
        fitting.append("NCHW")
    if _covers((values.shape[1], values.shape[2]), size):
        fitting.append("NHWC")
    if not fitting:
        raise InputError(
            f"{path} gives the shape {shape_text(values.shape)} for an input of {size[1]}x{size[0]}, no two axes of "
            f"which cover it; export a network that gives (1, classes, rows, columns)."
        )
    return layout if layout in fitting else fitting[0]


def channels_first(values: Tensor, axes: Layout) -> Tensor:
    """Return an output as (n, channels, rows, columns)."""
    return values if axes == "NCHW" else values.permute(0, 3, 1, 2)


def meaning(values: Tensor, said: Gives | None, path: Path) -> Found:
    """Return what an output (1, classes, rows, columns) holds; `said` is what the user says of it.

    Probabilities are not negative and sum to 1 at each pixel. Raises InputError for numbers that are neither, such as
    those of sigmoids, unless the user says so, and for values that are not finite or of a single channel.
    """
    if not bool(torch.isfinite(values.sum())):
        raise InputError(f"{path} gives NaN or infinite values; check its weights, and export it anew.")
    if values.shape[1] < 2:
        raise InputError(
            f"{path} gives a single channel; export it with a channel for each class, and without a final argmax."
        )
    if said is not None:
        return said
    values = values.double()
    if _are_probabilities(values):
        return "probabilities"
    if bool((values <= _ROUNDING).all()) and _are_probabilities(values.exp()):
        return "log probabilities"
    if float(values.min()) >= 0 and float(values.max()) <= 1:
        raise InputError(
            f"{path} gives values between 0 and 1 that do not sum to 1, as sigmoids do; export it without them, or "
            f"write `gives: logits` into {path.with_suffix('.yaml')}."
        )
    return "logits"


def as_field(values: Tensor, found: Found) -> Mapping[str, Tensor]:
    """Return an output under the field of `Prediction` that it fills."""
    if found == "logits":
        return {"logits": values}
    return {"probabilities": values.float().exp() if found == "log probabilities" else values}


def _are_probabilities(values: Tensor) -> bool:
    return float(values.min()) >= 0 and float((values.sum(dim=1) - 1).abs().max()) <= _ROUNDING


def _covers(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether a grid has the proportions of an input, up to two cells of padding and rounding."""
    rows, columns = grid
    return rows > 1 and columns > 1 and abs(rows - columns * size[0] / size[1]) <= 2


def _names(outputs: Sequence[Any]) -> str:
    return ", ".join(repr(entry.name)[1:-1][:50] for entry in outputs[:8])
