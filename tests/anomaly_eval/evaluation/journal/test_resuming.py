"""A run that was interrupted goes on from the images done, and ends with the bits of one that was not."""

from __future__ import annotations

import errno
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from anomaly_eval.datasets.samples import find_dataset
from anomaly_eval.evaluation import anomaly
from anomaly_eval.evaluation.journal.record_store import RecordFolder, Records
from anomaly_eval.runtime.locks import try_lock
from anomaly_eval.runtime.output_folder import cannot_write
from anomaly_eval.scores.mahalanobis import Mahalanobis
from anomaly_eval.scores.sml import SML
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import SIZE, assert_refused
from tests.anomaly_eval.evaluation.journal.killing import MEASURES, content, run, run_and_kill_after, run_and_kill_at

_EVENTS = 115
"""How often a run of `words` touches a file for its output folder, about."""
_SECONDS = 1.2


@pytest.fixture
def words(tmp_path, data, checkpoint):
    """Return the arguments of a run with everything that is written, into a folder of this name."""

    def of(name: str) -> list[str]:
        card = str(tmp_path / "training.yaml")
        places = ["--data-root", str(data), "--out", str(tmp_path / name)]
        sets = ["--dataset", "road_anomaly", card, "--fit-dataset", card]
        return ["eval", "--ckpt", str(checkpoint), *sets, *places, "--device", "cpu", *MEASURES, "--heatmaps", "1"]

    return of


@pytest.fixture
def computed(monkeypatch):
    """Return the ids of the images whose score maps were computed, in their order."""
    ids = []
    real = anomaly.score_computation

    def counted(*arguments):
        compute = real(*arguments)

        def call(sample, image, label):
            ids.append(sample.id)
            return compute(sample, image, label)

        return call

    monkeypatch.setattr(anomaly, "score_computation", counted)
    monkeypatch.setattr("anomaly_eval.evaluation.part.score_computation", counted)
    return ids


@pytest.fixture
def broken(data):
    """Damage the label of the last image, and return how to mend it."""
    label = data / "road_anomaly" / "labels_masks" / "3.png"
    sound = label.read_bytes()
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(label)
    return lambda: label.write_bytes(sound)


def journal(tmp_path: Path) -> Path:
    return tmp_path / ".out.journal"


def records(tmp_path: Path) -> list[Path]:
    return sorted((journal(tmp_path) / "records").glob("*/*"))


def hidden(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("."))


