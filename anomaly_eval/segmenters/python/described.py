"""What a network of one's own says of itself, in a description beside it or in its attributes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from anomaly_eval.errors import InputError, nearest
from anomaly_eval.runtime.choices import Colours
from anomaly_eval.segmenters.input_size import InputSize, SizeError
from anomaly_eval.segmenters.network import Normalisation

_Three = tuple[float, float, float]
_LARGEST_PIXEL = 255.0


@dataclass(frozen=True)
class Description:
    """What can be said of a network; None is not said."""

    classes: Sequence[str] | None = None
    """A name for each of its outputs, in their order."""
    mean: Sequence[float] | None = None
    """Of each channel, of pixels in 0 to 255, in the order of `colours`."""
    std: Sequence[float] | None = None
    """What is divided by after that; 255 where nothing is said."""
    colours: Colours | None = None
    features: str | None = None
    """The module whose input are the features, as `named_modules` calls it."""
    output: Literal["logits", "probabilities"] | None = None
    """What it gives, where that is not to be recognised."""
    input_size: str | None = None
    """At which images enter it, as `--resize` takes it: WIDTHxHEIGHT and others."""
    align_corners: bool | None = None
    """How its maps are to be resized, as in `torch.nn.functional.interpolate`."""

    @property
    def size(self) -> InputSize:
        """The size at which images enter it where nobody asks for another."""
        return InputSize() if self.input_size is None else InputSize.parse(self.input_size)

    @property
    def normalisation(self) -> Normalisation:
        """What is made of 8-bit pixels."""
        mean = cast(_Three, tuple(map(float, self.mean or (0.0,) * 3)))
        std = cast(_Three, tuple(map(float, self.std or (_LARGEST_PIXEL,) * 3)))
        return Normalisation(mean, std, self.colours or "RGB")

    @property
    def input_text(self) -> str:
        """What is made of pixels, in words."""
        colours = self.colours or "RGB"
        if self.mean is None and self.std is None:
            return f"{colours} divided by 255, as nobody said otherwise"
        found = self.normalisation
        return f"{colours}, mean {_numbers(found.mean)}, deviation {_numbers(found.std)}, of pixels in 0 to 255"


_FIELDS = tuple(field.name for field in dataclasses.fields(Description))
_PLAIN_TYPES: Mapping[str, Any] = {
    "classes": (list, tuple),
    "mean": (list, tuple),
    "std": (list, tuple),
    "align_corners": bool,
}
"""Of attributes that are read; text of the others."""

_NO_NAMES = "classes are a list of names, no two alike"


def described(network: object, returned: object, name: str, options: Mapping[str, Any]) -> Description:
    """Return what is known of a network: options before what was returned beside it, and that before its attributes.

    Attributes count where they are plain values: a module or a buffer that is called `features` or `mean` says nothing.
    `name` is what sentences call the network. Raises InputError for what no network can have.
    """
    if returned is not None and not isinstance(returned, Mapping):
        raise InputError(
            f"{name} describes the network by a {type(returned).__name__}; return (network, dictionary), or the "
            f"network alone."
        )
    for key in returned or {}:
        if key not in _FIELDS:
            raise InputError(f"the description of {name} has {key!r}, of which nothing is known; {_known(key)}.")
    attributes = {key: getattr(network, key, None) for key in _FIELDS}
    said = {key: value for key, value in attributes.items() if isinstance(value, _PLAIN_TYPES.get(key, str))}
    said |= {key: _plain(value) for key, value in (returned or {}).items() if value is not None}
    said |= {key: value for key, value in options.items() if value is not None}
    for key, value in said.items():
        if (fault := _fault(key, value)) is not None:
            raise InputError(f"{name} says {key}={str(value)[:100]!r}, but {fault}; correct it.")
    if "mean" in said and "std" not in said:
        raise InputError(f"{name} says the mean of its input, but not what is divided by; say std too.")
    return Description(**said)


def _known(key: object) -> str:
    return nearest(str(key), _FIELDS)


def _plain(value: Any) -> Any:
    """Return arrays and tensors as lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def _fault(key: str, value: Any) -> str | None:
    """Say in the middle of a sentence why a value cannot be used; None where it can."""
    if key in ("mean", "std"):
        return _fault_of_numbers(key, value)
    if key == "classes":
        named = isinstance(value, list | tuple) and all(isinstance(one, str) and one.isprintable() for one in value)
        return None if named and "" not in value and len(set(value)) == len(value) else _NO_NAMES
    if key == "align_corners":
        return None if isinstance(value, bool) else "that is True or False"
    if not isinstance(value, str):
        return "that is a text"
    if key == "input_size":
        try:
            InputSize.parse(value)
        except SizeError as error:
            return f"it {error.reason}"
    choices = {"colours": get_args(Colours), "output": ("logits", "probabilities")}.get(key)
    return None if choices is None or value in choices else f"that is {' or '.join(choices)}"


def _fault_of_numbers(key: str, value: Any) -> str | None:
    numbers = isinstance(value, list | tuple) and all(isinstance(one, int | float) for one in value)
    if not numbers or len(value) != 3 or not all(map(math.isfinite, value)):
        return "that is a number for each of the three channels"
    if key == "std" and min(value) <= 0:
        return "that must be positive"
    if key == "std" and max(value) < 1:
        return "pixels are in 0 to 255: multiply mean and std by 255"
    return None


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
