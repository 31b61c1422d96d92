"""`scores/index.json`: which file of a run folder is the score map of which method and image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from anomaly_eval.datasets.layouts import check_relative
from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.results.record import Record
from anomaly_eval.runtime.choices import Precision
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.runtime.strict_yaml import first_problem

SCORES_FOLDER, INDEX_FILE = "scores", "index.json"

_MOST_BYTES, _LONGEST_REASON = 1 << 30, 500
_KIND: Final = "gmmseg-anomaly score maps"


class SavedMap(Record):
    """One file. Files hold float32 in any case."""

    file: str
    """Relative to the folder of the index, with / between names."""
    shape: tuple[int, int]
    """(height, width)."""
    dtype: Literal["float32"] = "float32"
    sha256: str
    """Of the bytes of the file."""


class MapsIndex(Record):
    """The content of the index, and where the maps come from."""

    kind: Literal["gmmseg-anomaly score maps"] = _KIND
    format_version: Literal[1] = 1
    direction: str = "a higher score means more anomalous"
    precision: Precision
    model: ModelRecord
    fits: dict[str, FitRecord] = Field(default_factory=dict)
    files_sha256: dict[str, str] = Field(default_factory=dict)
    """Of each dataset: the hash over its images and labels, as in `results.json`."""
    pixels_sha256: dict[str, str] = Field(default_factory=dict)
    """The same over what they show, however files store it; empty in indexes of earlier versions."""
    maps: dict[str, dict[str, dict[str, SavedMap]]]
    """By dataset, method and id of the image."""


def read_index(folder: Path) -> tuple[Path, MapsIndex] | None:
    """Return the index of a run folder or of its `scores`, with the folder that it lies in; None for other folders.

    Raises InputError for an index that is damaged, of another version, or leads out of its folder.
    """
    for place in (folder, folder / SCORES_FOLDER):
        path = place / INDEX_FILE
        try:
            content = json.loads(read_regular(path, _MOST_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); check the file.") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is damaged ({error}); save the score maps anew, or remove it.") from error
        if isinstance(content, dict) and content.get("kind") == _KIND:
            return place, _validated(path, content)
    return None


def _validated(path: Path, content: object) -> MapsIndex:
    try:
        index = MapsIndex.model_validate(content)
        for methods in index.maps.values():
            for files in methods.values():
                for one in files.values():
                    check_relative(one.file)
    except ValidationError as error:
        raise InputError(f"{path} was not written by this version: {first_problem(error)}; save anew.") from error
    except ValueError as error:
        reason = f"names a file outside its folder, or none ({str(error)[:_LONGEST_REASON]})"
        raise InputError(f"{path} {reason}; save the score maps anew.") from error
    return index
