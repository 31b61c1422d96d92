"""The command as a user meets it: a small network on small drawn images, and every kind of bad input."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_eval.cli import main, spread_lists
from anomaly_eval.results import Results
from tests.anomaly_eval import networks

SIZE = (96, 64)
TRAINING_CARD = """
name: training
title: Training scenes
task: closed_set
variants: {train: {images: 3}}
default_variant: train
size: [96, 64]
labels: {inlier: ["0-4"], void: [255]}
classes: [sky, building, road, vegetation, car]
layouts:
  - name: flat
    images: "{folder}/images/{id}.*"
    masks: "{folder}/labels_masks/{id}.*"
"""


def write_pair(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    for kind, content in (("images", image), ("labels_masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(content).save(folder / kind / f"{name}.png")


@pytest.fixture
def data(tmp_path):
    """A data root with four images of Road Anomaly and three training images, and a card for the latter."""
    rng = np.random.default_rng(0)
    for index in range(4):
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        mask[20:40, 30 + 5 * index : 50 + 5 * index] = 2 if index else 0
        image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        write_pair(tmp_path / "data" / "road_anomaly", str(index), image, mask)
    for index in range(3):
        image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        classes = rng.integers(0, 5, (SIZE[1], SIZE[0]), dtype=np.uint8)
        write_pair(tmp_path / "data" / "training", str(index), image, classes)
    (tmp_path / "training.yaml").write_text(TRAINING_CARD)
    return tmp_path / "data"


@pytest.fixture
def checkpoint(tmp_path):
    return networks.save(tmp_path / "net.pth", networks.CGNET)


@pytest.fixture
def evaluate(tmp_path, data, checkpoint, capsys):
    """Run `eval` with sensible arguments and return (exit code, standard output, standard error)."""

    def run(*arguments: str, **replaced: str) -> tuple[int, str, str]:
        options = {
            "--ckpt": str(checkpoint),
            "--dataset": "road_anomaly",
            "--data-root": str(data),
            "--out": str(tmp_path / "out"),
            "--device": "cpu",
        } | {f"--{name.replace('_', '-')}": value for name, value in replaced.items()}
        words = [word for option in options.items() for word in option]
        code = main(["eval", *words, *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    """Exit code 2 and one sentence on standard error that holds the words; no traceback."""
    code, _, errors = result
    lines = [line for line in errors.splitlines() if line and "Warning" not in line and "warn" not in line]
    assert code == 2
    assert len(lines) == 1, errors
    assert lines[0].startswith("error: ") and lines[0].endswith((".", "yaml)."))
    for word in words:
        assert word in lines[0]


def read(folder: Path) -> Results:
    return Results.model_validate_json((folder / "out" / "results.json").read_text())


def nothing_left(folder: Path) -> bool:
    return not (folder / "out").exists() and not list(folder.glob(".out*"))


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))


def test_all_scores_from_checkpoint_to_tables(tmp_path, evaluate):
    code, output, errors = evaluate("--fit-dataset", str(tmp_path / "training.yaml"), "--heatmaps", "2")
    assert code == 0, errors
    found = rows(tmp_path / "out")
    assert [row["method"] for row in found] == ["msp", "entropy", "max_logit", "energy", "sml", "mahalanobis"]
    assert {row["dataset"] for row in found} == {"road_anomaly"}
    assert {(row["n_images"], row["n_anomaly_pixels"]) for row in found} == {("4", "1200")}
    assert {row["n_inlier_pixels"] for row in found} == {str(4 * SIZE[0] * SIZE[1] - 1200)}
    results = read(tmp_path)
    assert [row.model_dump() for row in results.rows] == [
        {key: type(getattr(results.rows[0], key))(value) for key, value in row.items()} for row in found
    ]
    (record,) = results.datasets
    assert (record.n_images, record.expected_images, record.n_images_without_anomaly) == (4, 60, 1)
    assert record.image_sizes == [SIZE]
    assert not record.complete
    assert set(results.provenance.fits) == {"sml", "mahalanobis"}
    assert results.provenance.command.startswith("gmmseg-anomaly eval --ckpt")
    assert results.provenance.versions["torch"] == torch.__version__
    assert "4 images found instead of 60" in results.warnings[0]
    for name in ("results.tex", "results.md"):
        assert "4 of 60 images" in (tmp_path / "out" / name).read_text()
    assert "Mahalanobis" in output and "4 of 60" in output
    drawn = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert len(drawn) == 2 * 6
    assert "heatmaps/road_anomaly/msp/1.png" in drawn
    assert not list(tmp_path.glob(".out*"))


def test_numbers_are_those_of_scikit_learn_on_mmsegmentations_logits(tmp_path, data, evaluate):
    assert evaluate("--scores", "msp", "max_logit")[0] == 0
    network = networks.build(networks.CGNET)
    scores, truth = {"msp": [], "max_logit": []}, []
    for index in range(4):
        image = np.asarray(Image.open(data / "road_anomaly" / "images" / f"{index}.png"))
        with torch.inference_mode():
            batch = {"inputs": [torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())]}
            inputs = torch.stack(network.data_preprocessor({**batch, "data_samples": None})["inputs"].unbind())
            logits = network.encode_decode(inputs, [dict(img_shape=inputs.shape[2:])])[0].double()
        scores["msp"].append(-torch.softmax(logits, 0).amax(0).numpy().ravel())
        scores["max_logit"].append(-logits.amax(0).numpy().ravel())
        truth.append(np.asarray(Image.open(data / "road_anomaly" / "labels_masks" / f"{index}.png")).ravel() == 2)
    for row in rows(tmp_path / "out"):
        pooled, labels = np.concatenate(scores[row["method"]]), np.concatenate(truth)
        assert float(row["auroc"]) == pytest.approx(100 * roc_auc_score(labels, pooled), abs=1e-3)
        assert float(row["ap"]) == pytest.approx(100 * average_precision_score(labels, pooled), abs=1e-3)


def test_fitting_first_gives_the_same_numbers(tmp_path, data, checkpoint, evaluate, capsys):
    card, statistics = str(tmp_path / "training.yaml"), tmp_path / "statistics.safetensors"
    fit = ["fit", "--ckpt", str(checkpoint), "--dataset", card, "--data-root", str(data), "--device", "cpu"]
    assert main([*fit, "--out", str(statistics)]) == 0
    assert "3 images of training" in capsys.readouterr().out
    assert evaluate("--stats", str(statistics), out=str(tmp_path / "by_file"))[0] == 0
    assert evaluate("--fit-dataset", card, out=str(tmp_path / "in_one_go"))[0] == 0
    assert rows(tmp_path / "by_file") == rows(tmp_path / "in_one_go")
    assert main([*fit, "--out", str(statistics)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*fit, "--out", str(statistics), "--overwrite", "--scores", "sml"]) == 0


def test_the_same_run_twice_is_the_same_to_the_bit(tmp_path, evaluate):
    for out in ("first", "second"):
        assert evaluate(out=str(tmp_path / out))[0] == 0
    assert (tmp_path / "first/results.csv").read_bytes() == (tmp_path / "second/results.csv").read_bytes()


def test_without_statistics_the_other_scores_run_with_a_warning(tmp_path, evaluate):
    code, _, errors = evaluate()
    assert code == 0
    assert [row["method"] for row in rows(tmp_path / "out")] == ["msp", "entropy", "max_logit", "energy"]
    assert "sml, mahalanobis" in errors and "--fit-dataset" in errors


def test_switched_off_steps_of_sml_are_named_in_the_results(tmp_path, evaluate):
    card = str(tmp_path / "training.yaml")
    code, _, errors = evaluate("--scores", "sml", "--sml-without", "suppression", "smoothing", "--fit-dataset", card)
    assert code == 0, errors
    assert [row["method"] for row in rows(tmp_path / "out")] == ["sml_without_suppression_smoothing"]


def test_earlier_results_stay_unless_told_otherwise(tmp_path, evaluate):
    assert evaluate("--scores", "msp")[0] == 0
    before = (tmp_path / "out" / "results.json").read_bytes()
    assert_refused(evaluate("--scores", "energy"), str(tmp_path / "out"), "--overwrite")
    assert (tmp_path / "out" / "results.json").read_bytes() == before
    assert evaluate("--scores", "energy", "--overwrite")[0] == 0
    assert [row["method"] for row in rows(tmp_path / "out")] == ["energy"]


def test_no_such_dataset(tmp_path, evaluate):
    assert_refused(evaluate(dataset="road_anomali"), "road_anomali", "road_anomaly")
    assert nothing_left(tmp_path)


def test_no_such_score(tmp_path, evaluate):
    assert_refused(evaluate("--scores", "msp", "entropie"), "'entropie'", "did you mean 'entropy'")
    assert nothing_left(tmp_path)


def test_a_score_that_the_network_cannot_feed(tmp_path, evaluate):
    assert_refused(evaluate("--scores", "gmmseg"), "'gmmseg'", "log density")
    assert nothing_left(tmp_path)


def test_empty_data_root(tmp_path, evaluate):
    (tmp_path / "empty").mkdir()
    assert_refused(evaluate(data_root=str(tmp_path / "empty")), str(tmp_path / "empty"), "--data-root")
    assert nothing_left(tmp_path)


def test_image_without_mask(tmp_path, data, evaluate):
    (data / "road_anomaly" / "labels_masks" / "2.png").unlink()
    assert_refused(evaluate(), "images/2.png", "labels_masks")
    assert nothing_left(tmp_path)


def test_mask_of_another_size(tmp_path, data, evaluate):
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(data / "road_anomaly" / "labels_masks" / "2.png")
    assert_refused(evaluate("--scores", "msp"), "labels_masks/2.png", "96x64", "12x10")
    assert nothing_left(tmp_path)


def test_mask_with_an_unknown_value(tmp_path, data, evaluate):
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    mask[3, 4] = 7
    Image.fromarray(mask).save(data / "road_anomaly" / "labels_masks" / "3.png")
    assert_refused(evaluate("--scores", "msp"), "labels_masks/3.png", "7")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("kind", ["images", "labels_masks"])
def test_truncated_png(tmp_path, data, evaluate, kind):
    path = data / "road_anomaly" / kind / "1.png"
    path.write_bytes(path.read_bytes()[:-40])
    assert_refused(evaluate("--scores", "msp"), f"{kind}/1.png")
    assert nothing_left(tmp_path)


def test_text_file_as_checkpoint(tmp_path, evaluate):
    (tmp_path / "notes.pth").write_text("not a checkpoint\n")
    assert_refused(evaluate(ckpt=str(tmp_path / "notes.pth")), "notes.pth", "not a PyTorch checkpoint")
    assert nothing_left(tmp_path)


def test_checkpoint_with_missing_weights(tmp_path, evaluate):
    network = networks.build(networks.CGNET)
    del network.backbone.stem
    path = networks.save(tmp_path / "holes.pth", networks.CGNET, network)
    assert_refused(evaluate(ckpt=str(path)), "holes.pth", "backbone.stem.0.conv.weight is missing", "more")
    assert nothing_left(tmp_path)


def test_config_of_other_classes(tmp_path, evaluate):
    name = "mmseg::cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py"
    assert_refused(evaluate(config=name), "net.pth", "5 classes", "builds 19")
    assert nothing_left(tmp_path)


def test_nan_logits(tmp_path, evaluate):
    network = networks.build(networks.CGNET)
    network.decode_head.conv_seg.bias.data[1] = torch.nan
    path = networks.save(tmp_path / "nan.pth", networks.CGNET, network)
    assert_refused(evaluate("--scores", "msp", ckpt=str(path)), "NaN or infinite", "images/0.png")
    assert nothing_left(tmp_path)


def test_sml_without_statistics(tmp_path, evaluate):
    assert_refused(evaluate("--scores", "msp", "sml", ckpt="not even there"), "sml", "--fit-dataset", "--stats")
    assert nothing_left(tmp_path)


def test_statistics_of_another_checkpoint(tmp_path, data, checkpoint, evaluate):
    statistics = tmp_path / "statistics.safetensors"
    card = str(tmp_path / "training.yaml")
    fit = ["fit", "--ckpt", str(checkpoint), "--dataset", card, "--data-root", str(data), "--device", "cpu"]
    assert main([*fit, "--out", str(statistics)]) == 0
    other = networks.save(tmp_path / "other.pth", networks.CGNET, networks.build(networks.CGNET, seed=1))
    assert_refused(
        evaluate("--stats", str(statistics), ckpt=str(other)), "statistics.safetensors", "another checkpoint"
    )
    assert_refused(evaluate("--stats", str(statistics), resize="0.5x"), "another --resize (native, now 0.5x)")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("content", [b"", b"text", b"\x10\0\0\0\0\0\0\0{}              "])
def test_statistics_that_are_none(tmp_path, evaluate, content):
    path = tmp_path / "statistics.safetensors"
    path.write_bytes(content)
    assert_refused(evaluate("--stats", str(path)), "statistics.safetensors", "fit again")
    assert_refused(evaluate("--stats", str(tmp_path / "none")), "no statistics file")


def test_no_anomaly_pixel_at_all(tmp_path, data, evaluate):
    for index in range(4):
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        Image.fromarray(mask).save(data / "road_anomaly" / "labels_masks" / f"{index}.png")
    assert_refused(evaluate("--scores", "msp"), "road_anomaly", "no anomaly pixel")
    assert nothing_left(tmp_path)


def test_a_closed_set_dataset_cannot_be_ranked(tmp_path, evaluate):
    assert_refused(evaluate(dataset=str(tmp_path / "training.yaml")), "training", "--fit-dataset")
    assert nothing_left(tmp_path)


def test_nothing_can_be_fitted_on_anomaly_labels_or_other_classes(tmp_path, evaluate):
    assert_refused(evaluate("--fit-dataset", "road_anomaly"), "road_anomaly", "class labels")
    two = TRAINING_CARD.replace('["0-4"]', '["0-1"]').replace("sky, building, road, vegetation, car", "sky, road")
    (tmp_path / "training.yaml").write_text(two)
    assert_refused(evaluate("--fit-dataset", str(tmp_path / "training.yaml")), "2 classes", "the network 5")
    assert nothing_left(tmp_path)


def test_options_that_exclude_each_other(tmp_path, evaluate):
    both = ["--stats", "some.safetensors", "--fit-dataset", "cityscapes"]
    assert_refused(evaluate(*both), "--stats", "--fit-dataset", "exclude each other")
    assert_refused(evaluate("--scores", "msp", "--sml-without", "smoothing"), "--sml-without", "not among --scores")
    assert nothing_left(tmp_path)


def test_a_dataset_named_twice_is_evaluated_once(tmp_path, evaluate):
    code, _, errors = evaluate("--scores", "msp", "--heatmaps", "1", "--dataset", "road_anomaly", "road_anomaly:test")
    assert code == 0, errors
    assert [row["dataset"] for row in rows(tmp_path / "out")] == ["road_anomaly"]


def test_two_cards_of_one_name_are_refused(tmp_path, evaluate):
    card = TRAINING_CARD.replace("name: training", "name: road_anomaly").replace("closed_set", "anomaly")
    card = card.replace('labels: {inlier: ["0-4"], void: [255]}', "labels: {inlier: [0], anomaly: [2], void: [255]}")
    card = card.replace("classes: [sky, building, road, vegetation, car]\n", "")
    (tmp_path / "other.yaml").write_text(card)
    assert_refused(evaluate("--dataset", str(tmp_path / "other.yaml")), "two different dataset cards", "road_anomaly")


def test_images_of_another_size_than_the_cards_are_marked(tmp_path, data, evaluate):
    (data / "road_anomaly").rename(data / "smiyc_road_obstacle21")
    for mask in (data / "smiyc_road_obstacle21" / "labels_masks").iterdir():
        Image.fromarray((np.asarray(Image.open(mask)) > 0).astype(np.uint8)).save(mask)
    code, _, errors = evaluate("--scores", "msp", dataset="smiyc_road_obstacle21")
    assert code == 0, errors
    assert any("96x64 instead of 1920x1080" in warning for warning in read(tmp_path).warnings)
    assert "96x64 instead of 1920x1080" in (tmp_path / "out" / "results.md").read_text()


def test_more_than_fits_into_memory_is_told_at_the_first_image(tmp_path, evaluate, monkeypatch):
    monkeypatch.setattr("anomaly_eval.benchmark.available_memory", lambda: 4 * 4 * SIZE[0] * SIZE[1] - 1)
    assert_refused(evaluate("--scores", "msp"), "1 scores of 4 images of road_anomaly", "fewer --scores")
    assert nothing_left(tmp_path)


def test_files_of_others_are_not_deleted(tmp_path, evaluate):
    assert evaluate("--scores", "msp")[0] == 0
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert_refused(evaluate("--scores", "energy", "--overwrite"), "notes.txt")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_places_where_statistics_cannot_be_put_are_told_before_fitting(tmp_path, data, checkpoint, capsys):
    fit = ["fit", "--ckpt", str(checkpoint), "--dataset", str(tmp_path / "training.yaml"), "--data-root", str(data)]
    for out in (tmp_path, tmp_path / "nowhere" / "statistics.safetensors"):
        assert main([*fit, "--out", str(out), "--overwrite"]) == 2
        assert "cannot be written" in capsys.readouterr().err


def test_names_that_look_like_markup_are_printed_as_they_are(tmp_path, evaluate):
    code, output, errors = evaluate("--scores", "msp", out=str(tmp_path / "o[/x][bold]"))
    assert code == 0, errors
    assert "o[/x][bold]" in output


def test_a_scheduler_that_ends_the_run_leaves_nothing(tmp_path, data, checkpoint):
    card = str(tmp_path / "training.yaml")
    words = ["--ckpt", str(checkpoint), "--dataset", "road_anomaly", "--fit-dataset", card, "--data-root", str(data)]
    words += ["--out", str(tmp_path / "out"), "--heatmaps", "all"]
    with subprocess.Popen([sys.executable, "-m", "anomaly_eval", "eval", *words], stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list(tmp_path.glob(".out*")):
            time.sleep(0.02)
        process.terminate()
        assert process.wait() == 143
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resize", "99999999999x1"], ["--resize", "out of range"]),
        (["--heatmaps", "many"], ["--heatmaps", "many"]),
        (["--resize", "big"], ["--resize", "big"]),
        (["--sml-without", "steps", "--scores", "max_logit", "sml"], ["--sml-without", "steps"]),
        (["--config", "nowhere.py"], ["nowhere.py"]),
    ],
)
def test_options_that_make_no_sense(tmp_path, evaluate, arguments, words):
    assert_refused(evaluate(*arguments), *words)
    assert nothing_left(tmp_path)


def test_lists_may_be_written_with_spaces():
    words = ["eval", "--dataset", "a", "b", "--out", "x", "--scores", "c", "--dataset", "d", "e", "--overwrite"]
    assert spread_lists(words) == [
        *["eval", "--dataset", "a", "--dataset", "b", "--out", "x", "--scores", "c"],
        *["--dataset", "d", "--dataset", "e", "--overwrite"],
    ]


def test_datasets_are_listed_and_checked(data, capsys):
    assert main(["datasets", "--data-root", str(data)]) == 0
    listing = capsys.readouterr().out
    assert "4 of 60" in listing and "(fishyscapes)" in listing
    assert main(["datasets", "check", "road_anomaly", "--data-root", str(data)]) == 0
    assert "4 of 60 expected images" in capsys.readouterr().out
    mask = data / "road_anomaly" / "labels_masks" / "3.png"
    Image.fromarray(np.full((SIZE[1], SIZE[0]), 9, np.uint8)).save(mask)
    assert main(["datasets", "check", "road_anomaly", "--data-root", str(data)]) == 2
    assert str(mask) in capsys.readouterr().out


def test_the_record_is_plain_json(tmp_path, evaluate):
    assert evaluate("--scores", "msp")[0] == 0
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    timing = content["timing"]
    parts = sum(timing[name] for name in ("load", "input", "fit", "forward", "scores", "metrics", "output"))
    assert 0 < parts <= timing["total"]
    assert content["conventions"]["fpr95"].startswith("first_geq")
