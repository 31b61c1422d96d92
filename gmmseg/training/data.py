"""The datasets of a config: where they lie, and whether all that training needs is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.registry import DATASETS

from gmmseg.errors import InputError
from gmmseg.training import labels
from gmmseg.training.advice import what_to_do

_PLACEHOLDER = "data"
"""mmsegmentation's configs expect every dataset in this folder."""
_READ_AT_ONCE = 1_200_000_000
"""Pixels of labels that are read before a training, in ten seconds on one core: those of 500 images of Cityscapes."""


def replace_data_root(config: Config, root: Path) -> None:
    """Replace the leading `data/` of every dataset's `data_root`, in place.

    Raises InputError where there is none to replace.
    """
    replaced = 0
    for settings in _dictionaries(config._cfg_dict):
        old = settings.get("data_root")
        if isinstance(old, str) and old.removeprefix("./").split("/")[0] == _PLACEHOLDER:
            settings["data_root"] = str(root / old.removeprefix("./").removeprefix(_PLACEHOLDER).lstrip("/"))
            replaced += 1
    if not replaced:
        raise InputError("no dataset of the config lies in data/, so --data-root has nothing to replace; leave it out.")


def check_datasets(config: Config) -> dict[str, Any]:
    """Check the training and validation files of a config; return how many training images there are, and which.

    Reads the headers of all files, and the labels of sets that are not large; those of others are checked when they
    are read in training.
    Raises InputError for a missing folder, a dataset without images, missing files, other classes than the network's,
    and labels that do not fit image or network.
    """
    found: dict[str, Any] = {}
    for purpose in ("train", "val"):
        settings = (config.get(f"{purpose}_dataloader") or {}).get("dataset")
        if settings is None:
            continue
        _check_folders(settings)
        plain = labels.check_labels_of(settings)
        try:
            dataset = DATASETS.build(settings)
            dataset.full_init()
            count = len(dataset)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                f"the {purpose} dataset of the config is incomplete: {_absent(error)}; check --data-root."
            ) from error
        except InputError:
            raise
        except Exception as error:  # mmsegmentation checks its datasets by whatever comes to hand
            raise InputError(f"the {purpose} dataset of the config cannot be built {what_to_do(error)}.") from error
        if count == 0:
            raise InputError(
                f"the {purpose} dataset has no image in {_image_folder(settings)}; check --data-root and img_suffix."
            )
        pairs = _pairs(dataset, count)
        _check_files(pairs, purpose, count)
        _check_classes(config, dataset, purpose)
        if plain and labels.check_headers(pairs) <= _READ_AT_ONCE:
            labels.check_values(dataset, labels.LabelRule(*label_values(config, purpose)), f"labels of {purpose}")
        if purpose == "train":
            found = {"images": count, **_fingerprints(pairs, settings)}
    return found


def label_values(config: Config, purpose: str) -> tuple[int | None, tuple[int, ...]]:
    """Return the classes of a network, None if the config does not say, and the values that loss or metric ignores."""
    last = decode_heads(config)[-1:]
    users = last
    if purpose == "val":
        evaluators = config.get("val_evaluator") or {}
        users = list(evaluators) if isinstance(evaluators, list | tuple) else [evaluators]
    ignored = {int(user.get("ignore_index", 255)) for user in users}
    return last[0].get("num_classes") if last else None, tuple(sorted(ignored or {255}))


def decode_heads(config: Config) -> list[Any]:
    """Return the settings of the decode heads of a config, of which the last one gives the result."""
    head = config.model.get("decode_head")
    return list(head) if isinstance(head, list | tuple) else [head] if head is not None else []


def _absent(error: OSError) -> str:
    """Say what is not there; datasets of our own have a sentence of theirs."""
    if error.filename is None:
        return str(error)
    if isinstance(error, NotADirectoryError):
        return f"{error.filename} is no folder"
    return f"there is no {error.filename}"


def _check_folders(settings: Any) -> None:
    for part in _dictionaries(settings):
        root = part.get("data_root")
        if isinstance(root, str) and root and not Path(root).is_dir():
            raise InputError(f"there is no folder {root}; give the folder that holds it with --data-root.")


def _pairs(dataset: Any, count: int) -> list[tuple[Path, Path | None]]:
    """Return the image and the label of each sample that lies in files of this machine."""
    if not hasattr(dataset, "get_data_info"):
        return []
    pairs = []
    for index in range(count):
        info = dataset.get_data_info(index)
        image, label = info.get("img_path"), info.get("seg_map_path")
        if _is_local(image):
            pairs.append((Path(image), Path(label) if _is_local(label) else None))
    return pairs


def _is_local(path: Any) -> bool:
    return isinstance(path, str) and "://" not in path


def _check_files(pairs: Sequence[tuple[Path, Path | None]], purpose: str, count: int) -> None:
    missing = [path for pair in pairs for path in pair if path is not None and not path.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of the files of the {purpose} dataset's {count} images are missing, the first is "
            f"{missing[0]}; check --data-root and the dataset's layout."
        )


def _fingerprints(pairs: Sequence[tuple[Path, Path | None]], settings: Any) -> dict[str, str]:
    """Return short hashes of the names below the data roots, which may be elsewhere later, and of the files' sizes."""
    roots = [part["data_root"] for part in _dictionaries(settings) if isinstance(part.get("data_root"), str)]
    names, sizes = hashlib.sha256(), hashlib.sha256()
    for path in (path for pair in pairs for path in pair if path is not None):
        below = [path.relative_to(root) for root in roots if path.is_relative_to(root)]
        names.update(f"{min(below, key=lambda one: len(one.parts), default=path)}\0".encode("utf-8", "surrogateescape"))
        sizes.update(f"{path.stat().st_size}\0".encode())
    return {"names": names.hexdigest()[:12], "sizes": sizes.hexdigest()[:12]}


def _check_classes(config: Config, dataset: Any, purpose: str) -> None:
    names = (getattr(dataset, "metainfo", None) or {}).get("classes")
    for head in decode_heads(config)[-1:]:
        if names is not None and head.get("num_classes") not in (None, len(names)):
            raise InputError(
                f"the {purpose} dataset has {len(names)} classes, but the decode head {head.get('num_classes')}; set "
                f"num_classes of the heads to {len(names)}."
            )


def _image_folder(settings: Any) -> str:
    prefix = (settings.get("data_prefix") or {}).get("img_path") or ""
    return str(Path(settings.get("data_root") or "") / prefix)


def _dictionaries(value: Any) -> Iterator[Any]:
    """Yield every dictionary in nested containers."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _dictionaries(item)
