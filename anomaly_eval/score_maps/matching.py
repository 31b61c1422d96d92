"""Which file of a folder is the score map of which image, by names alone."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.file_names import file_names
from anomaly_eval.score_maps import affixes

SUFFIXES = (".npy", ".npz", ".tif", ".tiff", ".h5", ".hdf5")
PICTURES = (".png",)
"""Suffixes of files that are maps only where there are none with SUFFIXES, beside which they are pictures of them."""
_MOST_LISTED = 5


@dataclass(frozen=True)
class Matching:
    """Files by the ids of images; `surplus` are those that fit none, as paths in their folder."""

    files: Mapping[str, Path]
    surplus: Sequence[str]


def list_maps(folder: Path) -> list[Path]:
    """Return the files at any depth of a folder whose suffix is one of maps, hidden ones left out, sorted.

    PNG files are maps where there are no others. Links to folders are not followed. Raises InputError for a folder that
    cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}); give a folder with score maps.")

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".") and _suffix(name) is not None]
    maps = [path for path in found if path.suffix.lower() in SUFFIXES]
    return sorted(maps or found)


def match(samples: SampleSet, folder: Path, files: Iterable[Path]) -> Matching:
    """Give each image its file: the one that is called like its id, or like its image or label as these are released.

    An id that spans folders, as `t5/300`, is a file in such a folder or one called `t5_300`. Where no file is called
    so, each is the one that holds such a name between a beginning and an end that all share, as `score_ID_msp`. Raises
    InputError where images have no file, naming them and the files that fit none, one has two, or two beginnings and
    ends fit all images.
    """
    folders = {_folder(sample.id) for sample in samples.samples} - {""}
    called = {path: _names_of(path.relative_to(folder), folders) for path in files}
    found = _assign(samples, folder, called, _names(samples.samples))
    if not found.files:
        found = _assign(samples, folder, called, _names_within(samples, folder, called))
    check_complete(samples, folder, found.files, found.surplus)
    return found


def _names_of(path: PurePath, folders: Set[str]) -> list[str]:
    """Return what a file is called, the longest first: `t5/300` and `300`.

    With as many levels as ids have, `folders` being those in ids. Where it lies in one of them, it is of no other.
    """
    parts = path.with_name(_stem(path.name)).parts
    deepest = 1 + max((folder.count("/") + 1 for folder in folders), default=0)
    names = ["/".join(parts[-count:]) for count in range(min(deepest, len(parts)), 0, -1)]
    return next(([name] for name in names if _folder(name) in folders), names)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _assign(
    samples: SampleSet, folder: Path, called: Mapping[Path, Sequence[str]], owners: Mapping[str, str]
) -> Matching:
    """Give files to the images that own one of their names; raises InputError where one gets two."""
    found: dict[str, Path] = {}
    surplus: list[str] = []
    for path, names in called.items():
        id = next((owners[name] for name in names if name in owners), None)
        if id is None:
            surplus.append(path.relative_to(folder).as_posix())
        elif id in found:
            raise InputError(
                f"{found[id]} and {path} are both called like the image {id} of {samples.spec}; remove one of them, "
                f"or give the folder of each method by itself."
            )
        else:
            found[id] = path
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
        f"file for each image, called like it, or so between a beginning and an end that all share, that ends in "
        f"{', '.join(SUFFIXES)} or, where none does, {PICTURES[0]}."
    )


def listed(names: Sequence[str]) -> str:
    """Name the first few, and say how many more there are."""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def _names(samples: Sequence[Sample]) -> dict[str, str]:
    """Return the id of the image that each file name, without suffix, stands for.

    Ids come first. A name that several images would have, as `labels_semantic`, stands for none.
    """
    owners: dict[str, str] = {}
    for kind in _kinds(samples):
        counts = Counter(kind.values())
        for id, name in kind.items():
            if counts[name] == 1:
                owners.setdefault(name, id)
    return owners


def _kinds(samples: Sequence[Sample]) -> Iterator[dict[str, str]]:
    """Yield what files may be called, by id: ids first, then as images and labels are released."""
    safe = file_names(sample.id for sample in samples)
    yield {sample.id: sample.id for sample in samples}
    yield {sample.id: safe[sample.id] for sample in samples}
    released = (
        {sample.id: sample.image.stem for sample in samples},
        {sample.id: sample.label.stem for sample in samples},
    )
    if any("/" in sample.id for sample in samples):
        for stems in released:
            yield {id: str(PurePosixPath(id).with_name(stem)) for id, stem in stems.items()}
    yield from released


def _names_within(samples: SampleSet, folder: Path, called: Mapping[Path, Sequence[str]]) -> dict[str, str]:
    """Return the id that each name stands for, where all hold names of images between the same beginning and end.

    Where these do not fit all images, those that fit the most, so that the others can be named. Raises InputError
    where two fit all.
    """
    kinds = [{name: id for id, name in kind.items()} for kind in _kinds(samples.samples)]
    kinds = [owners for owners in kinds if len(owners) == len(samples.samples)]
    names: defaultdict[str, set[Path]] = defaultdict(set)
    for path, own in called.items():
        for name in own:
            names[name].add(path)
    fitting = {affix: owners for owners in reversed(kinds) for affix in affixes.shared_affixes(owners, names)}
    # What differs only in which part of a file's name is the image's is the same choice of files.
    choices = {
        frozenset(path for name in affixes.matched(owners, affix) for path in names[name]): (affix, owners)
        for affix, owners in fitting.items()
    }
    if len(choices) > 1:
        ways = [affixes.written(affix) for affix, _ in choices.values()]
        raise InputError(
            f"{folder} has {len(ways)} score maps for each image of {samples.spec}, called {listed(ways)}; give the "
            f"folder of each method by itself."
        )
    for affix, owners in choices.values():
        return affixes.matched(owners, affix)
    for owners in kinds:
        nearest = affixes.nearest_affix(owners, names)
        if nearest is not None:
            return affixes.matched(owners, nearest)
    return {}


def _count(number: int) -> str:
    return "1 file is" if number == 1 else f"{number} files are"


def _suffix(name: str) -> str | None:
    """Return the suffix of a map as it is written in the name, None for other files."""
    lower = name.lower()
    return next((name[-len(suffix) :] for suffix in (*SUFFIXES, *PICTURES) if lower.endswith(suffix)), None)


def _stem(name: str) -> str:
    return name.removesuffix(_suffix(name) or "")
