"""What an ONNX file cannot say of itself: in options, or in a YAML file of the same name beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from anomaly_eval.datasets.test_settings import SlidingWindow
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.choices import Colours
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.runtime.strict_yaml import Line, first_problem, parse_card
from anomaly_eval.segmenters.given import Given

Layout = Literal["NCHW", "NHWC"]
"""The order of the axes: N images, C channels, H rows, W columns."""

Gives = Literal["logits", "probabilities"]

_LARGEST = 1 << 20
"""Bytes of the file of settings."""


def _of_each_channel(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) != 3:
        raise ValueError(f"it has {len(values)} values; give one for each of the three channels")
    return values


def _positive(values: tuple[float, ...]) -> tuple[float, ...]:
    if min(values) <= 0:
        raise ValueError("it must be positive, as pixels are divided by it")
    return values


_Channels = Annotated[tuple[FiniteFloat, ...], AfterValidator(_of_each_channel)]


class OnnxSettings(BaseModel):
    """The fields of the YAML file; None is not said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: Annotated[tuple[Line, ...], Field(min_length=2)] | None = None
    """Names, in the order of the outputs."""
    mean: _Channels | None = None
    """Of each channel, in the 0 to 255 of pixels and in the order of `colours`."""
    std: Annotated[_Channels, AfterValidator(_positive)] | None = None
    colours: Colours | None = None
    layout: Layout | None = None
    """Of the input, where its shape leaves it open."""
    output: Line | None = None
    """The name of the output that holds the classes, where there are several."""
    gives: Gives | None = None
    """What that output holds, where its values leave it open."""
    features: Line | None = None
    """The name of the output that is the input of the last layer."""
    align_corners: bool = False
    """How coarse outputs are resized, as in `torch.nn.functional.interpolate`."""
    slide: SlidingWindow | None = None
    """The windows in which images run."""


def settings_of(given: Given) -> OnnxSettings:
    """Return what is said beside an ONNX file; options go before the YAML file.

    Raises InputError for a file that cannot be read or holds anything else.
    """
    path = given.path.with_suffix(".yaml")
    found = _read(path) if path.exists() else OnnxSettings()
    options = {"mean": given.mean, "std": given.std, "colours": given.colours}
    return found.model_copy(update={name: value for name, value in options.items() if value is not None})


def _read(path: Path) -> OnnxSettings:
    try:
        content = read_regular(path, _LARGEST)
    except OSError as error:
        raise InputError(f"the settings {path} cannot be read ({error.strerror}); check the file.") from error
    fields = parse_card(content, path, "file of settings")
    if not isinstance(fields, dict):
        raise InputError(f"the file of settings {path} has no fields; the fields are {_FIELDS}.")
    try:
        return OnnxSettings.model_validate(fields)
    except ValidationError as error:
        raise InputError(
            f"the file of settings {path} is wrong ({first_problem(error)}); the fields are {_FIELDS}."
        ) from error


_FIELDS = ", ".join(OnnxSettings.model_fields)
