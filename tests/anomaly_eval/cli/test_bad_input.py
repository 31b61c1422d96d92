"""Every kind of bad input ends in one sentence, exit code 2, and nothing half-written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from anomaly_eval.cli.main import main
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import SIZE, TRAINING_CARD, assert_refused, nothing_left


def test_no_such_dataset(tmp_path, evaluate):
    assert_refused(evaluate(dataset="road_anomali"), "road_anomali", "road_anomaly")
    assert nothing_left(tmp_path)


def test_no_such_score(tmp_path, evaluate):
    assert_refused(evaluate("--scores", "msp", "entropie"), "'entropie'", "did you mean 'entropy'")
    assert nothing_left(tmp_path)


def test_a_score_that_the_network_cannot_feed(tmp_path, evaluate):
    assert_refused(evaluate("--scores", "gmmseg"), "'gmmseg'", "class log densities")
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
    for source in (("--stats", "some.safetensors"), ("--fit-dataset", "cityscapes")):
        idle = evaluate("--scores", "msp", "energy", *source)
        assert_refused(idle, f"{source[0]} is for scores that learn, and none of msp, energy does")
    assert nothing_left(tmp_path)
    assert evaluate("--scores", "msp", "--stats", "none")[0] == 0


def test_two_cards_of_one_name_are_refused(tmp_path, evaluate):
    card = TRAINING_CARD.replace("name: training", "name: road_anomaly").replace("closed_set", "anomaly")
    card = card.replace('labels: {inlier: ["0-4"], void: [255]}', "labels: {inlier: [0], anomaly: [2], void: [255]}")
    card = card.replace("classes: [sky, building, road, vegetation, car]\n", "")
    (tmp_path / "other.yaml").write_text(card)
    assert_refused(evaluate("--dataset", str(tmp_path / "other.yaml")), "two different dataset cards", "road_anomaly")


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


def test_words_between_colons_stay_words(evaluate, tmp_path):
    code, _, errors = evaluate(dataset=str(tmp_path / "a:train:car.yaml"))
    assert code == 2
    assert ":train:" in errors
