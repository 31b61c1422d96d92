"""Opening pictures, and reading labels: by what the bytes say and not by the suffix of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from gmmseg.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF")
"""What files may hold; of the other formats that Pillow knows, some start programs such as Ghostscript."""

_STRETCHED = ";stretched"
_OF_MAXIMUM = {255: "", 65535: ";16"}
"""What the largest value that a PGM or PPM file names says of its levels: all others are stretched."""
_COLOUR_MODES = ("RGB", "RGBA", "RGBX", "LA", "La", "RGBa")


def read_mask(path: Path) -> NDArray[np.integer[Any]]:
    """Return the values of a mask, shape (height, width): gray levels, palette indices, or 0 and 1.

    A colour file is accepted if its channels are equal. Raises InputError for a missing or damaged file, for a mask
    in colours, for one that is to be turned, for a file of several pictures, and for one whose values are not those
    that were saved: after lossy compression, or where reading stretches or cuts them.
    """
    with opened(path, "mask", "image") as (image, stored):
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


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Return what `read_mask` does as bytes; raises InputError for values beyond 255 too, which bytes cannot hold."""
    mask = read_mask(path)
    beyond = mask[(mask < 0) | (mask > 255)] if mask.dtype != np.uint8 else mask[:0]
    if beyond.size:
        raise InputError(
            f"the mask {path} holds the value {int(beyond.ravel()[0])}; labels for training are 0 to 255: correct it."
        )
    return mask.astype(np.uint8)


def check_pair(image: Path, mask: Path) -> tuple[int, int]:
    """Check by the headers of an image and its mask that they belong together; return their (width, height).

    That takes a tenth of a millisecond, but for masks of more than one channel or byte, which are read. Raises
    InputError for different sizes, and for what else is refused of either. Images in formats that are not known here
    are left to whoever reads them.
    """
    mask_size, mode = read_header(mask, "mask", "image")
    if mode not in ("L", "P", "1"):
        read_mask(mask)
    if image.suffix.lower() in _suffixes() or image.stat().st_size == 0:
        image_size, _ = read_header(image, "image", "mask")
        check_same_size(image, image_size, mask, mask_size)
    return mask_size


def read_header(path: Path, kind: str, partner: str | None) -> tuple[tuple[int, int], str]:
    """Return the (width, height) of an image or a mask, as it is stored, and Pillow's mode, without its pixels.

    partner: as `opened` takes it. Raises InputError for what is refused of a file by its header.
    """
    with _told(path), Image.open(path, formats=FORMATS) as image:
        _check_single(image, path, kind)
        if kind == "mask":
            _check_values_are_stored(image, _stored_mode(image), path)
        if partner is not None and image.format in (
            "JPEG",
            "MPO",
        ):  # where others keep it, the pixels would be read first
            _check_orientation(image, path, kind, partner)
        return image.size, image.mode


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(suffix for suffix, format in Image.registered_extensions().items() if format in FORMATS)


def check_same_size(image: Path, image_size: tuple[int, int], mask: Path, mask_size: tuple[int, int]) -> None:
    """Raise InputError unless an image and its mask have the same (width, height)."""
    if image_size != mask_size:
        raise InputError(
            f"the image {image} is {image_size[0]}x{image_size[1]} pixels, its mask {mask} "
            f"{mask_size[0]}x{mask_size[1]}; give both at the same size."
        )


@contextmanager
def opened(path: Path, kind: str, partner: str | None) -> Iterator[tuple[Image.Image, str]]:
    """Open and decode the file of an image or a mask, and tell what is wrong with it in one sentence.

    partner: what must be turned as it is, None for nothing. Yields the image and how the file stores its pixels, in
    Pillow's words, such as `RGB;16B`.
    """
    with _told(path), Image.open(path, formats=FORMATS) as image:
        _check_single(image, path, kind)
        # Looking for EXIF may read the pixels already.
        stored = _stored_mode(image)
        # Before the pixels are read: Pillow turns a TIFF by itself then, and removes the tag.
        if partner is not None:
            _check_orientation(image, path, kind, partner)
        image.load()
        yield image, stored


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in one sentence why a file cannot be opened or decoded."""
    try:
        yield
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
