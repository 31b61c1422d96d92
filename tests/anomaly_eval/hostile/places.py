"""Rows of the table: names, links, pipes and permissions in a data root."""

from __future__ import annotations

import os
from collections.abc import Callable

from PIL import Image

from tests.anomaly_eval.commands import SIZE, read
from tests.anomaly_eval.hostile.bench import Bench, Row

IMAGE = "images/1.png"
SPECIAL = "`is a pipe, a device, or a link that leads nowhere`"


def renamed(name: str) -> Callable[[Bench], list[str]]:
    """Return how a row renames an image and its mask."""

    def prepare(bench: Bench) -> list[str]:
        for path in (bench.image, bench.mask):
            path.rename(path.with_name(name))
        return bench.eval()

    return prepare


def replaced(make: Callable[[str], object]) -> Callable[[Bench], list[str]]:
    """Return how a row puts something else in the place of an image."""

    def prepare(bench: Bench) -> list[str]:
        bench.image.unlink()
        make(str(bench.image))
        return bench.eval()

    return prepare


def outside(bench: Bench) -> list[str]:
    """Move an image out of the data root and leave a link."""
    target = bench.folder / "elsewhere.png"
    bench.image.rename(target)
    bench.image.symlink_to(target)
    return bench.eval()


def loop_of_folders(bench: Bench) -> list[str]:
    """Make a folder that leads back to where it lies."""
    (bench.data / "own" / "images" / "again").symlink_to(bench.data / "own")
    return bench.eval()


def unreadable(bench: Bench) -> list[str]:
    """Take all permissions from an image."""
    bench.image.chmod(0)
    return bench.eval()


def unreadable_folder(bench: Bench) -> list[str]:
    """Take all permissions from a folder."""
    bench.image.parent.chmod(0)
    return bench.eval()


def beside(*names: str) -> tuple[Callable[[Bench], list[str]], ...]:
    """Return how a row puts files beside images and masks, each by itself."""

    def put(name: str) -> Callable[[Bench], list[str]]:
        def prepare(bench: Bench) -> list[str]:
            for path in (bench.image, bench.mask):
                path.with_name(name).write_bytes(b"no picture")
            return bench.eval()

        return prepare

    return tuple(map(put, names))


def coloured(bench: Bench) -> list[str]:
    """Put a coloured copy beside a mask."""
    Image.new("RGB", SIZE).save(bench.mask.with_name("1_color.png"))
    return bench.eval()


def deeper(bench: Bench) -> list[str]:
    """Move the dataset into a folder of its own name."""
    (bench.data / "own").rename(bench.data / "moved")
    (bench.data / "own").mkdir()
    (bench.data / "moved").rename(bench.data / "own" / "own")
    return bench.eval()


def own_root(bench: Bench) -> list[str]:
    """Give the dataset's own folder as the data root."""
    return bench.eval(data_root=bench.data / "own")


def nearly(bench: Bench) -> list[str]:
    """Call the dataset's folder nearly as the card does."""
    (bench.data / "own").rename(bench.data / "O-W-N")
    return bench.eval()


def has_both(bench: Bench) -> None:
    """Check that no image was left out."""
    assert read(bench.folder).datasets[0].n_images == 2


ROWS = [
    Row("names with spaces", 0, "accepted", renamed("a name with  spaces.png"), check=has_both),
    Row("names that are not ASCII", 0, "accepted", renamed("Straße 道路 🚗.png"), check=has_both),
    Row(
        "suffixes in capitals (.PNG)",
        0,
        "accepted, also where the card names the suffix",
        (renamed("1.PNG"), renamed("1.Png")),
        check=has_both,
    ),
    Row(
        "side files and back-ups (._1.png, .DS_Store, Thumbs.db, 1.png~, 1.bak, .1.png.swp, 1.json)",
        0,
        "neither images nor masks",
        beside("._1.png", ".DS_Store", "Thumbs.db", "1.png~", "1.bak", ".1.png.swp", "1.json"),
        check=has_both,
    ),
    Row("coloured copies of masks beside them (1_color.png)", 0, "no masks", coloured, check=has_both),
    Row(
        "a data set in a folder of its own name twice", 2, "`it lies a folder deeper: give --data-root`", deeper, "own"
    ),
    Row(
        "a data set's own folder as data root",
        2,
        "`is in the dataset itself: give --data-root`",
        own_root,
        "own is in",
    ),
    Row("a folder that is nearly called like its data set", 2, "`rename that folder to own`", nearly, "O-W-N"),
    Row(
        "names with a newline or another control character",
        2,
        "`holds a control character`",
        renamed("line\n\x1b[31mbreak.png"),
        "line\\n\\x1b[31mbreak.png",
    ),
    Row("a name that is not UTF-8", 2, "`is not UTF-8; rename it`", renamed(os.fsdecode(b"\xff.png")), "\\udcff.png"),
    Row("a link out of the data root", 0, "followed: links are the user's own", outside, check=has_both),
    Row("a link that leads to itself", 2, SPECIAL, replaced(lambda path: os.symlink(path, path)), IMAGE),
    Row("a link that leads nowhere", 2, SPECIAL, replaced(lambda path: os.symlink("/no/such/file", path)), IMAGE),
    Row("folders that lead back to themselves", 0, "no deeper than the card says", loop_of_folders, check=has_both),
    Row("a folder in place of an image", 2, "`has no image; expected`", replaced(os.mkdir), "labels_masks/1.png"),
    Row("a pipe in place of an image", 2, SPECIAL, replaced(os.mkfifo), IMAGE),
    Row("a device in place of an image", 2, SPECIAL, replaced(lambda path: os.symlink("/dev/zero", path)), IMAGE),
    Row("an image without read permission", 2, "`cannot be read`", unreadable, IMAGE, only_as_ordinary_user=True),
    Row(
        "a folder without read permission",
        2,
        "`check its permissions`",
        unreadable_folder,
        "images",
        only_as_ordinary_user=True,
    ),
]
