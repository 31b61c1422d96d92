"""Rows of the table: labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from anomaly_eval.datasets.images import read_mask
from tests.anomaly_eval.commands import SIZE
from tests.anomaly_eval.fuzzing.png_files import png_of
from tests.anomaly_eval.hostile.bench import Bench, Row
from tests.anomaly_eval.hostile.images import animated, bytes_of, turned

MASK = "labels_masks/1.png"
WIDTH, HEIGHT = SIZE
VALUES = np.zeros((HEIGHT, WIDTH), np.uint8)
VALUES[20:40, 30:50] = 2


def put(content: bytes) -> Callable[[Bench], list[str]]:
    """Return how a row writes bytes into the mask."""
    return lambda bench: (bench.mask.write_bytes(content), bench.eval())[1]


def of_values(image: Image.Image, format: str = "PNG", **options: object) -> Callable[[Bench], list[str]]:
    """Return how a row saves a mask."""
    return put(bytes_of(image, format, **options))


def all_of_0_and_255(bench: Bench) -> list[str]:
    """Write all masks with 255 for anomalies."""
    for name in ("0.png", "1.png"):
        Image.fromarray(np.where(VALUES == 2, 255, 0).astype(np.uint8)).save(bench.mask.with_name(name))
    return bench.eval()


def keeps_values(bench: Bench) -> None:
    """Check that the mask was read as it was meant."""
    np.testing.assert_array_equal(read_mask(bench.mask), VALUES)


def with_palette() -> Image.Image:
    """Return the mask with colours that have nothing to do with its values."""
    image = Image.fromarray(VALUES)
    image.putpalette([200, 10, 30, 7, 7, 7, 0, 255, 0] + [9, 9, 9] * 253)
    return image


GRAY = Image.fromarray(VALUES)
COLOURS = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
LOSS = "`is compressed with loss, which changed its values`"
STRETCHED = "`stores its gray levels such that some readers stretch or invert them`"

ROWS = [
    Row(
        "a label with a palette",
        0,
        "its indices are the values, whatever the colours",
        of_values(with_palette()),
        check=keeps_values,
    ),
    Row(
        "a label in RGB with equal channels",
        0,
        "one channel is taken",
        of_values(GRAY.convert("RGB")),
        check=keeps_values,
    ),
    Row("a label in colours", 2, "`is a colour picture`", of_values(Image.fromarray(COLOURS)), MASK),
    Row(
        "a 16-bit grey label",
        0,
        "its values are taken as they are",
        of_values(Image.fromarray(VALUES.astype(np.uint16))),
        check=keeps_values,
    ),
    Row(
        "a 16-bit label with values above 255",
        2,
        "`holds the value 300, but its dataset card knows only`",
        of_values(Image.fromarray(VALUES.astype(np.uint16) * 150)),
        MASK,
    ),
    Row(
        "a label in RGB with 16 bits",
        2,
        "`has 16 bits per channel of colour`",
        put(png_of(WIDTH, HEIGHT, 16, 2, b"\0\2" * 3 * WIDTH)),
        MASK,
    ),
    Row(
        "a grey label of 2 or 4 bits",
        2,
        STRETCHED,
        (
            put(png_of(WIDTH, HEIGHT, 4, 0, b"\1" * (WIDTH // 2))),
            put(png_of(WIDTH, HEIGHT, 2, 0, b"\1" * (WIDTH // 4))),
        ),
        MASK,
    ),
    Row("a PGM label with another maximum than 255", 2, STRETCHED, put(b"P5 96 64 5\n" + VALUES.tobytes()), MASK),
    Row(
        "a floating-point label (TIFF)",
        2,
        "`has the pixel format F`",
        of_values(Image.fromarray(VALUES.astype(np.float32)), "TIFF"),
        MASK,
    ),
    Row(
        "labels of 0 and 255 where the card calls 255 void",
        2,
        "`hold only 0 (inlier), 255 (void)`, `if 255 is the anomaly, write`, `labels: {inlier: [0], anomaly: [255]}`",
        all_of_0_and_255,
        "own",
    ),
    Row("a JPEG as label", 2, LOSS, of_values(GRAY, "JPEG"), MASK),
    Row("a lossy WebP as label", 2, LOSS, of_values(GRAY.convert("RGB"), "WEBP"), MASK),
    Row("a label of several pictures", 2, "`holds several pictures`", put(animated("TIFF")), MASK),
    Row("a label with an EXIF rotation", 2, "`has the EXIF orientation 6`", put(turned()), MASK),
    Row("an empty label", 2, "`is empty`", put(b""), MASK),
]
