"""Folders with score maps: as `eval --save-scores` writes them, or of any other origin with one file an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anomaly_eval.datasets.layouts import CONTROL
from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord
from anomaly_eval.results.titles import of_run
from anomaly_eval.runtime.file_names import file_names
from anomaly_eval.score_maps.index import MapsIndex, SavedMap, read_index
from anomaly_eval.score_maps.keys import folder_and_key
from anomaly_eval.score_maps.matching import check_complete, list_maps, listed, match


@dataclass(frozen=True)
class MapFile:
    """A file, and the hash that it must have, where one is known."""

    path: Path
    sha256: str | None = None


@dataclass(frozen=True)
class MapFolder:
    """All that is known of a folder before any map of it is read."""

    folder: Path
    methods: Sequence[str]
    files: Mapping[tuple[str, str], Mapping[str, MapFile]]
    """By dataset and method, then by the id of the image."""
    warnings: Sequence[str]
    index: MapsIndex | None = None
    """What `eval --save-scores` noted; None for a folder of other origin."""
    fits: Mapping[str, FitRecord] = field(default_factory=dict)
    """What the scores were fitted on, by the method's name here."""
    key: str | None = None
    """The array of each file that is meant, where files hold several and FOLDER:KEY names one."""


def open_folder(folder: Path, name: str | None, datasets: Sequence[SampleSet]) -> MapFolder:
    """Find a map of each method for each image of the datasets.

    folder: FOLDER, or FOLDER:KEY for one array of files that hold several. name: what the method is called, or what
    goes before the methods of a folder with several; None is the names that they were saved with, or else the
    folder's and the key's. Raises InputError where the folder or a map is missing.
    """
    folder, key = folder_and_key(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}; give --score-maps a folder with score maps.")
    if name is not None and (not name.strip() or "/" in name or CONTROL.search(name)):
        raise InputError(f"--names gives {name!r}, which is no name; give one without / that tables can show.")
    found = read_index(folder)
    if found is not None and key is not None:
        raise InputError(
            f"{folder} holds files of one array each, as --save-scores wrote them; leave :{key} out of --score-maps."
        )
    if found is not None:
        return _saved(folder, *found, name, datasets)
    usual = folder.resolve().name
    return _plain(folder, key, name or (usual if key is None else of_run(usual, key.replace("/", "."))), datasets)


def _saved(folder: Path, place: Path, index: MapsIndex, name: str | None, datasets: Sequence[SampleSet]) -> MapFolder:
    """Find what the index in `place` names, which is the folder itself or lies in it."""
    files: dict[tuple[str, str], dict[str, MapFile]] = {}
    warnings: list[str] = []
    names: dict[str, str] = {}
    for samples in datasets:
        methods = index.maps.get(samples.spec, {})
        if not methods:
            known = ", ".join(index.maps) or "nothing"
            raise InputError(f"{folder} holds score maps of {known}, none of {samples.spec}; leave the dataset out.")
        names = names or _method_names(methods, name)
        if methods.keys() != names.keys():
            raise InputError(
                f"{folder} holds other methods for {samples.spec} than for the datasets before it; save anew."
            )
        ids = {sample.id for sample in samples.samples}
        for method, maps in methods.items():
            surplus = [id for id in maps if id not in ids]
            check_complete(samples, folder, maps, surplus, f" of {method}")
            files[samples.spec, names[method]] = {id: _map_file(place, one) for id, one in maps.items() if id in ids}
            if surplus:
                warnings.append(_left_out(samples, folder, surplus))
    fits = {names[method]: fit for method, fit in index.fits.items() if method in names}
    return MapFolder(folder, list(names.values()), files, list(dict.fromkeys(warnings)), index, fits)


def _plain(folder: Path, key: str | None, name: str, datasets: Sequence[SampleSet]) -> MapFolder:
    files: dict[tuple[str, str], dict[str, MapFile]] = {}
    warnings: list[str] = []
    for samples in datasets:
        place = _folder_of(samples, folder)
        if place == folder and len(datasets) > 1:
            # Names such as 0, 1, 2 fit the images of many datasets.
            raise InputError(
                f"{folder} has no folder {_folder_names(samples)[0]}, which several datasets need to tell their score "
                f"maps apart; make one for each dataset, or evaluate one at a time."
            )
        found = match(samples, place, list_maps(place))
        files[samples.spec, name] = {id: MapFile(path) for id, path in found.files.items()}
        if found.surplus:
            warnings.append(_left_out(samples, place, found.surplus))
    return MapFolder(folder, [name], files, warnings, key=key)


def _method_names(methods: Mapping[str, object], name: str | None) -> dict[str, str]:
    """Return what the methods of a folder are called; a name stands for the only one, or before each of several."""
    if name is None:
        return {method: method for method in methods}
    return {method: name if len(methods) == 1 else of_run(name, method) for method in methods}


def _map_file(folder: Path, one: SavedMap) -> MapFile:
    return MapFile(folder / one.file, one.sha256)


def _folder_of(samples: SampleSet, folder: Path) -> Path:
    """Return the folder of one dataset, if there is one, else the folder itself."""
    return next((folder / name for name in _folder_names(samples) if (folder / name).is_dir()), folder)


def _folder_names(samples: SampleSet) -> list[str]:
    (safe,) = file_names([samples.spec]).values()
    return list(dict.fromkeys([safe, samples.card.name]))


def _left_out(samples: SampleSet, folder: Path, surplus: Sequence[str]) -> str:
    count = "1 score map that fits" if len(surplus) == 1 else f"{len(surplus)} score maps that fit"
    return f"{samples.spec}: {count} no image left out, of {folder}: {listed(surplus)}"
