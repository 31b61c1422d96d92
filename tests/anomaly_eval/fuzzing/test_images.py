"""Whatever an image or a mask holds, it is read or refused in one sentence."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anomaly_eval.datasets.cards import UNKNOWN
from anomaly_eval.datasets.samples import Sample
from tests.anomaly_eval.fuzzing.png_files import chunk
from tests.anomaly_eval.fuzzing.readers import damaged, examples, only_input_errors

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
TABLE = bytes([0, 1, *[UNKNOWN] * 253, 255])


def encoded(mode: str, format: str, **options: object) -> bytes:
    """Return the pixels as a file."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, format, **options)
    return file.getvalue()


FILES = [
    *(encoded(mode, "PNG") for mode in ("RGB", "L", "P", "RGBA", "LA", "1")),
    *(
        encoded("RGB", "TIFF", compression=kind)
        for kind in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    ),
    *(encoded(mode, "TIFF") for mode in ("L", "P", "1", "I", "F", "CMYK", "LAB")),
    *(encoded(mode, "JPEG") for mode in ("RGB", "L", "CMYK")),
    encoded("RGB", "JPEG", progressive=True),
    encoded("RGB", "WEBP"),
    encoded("RGB", "WEBP", lossless=True),
    encoded("P", "GIF"),
    encoded("RGB", "GIF", save_all=True, append_images=[Image.new("RGB", (13, 9))]),
    encoded("RGB", "BMP"),
    encoded("P", "BMP"),
    encoded("RGB", "PPM"),
    encoded("L", "PPM"),
    b"P2\n3 1\n9\n1 2 3\n",
    b"Pf\n2 1\n-1.0\n" + bytes(8),
]
CHUNKS = [
    b"IHDR",
    b"PLTE",
    b"IDAT",
    b"IEND",
    b"tRNS",
    b"acTL",
    b"fcTL",
    b"fdAT",
    b"eXIf",
    b"zTXt",
    b"iTXt",
    b"iCCP",
    b"cHRM",
    b"pHYs",
]


def read_both(content: bytes) -> None:
    """Read a file as an image and as a label."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.png"
        path.write_bytes(content)
        sample = Sample("file", path, path, TABLE)
        with only_input_errors():
            image = sample.read_image()
            assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        with only_input_errors():
            label = sample.read_label()
            assert label.dtype == np.uint8 and label.ndim == 2 and set(np.unique(label)) <= {0, 1, 255}


@given(content=damaged(FILES))
@examples(500)
def test_damaged_images(content: bytes) -> None:
    read_both(content)


@st.composite
def pngs(draw: st.DrawFn) -> bytes:
    """Draw a PNG whose checksums are right, whatever its chunks say."""

    side = st.one_of(st.integers(0, 40), st.sampled_from([2**16, 2**31 - 1, 2**32 - 1]))
    depth, colour = draw(st.sampled_from([1, 2, 4, 8, 16, 3, 255])), draw(st.sampled_from([0, 2, 3, 4, 6, 1, 7]))
    header = struct.pack(">IIBBBBB", draw(side), draw(side), depth, colour, 0, 0, draw(st.integers(0, 2)))
    pixels = zlib.compress(draw(st.binary(max_size=64)) * draw(st.sampled_from([1, 1, 50, 5000])))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    for _ in range(draw(st.integers(0, 3))):
        content = draw(st.one_of(st.binary(max_size=40), st.just(b"a\0\0" + zlib.compress(bytes(10**6)))))
        parts.insert(draw(st.integers(0, 3)), chunk(draw(st.sampled_from(CHUNKS)), content))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@given(content=pngs())
@examples(150)
def test_pngs_with_right_checksums(content: bytes) -> None:
    read_both(content)


@given(
    kind=st.sampled_from(["P1", "P2", "P3", "P4", "P5", "P6", "Pf", "PF", "P7"]),
    numbers=st.lists(st.integers(-2, 70000) | st.just(10**12), max_size=4),
    content=st.binary(max_size=200),
)
@examples(150)
def test_pnm_headers(kind: str, numbers: list[int], content: bytes) -> None:
    read_both(f"{kind} {' '.join(map(str, numbers))}\n".encode() + content)
