"""The command as a user meets it: from a small network and small drawn images to tables."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_eval.cli.main import main
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import SIZE, assert_refused, nothing_left, read, rows


def test_all_scores_from_checkpoint_to_tables(tmp_path, evaluate):
    code, output, errors = evaluate("--fit-dataset", str(tmp_path / "training.yaml"), "--heatmaps", "2")
    assert code == 0, errors
    found = rows(tmp_path / "out")
    assert [row["method"] for row in found] == ["msp", "entropy", "max_logit", "energy", "sml", "mahalanobis"]
    assert {row["dataset"] for row in found} == {"road_anomaly"}
    assert {(row["n_images"], row["n_anomaly_pixels"]) for row in found} == {("4", "1200")}
    assert {row["n_inlier_pixels"] for row in found} == {str(4 * SIZE[0] * SIZE[1] - 1200)}
    results = read(tmp_path)
    written = [row.model_dump() for row in results.rows]
    assert written == [{key: type(written[0][key])(value) for key, value in row.items()} for row in found]
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


@pytest.mark.parametrize("together", [True, False], ids=["one log", "two files"])
def test_a_warning_is_told_once_wherever_one_reads(tmp_path, data, monkeypatch, together):
    (tmp_path / "maps").mkdir()
    for index in range(4):
        np.save(tmp_path / "maps" / f"{index}.npy", np.random.default_rng(index).random(SIZE[::-1]))
    logs = [tmp_path / "log"] if together else [tmp_path / "log", tmp_path / "errors"]
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(path.open("w")) for path in logs]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[-1])
        words = ["--dataset", "road_anomaly", "--data-root", str(data), "--out", str(tmp_path / "out")]
        assert main(["eval", "--score-maps", str(tmp_path / "maps"), *words]) == 0
    told = "road_anomaly: 4 images found instead of 60"
    assert [path.read_text().count(told) for path in logs] == [1] * len(logs)
    assert (tmp_path / "out" / "results.md").read_text().count("4 images found instead of 60") == 1
    assert [told in warning for warning in read(tmp_path).warnings].count(True) == 1


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


def test_a_dataset_named_twice_is_evaluated_once(tmp_path, evaluate):
    code, _, errors = evaluate("--scores", "msp", "--heatmaps", "1", "--dataset", "road_anomaly", "road_anomaly:test")
    assert code == 0, errors
    assert [row["dataset"] for row in rows(tmp_path / "out")] == ["road_anomaly"]


def test_images_of_another_size_than_the_cards_are_marked(tmp_path, data, evaluate):
    (data / "road_anomaly").rename(data / "smiyc_road_obstacle21")
    for mask in (data / "smiyc_road_obstacle21" / "labels_masks").iterdir():
        Image.fromarray((np.asarray(Image.open(mask)) > 0).astype(np.uint8)).save(mask)
    code, _, errors = evaluate("--scores", "msp", dataset="smiyc_road_obstacle21")
    assert code == 0, errors
    assert any("96x64 instead of 1920x1080" in warning for warning in read(tmp_path).warnings)
    assert "96x64 instead of 1920x1080" in (tmp_path / "out" / "results.md").read_text()


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


def test_a_page_to_browse_is_written_on_request(tmp_path, evaluate):
    assert evaluate("--scores", "msp", "--page")[0] == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "MSP" in page and f"{float(rows(tmp_path / 'out')[0]['auroc']):.2f}" in page
    # The images come after the data: one element for each.
    assert page.count('id="pictures-0-') == 4
    assert not list((tmp_path / "out").glob(".page*"))


def test_arguments_that_are_no_text_are_refused_before_the_network_runs(tmp_path, evaluate):
    out = str(tmp_path / "out\udcff")
    assert_refused(evaluate("--scores", "msp", out=out), "out\\udcff' is not UTF-8; rename it")
    assert not list(tmp_path.glob("*\udcff*")) and not list(tmp_path.glob(".*"))
