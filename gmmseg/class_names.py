"""The names of classes, wherever and however a checkpoint or a config notes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NAMES = ("classes", "class_names", "classnames", "id2label", "label2id")
_TRAINING_DATA = ("dataset_meta", "metainfo", "dataset")
_SETTINGS = ("hyper_parameters", "hparams", "config", "cfg", "args", "model")
_LOADERS = (
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "data",
    "train",
    "val",
    "test",
    "dataset",
    "datasets",
)
_DEEPEST = 6
_MOST = 10_000
"""Classes; the largest data sets have a few thousand."""
_NUMBER = re.compile(r"(?:class|label|cls)?[ _-]?0*(\d+)", re.IGNORECASE)


def plain_name(name: str) -> str:
    """Return the name of a class without what makes no difference: case, and how words are separated."""
    return " ".join(name.casefold().replace("_", " ").split())


def class_names_in(notes: object) -> tuple[str, ...] | None:
    """Return the names of the classes from what is noted beside weights; None where there are none.

    They are a list, or a mapping from numbers to names or from names to numbers, under `classes`, `CLASSES`,
    `class_names`, `id2label` and the like; those of `dataset_meta` go before those beside it, and settings come last.
    Raises ValueError for names that are not text, or hold characters that no table can show.
    """
    return next(_noted(notes, _DEEPEST), None)


def class_names_of_config(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names that a config gives to its data, those of training first; None where it gives none.

    settings: of mmengine (`train_dataloader`, ...) or of mmcv 1.x (`data`). Raises ValueError as `class_names_in` does.
    """
    given = next(_given_to_data(settings, _DEEPEST), None)
    return given or next(_of_one({"metainfo": settings.get("metainfo"), "classes": settings.get("classes")}, 2), None)


def datasets_of_config(settings: object, deepest: int = _DEEPEST) -> Iterator[Mapping[str, Any]]:
    """Go through all that a config says of its data sets, those of training first."""
    if isinstance(settings, list | tuple):
        for item in settings[:100]:
            yield from datasets_of_config(item, deepest)
    elif isinstance(settings, Mapping) and deepest > 0:
        if deepest < _DEEPEST:
            yield settings
        for name in _LOADERS:
            yield from datasets_of_config(settings.get(name), deepest - 1)


def are_numbers(names: tuple[str, ...]) -> bool:
    """Whether these only count the classes, as `0`, `class 1` or `LABEL_2` do, and so say nothing of their order."""
    found = [_NUMBER.fullmatch(name) for name in names]
    return all(match is not None and int(match[1][-9:]) == index for index, match in enumerate(found))


def _noted(notes: object, deepest: int) -> Iterator[tuple[str, ...]]:
    yield from _of_one(notes, deepest)
    if isinstance(notes, Mapping) and deepest > 0:
        for name in _SETTINGS:
            yield from _noted(notes.get(name), deepest - 1)


def _of_one(notes: object, deepest: int) -> Iterator[tuple[str, ...]]:
    """Go through the names that a mapping has itself, or what it says of its training data."""
    if not isinstance(notes, Mapping) or deepest == 0:
        return
    spelt = {key.casefold(): value for key, value in notes.items() if isinstance(key, str)}
    for name in _TRAINING_DATA:
        value = spelt.get(name)
        names = _as_names(value) if isinstance(value, list | tuple) and _is_text(value) else None
        if names is not None:
            yield names
        yield from _of_one(value, deepest - 1)
    for name in _NAMES:
        names = _as_names(spelt.get(name), inverted=name == "label2id")
        if names is not None:
            yield names


def _given_to_data(settings: Mapping[str, Any], deepest: int) -> Iterator[tuple[str, ...]]:
    for dataset in datasets_of_config(settings, deepest):
        yield from _of_one({"metainfo": dataset.get("metainfo"), "classes": dataset.get("classes")}, 2)


def _is_text(value: list[Any] | tuple[Any, ...]) -> bool:
    return all(isinstance(item, str) for item in value)


def _as_names(value: Any, *, inverted: bool = False) -> tuple[str, ...] | None:
    """Return the names that a list, an array or a mapping holds; None for what is no such thing.

    Raises ValueError for a filled list of something else than text and numbers.
    """
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping) and len(value) <= _MOST:
        value = _in_order([pair[::-1] if inverted else pair for pair in value.items()])
    if not isinstance(value, list | tuple) or not 0 < len(value) <= _MOST:
        return None
    if not all(isinstance(name, str | int) and str(name).isprintable() for name in value):
        raise ValueError("class names that are not text")
    return tuple(str(name) for name in value)


def _in_order(pairs: Sequence[tuple[Any, Any]]) -> list[Any] | None:
    """Return names by their numbers; None unless these count from 0, as a gap would shift the others."""
    try:
        names = {int(number): name for number, name in pairs}
    except (TypeError, ValueError):
        return None
    return [names[index] for index in range(len(pairs))] if set(names) == set(range(len(pairs))) else None
