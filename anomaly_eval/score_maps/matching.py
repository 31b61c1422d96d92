"""Which file of a folder is the score map of which image, by names alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.file_names import file_names

SUFFIXES = (".npy", ".npz", ".tif", ".tiff", ".h5", ".hdf5")
_MOST_LISTED = 5


@dataclass(frozen=True)
class Matching:
    """Files by the ids of images; `surplus` are those that fit none, as paths in their folder."""

    files: Mapping[str, Path]
    surplus: Sequence[str]


def list_maps(folder: Path) -> list[Path]:
    """Return the files at any depth of a folder whose suffix is one of maps, hidden ones left out, sorted.

    Links to folders are not followed. Raises InputError for a folder that cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}); give a folder with score maps.")

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".") and _suffix(name) is not None]
    return sorted(found)


def match(samples: SampleSet, folder: Path, files: Iterable[Path]) -> Matching:
    """Give each image its file: the one that is called like its id, or like its image or label as these are released.

    Raises InputError where images have no file, naming them and the files that fit none, or one has two.
    """
    owners = _names(samples.samples)
    found: dict[str, Path] = {}
    surplus: list[str] = []
    for path in files:
        id = owners.get(path.name.removesuffix(_suffix(path.name) or ""))
        if id is None:
            surplus.append(path.relative_to(folder).as_posix())
        elif id in found:
            raise InputError(
                f"{found[id]} and {path} are both called like the image {id} of {samples.spec}; remove one of them, "
                f"or give the folder of each method by itself."
            )
        else:
            found[id] = path
    check_complete(samples, folder, found, surplus)
    return Matching(found, surplus)


def check_complete(
    samples: SampleSet, folder: Path, found: Iterable[str], surplus: Sequence[str], of: str = ""
) -> None:
    """Raise InputError where images have no map, `found` being the ids of those that have; `of` names a method."""
    known = set(found)
    missing = [sample.id for sample in samples.samples if sample.id not in known]
    if not missing:
        return
    total = len(samples.samples)
    which = f"any of the {total} images" if len(missing) == total else f"{len(missing)} of the {total} images"
    fits_none = f"; {_count(len(surplus))} there without an image: {listed(surplus)}" if surplus else ""
    raise InputError(
        f"{folder} has no score map{of} for {which} of {samples.spec}: {listed(missing)}{fits_none}; there must be one "
        f"file for each image, called like it, that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
    )


def listed(names: Sequence[str]) -> str:
    """Name the first few, and say how many more there are."""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def _names(samples: Sequence[Sample]) -> dict[str, str]:
    """Return the id of the image that each file name, without suffix, stands for.

    Ids come first. A name that several images would have, as `labels_semantic`, stands for none.
    """
    safe = file_names(sample.id for sample in samples)
    owners: dict[str, str] = {}
    for kind in (
        {sample.id: sample.id for sample in samples},
        {sample.id: safe[sample.id] for sample in samples},
        {sample.id: sample.image.stem for sample in samples},
        {sample.id: sample.label.stem for sample in samples},
    ):
        counts = Counter(kind.values())
        for id, name in kind.items():
            if counts[name] == 1:
                owners.setdefault(name, id)
    return owners


def _count(number: int) -> str:
    return "1 file is" if number == 1 else f"{number} files are"


def _suffix(name: str) -> str | None:
    """Return the suffix of a map as it is written in the name, None for other files."""
    lower = name.lower()
    return next((name[-len(suffix) :] for suffix in SUFFIXES if lower.endswith(suffix)), None)
