"""The windows that a network's own test settings ask for."""

from __future__ import annotations

from collections.abc import Mapping

from anomaly_eval.datasets.test_settings import SlidingWindow
from anomaly_eval.errors import InputError


def windows_of(test: object, source: str) -> SlidingWindow | None:
    """Return the windows of a `test_cfg`, or None where whole images run.

    Raises InputError for another mode and for windows that do not cover an image; `source` says where the config is.
    """
    test = test or {}
    if not isinstance(test, Mapping):
        raise InputError(f"the test_cfg of the config ({source}) holds no settings; name another with --config.")
    mode = test.get("mode", "whole")
    if mode == "whole":
        return None
    crop, stride = test.get("crop_size"), test.get("stride")
    pairs = [pair for pair in map(_pair, (crop, stride)) if pair is not None]
    if mode != "slide" or len(pairs) < 2 or not all(0 < step <= side for side, step in zip(*pairs, strict=True)):
        raise InputError(
            f"the test_cfg of the config ({source}) asks for mode {mode!r:.50}, crop {crop!r:.50} and stride "
            f"{stride!r:.50}; mode must be whole, or slide with two sides of a crop and strides of at most these."
        )
    return SlidingWindow(crop=pairs[0], stride=pairs[1])


def _pair(value: object) -> tuple[int, int] | None:
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(side) is int for side in value):
        return value[0], value[1]
    return None
