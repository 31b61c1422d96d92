"""How the files of a dataset are found: templates such as `{folder}/images/{id}.*`, matched level by level."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from anomaly_eval.errors import InputError

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that no name of a file may hold."""
GRAMMAR = "{folder}, {variant}, {id}, {id:PATTERN}, {number}, * and a final .*"

_TOKEN = re.compile(r"\{[^{}]*\}|[{}*]|[^{}*]+")
_ID = re.compile(r"\{id(?::([^{}]*))?\}")
_MOST_WILDCARDS = 3
_MOST_OPEN_LEVELS = 8
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
_PICTURE_SUFFIX = r"\.(?i:png|apng|jpe?g|jpe|jfif|mpo|webp|tiff?|bmp|dib|ppm|pgm|pbm|pnm|gif)"
"""What a final `.*` stands for: not notes and back-ups beside pictures, such as 0.json, 0.png~ and 0.bak."""
_COLOURED = ("_color", "_colour")
"""Ends of the names of coloured copies, which several data sets have beside their masks."""


@dataclass(frozen=True)
class Segment:
    """One level of a template: a literal name, or a regular expression and the shell pattern of its part of the id."""

    literal: str | None
    expression: re.Pattern[str] | None = None
    id_pattern: str = "*"

    def match(self, name: str) -> tuple[bool, str | None]:
        """Return whether a file or folder name fits, and what it holds of the id, if this level has a part of it."""
        found = self.expression.fullmatch(name) if self.expression is not None else None
        if found is None:
            return False, None
        captured = found.groupdict().get("id")
        return captured is None or fnmatchcase(captured, self.id_pattern), captured


@dataclass(frozen=True)
class Pairing:
    """Images and masks of one layout in one folder, by id in natural order."""

    images: Mapping[str, Path]
    masks: Mapping[str, Path]
    duplicates: tuple[tuple[Path, Path], ...]
    """Two files that claim the same id."""

    @property
    def pairs(self) -> list[str]:
        """Ids that have an image and a mask."""
        return [id for id in self.images if id in self.masks]

    @property
    def images_alone(self) -> list[str]:
        """Ids that have an image but no mask."""
        return [id for id in self.images if id not in self.masks]

    @property
    def masks_alone(self) -> list[str]:
        """Ids that have a mask but no image."""
        return [id for id in self.masks if id not in self.images]


def natural_key(text: str) -> tuple[list[str | int], str]:
    """Return a sort key that orders runs of digits as numbers: 0, 4, 12."""
    parts = re.split(r"([0-9]+)", text)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], text


def parse_template(template: str, folder: str = "folder", variant: str = "variant") -> list[Segment]:
    """Split a template into levels, with folder and variant filled in.

    A pattern of the id that holds a / spans as many levels. Raises ValueError for a template that leaves the data root,
    has an empty level, an unknown placeholder, more wildcards in a level or more levels with wildcards than can be
    matched in reasonable time, or does not hold exactly one {id}.
    """
    filled = template.replace("{folder}", folder).replace("{variant}", variant)
    check_relative(filled)
    if len(_ID.findall(filled)) != 1:
        raise ValueError(f"the template {template!r} must hold {{id}} exactly once")
    levels = _ID.sub(_a_part_each_level, filled).split("/")
    segments = [_parse_segment(level, template, last=index == len(levels) - 1) for index, level in enumerate(levels)]
    # Links that lead back multiply what is reached with every level.
    if sum(segment.literal is None for segment in segments) > _MOST_OPEN_LEVELS:
        raise ValueError(f"the template {template!r} has wildcards on more than {_MOST_OPEN_LEVELS} levels of its path")
    return segments


def id_levels(template: str) -> int:
    """Return how many levels the id of a template spans, which `parse_template` has parsed."""
    return 1 + sum(id[0].count("/") for id in _ID.finditer(template.replace("{variant}", "variant")))


def check_relative(path: str) -> None:
    """Raise ValueError unless a path consists of plain names, so that it stays below the data root."""
    if CONTROL.search(path):
        raise ValueError(f"{path!r} holds a control character")
    if "\\" in path or re.match(r"[A-Za-z]:", path):
        raise ValueError(f"{path!r} must be relative to the data root, with / between names")
    if any(level in ("", ".", "..") for level in path.split("/")):
        raise ValueError(f"{path!r} must be relative to the data root, without empty names, . or ..")


