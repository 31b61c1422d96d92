"""What results are called by: short names, each only once."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from anomaly_eval.runtime.file_names import file_names


def names_for(files: Sequence[tuple[str, Path]]) -> list[str]:
    """Return names for files: each is given by its path in the folder that users named, with /, and by where it lies.

    A name is that path without suffix. Where several would be called the same, as many folders above them as it takes
    come first, and last the suffix of those that nothing else tells apart. Names fit for files, as of `file_names`.
    """
    alike: dict[str, list[int]] = defaultdict(list)
    for index, (name, _) in enumerate(files):
        # Some file systems do not tell upper from lower case.
        alike[_stem(name).casefold()].append(index)
    names = [_stem(name) for name, _ in files]
    for group in alike.values():
        if len(group) > 1:
            depth = len(PurePosixPath(files[group[0]][0]).parts)
            for index, name in zip(group, _told_apart([files[index][1] for index in group], depth), strict=True):
                names[index] = name
    return _each_once(names)


def _told_apart(paths: Sequence[Path], depth: int) -> list[str]:
    """Return names of different files whose last `depth` parts are the same but for suffixes and case."""
    places = [Path(os.path.abspath(path)) for path in paths]
    stems = [place.with_suffix("") for place in places]
    often = Counter(stems)
    while len({stem.parts[-depth:] for stem in often}) < len(often):
        depth += 1
    return [
        "/".join(stem.parts[-depth:]) + (place.suffix.replace(".", "_") if often[stem] > 1 else "")
        for stem, place in zip(stems, places, strict=True)
    ]


def _each_once(names: Sequence[str]) -> list[str]:
    """Return file names, of which those that would be the same get numbers."""
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        # No file has this character in its name.
        keys.append(f"{name}\0{seen[name]}" if seen[name] else name)
        seen[name] += 1
    chosen = file_names(keys)
    return [chosen[key] for key in keys]


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
