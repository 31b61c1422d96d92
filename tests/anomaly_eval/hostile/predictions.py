"""Rows of the table: photos and videos without labels, for `predict`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from anomaly_eval.studies.prediction.records import Predictions
from tests.anomaly_eval.hostile.bench import Bench, Row

PIXELS = np.random.default_rng(4).integers(0, 256, (32, 48, 3), dtype=np.uint8)


def words_for(bench: Bench, *inputs: str | Path) -> list[str]:
    """Return the words of `predict`."""
    network = ["--ckpt", str(bench.folder / "net.pth"), "--device", "cpu", "--out", str(bench.out)]
    return ["predict", *(str(bench.folder / "photos" / one) for one in inputs), *network]


def photo(name: str, content: bytes | None = None, alone: bool = False) -> Callable[[Bench], list[str]]:
    """Return how a row puts a file beside a good photo; None is half of a good one. alone: give it without that."""

    def prepare(bench: Bench) -> list[str]:
        folder = beside_good(bench)
        good = (folder / "good.png").read_bytes()
        (folder / name).write_bytes(good[: len(good) // 2] if content is None else content)
        return words_for(bench, name if alone else "")

    return prepare


def without_the_cut_one(bench: Bench) -> None:
    """Whether the good photo was predicted, and the other is told."""
    found = predictions(bench)
    assert [image.name for image in found.images] == ["good"]
    assert [Path(one.source).name for one in found.unread] == ["cut.png"]
    assert "cut.png cannot be read" in found.warnings[0]


def beside_good(bench: Bench) -> Path:
    """Save a good photo in a folder of its own, and return the folder."""
    folder = bench.folder / "photos"
    folder.mkdir()
    Image.fromarray(PIXELS).save(folder / "good.png")
    return folder


def turned(bench: Bench) -> list[str]:
    """Save a photo that is to be turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(beside_good(bench) / "turned.png", exif=exif)
    return words_for(bench, "turned.png")


def turned_for_server(bench: Bench) -> list[str]:
    """Give that photo to a server."""
    return [*turned(bench), "--format", "smiyc", "--split", "AnomalyTrack-all"]


def is_turned(bench: Bench) -> None:
    """Whether the result has the photo's height as its width."""
    (image,) = predictions(bench).images
    assert (image.width, image.height) == PIXELS.shape[:2]


def predictions(bench: Bench) -> Predictions:
    return Predictions.model_validate(json.loads((bench.out / "predictions.json").read_text()))


def no_video(content: bytes) -> Callable[[Bench], list[str]]:
    """Return how a row writes a file that is called like a video."""
    return lambda bench: ((beside_good(bench) / "drive.mp4").write_bytes(content), words_for(bench, "drive.mp4"))[1]


def half_video(bench: Bench) -> list[str]:
    """Write a video of twelve frames, and cut it in the middle."""
    path = beside_good(bench) / "drive.avi"
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (48, 32))
    for _ in range(12):
        film.write(PIXELS)
    film.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return words_for(bench, "drive.avi")


def counts_frames(bench: Bench) -> None:
    """Whether frames were predicted, and those that lack are told."""
    found = predictions(bench)
    assert 0 < len(found.images) < 12
    assert any(f"only {len(found.images)} of the 12 frames" in warning for warning in found.warnings)


def without_images(bench: Bench) -> list[str]:
    """Leave a text in the folder, and nothing else."""
    folder = beside_good(bench)
    (folder / "good.png").rename(folder / "notes.txt")
    return words_for(bench, "")


def pipe(name: str) -> Callable[[Bench], list[str]]:
    """Return how a row puts a pipe in the place of a file."""
    return lambda bench: (os.mkfifo(beside_good(bench) / name), words_for(bench, name))[1]


def no_text(bench: Bench) -> list[str]:
    """Give a photo a name that is no text."""
    folder = beside_good(bench)
    os.rename(folder / "good.png", os.fsencode(folder) + b"/\xff.png")
    return words_for(bench, "")


def with_labels(bench: Bench) -> list[str]:
    """Give a server the folder that holds the images and the masks."""
    inputs = ["predict", str(bench.data / "own"), *words_for(bench)[1:]]
    return [*inputs, "--format", "smiyc", "--split", "AnomalyTrack-all"]


ROWS = [
    Row("a truncated photo, for `predict`", 2, "`cannot be read`", photo("cut.png", alone=True), "cut.png"),
    Row(
        "a truncated photo beside good ones, for `predict`",
        1,
        "left out with a warning and in `predictions.json`; the others are predicted",
        photo("cut.png"),
        check=without_the_cut_one,
    ),
    Row(
        "an HTML page called .jpg, for `predict`",
        2,
        "`is not an image in PNG, JPEG`",
        photo("page.jpg", b"<!DOCTYPE html><title>404</title>"),
        "page.jpg",
    ),
    Row("a photo with an EXIF rotation, for `predict`", 0, "turned as it is shown", turned, check=is_turned),
    Row(
        "an image with an EXIF rotation, for `predict --format`",
        2,
        "`has the EXIF orientation 6`",
        turned_for_server,
        "turned.png",
    ),
    Row(
        "a video that is empty, or none",
        2,
        "`cannot be decoded; convert it to MP4`",
        (no_video(b""), no_video(b"\0\0\0\x18ftypmp42" + bytes(200))),
        "drive.mp4",
    ),
    Row(
        "a truncated video",
        0,
        "its first frames are predicted, and a warning counts them",
        half_video,
        check=counts_frames,
    ),
    Row("a folder without images, for `predict`", 2, "`holds no image`", without_images, "photos"),
    Row(
        "a pipe in place of a photo or a video",
        2,
        "`is neither a file nor a folder`",
        (pipe("photo.png"), pipe("drive.mp4")),
    ),
    Row("a photo whose name is not UTF-8", 2, "`so no result can name it; rename it`", no_text),
    Row(
        "masks beside the folder of images, for `predict --format`",
        2,
        "`has all its images in one; give that folder`",
        with_labels,
        "own",
    ),
]
