"""Which pictures are labels of other pictures: by where data sets have them, or by what they hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.cards import shipped_cards
from anomaly_eval.datasets.layouts import CONTROL, pair_files
from anomaly_eval.errors import InputError

_MOST_COLOURS = 64
"""Photos have thousands, labels a few: one for each class."""
_FEWEST_PIXELS = 64 * 64
"""In smaller pictures few colours say nothing."""
_LEVELS_ABOVE = 2
_MOST_FOLDERS = 500


def label_files(folder: Path, pictures: Sequence[Path]) -> set[Path]:
    """Return those pictures of a folder that are labels.

    Labels are what lies as the masks of a shipped card do, where an image lies as its images do, with the same id,
    whatever the data set is called; and all else in folders of masks that hold no such image, as coloured copies.
    """
    images: set[Path] = set()
    masks: set[Path] = set()
    for base in _bases(Path(os.path.abspath(folder))):
        for templates in _layouts():
            try:
                pairing = pair_files(base.parent, *templates[:2], base.name, templates[2])
            except (InputError, OSError, ValueError):  # what cannot be looked through is told where it is read
                continue
            images |= {pairing.images[id] for id in pairing.pairs}
            masks |= {pairing.masks[id] for id in pairing.pairs}
    masks -= images
    folders = {path.parent for path in masks} - {path.parent for path in images}
    places = {picture: Path(os.path.abspath(picture)) for picture in pictures}
    return {picture for picture, place in places.items() if place in masks or place.parent in folders}


def looks_like_labels(image: NDArray[np.uint8]) -> bool:
    """Whether an image (height, width, 3) has as few colours as a picture of labels, in gray or in colours."""
    height, width = image.shape[:2]
    if height * width < _FEWEST_PIXELS:
        return False
    # A few pixels of a photo are enough to tell.
    return all(_colours(image[::step, ::step]) <= _MOST_COLOURS for step in (8, 1))


def _colours(image: NDArray[np.uint8]) -> int:
    return len(np.unique(image.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)))


def _layouts() -> list[tuple[tuple[str, ...], tuple[str, ...], str]]:
    """Return the templates of images and masks of all shipped cards, and the variants that they are filled with."""
    found = (
        (layout.images, layout.masks, variant if "{variant}" in " ".join((*layout.images, *layout.masks)) else "")
        for card in shipped_cards()
        for variant in card.variants
        for layout in card.layouts_of(variant)
    )
    return list(dict.fromkeys(found))


def _bases(folder: Path) -> Iterator[Path]:
    """Yield folders that may be that of a data set: this one, those that it is in, and those in it."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir())[:_MOST_FOLDERS]
    for base in (folder, *list(folder.parents)[:_LEVELS_ABOVE], *inside):
        # Templates would take these for their own.
        if base.name and not CONTROL.search(base.name) and not set(base.name) & set("{}*\\"):
            yield base
