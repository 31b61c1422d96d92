"""Reading images as RGB, whatever their files hold; masks are read as training reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from anomaly_eval.errors import InputError
from gmmseg.image_files import FORMATS, opened, read_header, read_mask

__all__ = ["FORMATS", "image_size", "read_image", "read_mask", "read_photo"]


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return an image as RGB, shape (height, width, 3).

    Gray, palette, CMYK and transparent images are converted, and 16 bits of a channel are reduced to 8. Raises
    InputError for a missing or damaged file, for pixel formats without a known range, for an image that is to be
    turned, and for a file of several pictures.
    """
    with opened(path, "image", "mask") as (image, stored):
        return _pixels(image, stored, path)


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Return an image that has no mask, as `read_image` does, but turned as its EXIF orientation says it is shown."""
    with opened(path, "image", None) as (image, stored):
        return _pixels(ImageOps.exif_transpose(image), stored, path)


def image_size(path: Path, *, may_be_turned: bool) -> tuple[int, int]:
    """Return the (width, height) of an image as it is stored, by its header, which takes a tenth of a millisecond.

    Raises InputError for what `read_image`, or `read_photo` of images that `may_be_turned`, would refuse by the header.
    """
    size, mode = read_header(path, "image", None if may_be_turned else "mask")
    _refuse_floats(mode, path)
    return size


def _refuse_floats(mode: str, path: Path) -> None:
    if mode == "F":
        raise InputError(f"the image {path} holds floating-point pixels; save it with 8 bits per channel.")


def _pixels(image: Image.Image, stored: str, path: Path) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        return _reduce_to_8_bit(np.array(image), path)
    _refuse_floats(image.mode, path)
    pixels = np.array(image if image.mode == "RGB" else _as_rgb(image))
    if "16" in stored and not pixels.any():
        raise _would_be_black(path)
    return pixels


def _as_rgb(image: Image.Image) -> Image.Image:
    # Pillow wants palettes with transparency to pass through RGBA.
    opaque = image.convert("RGBA") if "transparency" in image.info else image
    return opaque.convert("RGB")


def _reduce_to_8_bit(values: NDArray[np.integer[Any]], path: Path) -> NDArray[np.uint8]:
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"the image {path} holds values beyond 16 bits; save it with 8 bits per channel.")
    if values.max() < 256:
        raise _would_be_black(path)
    gray = (values >> 8).astype(np.uint8)
    return np.repeat(gray[..., np.newaxis], 3, axis=2)


def _would_be_black(path: Path) -> InputError:
    return InputError(
        f"the image {path} has 16 bits per pixel but no value above 255, so it would become black; save it with 8 "
        f"bits per channel."
    )
