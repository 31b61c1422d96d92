"""Score maps as TIFF files, of this project or of others: one channel of floating-point numbers or integers."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.checking import HeaderCheck
from anomaly_eval.score_maps.pictures import refuse_pictures, refuse_turned

_TYPES = {"F": np.float32, "L": np.uint8, "I;16": np.uint16, "I;16B": np.uint16, "I": np.int32}
"""What the pixels of each of Pillow's modes are; other modes are pictures in colours or bits."""
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339


def read_tiff(file: IO[bytes], check: HeaderCheck) -> NDArray[Any]:
    """Return the pixels of a file with one page; raises InputError for one that does not hold scores."""
    try:
        with Image.open(file, formats=("TIFF",)) as image:
            refuse_pictures(image, _TYPES)
            refuse_turned(image)
            tags: dict[int, Any] = getattr(image, "tag_v2", {})
            if tags.get(_PHOTOMETRIC) == 0:
                raise InputError("its smallest values are white, as in a picture; save the scores as float32.")
            check((image.height, image.width), np.dtype(_TYPES[image.mode]))
            values = np.asarray(image)
    except UnidentifiedImageError as error:
        reason = "it is no TIFF file, or of other numbers than float32 and integers"
        raise InputError(f"{reason}; save it as a TIFF of float32.") from error
    # Pillow takes all numbers of 32 bits for signed ones, and all of 8 bits for unsigned ones.
    if values.dtype == np.int32 and tags.get(_BITS, (32,)) == (32,) and tags.get(_SAMPLE_FORMAT, (1,)) == (1,):
        return values.view(np.uint32)
    return values.view(np.int8) if values.dtype == np.uint8 and tags.get(_SAMPLE_FORMAT) == (2,) else values
