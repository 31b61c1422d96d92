"""The record of one image, as bytes: a checksum, which image it is of, and arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from anomaly_eval.results.record import Record
from anomaly_eval.runtime.safe_read import read_regular

Arrays = Mapping[str, NDArray[Any]]
"""What is kept of an image, by name."""

_CHECKSUM = hashlib.sha256().digest_size


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
    """Return the file of a record: a checksum, a line that says what it is of, and the arrays as safetensors has them.

    The arrays may be of any shape and of any type that safetensors has.
    """
    body = of.model_dump_json().encode() + b"\n" + save({name: np.ascontiguousarray(arrays[name]) for name in arrays})
    return hashlib.sha256(body).digest() + body


def decode_record(content: bytes, of: RecordOf) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file that `encode_record` made, every bit as it was.

    Raises UnusableRecordError for any other content, and for a record of another image, of an image or label file of
    other bytes, or of another run.
    """
    checksum, body = content[:_CHECKSUM], content[_CHECKSUM:]
    if hashlib.sha256(body).digest() != checksum:
        raise UnusableRecordError("is damaged")
    about, _, arrays = body.partition(b"\n")
    try:
        found, loaded = RecordOf.model_validate_json(about), load(arrays)
    except Exception as error:  # what others wrote leads readers to errors of many kinds
        raise UnusableRecordError("is damaged") from error
    if found != of:
        changed = (found.image_sha256, found.label_sha256) != (of.image_sha256, of.label_sha256)
        same_place = (found.run, found.dataset, found.id) == (of.run, of.dataset, of.id)
        reason = "is of other image or label files" if changed and same_place else "is of another image or run"
        raise UnusableRecordError(reason)
    return loaded


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
