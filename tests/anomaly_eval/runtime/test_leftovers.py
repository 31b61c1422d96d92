"""What killed runs leave is cleared by the next one, and what somebody still holds is not."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.journal.journal_folder import JournalFolder
from anomaly_eval.runtime.locks import BusyError, try_lock
from anomaly_eval.runtime.output_folder import prepare_output, remove_abandoned, restore_replaced
from tests.forked import ended, in_another_process

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed(work) -> None:
    def then_kill() -> int:
        work()
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert ended(in_another_process(then_kill)) == -signal.SIGKILL


def test_a_killed_run_leaves_a_folder_and_the_next_one_deletes_it(tmp_path: Path) -> None:
    def begin() -> None:
        (prepare_output(tmp_path / "out", overwrite=False).__enter__().path / "half.csv").write_text("half")

    killed(begin)
    assert len(names(tmp_path)) == 1 and names(tmp_path)[0].startswith(".out.partial-")
    with prepare_output(tmp_path / "other", overwrite=False):
        pass
    assert len(names(tmp_path)) == 2
    with prepare_output(tmp_path / "out", overwrite=False):
        pass
    assert names(tmp_path) == ["other", "out"]


def test_what_is_still_being_filled_stays(tmp_path: Path) -> None:
    with prepare_output(tmp_path / "out", overwrite=False) as first:
        with pytest.raises(RuntimeError), prepare_output(tmp_path / "out", overwrite=False):
            assert first.path.is_dir()
            raise RuntimeError
        assert names(tmp_path) == [first.path.name]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "name",
    [
        ".out.partial-0123456",
        ".out.partial-0123456g",
        ".outer.partial-01234567",
        "out.partial-01234567",
        ".out.kept-01234567",
    ],
)
def test_other_names_are_not_ours(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    remove_abandoned(tmp_path / "out")
    restore_replaced(tmp_path / "out")
    assert names(tmp_path) == [name]


def test_a_file_and_a_link_with_such_a_name_stay(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / ".out.partial-01234567").symlink_to(tmp_path / "photos")
    (tmp_path / ".out.partial-89abcdef").write_text("a file")
    remove_abandoned(tmp_path / "out")
    assert len(names(tmp_path)) == 3


def test_earlier_results_get_their_name_back_or_go(tmp_path: Path) -> None:
    old = tmp_path / ".out.replaced-01234567"
    old.mkdir()
    (old / "results.csv").write_text("old")
    restore_replaced(tmp_path / "out")
    assert names(tmp_path) == ["out"] and (tmp_path / "out" / "results.csv").read_text() == "old"
    (tmp_path / ".out.replaced-89abcdef").mkdir()
    restore_replaced(tmp_path / "out")
    assert names(tmp_path) == ["out"] and (tmp_path / "out" / "results.csv").read_text() == "old"


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.touch()
    killed(lambda: try_lock(file))
    held = try_lock(file)
    assert held is not None
    with pytest.raises(BusyError):
        try_lock(file)
    os.close(held)


def test_a_lock_on_a_deleted_file_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    file = tmp_path / "lock"
    file.touch()
    take = fcntl.flock

    def deleted_meanwhile(descriptor: int, how: int) -> None:
        file.unlink()
        take(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", deleted_meanwhile)
    with pytest.raises(BusyError):
        try_lock(file)


def test_where_there_are_no_locks_nothing_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def unknown(descriptor: int, how: int) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", unknown)
    (tmp_path / ".out.partial-01234567").mkdir()
    with prepare_output(tmp_path / "out", overwrite=False):
        pass
    assert names(tmp_path) == [".out.partial-01234567", "out"]


def test_the_lock_of_a_journal_leaves_nothing(tmp_path: Path) -> None:
    folder = JournalFolder(tmp_path / "runs" / "out")
    with folder.locked():
        assert folder.path.is_dir()
        with (
            pytest.raises(InputError, match="another run is writing"),
            JournalFolder(tmp_path / "runs" / "out").locked(),
        ):
            pass
    assert names(tmp_path) == []


def test_a_journal_whose_results_were_published_is_swept(tmp_path: Path) -> None:
    folder = JournalFolder(tmp_path / "out")
    (folder.path / "records" / "x").mkdir(parents=True)
    (folder.path / "records" / "x" / "1.record").touch()
    folder.sweep()
    assert folder.holds_work
    (tmp_path / ".out.partial-01234567").mkdir()
    folder.note_publication(tmp_path / ".out.partial-01234567")
    folder.sweep()
    assert folder.holds_work
    folder.note_publication(tmp_path / ".out.partial-01234567")
    (tmp_path / ".out.partial-01234567").rename(tmp_path / "out")
    folder.sweep()
    assert names(tmp_path) == ["out"]


def test_a_file_of_somebody_else_in_a_journal_stays(tmp_path: Path) -> None:
    folder = JournalFolder(tmp_path / "out")
    folder.path.mkdir()
    (folder.path / "photo.jpg").write_bytes(b"irreplaceable")
    with folder.locked():
        pass
    assert names(folder.path) == ["photo.jpg"]
