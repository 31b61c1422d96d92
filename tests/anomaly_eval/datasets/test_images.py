"""Images and masks are read by content, and every damaged file is named."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.datasets.images import read_image, read_mask
from anomaly_eval.errors import InputError
from tests.shared_data import shared_data

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
MASK = np.random.default_rng(1).choice(np.array([0, 1, 255], dtype=np.uint8), (12, 20))


def test_png_is_read_exactly(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == np.uint8
    assert image.flags.writeable
    np.testing.assert_array_equal(image, PIXELS)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF"])
def test_the_suffix_does_not_matter(tmp_path: Path, format: str) -> None:
    with open(tmp_path / "a.png", "wb") as file:
        Image.fromarray(PIXELS).save(file, format=format)
    assert read_image(tmp_path / "a.png").shape == (12, 20, 3)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "YCbCr", "1"])
def test_other_pixel_formats_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png")
    drawn = Image.new("RGB", (20, 12), (255, 255, 255)).convert(mode)
    drawn.save(path)
    np.testing.assert_array_equal(read_image(path), np.full((12, 20, 3), 255))


def test_palette_with_transparency_becomes_rgb(tmp_path: Path) -> None:
    drawn = Image.fromarray(PIXELS).quantize(8)
    drawn.save(tmp_path / "a.png", transparency=bytes([0, 128, 255, 255, 255, 255, 255, 255]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.array(drawn.convert("RGB")))


def test_16_bit_gray_is_reduced(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255, 256, 65535]], dtype=np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0, :, 0], [0, 0, 1, 255])


def test_floating_point_image_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif holds floating-point"):
        read_image(tmp_path / "a.tif")


def test_wider_than_16_bit_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70000]], dtype=np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif holds values beyond 16 bits"):
        read_image(tmp_path / "a.tif")


def test_16_bit_gray_with_8_bit_values_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1, 255]], dtype=np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png has 16 bits per pixel but no value above 255"):
        read_image(tmp_path / "a.png")


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", [0, 2, 3, 6, 8])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation_is_refused(tmp_path: Path, format: str, orientation: int) -> None:
    path = tmp_path / "a.png"
    with open(path, "wb") as file:
        Image.fromarray(MASK).save(file, format=format, exif=with_orientation(orientation))
    for read, kind, partner in ((read_image, "image", "mask"), (read_mask, "mask", "image")):
        assert callable(read)
        with pytest.raises(InputError) as caught:
            read(path)
        assert f"the {kind} {path} has the EXIF orientation {orientation}, " in str(caught.value)
        assert f"save it without the tag, turned as its {partner} is" in str(caught.value)


def test_upright_exif_orientation_is_accepted(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=with_orientation(1))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PIXELS)


@pytest.mark.parametrize("reference", ["road_anomaly", "smiyc_road_anomaly21"])
def test_real_images_are_upright(reference: str) -> None:
    paths = sorted((shared_data() / reference / "images").iterdir())
    assert paths
    for path in paths:
        with Image.open(path) as image:
            assert image.getexif().get(0x0112, 1) == 1


def test_no_other_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*arguments: object, **options: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", start)
    Image.fromarray(PIXELS).save(tmp_path / "a.eps")
    for read in (read_image, read_mask):
        with pytest.raises(InputError, match=r"a\.eps is not an image in PNG, JPEG, .* or GIF format"):
            read(tmp_path / "a.eps")


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_damaged_files_are_named(tmp_path: Path, read: object) -> None:
    assert callable(read)
    Image.fromarray(PIXELS).save(tmp_path / "good.jpg", quality=95)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:-300])
    Image.fromarray(PIXELS).save(tmp_path / "good.png")
    content = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "flipped.png").write_bytes(content[:60] + bytes([content[60] ^ 255]) + content[61:])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    for name, words in {
        "cut.jpg": "cannot be read",
        "cut.png": "cannot be read",
        "flipped.png": "cannot be read",
        "empty.png": "is empty",
        "text.png": "is not an image",
        "folder.png": "cannot be read",
        "missing.png": "there is no file",
    }.items():
        with pytest.raises(InputError) as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert words in str(caught.value)


def test_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match=r"a\.png claims to have far too many pixels"):
        read_image(tmp_path / "a.png")


def test_gray_mask_keeps_its_values(tmp_path: Path) -> None:
    Image.fromarray(MASK).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, MASK)


def test_palette_mask_gives_indices(tmp_path: Path) -> None:
    drawn = Image.fromarray(MASK)
    drawn.putpalette([200, 10, 30] * 256)
    assert drawn.mode == "P"
    drawn.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), MASK)


def test_one_bit_mask_gives_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(MASK == 1).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, MASK == 1)


def test_16_bit_mask_keeps_its_values(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1, 255, 1000]], dtype=np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[0, 1, 255, 1000]])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_mask_with_equal_channels_is_accepted(tmp_path: Path, mode: str) -> None:
    Image.fromarray(MASK).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), MASK)


def test_colour_mask_is_refused(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png is a colour picture"):
        read_mask(tmp_path / "a.png")


def test_mask_in_other_pixel_format_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif has the pixel format F"):
        read_mask(tmp_path / "a.tif")


def test_a_file_that_may_not_be_read_needs_permissions_and_no_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(InputError, match=r"0\.png cannot be read \(Permission denied\); change its permissions\.$"):
        read_mask(tmp_path / "0.png")
