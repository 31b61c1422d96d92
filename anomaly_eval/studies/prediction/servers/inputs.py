"""Images under the names that a server has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from anomaly_eval.errors import InputError
from anomaly_eval.studies.prediction.frames import IMAGES, Picture, find_inputs
from anomaly_eval.studies.prediction.servers.base import ServerFormat


def pictures_for(server: ServerFormat) -> tuple[list[Picture], list[str]]:
    """Return the images, called SPLIT/ID, or ID where a server has no splits, and what users should know.

    Raises InputError as `find_inputs` does, for a split that the server does not have, for videos, for images that lie
    or are called otherwise than the server's own, and for two of one name.
    """
    pictures: dict[str, Picture] = {}
    warnings: list[str] = []
    given: dict[str, list[Path]] = {}
    for folder, split in zip(server.request.inputs, _splits(server), strict=True):
        inputs, notes = find_inputs([folder], IMAGES)
        warnings += notes
        for one in inputs:
            if not isinstance(one, Picture):
                raise InputError(f"{one.path} is a video, and {server.title} tests on images; give their folder.")
            _check_depth(server, folder, one.path, split)
            id = server.id_of(one.path, split)
            name = id if split is None else f"{split}/{id}"
            if name in pictures:
                raise InputError(f"{pictures[name].path} and {one.path} are both {name}; give one of them.")
            # The server's labels are for the pixels as they are stored.
            pictures[name] = Picture(name, one.path, turned=False)
        if split is not None:
            given.setdefault(split, []).extend(one.path for one in inputs)
    return list(pictures.values()), warnings + _doubts(server, given)


def _splits(server: ServerFormat) -> Sequence[str | None]:
    """Return the split of each input."""
    request = server.request
    if not request.inputs:
        raise InputError(f"there is nothing to predict; give the folder of images of {server.title}.")
    if not server.splits:
        return [None] * len(request.inputs)
    known = f"one of {', '.join(server.splits)}"
    if not request.split:
        raise InputError(f"--format {request.format} needs the name of the split; give --split, {known}.")
    for split in request.split:
        if split not in server.splits:
            raise InputError(f"{server.title} keeps nothing under the split {split!r}; give --split, {known}.")
    if len(request.split) not in (1, len(request.inputs)):
        raise InputError(
            f"--split names {len(request.split)} splits for {len(request.inputs)} inputs; give one, or one for each."
        )
    return list(request.split) * (len(request.inputs) if len(request.split) == 1 else 1)


def _check_depth(server: ServerFormat, folder: Path, image: Path, split: str | None) -> None:
    """Refuse what lies deeper than images do: labels lie beside their folder."""
    nested = split is not None and server.splits[split].nested
    if folder.is_dir() and image.parent != folder and not nested:
        raise InputError(
            f"{image} lies in a folder within {folder}, but {server.title} has all its images in one; give that folder."
        )


def _doubts(server: ServerFormat, given: Mapping[str, Sequence[Path]]) -> list[str]:
    """Say where there are more or fewer images than a server has, and where none has a name that it knows."""
    doubts = []
    for name, images in given.items():
        split = server.splits[name]
        if split.images not in (None, len(images)):
            doubts.append(f"{name} has {split.images} images; given here: {len(images)}")
        if split.names is not None and not any(image.stem in split.names for image in images):
            doubts.append(
                f"no image is called as those of {name} were released, such as {split.names.example}, and "
                f"{server.title} finds predictions by these names; given here: {images[0].name}"
            )
    return doubts