def fill_template(template: str, folder: str, variant: str, id: str | None = None) -> str:
    """Return the template with its placeholders filled in, to tell a user where a file is expected.

    Without an id, its shell pattern stands for it.
    """
    filled = template.replace("{folder}", folder).replace("{variant}", variant).replace("{number}", "*")
    return _ID.sub(lambda found: id if id is not None else found[1] or "*", filled)


def find_files(root: Path, template: str, folder: str, variant: str) -> dict[str, list[Path]]:
    """Return the files below `root` that fit a template, by id.

    Goes exactly as deep as the template, so loops of links cannot trap it; hidden files are passed over, and a suffix
    may be in capitals. Raises InputError for a folder that may not be read, and for what has the name of a file but is
    a pipe, a device or a link that leads nowhere.
    """
    reached: list[tuple[Path, str | None]] = [(root, None)]
    *folders, last = parse_template(template, folder, variant)
    for level in folders:
        reached = [step for path, id in reached for step in _enter(path, id, level, files=False)]
    found: dict[str, list[Path]] = {}
    for path, id in reached:
        for file, captured in _enter(path, id, last, files=True):
            if captured:
                found.setdefault(captured, []).append(file)
    return found


def pair_files(
    root: Path,
    images: Sequence[str],
    masks: Sequence[str],
    folder: str,
    variant: str,
    exclude: Sequence[str] = (),
    only: Sequence[str] = (),
) -> Pairing:
    """Pair the files of alternative image and mask templates by id.

    Without the ids that fit a pattern of `exclude`, and without those that fit none of `only` where it has any.
    Coloured copies of masks, such as 0_color.png beside 0.png, are passed over.
    """
    left_out, wanted = _Patterns(exclude), _Patterns(only or ["*"])
    found_images, found_masks = (
        {id: files for id, files in _find_any(root, templates, folder, variant) if id in wanted and id not in left_out}
        for templates in (images, masks)
    )
    _drop_partners(found_images, found_masks)
    _drop_partners(found_masks, found_images)
    coloured = [id for id in found_masks if id not in found_images and _is_coloured(id, found_images, found_masks)]
    for id in coloured:
        del found_masks[id]
    # Copies of an image that no mask belongs to do no harm where such images are ignored.
    relevant = [files for id, files in found_images.items() if id in found_masks]
    return Pairing(
        images={id: files[0] for id, files in found_images.items()},
        masks={id: files[0] for id, files in found_masks.items()},
        duplicates=tuple(_duplicates([*relevant, *found_masks.values()])),
    )


class _Patterns:
    """Shell patterns, of which those without wildcards, which may be many, are looked up and not tried in turn."""

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = list(patterns)
        self._open = [pattern for pattern in patterns if set(pattern) & set("*?[")]
        self._names = frozenset(patterns)

    def __contains__(self, id: str) -> bool:
        return id in self._names or any(fnmatchcase(id, pattern) for pattern in self._open)


def _a_part_each_level(id: re.Match[str]) -> str:
    """Write `{id:t*/v*}` as `{id:t*}/{id:v*}`."""
    if id[1] is None:
        return id[0]
    parts = id[1].split("/")
    if not set(parts).isdisjoint(("", ".", "..")):
        raise ValueError(f"{id[0]} must hold patterns of names, with / between them, such as {{id:*/*}}, not . or ..")
    return "/".join(f"{{id:{part}}}" for part in parts)