@pytest.mark.skipif(sys.platform == "win32", reason="processes are copied")
def test_killed_at_any_moment_it_ends_with_the_same_bits(tmp_path, words):
    assert run(words("whole")) == 0
    whole = content(tmp_path / "whole")
    assert len([name for name in whole if name.startswith("scores/road_anomaly/")]) == 4 * 6
    draw = random.Random(8)
    for number, event in enumerate(
        [draw.randrange(_EVENTS * part // 3, _EVENTS * (part + 1) // 3) for part in range(3)]
    ):
        name = f"at{number}"
        assert run_and_kill_at(words(name), tmp_path / name, event) == -9
        # What was published before it was killed is not evaluated again.
        published = (tmp_path / name).exists()
        assert run(words(name)) == (2 if published else 0)
        assert content(tmp_path / name) == whole, f"killed at event {event}"
    run_and_kill_after(words("after"), _SECONDS * draw.random())
    assert run(words("after")) in (0, 2)
    assert content(tmp_path / "after") == whole
    assert hidden(tmp_path) == []


def test_only_what_is_not_done_is_computed(tmp_path, data, evaluate, broken, computed):
    assert evaluate("--scores", "msp", out=str(tmp_path / "whole"))[0] == 2
    code, _, errors = evaluate("--scores", "msp")
    assert code == 2 and "what is done is kept in" in errors.replace("\n", " ")
    assert [path.name for path in records(tmp_path)] == ["0.record", "1.record", "2.record"]
    assert not (tmp_path / "out").exists() and hidden(tmp_path) == [".out.journal", ".whole.journal"]
    broken()
    computed.clear()
    code, _, errors = evaluate("--scores", "msp", "--overwrite")
    assert code == 0
    assert "goes on: 3 of 4 images of road_anomaly are done" in errors
    assert computed == ["3"]
    assert hidden(tmp_path) == [".whole.journal"]
    shutil.rmtree(tmp_path / ".whole.journal")
    assert evaluate("--scores", "msp", "--no-journal", out=str(tmp_path / "whole"))[0] == 0
    assert computed == ["3", "0", "1", "2", "3"]
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_more_measures_need_no_more_of_the_network(tmp_path, evaluate, broken, computed):
    assert evaluate("--scores", "msp", "energy")[0] == 2
    broken()
    computed.clear()
    more = ["--scores", "msp", "energy", "--per-image", "--components", "obstacle", "--bootstrap", "9", "--save-scores"]
    assert evaluate(*more, "--fpr95", "nearest")[0] == 0
    assert computed == ["3"]
    assert evaluate(*more, "--fpr95", "nearest", "--no-journal", out=str(tmp_path / "whole"))[0] == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def damage(path: Path, kind: str, other: Path) -> None:
    sound = path.read_bytes()
    if kind == "changed":
        path.write_bytes(sound[:-5] + bytes([sound[-5] ^ 64]) + sound[-4:])
    elif kind == "torn":
        path.write_bytes(sound[: len(sound) // 2] + bytes(len(sound) - len(sound) // 2))
    elif kind == "of another image":
        path.write_bytes(other.read_bytes())
    elif kind == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"empty": b"", "foreign": b"<html>", "cut": sound[:-1]}[kind])


@pytest.mark.parametrize("kind", ["changed", "torn", "of another image", "a folder", "empty", "foreign", "cut"])
def test_a_record_of_no_use_is_computed_anew_with_a_word(tmp_path, evaluate, broken, computed, kind):
    assert evaluate("--scores", "msp")[0] == 2
    damage(records(tmp_path)[1], kind, records(tmp_path)[0])
    broken()
    computed.clear()
    code, _, errors = evaluate("--scores", "msp")
    assert code == 0
    assert "the record of 1 (road_anomaly)" in errors and "the image is looked at again" in errors
    assert computed == ["1", "3"]
    assert evaluate("--scores", "msp", "--no-journal", out=str(tmp_path / "whole"))[0] == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_changed_image_is_computed_anew(tmp_path, data, evaluate, broken, computed):
    assert evaluate("--scores", "msp")[0] == 2
    Image.fromarray(np.zeros((SIZE[1], SIZE[0], 3), np.uint8)).save(data / "road_anomaly" / "images" / "1.png")
    broken()
    computed.clear()
    code, _, errors = evaluate("--scores", "msp")
    assert code == 0 and "is of other image or label files" in errors
    assert computed == ["1", "3"]


def test_another_run_is_refused_by_its_difference(tmp_path, evaluate, broken, checkpoint, computed):
    assert evaluate("--scores", "msp")[0] == 2
    kept = {path: path.read_bytes() for path in records(tmp_path)}
    other = networks.save(tmp_path / "other.pth", networks.CGNET, networks.build(networks.CGNET, seed=1))
    refused = ["--overwrite to start anew", "another --out"]
    assert_refused(evaluate("--scores", "msp", ckpt=str(other)), "the checkpoint was", *refused)
    assert_refused(evaluate("--scores", "energy"), "the choice of scores was msp and is energy", *refused)
    assert_refused(evaluate("--scores", "msp", "--resize", "0.5x"), "--resize was native and is 0.5x", *refused)
    assert_refused(evaluate("--scores", "msp", "--window-batch", "1"), "--window-batch was 4 and is 1", *refused)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        told = f"threads (OMP_NUM_THREADS) was {threads} and is {threads + 1}"
        assert_refused(evaluate("--scores", "msp"), told, *refused)
    finally:
        torch.set_num_threads(threads)
    assert {path: path.read_bytes() for path in records(tmp_path)} == kept
    broken()
    computed.clear()
    assert evaluate("--scores", "energy", "--overwrite")[0] == 0
    assert computed == ["0", "1", "2", "3"]
    assert hidden(tmp_path) == []


def test_what_scores_learnt_is_kept(tmp_path, evaluate, broken, monkeypatch):
    words = ["--scores", "sml", "mahalanobis", "--sml-without", "smoothing"]
    words += ["--fit-dataset", str(tmp_path / "training.yaml")]
    assert evaluate(*words, "--no-journal", out=str(tmp_path / "none"))[0] == 2
    assert evaluate(*words)[0] == 2
    broken()
    assert evaluate(*words, "--no-journal", out=str(tmp_path / "whole"))[0] == 0
    for score in (SML, Mahalanobis):
        monkeypatch.setattr(score, "observe", lambda *_: pytest.fail("the scores were fitted again"))
    assert evaluate(*words)[0] == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_damaged_statistics_are_fitted_again_and_all_images_scored_with_them(tmp_path, evaluate, broken, computed):
    words = ["--scores", "sml", "--fit-dataset", str(tmp_path / "training.yaml")]
    assert evaluate(*words)[0] == 2
    (journal(tmp_path) / "statistics.safetensors").write_bytes(b"torn")
    broken()
    computed.clear()
    code, _, errors = evaluate(*words)
    assert code == 0 and "are damaged, so all is done again" in errors
    assert computed == ["0", "1", "2", "3"]
    assert hidden(tmp_path) == []


def test_changed_files_of_the_fitting_set_are_another_run(tmp_path, data, evaluate, broken):
    words = ["--scores", "sml", "--fit-dataset", str(tmp_path / "training.yaml")]
    assert evaluate(*words)[0] == 2
    Image.fromarray(np.zeros((SIZE[1], SIZE[0]), np.uint8)).save(data / "training" / "labels_masks" / "0.png")
    broken()
    assert_refused(evaluate(*words), "the files of training", "fitted on, were changed", "--overwrite to start anew")


def test_results_that_could_not_get_their_name_are_not_taken_for_published(tmp_path, evaluate, monkeypatch, computed):
    def taken(*_):
        raise OSError(errno.EEXIST, "somebody was faster")

    with monkeypatch.context() as patch:
        patch.setattr("anomaly_eval.runtime.output_folder._replace_folder", taken)
        assert_refused(evaluate("--scores", "msp"), "the results are complete but could not be named")
    (tmp_path / "out").mkdir()
    computed.clear()
    code, _, errors = evaluate("--scores", "msp")
    assert code == 0, errors
    assert computed == [] and "goes on: 4 of 4 images" in errors


def test_a_run_that_is_told_to_end_after_its_results_leaves_its_journal_to_the_next_one(
    tmp_path, evaluate, monkeypatch
):
    def told_to_end(folder):
        raise SystemExit(143)

    with monkeypatch.context() as patch:
        patch.setattr("anomaly_eval.evaluation.journal.journal_folder.JournalFolder.delete", told_to_end)
        assert evaluate("--scores", "msp")[0] == 143
    assert (tmp_path / "out" / "results.json").is_file() and hidden(tmp_path) == [".out.journal"]
    assert_refused(evaluate("--scores", "msp"), "exists and is not empty")
    assert hidden(tmp_path) == []


def test_a_full_disk_is_told_before_the_network_runs(tmp_path, evaluate, monkeypatch, computed):
    def full(path, content):
        error = OSError(errno.ENOSPC, "No space left on device")
        raise cannot_write(path, error) from error

    monkeypatch.setattr("anomaly_eval.runtime.output_folder.write_atomically", full)
    monkeypatch.setattr("anomaly_eval.evaluation.journal.journal_folder.write_atomically", full)
    assert_refused(evaluate("--scores", "msp"), "out: No space left on device")
    assert computed == [] and hidden(tmp_path) == []


def test_what_an_interrupted_run_left_is_neither_used_nor_deleted_without_a_journal(tmp_path, evaluate, broken):
    assert evaluate("--scores", "msp")[0] == 2
    broken()
    code, _, errors = evaluate("--scores", "energy", "--no-journal")
    assert code == 0 and "is neither used nor deleted" in errors
    assert hidden(tmp_path) == [".out.journal"] and len(records(tmp_path)) == 3


def test_a_damaged_fingerprint_starts_anew(tmp_path, evaluate, broken, computed):
    assert evaluate("--scores", "msp")[0] == 2
    (journal(tmp_path) / "run.json").write_text("{")
    broken()
    computed.clear()
    assert evaluate("--scores", "msp")[0] == 0
    assert computed == ["0", "1", "2", "3"]


def test_nothing_is_left_where_nothing_was_done(tmp_path, data, evaluate, checkpoint):
    label = data / "road_anomaly" / "labels_masks" / "0.png"
    label.write_bytes(b"no image")
    assert_refused(evaluate("--scores", "msp", out=str(tmp_path / "runs" / "today" / "out")), "labels_masks/0.png")
    assert not (tmp_path / "runs").exists()
    checkpoint.write_bytes(b"no checkpoint")
    assert_refused(evaluate("--scores", "msp"), "net.pth")
    assert hidden(tmp_path) == []


def test_a_run_at_work_keeps_another_away(tmp_path, evaluate):
    journal(tmp_path).mkdir()
    (journal(tmp_path) / "lock").touch()
    held = try_lock(journal(tmp_path) / "lock")
    assert_refused(evaluate("--scores", "msp"), "another run is writing", "wait for its end")
    assert held is not None
    subprocess.run([sys.executable, "-c", "import os, sys; os.close(int(sys.argv[1]))", str(held)], check=False)
    assert_refused(evaluate("--scores", "msp"), "another run is writing")


def test_a_full_disk_is_told_once_and_the_run_goes_on_without_a_journal(tmp_path, evaluate, monkeypatch):
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.suffix == ".partial-0" and path.name.startswith(("1.", "2.", "3.")):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, errors = evaluate("--scores", "msp", "--components", "obstacle")
    assert code == 0
    assert errors.count("cannot be written (No space left on device)") == 1
    assert hidden(tmp_path) == []
    assert evaluate("--scores", "msp", "--components", "obstacle", "--no-journal", out=str(tmp_path / "whole"))[0] == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_journal_that_would_take_much_of_the_disk_is_not_written(tmp_path, evaluate, broken, monkeypatch, computed):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=20_000))
    code, _, errors = evaluate("--scores", "msp")
    assert code == 2 and errors.count("more than a tenth of what is free on the disk") == 1
    assert hidden(tmp_path) == []
    broken()
    computed.clear()
    assert evaluate("--scores", "msp")[0] == 0
    assert computed == ["0", "1", "2", "3"]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=200_000))
    assert "tenth" not in evaluate("--scores", "msp", "--overwrite")[2]


