"""The record of one image, as bytes: arrays, which image they are of, and a checksum over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from anomaly_eval.results.records import Record
from anomaly_eval.runtime.safe_read import read_regular

Arrays = Mapping[str, NDArray[Any]]
"""What an image adds, by name, in the order of the tables."""

_FORMAT = "gmmseg-anomaly record 1"


class RecordOf(Record):
    """What a record is of; one whose words differ is of no use."""

    run: str
    """The hash of the run's fingerprint."""
    dataset: str
    id: str
    image_sha256: str
    label_sha256: str


class UnusableRecordError(Exception):
    """A record that must be computed anew; the message says why."""


def encode_record(of: RecordOf, arrays: Arrays) -> bytes:
    """Return the file of a record; the arrays may be of any shape and of any type that safetensors has."""
    # safetensors sorts the names.
    order = json.dumps(list(arrays))
    about = of.model_dump_json()
    metadata = {"format": _FORMAT, "of": about, "order": order, "sha256": _digest(about, order, arrays)}
    return save({name: np.ascontiguousarray(values) for name, values in arrays.items()}, metadata=metadata)


def decode_record(content: bytes, of: RecordOf) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file that `encode_record` made, every bit and their order as they were.

    Raises UnusableRecordError for any other content, and for a record of another image, of an image or label file of
    other bytes, or of another run.
    """
    try:
        metadata, arrays = _metadata(content), load(content)
        about, order = metadata["of"], metadata["order"]
        sound = metadata["format"] == _FORMAT and metadata["sha256"] == _digest(about, order, arrays)
        found = RecordOf.model_validate_json(about) if sound else None
    except Exception as error:  # damaged bytes lead their readers to errors of many kinds
        raise UnusableRecordError("is damaged") from error
    if found is None:
        raise UnusableRecordError("is damaged")
    if found != of:
        changed = (found.image_sha256, found.label_sha256) != (of.image_sha256, of.label_sha256)
        same_place = (found.run, found.dataset, found.id) == (of.run, of.dataset, of.id)
        reason = "is of other image or label files" if changed and same_place else "is of another image or run"
        raise UnusableRecordError(reason)
    return {name: arrays[name] for name in json.loads(order)}


def read_record(path: Path, of: RecordOf) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a file as `decode_record` does, None where there is no file.

    Raises UnusableRecordError, also where the file cannot be read.
    """
    try:
        return decode_record(read_regular(path, path.stat().st_size), of)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnusableRecordError(f"cannot be read ({error.strerror})") from error


def _metadata(content: bytes) -> dict[str, str]:
    """Return the text that safetensors keeps before the arrays."""
    length = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    metadata: dict[str, str] = header["__metadata__"]
    return metadata


def _digest(about: str, order: str, arrays: Arrays) -> str:
    """Return the hash over what the record is of and the names, types, shapes and bytes of its arrays."""
    digest = hashlib.sha256(f"{about}\n{order}\n".encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.data)
    return digest.hexdigest()