def _parse_segment(level: str, template: str, last: bool) -> Segment:
    suffix = last and level.endswith(".*")
    tokens = _TOKEN.findall(level.removesuffix(".*") if suffix else level)
    if not suffix and all(token[0] not in "{}*" for token in tokens):
        return Segment(literal=level)
    if "**" in level:
        raise ValueError(f"the template {template!r} holds **; write one level of the path for each folder, as in */*")
    # Matching tries all places of all of them, and a level may have 255 characters.
    if sum(token[0] in "{*" for token in tokens) > _MOST_WILDCARDS:
        raise ValueError(f"the template {template!r} has more than {_MOST_WILDCARDS} wildcards in a name")
    expression, id_pattern = "", "*"
    for token in tokens:
        if token == "*":
            expression += ".*"
        elif token == "{number}":
            expression += "[0-9]+"
        elif token == "{id}" or token.startswith("{id:"):
            expression += "(?P<id>.+)"
            id_pattern = token[4:-1] if token.startswith("{id:") else "*"
        elif token[0] in "{}":
            raise ValueError(f"the template {template!r} holds {token!r}, but only {GRAMMAR} are known")
        else:
            expression += re.escape(token)
    if suffix:
        expression += _PICTURE_SUFFIX
    elif last and tokens[-1][0] not in "{}*":
        expression = expression.removesuffix(re.escape(tokens[-1])) + _suffix_in_any_case(tokens[-1])
    return Segment(None, re.compile(expression, re.DOTALL), id_pattern)


def _suffix_in_any_case(text: str) -> str:
    """Return the expression of the end of a file's name, in which .png is also .PNG."""
    before, dot, suffix = text.rpartition(".")
    return f"{re.escape(before)}(?i:{re.escape(dot + suffix)})" if dot else re.escape(text)


def _enter(path: Path, id: str | None, level: Segment, files: bool) -> Iterator[tuple[Path, str | None]]:
    """Yield what lies one level below a folder and fits, with what is known of the id so far."""
    if level.literal is not None:
        below = path / level.literal
        # A literal folder that is missing shows when it is listed.
        if not files or below.is_file():
            yield below, id
            return
        wanted = re.compile(_suffix_in_any_case(level.literal))
        yield from ((path / entry.name, id) for entry in _list_folder(path) if wanted.fullmatch(entry.name))
        return
    for entry in _list_folder(path):
        fits, captured = level.match(entry.name)
        if fits and _is_kind(entry, files):
            yield path / entry.name, "/".join(part for part in (id, captured) if part) or None
        elif fits and files and captured and not _is_kind(entry, files=False):
            raise InputError(
                f"{path / entry.name} is a pipe, a device, or a link that leads nowhere; replace it by the file that "
                f"is meant, or remove image and mask."
            )


def _is_kind(entry: os.DirEntry[str], files: bool) -> bool:
    try:
        return entry.is_file() if files else entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _list_folder(path: Path) -> list[os.DirEntry[str]]:
    """Return the visible entries of a folder by name; none if there is no such folder."""
    try:
        with os.scandir(path) as entries:
            visible = [entry for entry in entries if entry.name[0] != "." and entry.name.lower() not in _SYSTEM_FILES]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"the folder {path} cannot be read ({error.strerror}); check its permissions.") from error
    return sorted(visible, key=lambda entry: entry.name)


def _find_any(root: Path, templates: Sequence[str], folder: str, variant: str) -> list[tuple[str, list[Path]]]:
    """Return the files that fit any of the templates, by id in natural order."""
    found: dict[str, list[Path]] = {}
    for template in templates:
        for id, files in find_files(root, template, folder, variant).items():
            found.setdefault(id, []).extend(files)
    return sorted(found.items(), key=lambda one: natural_key(one[0]))


def _drop_partners(files: dict[str, list[Path]], others: Mapping[str, Sequence[Path]]) -> None:
    """Take from images those that are masks of others, and the reverse, as where {id}.png also fits 0_mask.png."""
    partners = {path for id, paths in others.items() if id in files for path in paths}
    for id in [id for id, paths in files.items() if id not in others and partners.issuperset(paths)]:
        del files[id]


def _is_coloured(id: str, images: Mapping[str, object], masks: Mapping[str, object]) -> bool:
    """Whether a mask is called like a coloured copy of that of an image."""
    original = next((id.removesuffix(end) for end in _COLOURED if id.endswith(end)), None)
    return original in images and original in masks


def _duplicates(groups: Iterable[Sequence[Path]]) -> Iterator[tuple[Path, Path]]:
    for first, *others in groups:
        for other in others:
            # One file under two spellings, on disks that ignore case, is no duplicate.
            if not os.path.samefile(first, other):
                yield first, other
