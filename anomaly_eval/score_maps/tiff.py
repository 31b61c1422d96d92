"""Score maps as TIFF files: one channel of float32, without loss, with the predictor for floating-point numbers.

The predictor (Adobe Photoshop TIFF Technical Note 3) parts each row into the first, second, third and last bytes of
its numbers and keeps differences, so that what changes little from pixel to pixel compresses well. Pillow could write
the same, but it holds up all other threads while it compresses.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

# Levels above take half as long again for a tenth less, the one below saves no time.
_LEVEL = 2
_STRIP_BYTES = 1 << 18
_SHORT, _LONG = 3, 4
_DEFLATE, _BLACK_IS_ZERO, _ONE_PLANE, _FLOATING_PREDICTOR, _FLOATING_POINT = 8, 1, 1, 3, 3


def encode_tiff(values: NDArray[np.float32]) -> bytes:
    """Return the file of a map (height, width), float32 of any value; the same map always gives the same bytes.

    Raises ValueError for another shape or type.
    """
    if values.ndim != 2 or values.dtype != np.float32 or not values.size:
        raise ValueError(f"expected float32 (height, width), not {values.dtype} {values.shape}")
    height, width = values.shape
    rows = max(1, _STRIP_BYTES // (4 * width))
    strips = [zlib.compress(_predicted(values[start : start + rows]), _LEVEL) for start in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]
    offsets = [8 + sum(sizes[:index]) for index in range(len(sizes))]
    # Directories begin at even places.
    padding = sum(sizes) % 2
    place = 8 + sum(sizes) + padding
    fields = (
        (256, _LONG, [width]),
        (257, _LONG, [height]),
        (258, _SHORT, [32]),
        (259, _SHORT, [_DEFLATE]),
        (262, _SHORT, [_BLACK_IS_ZERO]),
        (273, _LONG, offsets),
        (277, _SHORT, [1]),
        (278, _LONG, [min(rows, height)]),
        (279, _LONG, sizes),
        (284, _SHORT, [_ONE_PLANE]),
        (317, _SHORT, [_FLOATING_PREDICTOR]),
        (339, _SHORT, [_FLOATING_POINT]),
    )
    header = b"II*\0" + struct.pack("<I", place)
    return b"".join([header, *strips, b"\0" * padding, _directory(place, fields)])


def _predicted(rows: NDArray[np.float32]) -> bytes:
    """Return rows as the predictor writes them: bytes by significance, each minus the one before it in its row."""
    height, width = rows.shape
    numbers = rows.astype(">f4", order="C").view(np.uint8).reshape(height, width, 4)
    parted = numbers.transpose(0, 2, 1).reshape(height, 4 * width)
    differences = parted.copy()
    differences[:, 1:] -= parted[:, :-1]
    return differences.tobytes()


def _directory(place: int, fields: tuple[tuple[int, int, list[int]], ...]) -> bytes:
    """Return the image file directory that begins at `place`, and after it the values that are too long for it."""
    entries, beside = b"", b""
    behind = place + 2 + 12 * len(fields) + 4
    for tag, kind, numbers in fields:
        content = struct.pack(f"<{len(numbers)}{'H' if kind == _SHORT else 'I'}", *numbers)
        if len(content) > 4:
            content, beside = struct.pack("<I", behind + len(beside)), beside + content
        entries += struct.pack("<HHI", tag, kind, len(numbers)) + content.ljust(4, b"\0")
    return struct.pack("<H", len(fields)) + entries + b"\0\0\0\0" + beside
