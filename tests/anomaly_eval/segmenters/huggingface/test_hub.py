"""Networks of the hub: from the cache, and what is said where it is not there and nobody answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub.constants
import pytest
from huggingface_hub import errors

from anomaly_eval.segmenters.huggingface import hub
from tests.anomaly_eval.commands import Command, assert_refused, nothing_left, read
from tests.anomaly_eval.segmenters.huggingface import small_networks
from tests.anomaly_eval.segmenters.huggingface.small_networks import build, save

COMMIT = "0" * 40
FILES = pytest.mark.parametrize("options", [{}, {"max_shard_size": "8KB"}], ids=["one file", "many files"])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no connection."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


def put(cache: Path, folder: Path) -> Path:
    """Lay files into the cache as a download does; return the folder of the commit."""
    repository = cache / "models--org--net"
    shutil.copytree(folder, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return repository / "snapshots" / COMMIT


class Hub:
    """Stands in for `hf_hub_download` where there is a connection: nothing is cached, a folder's files are there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.snapshot = folder, folder.parent / COMMIT

    def __call__(self, repository: str, name: str, *, revision: str | None, local_files_only: bool = False) -> str:
        assert repository == "org/net"
        if local_files_only:
            raise errors.LocalEntryNotFoundError(name)
        assert revision == (COMMIT if self.snapshot.exists() else None)
        if not (self.folder / name).exists():
            raise errors.EntryNotFoundError(name)
        self.snapshot.mkdir(exist_ok=True)
        return str(shutil.copy(self.folder / name, self.snapshot / name))


@FILES
def test_what_is_in_the_cache_needs_no_connection(
    tmp_path: Path, evaluate: Command, cache: Path, options: dict[str, Any]
) -> None:
    folder = save(tmp_path / "net", build(small_networks.segformer()), **options)
    put(cache, folder)
    code, _, problems = evaluate(ckpt="hf:org/net")
    assert code == 0, problems
    assert read(tmp_path).provenance.model.checkpoint == "org/net"
    assert evaluate(ckpt=str(folder), out=str(tmp_path / "other"))[0] == 0
    tables = [(tmp_path / name / "results.csv").read_bytes() for name in ("out", "other")]
    assert tables[0] == tables[1]


@FILES
def test_only_the_files_that_count_are_fetched_and_all_of_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    folder = save(tmp_path / "net", build(small_networks.segformer()), **options)
    wanted = {path.name for path in folder.iterdir()}
    (folder / "README.md").touch()
    (folder / "pytorch_model.bin").touch()
    there = Hub(folder)
    monkeypatch.setattr(hub, "hf_hub_download", there)
    found = hub.folder_of("org/net")
    assert (found.path, found.name) == (there.snapshot, "org/net")
    assert {path.name for path in there.snapshot.iterdir()} == wanted


@pytest.mark.parametrize("lacking", ["config.json", "preprocessor_config.json", "model.safetensors", ""])
def test_offline_and_not_in_the_cache(tmp_path: Path, evaluate: Command, cache: Path, lacking: str) -> None:
    if lacking:
        (put(cache, save(tmp_path / "net", build(small_networks.segformer()))) / lacking).unlink()
    words = (f"{lacking or 'config.json'} of hf:org/net is not in the cache, and HF_HUB_OFFLINE is set", "hf download")
    assert_refused(evaluate(ckpt="hf:org/net"), *words)
    assert nothing_left(tmp_path)


def answered(kind: type[errors.HfHubHTTPError]) -> errors.HfHubHTTPError:
    response: Any = SimpleNamespace(headers={}, request=None)
    return kind("refused", response=response)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (lambda: ConnectionError("no route"), "of hf:org/net is not in the cache, and the hub cannot be reached"),
        (lambda: errors.LocalEntryNotFoundError("no"), "is not in the cache, and the hub cannot be reached"),
        (lambda: answered(errors.RepositoryNotFoundError), "the hub has no hf:org/net, or does not show it to you"),
        (lambda: answered(errors.GatedRepoError), "hf:org/net is gated; ask for access at https://huggingface.co/org"),
        (lambda: errors.EntryNotFoundError("no"), "hf:org/net has no config.json"),
    ],
    ids=["connection", "not cached", "missing", "gated", "no network"],
)
def test_what_the_hub_does_not_give(
    tmp_path: Path,
    evaluate: Command,
    monkeypatch: pytest.MonkeyPatch,
    error: Callable[[], Exception],
    words: str,
) -> None:
    def download(*arguments: object, local_files_only: bool = False, **options: object) -> str:
        raise errors.LocalEntryNotFoundError("") if local_files_only else error()

    monkeypatch.setattr(hub, "hf_hub_download", download)
    assert_refused(evaluate(ckpt="hf:org/net"), words)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("name", ["hf:", "hf:a/b/c", "hf:a b", "hf:../net"])
def test_what_is_no_name_on_the_hub(evaluate: Command, cache: Path, name: str) -> None:
    assert_refused(evaluate(ckpt=name), "is no name on the hub; write hf:ORG/NAME")
