"""Hashes of what was measured rather than of files: pixels, and what a card makes of labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class PixelHashes:
    """Hashes of the images and labels of a dataset, whatever their order, their names, and how files store them."""

    def __init__(self) -> None:
        """Start without any image."""
        self._pairs: list[bytes] = []
        self._labels: list[bytes] = []

    def add(self, image: NDArray[np.uint8], label: NDArray[np.integer[Any]]) -> None:
        """Add an image (height, width, 3) and its label (height, width)."""
        of_label = _digest(label)
        self._pairs.append(_digest(image) + of_label)
        self._labels.append(of_label)

    @property
    def of_images(self) -> list[str]:
        """Of each image with its label, in the order in which they were added."""
        return [hashlib.sha256(pair).hexdigest() for pair in self._pairs]

    @property
    def pixels_sha256(self) -> str:
        """Of all images, each with its label."""
        return _total(self._pairs)

    @property
    def labels_sha256(self) -> str:
        """Of all labels."""
        return _total(self._labels)


def _digest(array: NDArray[Any]) -> bytes:
    found = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    found.update(np.ascontiguousarray(array).data)
    return found.digest()


def _total(digests: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()
