"""What refusals say to do, done to the letter: it works."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.anomaly_eval.commands import SIZE, Answer, assert_refused, write_pair


@pytest.fixture
def maps(tmp_path: Path, data: Path) -> Path:
    """A folder with score maps of another method."""
    (tmp_path / "other_method").mkdir()
    for index in range(4):
        values = np.random.default_rng(index).standard_normal((SIZE[1], SIZE[0]))
        np.save(tmp_path / "other_method" / f"{index}.npy", values.astype(np.float32))
    return tmp_path / "other_method"


@pytest.fixture
def places(tmp_path: Path, data: Path) -> list[str]:
    return ["--data-root", str(data), "--out", str(tmp_path / "out")]


def works(answer: Answer) -> None:
    assert answer[0] == 0, answer[2]


def test_a_command_that_evaluates_anew_replaces_the_old_results(tmp_path, places, maps, command) -> None:
    works(command("eval", "--score-maps", maps, "--dataset", "road_anomaly", *places))
    path = tmp_path / "out" / "results.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"format_version": 1}))
    answer = command("report", tmp_path / "out", "--out", tmp_path / "report")
    assert_refused(answer, "format version 1", "--overwrite`.")
    (words,) = re.findall(r"`gmmseg-anomaly (.*)`", answer[2].replace("\n", " "))
    works(command(*shlex.split(words)))
    works(command("report", tmp_path / "out", "--out", tmp_path / "report"))


def test_what_was_evaluated_from_python_names_no_command(tmp_path, places, maps, command) -> None:
    works(command("eval", "--score-maps", maps, "--dataset", "road_anomaly", *places))
    path = tmp_path / "out" / "results.json"
    content = json.loads(path.read_text())
    content["provenance"]["command"] = "anomaly_eval.evaluate"
    path.write_text(json.dumps(content | {"format_version": 1}))
    assert_refused(command("report", tmp_path / "out", "--out", tmp_path / "report"), "reads 2; evaluate anew.")


def test_thresholds_ask_for_components_in_words_that_are_understood(data, maps, places, command) -> None:
    words = ["eval", "--score-maps", maps, "--dataset", "road_anomaly", *places, "--component-threshold", "0.5"]
    answer = command(*words)
    assert_refused(answer, "add --components card (anomaly or obstacle where the card names no track)")
    answer = command(*words, "--components", "card")
    assert_refused(answer, "choose --components anomaly (large ones) or obstacle")
    works(command(*words, "--components", "obstacle"))


def test_one_threshold_is_named_as_the_refusal_writes_it(tmp_path, maps, places, command) -> None:
    shutil.copytree(maps, tmp_path / "second")
    words = ["eval", "--score-maps", maps, tmp_path / "second", "--dataset", "road_anomaly", *places]
    words += ["--components", "obstacle"]
    answer = command(*words, "--component-threshold", "0.5")
    (option,) = re.findall(r"such as (--component-threshold .*)\.$", answer[2].strip())
    works(command(*words, *option.replace("VALUE", "0.5").split()))


def warnings_about_auroc(folder: Path) -> list[str]:
    found = json.loads((folder / "out" / "results.json").read_text())["warnings"]
    return [text for text in found if "AUROC" in text]


def test_upside_down_scores_are_negated_as_the_warning_writes_it(tmp_path, data, maps, places, command) -> None:
    for path in maps.iterdir():
        anomalies = np.asarray(Image.open(data / "road_anomaly" / "labels_masks" / f"{path.stem}.png")) == 2
        np.save(path, np.load(path) - 9 * anomalies)
    maps = maps.rename(tmp_path / "it's mine")
    words = ["eval", "--score-maps", maps, "--dataset", "road_anomaly", *places]
    works(command(*words))
    (warning,) = (
        text for text in json.loads((tmp_path / "out/results.json").read_text())["warnings"] if "AUROC" in text
    )
    (option,) = re.findall(r"give (--negate .*)$", warning)
    works(command(*words, *shlex.split(option), "--overwrite"))
    assert not warnings_about_auroc(tmp_path)


def test_scores_are_saved_first_and_negated_when_the_maps_are_evaluated(tmp_path, evaluate, places, command) -> None:
    words = ["--scores", "msp", "--save-scores"]
    assert_refused(evaluate(*words, "--negate", "msp", out=str(tmp_path / "saved")), "leave out --negate")
    works(evaluate(*words, out=str(tmp_path / "saved")))
    works(command("eval", "--score-maps", tmp_path / "saved", "--dataset", "road_anomaly", *places, "--negate", "msp"))


def test_closed_set_datasets_have_a_run_of_their_own(tmp_path, maps, places, evaluate, command) -> None:
    training = str(tmp_path / "training.yaml")
    answer = command("eval", "--score-maps", maps, "--dataset", "road_anomaly", training, *places)
    assert_refused(answer, "leave these out, and evaluate them with --ckpt in a run of their own")
    works(command("eval", "--score-maps", maps, "--dataset", "road_anomaly", *places))
    works(evaluate(dataset=training, out=str(tmp_path / "classes")))


def test_runs_that_differ_are_mixed_or_evaluated_with_the_same(tmp_path, data, maps, command) -> None:
    words = ["eval", "--score-maps", maps, "--dataset", "road_anomaly", "--data-root", data, "--out"]
    works(command(*words, tmp_path / "first"))
    works(command(*words, tmp_path / "second", "--fpr95", "nearest"))
    both = ["report", tmp_path / "first", tmp_path / "second", "--out", tmp_path / "report"]
    assert_refused(command(*both), "evaluate anew with the same, or give --mixed")
    works(command(*both, "--mixed"))
    works(command(*words, tmp_path / "second", "--overwrite"))
    works(command(*both, "--overwrite"))


def test_runs_of_one_name_are_told_apart(tmp_path, data, maps, command) -> None:
    folders = [tmp_path / name / "same" / "run" for name in ("a", "b")]
    for folder in folders:
        folder.parent.mkdir(parents=True)
        words = ["eval", "--score-maps", maps, "--dataset", "road_anomaly", "--data-root", data, "--out", folder]
        works(command(*words))
    works(command("report", *folders, "--out", tmp_path / "report"))
    twice = ["report", folders[0], folders[0], "--out", tmp_path / "twice"]
    assert_refused(command(*twice), "is there twice; tell the runs apart with --names")
    works(command(*twice, "--names", "a", "b"))


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        (["--covariance", "diagonal"], r"raise --variance-floor\.$"),
        (["--covariance", "full"], r"raise --variance-floor or --shrinkage\.$"),
    ],
)
def test_mixtures_that_fail_name_options_that_they_take(
    tmp_path, data, checkpoint, command, monkeypatch, option, remedy
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("a covariance is not positive definite")

    monkeypatch.setattr("anomaly_eval.studies.mixtures.run._fitted", fail)
    words = ["fit-mixtures", "--ckpt", checkpoint, "--dataset", tmp_path / "training.yaml", "--data-root", data]
    words += ["--out", tmp_path / "mixtures.pth", "--device", "cpu", "--components", "1"]
    answer = command(*words, *option)
    assert_refused(answer)
    assert re.search(remedy, answer[2].strip())
    monkeypatch.undo()
    works(command(*words, *option, "--variance-floor", "0.5"))


def test_scores_that_cannot_be_fitted_ask_for_other_images(tmp_path, data, checkpoint, command) -> None:
    for index in range(3):
        image = np.random.default_rng(index).integers(0, 256, (64, 96, 3), dtype=np.uint8)
        write_pair(data / "void", str(index), image, np.full((64, 96), 255, np.uint8))
    card = tmp_path / "void.yaml"
    card.write_text((tmp_path / "training.yaml").read_text().replace("training", "void"))
    words = [
        "fit",
        "--ckpt",
        checkpoint,
        "--data-root",
        data,
        "--out",
        tmp_path / "stats.safetensors",
        "--device",
        "cpu",
    ]
    answer = command(*words, "--scores", "mahalanobis", "--dataset", card)
    assert_refused(answer, "fit on other images")
    words += ["--scores", "mahalanobis", "--dataset", tmp_path / "training.yaml"]
    works(command(*words))
