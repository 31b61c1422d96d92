"""A fit that was interrupted goes on from the images that are added up, and ends with the bits of one that was not."""

from __future__ import annotations

import errno
import shutil
import sys
from pathlib import Path

import pytest

from anomaly_eval.runtime.output_folder import cannot_write
from anomaly_eval.scores.knn import KNN
from anomaly_eval.scores.mahalanobis import Mahalanobis
from tests.anomaly_eval.commands import Answer, Command, assert_refused
from tests.anomaly_eval.evaluation.journal.killing import content, run, run_and_kill_at


@pytest.fixture
def words(tmp_path, data, checkpoint):
    """Return the arguments of a fit into a file of this name."""

    def of(name: str, *more: str) -> list[str]:
        places = ["--data-root", str(data), "--out", str(tmp_path / name), "--dataset", str(tmp_path / "training.yaml")]
        return ["fit", "--ckpt", str(checkpoint), *places, "--device", "cpu", *more]

    return of


@pytest.fixture
def fit(words, command) -> Command:
    """Run `fit` and return what it answers."""

    def run(name: str, *more: str) -> Answer:
        return command(*words(name, *more))

    return run


@pytest.fixture
def observed(monkeypatch):
    """Return a list that gets an entry for each image that is looked at; `observed.fails_at` ends the run at one."""

    class Observed(list):
        fails_at: int | None = None

    seen, real = Observed(), Mahalanobis.observe

    def observe(self, prediction, label, image_id):
        if len(seen) == seen.fails_at:
            raise OSError("the machine was switched off")
        seen.append(prediction.size)
        return real(self, prediction, label, image_id)

    monkeypatch.setattr(Mahalanobis, "observe", observe)
    return seen


def interrupted(fit, observed, name="stats", at=2):
    observed.clear()
    observed.fails_at = at
    code, _, errors = fit(name)
    assert code == 2 and "what is done is kept in" in errors
    observed.fails_at = None
    observed.clear()


def full_disk(path, content):
    raise cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))


def sums(tmp_path: Path, name="stats") -> Path:
    return tmp_path / f".{name}.journal" / "sums.record"


def test_only_images_that_are_not_added_up_are_looked_at(tmp_path, fit, observed):
    assert fit("whole", "--no-journal")[0] == 0
    interrupted(fit, observed)
    assert not (tmp_path / "stats").exists()
    code, _, errors = fit("stats")
    assert code == 0 and "goes on: 2 of 3 images of training are fitted on" in errors
    assert len(observed) == 1
    assert (tmp_path / "stats").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_samples_of_pixels_go_on_to_the_same_bits(tmp_path, fit, monkeypatch):
    """The bank of kNN and the pixels that give ViM its scale; a bank of few, so that most are replaced."""
    options = ["--scores", "knn", "vim"]
    monkeypatch.setattr("anomaly_eval.scores.knn.KNN.__init__.__defaults__", (40, 10))
    monkeypatch.setattr("anomaly_eval.scores.vim._SAMPLE", 30)
    assert fit("whole", "--no-journal", *options)[0] == 0
    real, seen = KNN.observe, []

    def observe(self, prediction, label, image_id):
        seen.append(image_id)
        if len(seen) == 3:
            raise OSError("the machine was switched off")
        return real(self, prediction, label, image_id)

    monkeypatch.setattr(KNN, "observe", observe)
    assert fit("stats", *options)[0] == 2 and seen == ["0", "1", "2"]
    assert fit("stats", *options)[0] == 0 and seen == ["0", "1", "2", "2"]
    assert (tmp_path / "stats").read_bytes() == (tmp_path / "whole").read_bytes()


def test_images_that_are_not_in_the_sums_yet_are_not_looked_at_again_either(tmp_path, fit, observed, monkeypatch):
    monkeypatch.setattr("anomaly_eval.evaluation.journal.fit_journal._EVERY", 1e9)
    assert fit("whole", "--no-journal")[0] == 0
    interrupted(fit, observed)
    assert not sums(tmp_path).exists()
    code, _, errors = fit("stats")
    assert code == 0 and "goes on: 2 of 3 images of training are fitted on" in errors
    assert len(observed) == 1
    assert (tmp_path / "stats").read_bytes() == (tmp_path / "whole").read_bytes()


