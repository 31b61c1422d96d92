"""Score maps on disk as what an evaluation ranks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord, MapFolderRecord, MapsRecord, ModelRecord
from anomaly_eval.results.records import DatasetRecord
from anomaly_eval.results.titles import method_name
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.lone_values import TakesLoneValues
from anomaly_eval.score_maps.files import ReadMap, read_score_map
from anomaly_eval.score_maps.folders import MapFolder, open_folder
from anomaly_eval.score_maps.index import MapsIndex


@dataclass(frozen=True)
class MapsRequest(TakesLoneValues):
    """Which folders, each as FOLDER or FOLDER:KEY, and what their methods are called; see `open_folder`."""

    folders: Sequence[Path]
    names: Sequence[str] = ()


@dataclass(frozen=True)
class _Seen:
    """What was found in a file: its number type, its suffix, the hash of its content."""

    stored: str
    suffix: str
    sha256: str
    stretched: bool
    """Whether it is a PNG whose values go from the least to the largest that its bits can hold."""


class MapsOnDisk:
    """The score maps of all folders, read when they are asked for."""

    def __init__(self, request: MapsRequest, datasets: Sequence[SampleSet]) -> None:
        """Find all files, and read none of them.

        Raises InputError where a folder or a map is missing, names are too few or too many, or two methods are called
        alike.
        """
        if not request.folders:
            raise InputError("--score-maps names no folder; give one or more.")
        if request.names and len(request.names) != len(request.folders):
            raise InputError(
                f"--names gives {len(request.names)} names for {len(request.folders)} of --score-maps; give one "
                f"for each."
            )
        names: Sequence[str | None] = request.names or [None] * len(request.folders)
        self._folders = [open_folder(*pair, datasets) for pair in zip(request.folders, names, strict=True)]
        self._owners: dict[str, MapFolder] = {}
        shown: dict[str, MapFolder] = {}
        for folder in self._folders:
            for method in folder.methods:
                name = method_name(method)
                if name in shown:
                    raise InputError(
                        f"{shown[name].folder} and {folder.folder} both have a method called {name!r}; tell them apart "
                        f"with --names."
                    )
                self._owners[method] = shown[name] = folder
        self._seen: dict[tuple[str, str, str], _Seen] = {}

    @property
    def methods(self) -> list[str]:
        """The methods in the order of the folders."""
        return list(self._owners)

    @property
    def warnings(self) -> list[str]:
        """What readers of the numbers should know of the files."""
        return [warning for folder in self._folders for warning in folder.warnings]

    @property
    def fits(self) -> dict[str, FitRecord]:
        """What the scores behind saved maps were fitted on, by method."""
        return {method: fit for folder in self._folders for method, fit in folder.fits.items()}

    @property
    def models(self) -> dict[str, ModelRecord]:
        """The networks behind saved maps, by method."""
        return {method: owner.index.model for method, owner in self._owners.items() if owner.index is not None}

    @property
    def all_saved(self) -> bool:
        """Whether all maps are of `eval --save-scores`, so that it is known how they came about."""
        return all(folder.index is not None for folder in self._folders)

    def outputs(
        self, samples: SampleSet, sample: Sample, image: NDArray[np.uint8], clock: Clock
    ) -> dict[str, NDArray[np.floating]]:
        """Read the map of each method; raises InputError for one that is not as it was saved, see `read_score_map`."""
        size = image.shape[0], image.shape[1]
        with clock.section("input"):
            return {method: self._read(samples.spec, method, sample, size).values for method in self._owners}

    def maps(self, outputs: Mapping[str, NDArray[Any]], clock: Clock) -> Mapping[str, NDArray[np.floating]]:
        """Return them as they are."""
        return outputs

    def doubts(self, records: Sequence[DatasetRecord]) -> list[str]:
        """Warn of datasets whose images or labels are not those that maps were saved with, and of stretched pictures.

        To be asked when all maps were read.
        """
        changed = [
            f"{record.name}: its images or labels are not those that the score maps in {folder.folder} were saved with"
            for folder in self._folders
            for record in records
            if folder.index is not None and _are_others(folder.index, record)
        ]
        return changed + [
            f"{record.name}: every score map in {folder.folder} goes from the least to the largest value of its PNG, "
            f"as where each image is stretched by itself; scores of different images cannot be compared then"
            for folder in self._folders
            for record in records
            if self._all_stretched(folder, record.name)
        ]

    def _all_stretched(self, folder: MapFolder, dataset: str) -> bool:
        found = [
            one.stretched for (of, method, _), one in self._seen.items() if of == dataset and method in folder.methods
        ]
        return len(found) > 1 and all(found)

    def describe(self) -> MapsRecord:
        """Say which files were read."""
        by_method: defaultdict[str, dict[tuple[str, str, str], _Seen]] = defaultdict(dict)
        for key, seen in self._seen.items():
            by_method[key[1]][key] = seen
        return MapsRecord(
            folders=[
                _record(folder, {key: seen for method in folder.methods for key, seen in by_method[method].items()})
                for folder in self._folders
            ]
        )

    def _read(self, dataset: str, method: str, sample: Sample, size: tuple[int, int]) -> ReadMap:
        owner = self._owners[method]
        file = owner.files[dataset, method][sample.id]
        found = read_score_map(file.path, sample.label, size, owner.key)
        before = self._seen.get((dataset, method, sample.id))
        if file.sha256 is not None and found.sha256 != file.sha256:
            raise InputError(f"the score map {file.path} is not the one that was saved; save the score maps anew.")
        if before is not None and before.sha256 != found.sha256:
            raise InputError(f"the score map {file.path} was changed while it was evaluated; evaluate anew.")
        suffix = file.path.suffix.lower()
        stretched = suffix == ".png" and _spans(found)
        self._seen[dataset, method, sample.id] = _Seen(found.stored, suffix, found.sha256, stretched)
        return found


def _are_others(index: MapsIndex, record: DatasetRecord) -> bool:
    """Whether images or labels are not those that maps were saved with; by their files where pixels are not known."""
    before = index.pixels_sha256.get(record.name)
    if before is not None and record.pixels_sha256 is not None:
        return before != record.pixels_sha256
    return index.files_sha256.get(record.name, record.files_sha256) != record.files_sha256


def _spans(found: ReadMap) -> bool:
    """Whether a map of integers holds the least and the largest that there are."""
    limits = np.iinfo(found.stored)
    return bool(found.values.min() == limits.min and found.values.max() == limits.max)


def _record(folder: MapFolder, seen: Mapping[tuple[str, str, str], _Seen]) -> MapFolderRecord:
    # Another array of the same files is another map.
    total = hashlib.sha256((folder.key or "").encode("utf-8", "surrogateescape"))
    # Without the methods, which --names can call otherwise.
    for texts in sorted((dataset, id, one.sha256) for (dataset, _, id), one in seen.items()):
        for text in texts:
            total.update(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())
    stored = sorted({one.stored for one in seen.values()})
    return MapFolderRecord(
        folder=str(folder.folder) if folder.key is None else f"{folder.folder}:{folder.key}",
        methods=list(folder.methods),
        n_files=len(seen),
        suffixes=sorted({one.suffix for one in seen.values()}),
        precision=folder.index.precision if folder.index is not None else ", ".join(stored),
        maps_sha256=total.hexdigest(),
        model=folder.index.model if folder.index is not None else None,
    )
