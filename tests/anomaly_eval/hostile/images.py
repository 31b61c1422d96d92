"""Rows of the table: images."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from anomaly_eval.datasets.images import read_image
from tests.anomaly_eval.commands import SIZE
from tests.anomaly_eval.fuzzing.png_files import chunk, png_of
from tests.anomaly_eval.hostile.bench import Bench, Row

IMAGE = "images/1.png"
WIDTH, HEIGHT = SIZE
PIXELS = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def bytes_of(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    """Encode an image."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def put(content: bytes) -> Callable[[Bench], list[str]]:
    """Return how a row writes bytes into the image."""
    return lambda bench: (bench.image.write_bytes(content), bench.eval())[1]


def drawn(mode: str, format: str = "PNG", **options: object) -> Callable[[Bench], list[str]]:
    """Return how a row saves the pixels in another pixel format."""
    return put(bytes_of(Image.fromarray(PIXELS).convert(mode), format, **options))


def animated(format: str) -> bytes:
    """Encode two frames."""
    frames = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1].copy())]
    return bytes_of(frames[0], format, save_all=True, append_images=frames[1:])


def turned() -> bytes:
    """Encode a JPEG that asks to be turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return bytes_of(Image.fromarray(PIXELS), "JPEG", exif=exif)


def has_colours(expected: np.ndarray) -> Callable[[Bench], None]:
    """Return the check that the image was read as these pixels."""
    return lambda bench: np.testing.assert_array_equal(read_image(bench.image), expected)


GRAY = np.array(Image.fromarray(PIXELS).convert("L"))
DEEP = PIXELS[..., 0].astype(np.uint16) * 256 + 7
JPEG = bytes_of(Image.fromarray(PIXELS), "JPEG", quality=95)
CANNOT = "`cannot be read`"
PALETTE = Image.fromarray(PIXELS).quantize(8)

ROWS = [
    Row(
        "a decompression bomb",
        2,
        "`claims to have far too many pixels`",
        put(png_of(60000, 60000, 8, 0, b"\0" * 100)),
        IMAGE,
    ),
    Row(
        "an image of huge width",
        2,
        "`claims to have far too many pixels`",
        put(png_of(2**31 - 1, 1, 8, 0, b"\0")),
        IMAGE,
    ),
    Row("a PNG whose text unpacks to 100 MB", 2, CANNOT, lambda bench: put(text_bomb())(bench), IMAGE),
    Row("an empty image", 2, "`is empty`", put(b""), IMAGE),
    Row("an HTML page called .png", 2, "`is not an image in PNG, JPEG`", put(b"<!DOCTYPE html>"), IMAGE),
    Row("a truncated JPEG", 2, CANNOT, put(JPEG[:-300]), IMAGE),
    Row("an image with an EXIF rotation", 2, "`has the EXIF orientation 6`", put(turned()), IMAGE),
    Row("an animated GIF", 2, "`holds several pictures`", put(animated("GIF")), IMAGE),
    Row("an animated PNG", 2, "`holds several pictures`", put(animated("PNG")), IMAGE),
    Row("an animated WebP", 2, "`holds several pictures`", put(animated("WEBP")), IMAGE),
    Row("a TIFF of several pages", 2, "`holds several pictures`", put(animated("TIFF")), IMAGE),
    Row(
        "a JPEG of several pictures, as phones write (MPO)",
        0,
        "the first is the image; the others are previews of it",
        lambda bench: put(animated("MPO"))(bench),
    ),
    Row(
        "a grey image",
        0,
        "grey becomes three equal channels",
        drawn("L"),
        check=has_colours(np.repeat(GRAY[..., None], 3, axis=2)),
    ),
    Row(
        "an image with a palette",
        0,
        "its colours are looked up",
        put(bytes_of(PALETTE)),
        check=has_colours(np.array(PALETTE.convert("RGB"))),
    ),
    Row(
        "an image with transparency (RGBA)", 0, "the transparency is dropped", drawn("RGBA"), check=has_colours(PIXELS)
    ),
    Row("a CMYK image", 0, "converted to RGB without colour profile", drawn("CMYK", "TIFF")),
    Row(
        "a 16-bit grey image",
        0,
        "the upper 8 bits are taken",
        put(bytes_of(Image.fromarray(DEEP))),
        check=has_colours(np.repeat(PIXELS[..., :1], 3, axis=2)),
    ),
    Row(
        "a 16-bit image without a value above 255",
        2,
        "`so it would become black`",
        put(png_of(WIDTH, HEIGHT, 16, 2, b"\0\7" * 3 * WIDTH)),
        IMAGE,
    ),
    Row(
        "a floating-point image (TIFF)",
        2,
        "`holds floating-point pixels`",
        put(bytes_of(Image.fromarray(PIXELS[..., 0].astype(np.float32)), "TIFF")),
        IMAGE,
    ),
]


def text_bomb() -> bytes:
    """Write a small PNG with a compressed comment of 100 MB."""
    good = bytes_of(Image.fromarray(PIXELS))
    comment = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9))
    return good[:33] + comment + good[33:]
