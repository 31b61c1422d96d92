"""What tells scores in a picture format from a picture of them."""

from __future__ import annotations

from collections.abc import Container

from PIL import ExifTags, Image

from anomaly_eval.errors import InputError


def refuse_pictures(image: Image.Image, modes: Container[str]) -> None:
    """Raise InputError unless an image is one channel of numbers, in one of Pillow's `modes`."""
    if getattr(image, "n_frames", 1) != 1:
        raise InputError("it has several pages; save the one with the scores alone.")
    if image.mode not in modes:
        raise InputError(
            f"it is a picture with pixels of the kind {image.mode}; save the scores themselves, one number for each "
            f"pixel, before they become colours."
        )


def refuse_turned(image: Image.Image) -> None:
    """Raise InputError for an image that is to be turned before it is shown; of a PNG, this decodes the pixels.

    To be asked before a TIFF is decoded, as Pillow then turns it.
    """
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        raise InputError("it asks to be turned before it is shown; save it without that tag, turned as its image is.")
