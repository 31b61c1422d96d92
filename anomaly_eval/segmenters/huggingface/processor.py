"""What a network's image processor does to images, read from its settings; the processor itself is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.huggingface.folder import PROCESSORS, NetworkFolder
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.network import Normalisation

_LARGEST = 32_000


@dataclass(frozen=True)
class Preprocessing:
    """How an 8-bit image becomes an input."""

    normalisation: Normalisation
    size: InputSize | None
    """The processor's own size; None where it is none that `--resize` could ask for."""
    divisor: int | None
    """What the sides of inputs are multiples of, where that is said."""


def read_preprocessing(
    folder: NetworkFolder, mean: tuple[float, float, float] | None, std: tuple[float, float, float] | None
) -> Preprocessing:
    """Read the settings of the image processor; mean and deviation that are given, of 8-bit values, go before its own.

    Raises InputError where it is missing or says too little.
    """
    found = next(((name, found) for name in PROCESSORS if (found := folder.settings(name)) is not None), None)
    if found is None and (mean is None or std is None):
        raise InputError(
            f"{folder.path} has no {PROCESSORS[0]}, so nobody knows with which mean and deviation the network was "
            f"trained; copy it from where the network comes from, or give --mean and --std."
        )
    name, settings = found or ("", {"do_normalize": False, "rescale_factor": 1})
    settings = settings["image_processor"] if isinstance(settings.get("image_processor"), dict) else settings
    if mean is not None and std is not None:
        settings = {**settings, "do_normalize": False}
    try:
        normalisation = _normalisation(settings)
        divisor = _whole(settings["size_divisor"]) if settings.get("size_divisor") else None
        size = _size(settings)
    except _Unclear as error:
        raise InputError(f"{folder.path / name} {error}; correct it.") from error
    chosen = Normalisation(mean or normalisation.mean, std or normalisation.std, normalisation.colours)
    return Preprocessing(chosen, size, divisor)


class _Unclear(Exception):
    """Settings do not say what has to be known; the text says what, after the name of the file."""


def _normalisation(settings: Mapping[str, Any]) -> Normalisation:
    """Return mean and deviation of 8-bit values: processors rescale first, and flip the colours last."""
    factor = settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 1.0
    if not _is_number(factor) or factor <= 0:
        raise _Unclear("has a rescale_factor that is no number above 0")
    flipped = settings.get("do_flip_channel_order", False) is True
    normalised = settings.get("do_normalize", "image_mean" in settings or not flipped)
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if normalised:
        mean, std = _three(settings, "image_mean"), _three(settings, "image_std")
        if min(std) <= 0:
            raise _Unclear("has an image_std that is not above 0")
    if flipped:
        mean, std = mean[::-1], std[::-1]
    red, green, blue = (value / factor for value in mean)
    of_red, of_green, of_blue = (value / factor for value in std)
    return Normalisation((red, green, blue), (of_red, of_green, of_blue), "BGR" if flipped else "RGB")


def _three(settings: Mapping[str, Any], name: str) -> tuple[float, float, float]:
    values: Any = settings.get(name)
    if _is_number(values):
        return values, values, values
    if not isinstance(values, list) or len(values) != 3 or not all(_is_number(value) for value in values):
        raise _Unclear(f"has no {name} of three numbers")
    return values[0], values[1], values[2]


def _size(settings: Mapping[str, Any]) -> InputSize | None:
    """Return the size that images are resized to: native where they are not; crops are left out."""
    if not settings.get("do_resize", True):
        return InputSize(of_network=True)
    size, longest = settings.get("size"), settings.get("max_size")
    if isinstance(size, int) and not isinstance(size, bool):
        # As feature extractors noted it: with a limit it is the short side, without one a square.
        size = {"height": size, "width": size} if longest is None else {"shortest_edge": size}
    if not isinstance(size, Mapping):
        return None
    longest = size.get("longest_edge", longest)
    if size.get("height") and size.get("width") and not settings.get("keep_aspect_ratio"):
        return InputSize(exact=(_whole(size["width"]), _whole(size["height"])), of_network=True)
    if size.get("shortest_edge"):
        limit = None if longest is None else _whole(longest)
        return InputSize(short_side=_whole(size["shortest_edge"]), long_side_at_most=limit, of_network=True)
    return None


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST:
        raise _Unclear(f"has a size of {str(value)[:50]!r}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
