"""Reading images and masks, by what the bytes say and not by the suffix of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from anomaly_eval.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF")
"""What files may hold; of the other formats that Pillow knows, some start programs such as Ghostscript."""

_STRETCHED = ";stretched"
_OF_MAXIMUM = {255: "", 65535: ";16"}
"""What the largest value that a PGM or PPM file names says of its levels: all others are stretched."""
_COLOUR_MODES = ("RGB", "RGBA", "RGBX", "LA", "La", "RGBa")


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return an image as RGB, shape (height, width, 3).

    Gray, palette, CMYK and transparent images are converted, and 16 bits of a channel are reduced to 8. Raises
    InputError for a missing or damaged file, for pixel formats without a known range, for an image that is to be
    turned, and for a file of several pictures.
    """
    with _opened(path, "image", "mask") as (image, stored):
        if image.mode.startswith("I"):
            return _reduce_to_8_bit(np.array(image), path)
        if image.mode == "F":
            raise InputError(f"the image {path} holds floating-point pixels; save it with 8 bits per channel.")
        pixels = np.array(image if image.mode == "RGB" else _as_rgb(image))
        if "16" in stored and not pixels.any():
            raise _would_be_black(path)
        return pixels


def read_mask(path: Path) -> NDArray[np.integer[Any]]:
    """Return the values of a mask, shape (height, width): gray levels, palette indices, or 0 and 1.

    A colour file is accepted if its channels are equal. Raises InputError for a missing or damaged file, for a mask
    in colours, for one that is to be turned, for a file of several pictures, and for one whose values are not those
    that were saved: after lossy compression, or where reading stretches or cuts them.
    """
    with _opened(path, "mask", "image") as (image, stored):
        _check_values_are_stored(image, stored, path)
        if image.mode in ("L", "P"):
            return np.array(image)
        values = np.array(image)
        if image.mode == "1":
            return values.astype(np.uint8)
        if image.mode.startswith("I"):
            return values
        if image.mode not in _COLOUR_MODES:
            raise InputError(f"the mask {path} has the pixel format {image.mode}; save it as an 8-bit gray PNG.")
        colours = values[..., :1] if image.mode in ("LA", "La") else values[..., :3]
        if (colours != colours[..., :1]).any():
            raise InputError(
                f"the mask {path} is a colour picture; give the mask that holds one label value per pixel."
            )
        return np.ascontiguousarray(colours[..., 0])


def _as_rgb(image: Image.Image) -> Image.Image:
    # Pillow wants palettes with transparency to pass through RGBA.
    opaque = image.convert("RGBA") if "transparency" in image.info else image
    return opaque.convert("RGB")


@contextmanager
def _opened(path: Path, kind: str, partner: str) -> Iterator[tuple[Image.Image, str]]:
    """Open and decode the file of an image or a mask, and tell what is wrong with it in one sentence.

    Yields the image and how the file stores its pixels, in Pillow's words, such as `RGB;16B`.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_single(image, path, kind)
            # Looking for EXIF may read the pixels already.
            stored = _stored_mode(image)
            # Before the pixels are read: Pillow turns a TIFF by itself then, and removes the tag.
            _check_orientation(image, path, kind, partner)
            image.load()
            yield image, stored
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(
            f"there is no file {path}; check the dataset with `gmmseg-anomaly datasets check NAME`."
        ) from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); change its permissions.") from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} claims to have far too many pixels; give a smaller one, or, if it is damaged, replace it."
        ) from error
    except UnidentifiedImageError as error:
        known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        problem = "is empty" if path.stat().st_size == 0 else f"is not an image in {known} format"
        raise InputError(f"{path} {problem}; replace the file.") from error
    except Exception as error:  # decoders raise errors of many kinds on damaged bytes
        raise InputError(f"{path} cannot be read ({error}); replace the file.") from error


def _check_single(image: Image.Image, path: Path, kind: str) -> None:
    """Raise InputError for animations and for TIFF files of several pages."""
    # The further pictures of an MPO, as phones write, are previews and depth maps of the first.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise InputError(f"the {kind} {path} holds several pictures; save the one that is meant as a PNG.")


def _stored_mode(image: Image.Image) -> str:
    """Return how the file of an image that is not loaded yet stores its pixels; empty where its format has one way."""
    tiles: list[Any] = getattr(image, "tile", [])
    if not tiles:
        return ""
    codec, _, _, arguments = tiles[0]
    words = arguments if isinstance(arguments, tuple) else (arguments,)
    if codec in ("ppm", "ppm_plain"):
        return f"{words[0]}{_OF_MAXIMUM.get(words[-1], _STRETCHED)}"
    return str(words[0])


def _check_values_are_stored(image: Image.Image, stored: str, path: Path) -> None:
    """Raise InputError for a mask whose values, as they were read, may not be those that were saved."""
    webp_is_lossy = image.format == "WEBP" and b"VP8 " in path.read_bytes()
    if image.format in ("JPEG", "MPO") or image.info.get("compression") in ("jpeg", "webp") or webp_is_lossy:
        raise InputError(
            f"the mask {path} is compressed with loss, which changed its values; give the original one, saved as a PNG."
        )
    if "16" in stored and not image.mode.startswith("I"):
        raise InputError(f"the mask {path} has 16 bits per channel of colour; save it as an 8-bit gray PNG.")
    if stored.startswith(("L;2", "L;4", "L;I")) or stored.endswith(_STRETCHED):
        raise InputError(
            f"the mask {path} stores its gray levels such that some readers stretch or invert them; save its values, "
            f"not stretched, as an 8-bit gray PNG."
        )


def _check_orientation(image: Image.Image, path: Path, kind: str, partner: str) -> None:
    """Raise InputError if a file asks to be turned or mirrored before it is shown.

    Some programs do so and some do not, so a mask may have been drawn on either version.
    """
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation != 1:
        raise InputError(
            f"the {kind} {path} has the EXIF orientation {orientation}, and nothing says whether its {partner} was "
            f"made for the turned or the unturned version; save it without the tag, turned as its {partner} is."
        )


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