def test_processes_that_need_records_are_only_told_of_their_size(tmp_path, data, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    samples, told = find_dataset("road_anomaly", data), []
    folder = RecordFolder(tmp_path / "journal" / "records", [samples])
    with Records(folder, "run", told.append, needed=True) as kept:
        for sample in samples.samples:
            kept.keep(kept.load(samples, sample), {"x": np.arange(3)})
        kept.flush()
        assert all(kept.load(samples, sample).arrays is not None for sample in samples.samples)
    assert len(told) == 1 and "more than a tenth" in told[0]


def test_a_record_is_smaller_than_the_score_maps(tmp_path, evaluate, broken):
    assert evaluate("--scores", "msp", "entropy", "max_logit", "energy")[0] == 2
    for path in records(tmp_path):
        assert path.stat().st_size < SIZE[0] * SIZE[1] * 4


def test_results_that_cannot_be_written_leave_the_journal(tmp_path, evaluate, monkeypatch, computed):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("anomaly_eval.evaluation.part.write_tables", full)
        code, _, errors = evaluate("--scores", "msp")
    assert code == 2 and "cannot write" in errors and "No space left" in errors
    assert hidden(tmp_path) == [".out.journal"] and len(records(tmp_path)) == 4
    computed.clear()
    assert evaluate("--scores", "msp")[0] == 0
    assert computed == []


def test_a_journal_that_cannot_begin_is_told(tmp_path, evaluate):
    journal(tmp_path).mkdir()
    (journal(tmp_path) / "run.json").mkdir()
    code, _, errors = evaluate("--scores", "msp")
    assert code == 0 and "there is no journal" in errors
    # What is not ours stays.
    assert hidden(tmp_path) == [".out.journal"] and list((tmp_path / ".out.journal").iterdir())


def test_closed_set_images_are_kept_too(tmp_path, data, evaluate, monkeypatch):
    label = data / "training" / "labels_masks" / "2.png"
    sound = label.read_bytes()
    label.write_bytes(b"no image")
    card = str(tmp_path / "training.yaml")
    assert evaluate(dataset=card)[0] == 2
    label.write_bytes(sound)
    code, _, errors = evaluate(dataset=card)
    assert code == 0 and "goes on: 2 of 3 images of training are done" in errors
    assert evaluate("--no-journal", dataset=card, out=str(tmp_path / "whole"))[0] == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")
