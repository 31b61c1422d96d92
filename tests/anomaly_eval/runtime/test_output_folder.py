"""Results appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.runtime import output_folder
from anomaly_eval.runtime.output_folder import prepare_output, write_atomically

OURS = json.dumps({"format_version": 1, "rows": [], "provenance": {}, "more": 1})


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder with the results of an earlier run."""
    folder = tmp_path / "out"
    (folder / "heatmaps").mkdir(parents=True)
    (folder / "results.json").write_text(OURS)
    (folder / "heatmaps" / "old.png").write_bytes(b"old")
    return folder


def names(folder: Path) -> list[str]:
    """Return the sorted names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def test_results_get_their_name_only_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with prepare_output(folder, overwrite=False) as output:
        (output.path / "results.json").write_text(OURS)
        assert not folder.exists()
        assert output.path.parent == tmp_path and output.path.name.startswith(".out.partial-")
    assert names(tmp_path) == ["out"]
    assert names(folder) == ["results.json"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with prepare_output(folder, overwrite=False) as output:
        (output.path / "a").write_text("a")
    assert names(tmp_path) == ["out"] and names(folder) == ["a"]


def test_missing_parents_are_made(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "today" / "out"
    with prepare_output(folder, overwrite=False):
        pass
    assert folder.is_dir()


def test_the_folder_has_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "ordinary").mkdir()
    with prepare_output(tmp_path / "out", overwrite=False):
        pass
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "out")}
    assert len(modes) == 1


def test_overwrite_is_offered_only_where_it_would_be_taken(earlier: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("x")
    for folder, offered in ((earlier, True), (foreign, False)):
        with pytest.raises(InputError) as error:
            prepare_output(folder, overwrite=False)
        assert ("--overwrite" in str(error.value)) is offered
    (earlier / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"is not empty; choose another --out\.$"):
        prepare_output(earlier, overwrite=False)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, FileNotFoundError])
@pytest.mark.parametrize("overwrite", [False, True])
def test_whatever_is_raised_leaves_nothing(tmp_path: Path, error: type[BaseException], overwrite: bool) -> None:
    folder = tmp_path / "runs" / "out"
    with pytest.raises(error), prepare_output(folder, overwrite) as output:
        (output.path / "heatmaps").mkdir()
        (output.path / "heatmaps" / "half.png").write_bytes(b"half")
        raise error
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_earlier_results_survive_a_failed_run(earlier: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), prepare_output(earlier, overwrite=True) as output:
        (output.path / "results.json").write_text("{}")
        raise error
    assert names(earlier.parent) == ["out"]
    assert (earlier / "results.json").read_text() == OURS
    assert (earlier / "heatmaps" / "old.png").read_bytes() == b"old"


def test_overwrite_replaces_the_whole_folder(earlier: Path) -> None:
    with prepare_output(earlier, overwrite=True) as output:
        (output.path / "results.json").write_text("{}")
        assert (earlier / "results.json").read_text() == OURS
    assert names(earlier.parent) == ["out"]
    assert names(earlier) == ["results.json"] and (earlier / "results.json").read_text() == "{}"


def test_a_link_stays_a_link(earlier: Path) -> None:
    link = earlier.parent / "latest"
    link.symlink_to(earlier)
    with prepare_output(link, overwrite=True) as output:
        (output.path / "new").write_text("new")
    assert link.is_symlink() and names(link) == names(earlier) == ["new"]


def test_a_folder_that_is_not_empty_is_refused_at_once(earlier: Path) -> None:
    with pytest.raises(InputError, match=r"out exists and is not empty; .*--out.*--overwrite"):
        prepare_output(earlier, overwrite=False)
    assert names(earlier.parent) == ["out"]


@pytest.mark.parametrize("content", [None, "not JSON", "[]", '{"rows": []}'])
def test_overwrite_spares_what_we_did_not_write(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"irreplaceable")
    if content is not None:
        (folder / "results.json").write_text(content)
    with pytest.raises(InputError, match=r"photos holds no results\.json written by this tool"):
        prepare_output(folder, overwrite=True)
    assert (folder / "holiday.jpg").read_bytes() == b"irreplaceable"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_refused(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="out is a file; choose another --out"):
        prepare_output(tmp_path / "out", overwrite)


def test_a_parent_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with (
        pytest.raises(InputError, match=r"cannot write .*out: Not a directory"),
        prepare_output(tmp_path / "file" / "out", overwrite=False),
    ):
        pytest.fail("the block must not run")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_parent_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(InputError, match="Permission denied"),
        prepare_output(tmp_path / "out", overwrite=False),
    ):
        pytest.fail("the block must not run")


def test_a_mount_point_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(output_folder.os.path, "ismount", lambda path: path == tmp_path / "out")
    with pytest.raises(InputError, match=r"mount point.*out/results"):
        prepare_output(tmp_path / "out", overwrite=False)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_is_named(tmp_path: Path, code: int) -> None:
    with (
        pytest.raises(InputError, match=f"cannot write .*out: {os.strerror(code)}"),
        prepare_output(tmp_path / "out", overwrite=False),
    ):
        raise OSError(code, os.strerror(code))
    assert names(tmp_path) == []


def test_a_file_that_cannot_be_read_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), prepare_output(tmp_path / "out", overwrite=False):
        raise PermissionError(errno.EACCES, "Permission denied", "elsewhere/image.png")


def test_finished_results_are_kept_where_the_name_was_taken_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with (
        pytest.raises(InputError, match=r"complete.*not empty.*they are in .*finished-") as caught,
        prepare_output(folder, overwrite=False) as output,
    ):
        (output.path / "results.json").write_text(OURS)
        folder.mkdir()
        (folder / "of another run").write_text("")
    assert names(folder) == ["of another run"]
    assert str(output.path) in str(caught.value)
    assert (output.path / "results.json").read_text() == OURS


def test_earlier_results_come_back_where_renaming_fails(earlier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fail_for_new(path: Path, target: Path) -> Path:
        if ".partial-" in path.name:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(InputError, match="Input/output error"), prepare_output(earlier, overwrite=True):
        pass
    assert (earlier / "results.json").read_text() == OURS
    assert not [name for name in names(earlier.parent) if "replaced" in name]


def test_write_atomically_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cache.bin"
    for content in (b"old", b"new content"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["cache.bin"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_write_atomically_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "cache.bin"
    write_atomically(path, b"old")

    def fail(descriptor: int) -> None:
        raise error

    monkeypatch.setattr(output_folder.os, "fsync", fail)
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_atomically(path, b"new")
    assert names(tmp_path) == ["cache.bin"] and path.read_bytes() == b"old"


def test_write_atomically_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*cache\.bin: No such file or directory"):
        write_atomically(tmp_path / "missing" / "cache.bin", b"new")
