"""Rows of the table: score maps of other methods, and folders of saved ones."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import SIZE, read
from tests.anomaly_eval.hostile.bench import Bench, Row
from tests.anomaly_eval.hostile.checkpoints import Trap

SHAPE = (SIZE[1], SIZE[0])
VALUES = np.random.default_rng(2).standard_normal(SHAPE).astype(np.float32)


def use(bench: Bench, folder: str = "maps") -> list[str]:
    """Return the words of `eval` on the maps of a folder."""
    words = ["eval", "--score-maps", bench.folder / folder, "--dataset", bench.folder / "own.yaml"]
    return [*map(str, words), "--data-root", str(bench.data), "--out", str(bench.out)]


def second(name: str, write: Callable[[Path], object]) -> Callable[[Bench], list[str]]:
    """Return how a row writes the map of the second image; that of the first one is good."""

    def prepare(bench: Bench) -> list[str]:
        folder = bench.folder / "maps"
        folder.mkdir()
        np.save(folder / "0.npy", VALUES)
        write(folder / name)
        return use(bench)

    return prepare


def array(values: object) -> Callable[[Bench], list[str]]:
    """Return how a row saves something with numpy as the second map."""
    return second("1.npy", lambda path: np.save(path, values, allow_pickle=True))


def in_archive(values: object) -> Callable[[Bench], list[str]]:
    """Return how a row saves something as `.npz`."""
    return second("1.npz", lambda path: np.savez(path, score=values))


def objects() -> np.ndarray:
    """Return an array of objects that run when they are loaded."""
    values = np.full(SHAPE, None)
    values[0, 0] = Trap()
    return values


def bomb(path: Path) -> None:
    """Write 200 megabytes of zeros as 200 kilobytes under the header of a map of the right size."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": SHAPE})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("score.npy", "w") as member:
        member.write(header.getvalue())
        for _ in range(20):
            member.write(bytes(10_000_000))


def sparse(path: Path) -> None:
    """Write a file of a gigabyte that takes no space on the disk."""
    with path.open("wb") as file:
        file.truncate(1 << 30)


def elsewhere(path: Path) -> None:
    """Write an HDF5 file whose values lie in another one."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["value"] = h5py.ExternalLink(str(path.with_name("secret.h5")), "value")


def missing_and_surplus(bench: Bench) -> list[str]:
    """Call the map of the second image by another name."""
    words = array(VALUES)(bench)
    (bench.folder / "maps" / "1.npy").rename(bench.folder / "maps" / "one.npy")
    return words


def surplus(bench: Bench) -> list[str]:
    """Add a map without an image."""
    words = array(VALUES)(bench)
    np.save(bench.folder / "maps" / "2.npy", VALUES)
    return words


def warned(bench: Bench) -> None:
    """Check that the results name the surplus file."""
    assert any("2.npy" in warning for warning in read(bench.folder).warnings)


def saved(change: Callable[[Path], object]) -> Callable[[Bench], list[str]]:
    """Return how a row saves score maps and then changes something in their folder."""

    def prepare(bench: Bench) -> list[str]:
        assert main(bench.eval(out=bench.folder / "saved", save_scores="float32")) == 0
        change(bench.folder / "saved" / "scores")
        return use(bench, "saved")

    return prepare


def in_index(old: str, new: str) -> Callable[[Bench], list[str]]:
    """Return how a row replaces text in the index of saved maps."""

    def change(scores: Path) -> None:
        text = (scores / "index.json").read_text()
        assert old in text
        (scores / "index.json").write_text(text.replace(old, new))

    return saved(change)


ROWS = [
    Row(
        "a score map that holds code (pickle), in .npy or .npz",
        2,
        "`holds Python objects (pickle), which could run code`; nothing of it runs",
        (array(objects()), in_archive(objects())),
        "maps/1.np",
    ),
    Row("a zip bomb as score map", 2, "`its length is not the one in its header`", second("1.npz", bomb), "maps/1.npz"),
    Row("a score map of a gigabyte", 2, "`it is larger than`", second("1.npy", sparse), "maps/1.npy"),
    Row(
        "a score map in HDF5 that lies in another file",
        2,
        "`it holds no array`; the other file is not opened",
        second("1.h5", elsewhere),
        "maps/1.h5",
    ),
    Row("a score map of another size", 2, "`is 95x64 pixels, its label`", array(VALUES[:, 1:]), "maps/1.npy"),
    Row("a score map with NaN", 2, "`holds NaN`", array(np.full(SHAPE, np.nan)), "maps/1.npy"),
    Row("a score map with infinities", 0, "ranked above or below all others", array(np.full(SHAPE, np.inf))),
    Row(
        "a score map with a channel too many, or of complex numbers",
        2,
        "`the score map`, `save`",
        (array(VALUES[None]), array(VALUES.astype(np.complex64))),
        "maps/1.npy",
    ),
    Row(
        "a picture in colours as score map",
        2,
        "`it is a picture with pixels of the kind RGB`",
        second("1.tif", lambda path: Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(path)),
        "maps/1.tif",
    ),
    Row(
        "an empty or truncated score map",
        2,
        "`cannot be read`, `replace the file`",
        (
            second("1.npy", lambda path: path.write_bytes(b"")),
            second("1.tif", lambda path: path.write_bytes(b"II*\0")),
            second("1.npz", lambda path: path.write_bytes(b"PK\3\4")),
        ),
        "maps/1.",
    ),
    Row("a pipe in place of a score map", 2, "`it is a pipe or a device`", second("1.npy", os.mkfifo), "maps/1.npy"),
    Row(
        "an image without score map",
        2,
        "`has no score map for 1 of the 2 images of own: 1; 1 file is there without an image: one.npy`",
        missing_and_surplus,
        "maps",
    ),
    Row("a score map without image", 0, "left out, with a warning", surplus, check=warned),
    Row(
        "a saved score map that was changed since",
        2,
        "`is not the one that was saved`",
        saved(lambda scores: Image.fromarray(VALUES).save(scores / "own" / "msp" / "1.tif")),
        "1.tif",
    ),
    Row(
        "an index of saved score maps with .. in a path",
        2,
        "`names a file outside its folder`",
        in_index("own/msp/1.tif", "../../1.tif"),
        "index.json",
    ),
    Row(
        "an index of saved score maps that is damaged, or of another version",
        2,
        "`index.json`, `anew`",
        (in_index("}", ""), in_index('"format_version": 1', '"format_version": 7')),
        "index.json",
    ),
]
