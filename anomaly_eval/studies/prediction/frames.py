"""From what users name to images: files, folders with all folders in them, and videos frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.images import image_size, read_image, read_photo
from anomaly_eval.datasets.label_files import label_files
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.our_folders import is_ours
from anomaly_eval.studies.prediction.names import names_for

IMAGES = frozenset([".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".gif", ".mpo"])
VIDEOS = frozenset([".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"])
_USUAL_RATE = 25.0


@dataclass(frozen=True)
class Frame:
    """One image. image: uint8 (height, width, 3) RGB. number: of a frame of a video, from 0."""

    name: str
    """That no other one has, and files can be called by; frames of a video lie in a folder, called by their number."""
    source: Path
    number: int | None
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A file with one image."""

    name: str
    path: Path
    count: int = 1
    turned: bool = True
    """Whether it is turned as its EXIF orientation says it is shown; else one that is to be turned is refused."""

    @cached_property
    def size(self) -> tuple[int, int]:
        """(width, height) as stored; raises InputError for what is refused by its header."""
        return image_size(self.path, may_be_turned=self.turned)

    def frames(self) -> Iterator[Frame]:
        """Yield the one image; raises InputError where it cannot be read."""
        yield Frame(self.name, self.path, None, (read_photo if self.turned else read_image)(self.path))


@dataclass(frozen=True)
class Video:
    """A file with frames.

    count: how many it says that it has, None where it does not. rate: frames a second. size: (width, height).
    """

    name: str
    path: Path
    count: int | None
    rate: float
    size: tuple[int, int]

    @classmethod
    def open(cls, name: str, path: Path) -> Video:
        """Look at the file; raises InputError where nothing of it can be decoded."""
        video = _capture(path)
        try:
            count, rate = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
            found, frame = video.read()
        finally:
            video.release()
        if not found:
            raise _not_decoded(path)
        known = int(count) if 0 < count < 1e9 else None
        return cls(name, path, known, rate if 0 < rate < 1000 else _USUAL_RATE, (frame.shape[1], frame.shape[0]))

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, of which one is in memory; raises InputError where there is none."""
        video, number = _capture(self.path), 0
        try:
            while (read := video.read())[0]:
                image = np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), np.uint8)
                yield Frame(f"{self.name}/{number:06d}", self.path, number, image)
                number += 1
        finally:
            video.release()
        if not number:
            raise _not_decoded(self.path)


Input = Picture | Video


def find_inputs(paths: Sequence[Path], suffixes: frozenset[str] = IMAGES | VIDEOS) -> tuple[list[Input], list[str]]:
    """Return what is to be looked at, in its order, folders by name, and what users should know of it.

    suffixes: of the files that are taken of folders; a file that users name is taken whatever its suffix.

    Hidden files and folders are nobody's photos, nor are the labels of a data set that lie in its folder, nor pictures
    that our commands wrote; whoever names a file itself means it. Raises InputError for what is not there, a folder
    without images, and a video that cannot be decoded.
    """
    if not paths:
        raise InputError("there is nothing to predict; give images, videos, or folders of them.")
    found: list[tuple[str, Path]] = []
    notes: list[str] = []
    for path in paths:
        if path.is_dir() and len(paths) > 1 and is_ours(path):
            notes.append(_left_alone(path))
        elif path.is_dir():
            inside, said = _inside(path, suffixes)
            found += inside
            notes += said
        elif path.is_file():
            found.append((path.name, path))
        else:
            problem = "is neither a file nor a folder" if os.path.lexists(path) else "does not exist"
            raise InputError(f"{path} {problem}; give images, videos, or folders of them.")
    if not found:
        raise InputError(f"{paths[0]} and the others hold results of this tool rather than photos; give the photos.")
    for name, path in found:
        if not _is_text(name):
            raise InputError(f"the name of the file {str(path)!a} is not UTF-8, so no result can name it; rename it.")
    # What is named twice is looked at once.
    found = list({os.path.abspath(path): (name, path) for name, path in reversed(found)}.values())[::-1]
    return [_input(name, path) for name, (_, path) in zip(names_for(found), found, strict=True)], notes


def _inside(folder: Path, suffixes: frozenset[str]) -> tuple[list[tuple[str, Path]], list[str]]:
    """Return the images and videos of a folder by their names in it, and what users should know of the rest."""
    if is_ours(folder):
        raise InputError(f"{folder} holds results of this tool rather than photos; give the folder of the photos.")
    seen, ours, notes = _files_in(folder)
    taken = [path for path in seen if path.suffix.lower() in suffixes]
    if len(ours) == 1:
        notes.append(_left_alone(ours[0]))
    elif ours:
        notes.append(f"{folder} also holds {len(ours)} folders of this tool's results, left alone, such as {ours[0]}")
    if not taken:
        kinds = "image or video" if suffixes >= VIDEOS else "image"
        raise InputError(f"{folder} holds no {kinds} ({', '.join(sorted(suffixes))}); give another folder.")
    labels = label_files(folder, taken)
    if len(labels) == len(taken):
        raise InputError(f"{folder} holds the labels of a data set; give the folder of its images, or name files.")
    if labels:
        which = "a picture that is a label" if len(labels) == 1 else f"{len(labels)} pictures that are labels"
        notes.append(f"{folder} also holds {which} of a data set, left alone, such as {min(labels)}")
    if 0 < (videos := sum(path.suffix.lower() in VIDEOS for path in taken)) < len(taken):
        which = "a video, every frame of which is" if videos == 1 else f"{videos} videos, every frame of which is"
        notes.append(f"{folder} also holds {which} predicted; name the images where that is not meant")
    if others := len(seen) - len(taken):
        which = "1 file that is no image" if others == 1 else f"{others} files that are no images"
        notes.append(f"{folder} also holds {which}, left alone")
    return [(path.relative_to(folder).as_posix(), path) for path in taken if path not in labels], notes


def _files_in(folder: Path) -> tuple[list[Path], list[Path], list[str]]:
    """Return the files of a folder and of all folders in it, but of hidden ones and of those that we wrote: these.

    Also notes on folders that cannot be looked through, as file systems have some of their own.
    """
    found: list[Path] = []
    ours: list[Path] = []
    notes: list[str] = []

    def cannot_look(error: OSError) -> None:
        problem = f"{error.filename} cannot be looked through ({error.strerror})"
        if Path(error.filename) == folder:
            raise InputError(f"{problem}; change its permissions, or name the images.") from error
        notes.append(f"{problem}, and is left alone")

    for place, folders, files in os.walk(folder, onerror=cannot_look):
        within = [Path(place, name) for name in folders if not name.startswith(".")]
        ours += (path for path in within if is_ours(path))
        folders[:] = [path.name for path in within if path not in ours]
        found += (path for name in files if not name.startswith(".") and (path := Path(place, name)).is_file())
    return sorted(found), sorted(ours), notes


def _left_alone(ours: Path) -> str:
    return f"{ours} holds results of this tool, no photos, and is left alone"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _input(name: str, path: Path) -> Input:
    return Video.open(name, path) if path.suffix.lower() in VIDEOS else Picture(name, path)


def _capture(path: Path) -> cv2.VideoCapture:
    # FFmpeg and OpenCV would say on standard error what the sentence below says; FFmpeg's variable is read once.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        # An absolute path is no name of a stream, and this reader takes no patterns of numbers.
        video = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not video.isOpened():
        video.release()
        raise _not_decoded(path)
    return video


def _not_decoded(path: Path) -> InputError:
    return InputError(
        f"the video {path} cannot be decoded; convert it to MP4 with H.264, give its frames as images, or leave it "
        f"out by naming the others."
    )
