"""Counts of each image on disk: read back as they were written, and nothing else is."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.bootstrap import RankedCounts
from anomaly_eval.results.image_counts import COUNTS_FILE, CountsFile, DatasetCounts, write_counts
from anomaly_eval.results.records import Row
from anomaly_eval.results.resamples import MethodCounts
from tests.anomaly_eval.fuzzing.readers import damaged, examples, only_input_errors

RATES = {"auroc": 2 / 3, "ap": 0.1, "fpr95": 1 / 7}
METHODS = {"msp": np.array([[[1, 0], [3, 70_000]], [[0, 2], [5, 0]]], np.uint32), "a/b": np.ones((2, 2, 3), np.uint8)}


def dataset_counts(counts: dict[str, np.ndarray]) -> DatasetCounts:
    methods = {name: MethodCounts(RankedCounts(own), RATES) for name, own in counts.items()}
    n_images = len(next(iter(counts.values())))
    return DatasetCounts("own", [f"{image:064x}" for image in range(n_images)], "nearest", methods)


def results_of(counts: dict[str, np.ndarray], content: bytes) -> Any:
    """Return what the reader asks of results."""
    rows = []
    for name, own in counts.items():
        anomalies, inliers = own.sum(axis=(0, 2), dtype=np.int64).tolist()
        numbers = {"n_images": len(own), "n_anomaly_pixels": anomalies, "n_inlier_pixels": inliers}
        rates = {key: 100 * rate for key, rate in RATES.items()}
        rows.append(Row(dataset="own", method=name, metrics=rates, **numbers))
    return SimpleNamespace(rows=rows, counts_sha256=hashlib.sha256(content).hexdigest())


def written(folder: Path, counts: dict[str, np.ndarray] = METHODS) -> bytes:
    assert write_counts(folder, [dataset_counts(counts)]) is not None
    return (folder / COUNTS_FILE).read_bytes()


def read_all(folder: Path, results: Any) -> dict[str, np.ndarray]:
    file = CountsFile(folder, results)
    return {name: file.counts("own", name).ranked.counts for name in file.methods("own")}


def vouched(folder: Path, content: bytes) -> Any:
    """Write a file that the results beside it vouch for."""
    (folder / COUNTS_FILE).write_bytes(content)
    return results_of(METHODS, content)


def rebuilt(content: bytes, compression: int = zipfile.ZIP_DEFLATED, **members: bytes | None) -> bytes:
    """Return an archive with some arrays replaced, or left out where None is given."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", compression) as new:
        for name in old.namelist():
            own = members.get(name.removesuffix(".npy"), old.read(name))
            if own is not None:
                new.writestr(name, own)
    return made.getvalue()


def npy(array: np.ndarray, **options: Any) -> bytes:
    made = io.BytesIO()
    np.save(made, array, **options)
    return made.getvalue()


def index(content: bytes, **changes: Any) -> bytes:
    """Return the index with fields of its first dataset replaced."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("index.npy") as member:
        found = json.loads(np.load(io.BytesIO(member.read())).tobytes())
    found["datasets"][0] |= changes
    return npy(np.frombuffer(json.dumps(found).encode(), np.uint8))


@given(
    counts=arrays(
        st.sampled_from([np.uint8, np.uint16, np.uint32]), st.tuples(st.integers(1, 4), st.just(2), st.integers(0, 5))
    )
)
def test_counts_are_read_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, counts) -> None:
    folder = tmp_path_factory.mktemp("run")
    content = written(folder, {"msp": counts})
    assert read_all(folder, results_of({"msp": counts}, content))["msp"].tolist() == counts.tolist()


def test_what_is_beside_the_counts(tmp_path: Path) -> None:
    file = CountsFile(tmp_path, results_of(METHODS, written(tmp_path)))
    assert (file.methods("own"), file.methods("other"), file.fpr_convention("own")) == (["msp", "a/b"], [], "nearest")
    assert file.images("own") == [f"{0:064x}", f"{1:064x}"]
    assert dict(file.counts("own", "a/b").rates) == RATES


def test_equal_counts_are_equal_files_and_numpy_opens_them(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    assert written(first) == written(second)
    with np.load(first / COUNTS_FILE) as found:
        assert found.files == ["index", "0.0", "0.1"]
        assert found["0.0"].shape == (4, 2, 2, 2)
    assert write_counts(tmp_path, []) is None and not (tmp_path / COUNTS_FILE).exists()


def test_no_counts_another_runs_and_damaged_ones(tmp_path: Path) -> None:
    content = written(tmp_path)
    with pytest.raises(InputError, match=r"holds no counts\.npz, .* evaluate anew with --bootstrap 1000"):
        CountsFile(tmp_path, SimpleNamespace(rows=[], counts_sha256=None))
    with pytest.raises(InputError, match=r"is damaged or of another run"):
        CountsFile(tmp_path, results_of(METHODS, b"another file"))
    (tmp_path / COUNTS_FILE).unlink()
    with pytest.raises(InputError, match=r"counts\.npz cannot be read \(No such file"):
        CountsFile(tmp_path, results_of(METHODS, content))


HUGE = (
    b"\x93NUMPY\x01\x00"
    + len(TEXT := b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 2, 2, 1073741824)}\n").to_bytes(2, "little")
    + TEXT
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda old: b"no archive", "its array index is not as it was written"),
        (lambda old: rebuilt(old, index=None), "its array index is not as it was written"),
        (lambda old: rebuilt(old, index=npy(np.frombuffer(b"[" * 10_000, np.uint8))), "index is not as it was written"),
        (lambda old: rebuilt(old, index=index(old, fpr_convention="own")), "its index is not as it was written"),
        (lambda old: rebuilt(old, index=index(old, images=["a"])), "the counts of 'msp' on 'own' are not those"),
        (lambda old: rebuilt(old, **{"0.0": None}), r"its array 0\.0 is not as it was written"),
        (lambda old: rebuilt(old, **{"0.0": HUGE}), r"its array 0\.0 is not as it was written"),
        (lambda old: rebuilt(old, **{"0.0": npy(np.zeros((4, 2, 2, 2), np.float64))}), "array 0.0 is not as it was"),
        (lambda old: rebuilt(old, **{"0.0": npy(np.array([{}] * 2), allow_pickle=True)}), "array 0.0 is not as it was"),
        (lambda old: rebuilt(old, zipfile.ZIP_LZMA), "its array index is not as it was written"),
        (lambda old: rebuilt(old, **{"0.0": npy(np.zeros((4, 2, 2), np.uint8))}), "array 0.0 is not as it was"),
        (lambda old: rebuilt(old, **{"0.0": npy(np.zeros((5, 2, 2, 2), np.uint8))}), "array 0.0 is not as it was"),
        (lambda old: rebuilt(old, **{"0.0": npy(np.zeros((4, 2, 2, 2), np.uint8))}), "'msp' on 'own' are not those"),
        (lambda old: rebuilt(old, **{"0.0": npy(np.zeros((4, 9, 2, 2), np.uint8))}), "'msp' on 'own' are not those"),
    ],
)
def test_files_that_no_evaluation_writes(tmp_path: Path, change, said: str) -> None:
    results = vouched(tmp_path, change(written(tmp_path)))
    with pytest.raises(InputError, match=said) as error:
        read_all(tmp_path, results)
    assert str(error.value).endswith("evaluate anew.")


@given(data=st.data())
@examples(150)
def test_damaged_files_that_results_vouch_for(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("run")
    content = data.draw(damaged([written(folder)]))
    with only_input_errors():
        found = read_all(folder, vouched(folder, content))
        assert all(own.shape[:2] == (2, 2) for own in found.values())
