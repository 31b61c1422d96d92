"""Score maps as PNG files: one channel of 8 or 16 bits, of which only the order counts."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.checking import HeaderCheck
from anomaly_eval.score_maps.pictures import refuse_pictures, refuse_turned

_TYPES = {"L": np.uint8, "I;16": np.uint16, "I": np.uint16}
"""What the pixels of each of Pillow's modes are; 16 bits are I;16, or I where Pillow is older."""


def read_png(file: IO[bytes], check: HeaderCheck) -> NDArray[Any]:
    """Return the pixels of a file, uint8 or uint16; raises InputError for a picture in colours or of fewer bits."""
    try:
        with Image.open(file, formats=("PNG",)) as image:
            refuse_pictures(image, _TYPES)
            if any(str(tile[3]).startswith("L;") for tile in getattr(image, "tile", [])):
                raise InputError("it holds fewer than 8 bits a pixel; save the scores with 16, or as float32 in .npy.")
            dtype = np.dtype(_TYPES[image.mode])
            check((image.height, image.width), dtype)
            refuse_turned(image)
            return np.asarray(image).astype(dtype)
    except UnidentifiedImageError as error:
        raise InputError("it is no PNG file; save it as a PNG of one channel.") from error
