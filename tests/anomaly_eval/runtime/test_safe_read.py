"""Only files are read, whole and not without end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anomaly_eval.runtime.safe_read import read_regular


def test_a_file_and_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_regular(tmp_path / "file", 7) == read_regular(tmp_path / "link", 100) == b"content"


def test_a_longer_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(2001))
    with pytest.raises(OSError, match="it is larger than 2,000 bytes"):
        read_regular(tmp_path / "file", 2000)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is a pipe or a device rather than a file"):
            read_regular(path, 10)
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, 10)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none", 10)
    with pytest.raises(OSError, match="symbolic links"):
        read_regular(tmp_path / "loop", 10)