def test_sums_outlive_statistics_that_cannot_be_written(tmp_path, fit, observed, monkeypatch):
    assert fit("whole", "--no-journal")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr("anomaly_eval.scores.statistics_file.write_atomically", full_disk)
        observed.clear()
        code, _, errors = fit("stats")
    assert code == 2 and "No space left" in errors and "what is done is kept in" in errors
    observed.clear()
    assert fit("stats")[0] == 0
    assert len(observed) == 0
    assert (tmp_path / "stats").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path, fit, monkeypatch):
    real = Mahalanobis.finish

    def finish(self, moments, classes):
        (tmp_path / "stats").write_bytes(b"of somebody else")
        return real(self, moments, classes)

    with monkeypatch.context() as patch:
        patch.setattr(Mahalanobis, "finish", finish)
        code, _, errors = fit("stats")
    assert code == 2 and "exists already" in errors and "what is done is kept in" in errors
    assert (tmp_path / "stats").read_bytes() == b"of somebody else"
    assert fit("stats", "--overwrite")[0] == 0
    assert not list(tmp_path.glob(".*"))


def test_options_that_a_fit_refuses_can_be_corrected(tmp_path, evaluate):
    words = ["--scores", "vim", "--fit-dataset", str(tmp_path / "training.yaml"), "--vim-dimensions"]
    assert_refused(evaluate(*words, "900"), "give a smaller one")
    code, _, errors = evaluate(*words, "2")
    assert code == 0, errors


def test_a_fit_that_is_refused_for_good_is_no_interrupted_one(tmp_path, data, fit, monkeypatch):
    """Its remedy, other images, works by the same --out."""

    def refuse(self, moments, classes):
        raise ValueError("the features do not vary")

    with monkeypatch.context() as patch:
        patch.setattr(Mahalanobis, "finish", refuse)
        assert_refused(fit("stats"), "the features do not vary", "fit on other images")
    assert not list(tmp_path.glob(".*"))
    shutil.copy(data / "training" / "images" / "0.png", data / "training" / "images" / "1.png")
    code, _, errors = fit("stats")
    assert code == 0, errors


@pytest.mark.parametrize("kind", ["changed", "cut", "foreign"])
def test_damaged_sums_begin_anew_with_a_word(tmp_path, fit, observed, kind):
    assert fit("whole", "--no-journal")[0] == 0
    interrupted(fit, observed)
    sound = sums(tmp_path).read_bytes()
    content = {"changed": sound[:-5] + bytes([sound[-5] ^ 64]) + sound[-4:], "cut": sound[:-1], "foreign": b"<html>"}
    sums(tmp_path).write_bytes(content[kind])
    # A record may be written after the sums that replace it.
    shutil.rmtree(sums(tmp_path).with_name("fit"), ignore_errors=True)
    code, _, errors = fit("stats")
    assert code == 0 and "fitting begins anew" in errors
    assert len(observed) == 3
    assert (tmp_path / "stats").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_fit_of_something_else_is_refused_by_its_difference(tmp_path, fit, observed):
    interrupted(fit, observed)
    kept = sums(tmp_path).read_bytes()
    told = "the choice of scores was sml mahalanobis and is mahalanobis"
    assert_refused(fit("stats", "--scores", "mahalanobis"), told, "--overwrite to start anew")
    assert_refused(fit("stats", "--resize", "0.5x"), "--resize was native and is 0.5x")
    assert sums(tmp_path).read_bytes() == kept
    assert fit("stats", "--scores", "mahalanobis", "--overwrite")[0] == 0
    assert len(observed) == 3
    assert not list(tmp_path.glob(".*"))


def test_fitting_within_eval_goes_on_as_well(tmp_path, evaluate, observed):
    words = ["--scores", "msp", "sml", "mahalanobis", "--fit-dataset", str(tmp_path / "training.yaml")]
    assert evaluate(*words, "--no-journal", out=str(tmp_path / "whole"))[0] == 0
    observed.clear()
    observed.fails_at = 1
    assert evaluate(*words)[0] == 2
    observed.fails_at = None
    code, _, errors = evaluate(*words)
    assert code == 0 and "1 of 3 images of training are fitted on" in errors
    assert len(observed) == 3
    assert content(tmp_path / "out") == content(tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="processes are copied")
def test_killed_at_any_moment_it_ends_with_the_same_bits(tmp_path, words):
    assert run(words("whole")) == 0
    whole = (tmp_path / "whole").read_bytes()
    events = ended_by_itself = 0
    while not ended_by_itself:
        name = f"at{events}"
        ended_by_itself = run_and_kill_at(words(name), tmp_path / name, events) == 0
        if not (tmp_path / name).exists():
            assert run(words(name)) == 0
        assert (tmp_path / name).read_bytes() == whole, f"killed at event {events}"
        # A journal that was killed while it was deleted goes with the next run for the same file.
        if list(tmp_path.glob(".*")):
            assert run(words(name)) == 2
        assert not list(tmp_path.glob(".*")), f"killed at event {events}"
        events += 3
    assert events > 10
