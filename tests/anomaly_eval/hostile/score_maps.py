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


def pngs(kind: type[np.unsignedinteger]) -> Callable[[Bench], list[str]]:
    """Return how a row writes both maps as PNG, from the least to the largest value."""

    def prepare(bench: Bench) -> list[str]:
        folder = bench.folder / "maps"
        folder.mkdir()
        levels = np.linspace(0, np.iinfo(kind).max, VALUES.size).reshape(SHAPE).astype(kind)
        for name in ("0.png", "1.png"):
            Image.fromarray(levels).save(folder / name)
        return use(bench)

    return prepare


def alone(name: str, write: Callable[[Path], object]) -> Callable[[Bench], list[str]]:
    """Return how a row writes the map of the second image where that of the first is a good PNG."""

    def prepare(bench: Bench) -> list[str]:
        words = pngs(np.uint8)(bench)
        write(bench.folder / "maps" / name)
        return words

    return prepare


def called(*forms: str) -> Callable[[Bench], list[str]]:
    """Return how a row writes maps under longer names than those of the images."""

    def prepare(bench: Bench) -> list[str]:
        folder = bench.folder / "maps"
        folder.mkdir()
        for form in forms:
            for id in ("0", "1"):
                np.save(folder / form.format(id), VALUES)
        return use(bench)

    return prepare


def two_in_hdf5(path: Path) -> None:
    """Write an HDF5 file with two arrays."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["msp"] = file["energy"] = VALUES


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


def with_warning(words: str) -> Callable[[Bench], None]:
    """Return the check that a warning among the results holds these words."""

    def check(bench: Bench) -> None:
        assert any(words in warning for warning in read(bench.folder).warnings)

    return check


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
        "a score map of several channels, or of complex numbers",
        2,
        "`the score map`, `save`",
        (array(np.stack([VALUES, VALUES])), array(VALUES.astype(np.complex64))),
        "maps/1.npy",
    ),
    Row(
        "a score map with axes of length 1",
        0,
        "(1, H, W), (H, W, 1) and the like are read as (H, W)",
        (array(VALUES[None]), array(VALUES[..., None]), array(VALUES[None, None]), in_archive(VALUES[None])),
    ),
    Row(
        "a score map as PNG of one channel, 8 or 16 bits",
        0,
        "ranked as it is, where the folder holds no other maps; a warning where each is stretched by itself",
        (pngs(np.uint8), pngs(np.uint16)),
        check=with_warning("stretched by itself"),
    ),
    Row(
        "a picture in colours as score map",
        2,
        "`it is a picture with pixels of the kind RGB`, `save the scores themselves`",
        (
            second("1.tif", lambda path: Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(path)),
            alone("1.png", lambda path: Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(path)),
        ),
        "maps/1.",
    ),
    Row(
        "a score map in an .npz or HDF5 file with several arrays",
        2,
        "`it holds the arrays energy, msp`, `as in --score-maps FOLDER:energy (or msp)`",
        (second("1.npz", lambda path: np.savez(path, energy=VALUES, msp=VALUES)), second("1.h5", two_in_hdf5)),
        "maps/1.",
    ),
    Row(
        "score maps with a beginning and an end around the names of images, `score_ID_msp.npy`",
        0,
        "accepted, where all share them",
        called("score_{}_msp.npy"),
    ),
    Row(
        "two such score maps for each image",
        2,
        "`has 2 score maps for each image of own, called *_energy, *_msp`",
        called("{}_msp.npy", "{}_energy.npy"),
        "maps",
    ),
    Row(
        "an empty or truncated score map",
        2,
        "`cannot be read`",
        (
            second("1.npy", lambda path: path.write_bytes(b"")),
            second("1.tif", lambda path: path.write_bytes(b"II*\0")),
            alone("1.png", lambda path: path.write_bytes(b"\x89PNG")),
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
    Row("a score map without image", 0, "left out, with a warning", surplus, check=with_warning("2.npy")),
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
