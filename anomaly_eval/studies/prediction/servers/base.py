"""What a server takes: images under names of its own, and files for each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from anomaly_eval.errors import InputError
from anomaly_eval.studies.prediction.predictor import PredictedFrame, Predictor
from anomaly_eval.studies.prediction.request import PredictionRequest
from anomaly_eval.studies.prediction.servers.released_names import ReleasedNames


@dataclass(frozen=True)
class Split:
    """A set of images that a server knows by name.

    images: how many there are, None where that is not published. ending: what names of images have at their end and
    names of predictions have not, but `instead`. nested: whether images lie in folders within their folder. names: what
    images are called, None where that is not published.
    """

    images: int | None = None
    ending: str = ""
    instead: str = ""
    nested: bool = False
    names: ReleasedNames | None = None


class ServerFormat(ABC):
    """Writes the predictions of one run as one server takes them.

    Subclasses cite the description or the reader that they follow.
    """

    title: ClassVar[str]
    splits: ClassVar[Mapping[str, Split]] = {}
    """Empty where a server gives its images no name."""
    asks_threshold: ClassVar[bool] = False
    """Whether what is unknown matters."""

    def __init__(self, request: PredictionRequest) -> None:
        """Take what is asked for; raises InputError for options that the server cannot have."""
        self.request = request

    def id_of(self, path: Path, split: str | None) -> str:
        """Return what the server calls an image; raises InputError where its name is none that the server gives."""
        known = self.splits[split] if split is not None else Split()
        if not path.stem.endswith(known.ending):
            raise InputError(
                f"{path} is not called *{known.ending}{path.suffix}, as the images of {split} are; "
                f"give them under the names that they were released with, and no labels."
            )
        return path.stem.removesuffix(known.ending) + known.instead

    @abstractmethod
    def begin(self, predictor: Predictor) -> None:
        """Look at the network before the first image; raises InputError for one that the server has no use for."""

    @abstractmethod
    def write(self, folder: Path, found: PredictedFrame) -> list[str]:
        """Write the files of one image, whose name is that of the server, and return them relative to the folder."""

    def fields(self) -> dict[str, Any]:
        """Return what `predictions.json` says of the format."""
        return {"method": None, "precision": None, "lost_order": None}

    def warnings(self) -> list[str]:
        """Return what users should know when all images are written."""
        return []


def refuse_infinite(found: PredictedFrame, title: str) -> None:
    """Raise InputError for scores that are infinite, which a server would take for none."""
    count = np.count_nonzero(np.isinf(found.scores))
    if count:
        raise InputError(
            f"{count} pixels of {found.frame.source} have an infinite score, which {title} cannot rank; "
            f"choose another --score."
        )


def write_file(folder: Path, name: str, content: bytes) -> str:
    """Write a file into a folder that need not be there, and return its name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name
