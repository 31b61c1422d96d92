"""`predict` as a user meets it: what is written, and that it is what the network says."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from anomaly_eval.cli.main import main
from anomaly_eval.datasets.images import read_photo
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.studies.prediction import first_look
from anomaly_eval.studies.prediction.predictor import Predictor
from anomaly_eval.studies.prediction.records import Predictions
from tests.anomaly_eval.commands import assert_refused, strict_json
from tests.anomaly_eval.networks import CLASSES
from tests.anomaly_eval.studies.prediction.conftest import cut


def record(folder: Path) -> Predictions:
    return Predictions.model_validate_json((folder / "predictions.json").read_text())


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def logits_of(checkpoint, path: Path) -> np.ndarray:
    with torch.inference_mode():
        return load_segmenter(checkpoint, device="cpu")(read_photo(path)).logits.resized().numpy()


def test_a_folder_becomes_scores_classes_and_overlays(tmp_path, photos, checkpoint, predict):
    threshold = float(np.median(-logits_of(checkpoint, photos / "a.png").max(0)))
    code, output, errors = predict(photos, "--threshold", repr(threshold), "--page")
    assert code == 0, errors
    assert "3 images in" in output and "a second" in output and "unknown from" in output
    assert "1 file that is no image, left alone" in errors
    out = tmp_path / "out"
    names = ["a", "b", "more_a"]
    assert files(out) == sorted(
        ["index.html", "legend.csv", "legend.png", "predictions.json"]
        + [f"{kind}/{name}.{suffix}" for name in names for kind, suffix in
           (("classes", "png"), ("overlays", "png"), ("scores", "tif"))]
    )  # fmt: skip
    found = record(out)
    assert [image.name for image in found.images] == names
    assert (found.score, found.threshold.value, found.classes) == ("max_logit", threshold, [*CLASSES, "unknown"])
    assert found.command.startswith("gmmseg-anomaly predict") and found.versions["torch"] == torch.__version__
    legend = list(csv.DictReader((out / "legend.csv").open()))
    for image in found.images:
        logits = logits_of(checkpoint, Path(image.source))
        scores = np.asarray(Image.open(out / image.scores))
        np.testing.assert_array_equal(scores, -logits.max(0))
        unknown = scores >= threshold
        assert image.unknown == pytest.approx(100 * unknown.mean())
        with Image.open(out / image.classes) as picture:
            assert picture.mode == "P"
            np.testing.assert_array_equal(np.asarray(picture), np.where(unknown, len(CLASSES), logits.argmax(0)))
            colours = np.asarray(picture.convert("RGB"))
        for row in legend:
            at = np.asarray(Image.open(out / image.classes)) == int(row["value"])
            assert (colours[at] == [int(row[name]) for name in ("red", "green", "blue")]).all()
        assert Image.open(out / image.overlay).size == (image.width, image.height) == (64, 48)
    assert [row["name"] for row in legend] == [*CLASSES, "unknown"]
    page = (out / "index.html").read_text()
    assert page.count("<figure>") == 3 and "more_a" in page and 'href="overlays/more_a.png"' in page
    assert "% unknown" in page and "http" not in page.replace("http-equiv", "")


def test_pictures_of_labels_are_predicted_with_a_warning(tmp_path, predict):
    labels = np.random.default_rng(0).integers(0, 3, (64, 96), dtype=np.uint8)
    for name in ("one", "other"):
        Image.fromarray(labels).save(tmp_path / f"{name}.png")
    code, output, errors = predict(tmp_path / "one.png", tmp_path / "other.png")
    warning = f"2 images, such as {tmp_path / 'one.png'}, have as few colours as a picture of labels has"
    assert code == 0 and "2 images in" in output and f"warning: {warning}" in errors
    assert [text.startswith(warning) for text in record(tmp_path / "out").warnings] == [True]


def test_without_a_threshold_nothing_is_unknown(tmp_path, photos, predict):
    code, output, _ = predict(photos / "b.jpg", "--maps", "float16", "--overlays", "jpeg", "--score", "msp")
    assert code == 0 and "nothing is unknown" in output
    found = record(tmp_path / "out")
    assert found.threshold is None and found.classes == list(CLASSES) and found.images[0].unknown is None
    assert found.images[0].overlay == "overlays/b.jpg" and "median of the first 1 images" in found.colour_scale.source
    values = np.asarray(Image.open(tmp_path / "out" / "scores" / "b.tif"))
    np.testing.assert_array_equal(values, values.astype(np.float16))
    low, high = found.colour_scale.low, found.colour_scale.high
    assert low < high <= values.max() and low == pytest.approx(np.median(values), abs=1e-3)
    assert predict(photos / "b.jpg", "--maps", "none", "--overlays", "none", "--overwrite")[0] == 0
    assert files(tmp_path / "out") == ["classes/b.png", "legend.csv", "legend.png", "predictions.json"]


def test_a_video_is_predicted_frame_by_frame(tmp_path, video, checkpoint, predict):
    code, output, errors = predict(video, "--maps", "float32", "--page")
    assert code == 0, errors
    assert "12 images in" in output
    found = record(tmp_path / "out")
    assert [(image.name, image.frame) for image in found.images] == [(f"clip/{n:06d}", n) for n in range(12)]
    assert found.videos == ["overlays/clip.mp4"]
    film = cv2.VideoCapture(str(tmp_path / "out" / "overlays" / "clip.mp4"), cv2.CAP_FFMPEG)
    assert film.get(cv2.CAP_PROP_FPS) == 5
    shown = [film.read()[0] for _ in range(13)]
    assert shown == [True] * 12 + [False]
    # Frames are in their order: the n-th is the one that OpenCV reads n-th.
    reader = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    segmenter = load_segmenter(checkpoint, device="cpu")
    for image in found.images:
        frame = cv2.cvtColor(reader.read()[1], cv2.COLOR_BGR2RGB)
        with torch.inference_mode():
            expected = -segmenter(frame).logits.resized().numpy().max(0)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / image.scores)), expected)
    # Of a video score maps would fill the disk, and are written where they are asked for.
    assert predict(video, "--overwrite")[0] == 0
    assert not (tmp_path / "out" / "scores").exists()


def test_a_video_that_ends_early_is_told(tmp_path, predict):
    path = tmp_path / "clip.avi"
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (64, 48))
    for _ in range(12):
        film.write(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    film.release()
    code, _, errors = predict(cut(path))
    assert code == 0
    count = len(record(tmp_path / "out").images)
    assert 0 < count < 12
    told = f"only {count} of the 12 frames of {path} could be decoded"
    assert told in errors and record(tmp_path / "out").warnings == [told]


def test_nothing_but_one_sentence_is_said_of_a_video_that_is_none(tmp_path, checkpoint):
    (tmp_path / "none.mp4").write_text("not a video")
    command = [sys.executable, "-m", "anomaly_eval", "predict", tmp_path / "none.mp4", "--out", tmp_path / "out"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert_refused((done.returncode, done.stdout, done.stderr), "none.mp4 cannot be decoded")
    assert done.stdout == ""


def test_photos_are_turned_as_they_are_shown(tmp_path, photos, checkpoint, predict):
    pixels = np.asarray(Image.open(photos / "a.png"))
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in ("png", "tif", "jpg"):
        Image.fromarray(pixels).save(tmp_path / f"turned.{suffix}", exif=exif)
        turned = read_photo(tmp_path / f"turned.{suffix}")
        assert turned.shape == (64, 48, 3)
        if suffix != "jpg":
            np.testing.assert_array_equal(turned, np.rot90(pixels, -1))
    assert predict(tmp_path / "turned.png")[0] == 0
    found = record(tmp_path / "out").images[0]
    assert (found.width, found.height) == (48, 64)


def test_the_shipped_network_brings_its_threshold(tmp_path, photos, capsys):
    assert main(["predict", str(photos / "a.png"), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    output = capsys.readouterr().out
    assert "Network: gmmseg_efficientnet-lite0_cityscapes" in output
    assert "joint density" in output and "1 % of the pixels" in output
    found = record(tmp_path / "out")
    assert found.score == "max_logit" and found.network.own_resize
    assert (found.colour_scale.low + found.colour_scale.high) / 2 == pytest.approx(found.threshold.value)
    # Run in another way than its card says, its threshold says nothing.
    words = ["predict", str(photos / "a.png"), "--out", str(tmp_path / "other"), "--resize", "64"]
    assert main(words) == 0 and "nothing is unknown" in capsys.readouterr().out
    assert main([*words[:-2], "--resize", "288", "--overwrite"]) == 0 and "1 % of" in capsys.readouterr().out


@pytest.mark.parametrize(("threshold", "written"), [(math.inf, "Infinity"), (-math.inf, "-Infinity")])
def test_the_record_is_strict_json_at_infinite_thresholds(tmp_path, photos, predict, threshold, written):
    assert predict(photos / "a.png", f"--threshold={threshold}")[0] == 0
    assert strict_json(tmp_path / "out" / "predictions.json")["threshold"]["value"] == written
    assert record(tmp_path / "out").threshold.value == threshold


def test_thresholds_of_an_evaluation_are_used(tmp_path, photos, evaluate, predict):
    goals = ("--operating-points", "fpr=0.05", "f1")
    assert evaluate("--scores", "msp", "energy", *goals, out=str(tmp_path / "home"))[0] == 0
    path = tmp_path / "home" / "thresholds.json"
    rows = {(row["method"], row["point"]): row["threshold"] for row in json.loads(path.read_text())["rows"]}
    photo = photos / "a.png"
    for point in ("f1", "f1@road_anomaly"):
        words = (photo, "--score", "energy", "--thresholds", path, "--point", point, "--overwrite")
        assert predict(*words)[0] == 0
        found = record(tmp_path / "out")
        assert found.threshold.value == rows["energy", "f1"]
        assert found.threshold.source == f"f1 on road_anomaly, of {path}"
    scores = np.asarray(Image.open(tmp_path / "out" / "scores" / "a.tif"))
    assert found.images[0].unknown == 100 * (scores.astype(np.float64) >= rows["energy", "f1"]).mean()
    refused = [
        (("--score", "energy"), ("fpr=0.05@road_anomaly, f1@road_anomaly", "there is no --point")),
        (("--score", "energy", "--point", "tpr=0.9"), ("none of them",)),
        (("--score", "entropy"), ("has thresholds of msp, energy, none of entropy",)),
        (("--score", "energy", "--point", "f1", "--resize", "0.5x"), ("another --resize", "thresholds.json")),
        (("--score", "energy", "--threshold", "1"), ("exclude each other",)),
    ]
    for options, told in refused:
        assert_refused(predict(photo, "--thresholds", path, *options, out="refused"), *told)
        assert not (tmp_path / "refused").exists() and not list(tmp_path.glob(".refused*"))


def test_an_image_that_cannot_be_decoded_is_left_out(tmp_path, photos, predict):
    assert predict(photos, out="whole")[0] == 0
    (photos / "c.jpg").write_bytes((photos / "b.jpg").read_bytes())
    code, output, errors = predict(cut(photos / "c.jpg").parent, "--page")
    assert code == 1 and "3 images in" in output and "Predictions:" in output
    assert f"warning: left out: {photos / 'c.jpg'} cannot be read (image file is truncated" in errors
    found, whole = record(tmp_path / "out"), record(tmp_path / "whole")
    assert found.images == whole.images and whole.unread == []
    assert [one.source for one in found.unread] == [str(photos / "c.jpg")]
    assert "is truncated" in found.unread[0].reason and found.unread[0].reason.rstrip(".") in found.warnings[-1]
    assert f"<dt>Not read</dt><dd>{photos / 'c.jpg'}</dd>" in (tmp_path / "out" / "index.html").read_text()
    for kind in ("scores", "overlays", "classes"):
        assert files(tmp_path / "out" / kind) == files(tmp_path / "whole" / kind)

    for name in "defg":
        (photos / f"{name}.jpg").write_bytes((photos / "c.jpg").read_bytes())
    code, _, errors = predict(photos, "--overwrite")
    told = ", ".join(str(photos / f"{name}.jpg") for name in "cde")
    assert code == 1 and f"left out 5 images that cannot be read, {told} and 2 more; predictions.json says" in errors
    assert len(record(tmp_path / "out").unread) == 5


def test_where_no_image_can_be_decoded_nothing_is_written(tmp_path, photos, predict):
    one, other = cut(photos / "a.png"), cut(photos / "b.jpg")
    told = f"2 of 2 images cannot be read, {one}, {other}; {one} cannot be read (image file is truncated"
    assert_refused(predict(one, other), told)
    assert not list(tmp_path.glob(".out*")) and not (tmp_path / "out").exists()


def test_what_headers_tell_is_refused_before_the_network_runs(tmp_path, photos, command):
    (photos / "page.png").write_text("<!DOCTYPE html>")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(photos / "scores.tif")
    white = Image.new("RGB", (4, 4), "white")
    Image.new("RGB", (4, 4)).save(photos / "film.gif", save_all=True, append_images=[white])
    answer = command("predict", photos, "--ckpt", tmp_path / "not there yet.pth", "--out", tmp_path / "out")
    names = ", ".join(str(photos / name) for name in ("film.gif", "page.png", "scores.tif"))
    assert_refused(answer, f"3 of 6 images cannot be read, {names}; the image {photos / 'film.gif'} holds several")
    for name, reason in (("page.png", "is not an image"), ("scores.tif", "holds floating-point pixels")):
        answer = command("predict", photos / name, "--ckpt", tmp_path / "not there yet.pth", "--out", tmp_path / "out")
        assert_refused(answer, name, reason)


def test_large_images_are_warned_about_before_they_are_predicted(tmp_path, photos, predict, monkeypatch):
    monkeypatch.setattr(first_look, "_LARGE", 64 * 48 - 1)
    Image.new("RGB", (80, 56)).save(photos / "large.png")
    code, _, errors = predict(photos)
    (told,) = [text for text in record(tmp_path / "out").warnings if "pixels" in text]
    assert code == 0 and errors.index(told) < errors.index("colours as a picture of labels")
    assert told == (
        f"{photos / 'large.png'} enters the network with 80x56 pixels, the largest of 4 such images, far more than "
        f"segmentation networks are made for, which takes long and much memory; --resize 1024 (the short side) or "
        f"--resize 0.5x takes less"
    )
    assert "takes long" in predict(photos / "a.png", "--overwrite")[2]
    assert "takes long" not in predict(photos, "--overwrite", "--resize", "1x")[2], "whoever asks for it means it"
    monkeypatch.setattr(first_look, "_LARGE", 80 * 56)
    assert "takes long" not in predict(photos, "--overwrite")[2]


def test_an_image_that_is_too_large_for_any_network_is_named_at_once(photos, predict, monkeypatch):
    monkeypatch.setattr(Predictor, "__call__", lambda *_: pytest.fail("the images before it were predicted"))
    Image.new("L", (4000, 8)).save(photos / "z.png")
    assert_refused(predict(photos, "--resize", "16x"), f"{photos / 'z.png'}: an image of 4000x8 would enter")


def test_thresholds_of_negated_scores_are_refused_with_a_remedy_that_there_is(tmp_path, photos, evaluate, predict):
    goal = ("--operating-points", "f1", "--negate", "msp")
    assert evaluate("--scores", "msp", *goal, out=str(tmp_path / "home"))[0] == 0
    answer = predict(photos / "a.png", "--score", "msp", "--thresholds", tmp_path / "home" / "thresholds.json")
    assert_refused(answer, "are of negated scores; choose thresholds anew", "without --negate msp")


def test_bad_input_is_refused_in_one_sentence(tmp_path, photos, video, predict):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes((photos / "a.png").read_bytes()[:200])
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "no.json").write_text("[]")
    os.mkfifo(tmp_path / "pipe.png")
    photo = photos / "a.png"
    refused: list[tuple[tuple[str | Path, ...], tuple[str, ...]]] = [
        ((tmp_path / "missing.jpg",), ("missing.jpg does not exist",)),
        ((tmp_path / "empty",), ("empty holds no image",)),
        ((tmp_path / "pipe.png",), ("pipe.png is neither a file nor a folder",)),
        ((tmp_path / "broken.png",), ("broken.png cannot be read",)),
        ((photos, tmp_path / "text.jpg"), ("text.jpg is not an image",)),
        ((tmp_path / "text.mp4",), ("text.mp4 cannot be decoded", "MP4")),
        ((photo, "--threshold", "nan"), ("--threshold must be a number",)),
        ((photo, "--score", "nothing"), ("there is no score 'nothing'",)),
        ((photo, "--score", "gmmseg"), ("needs class log densities", "; choose another --score.")),
        ((photo, "--score", "sml"), ("needs statistics", "gmmseg-anomaly fit")),
        ((photo, "--stats", photo), ("learns nothing",)),
        ((photo, "--point", "f1"), ("--point is one of --thresholds",)),
        ((photo, "--thresholds", tmp_path / "no.json"), ("is no file of thresholds",)),
        ((photo, "--thresholds", tmp_path / "missing.json"), ("no file of thresholds",)),
    ]
    for words, told in refused:
        assert_refused(predict(*words, "--page"), *told)
        assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*")), words
    assert_refused(predict(photo, out="photos"), "exists and is not empty")
    assert_refused(
        predict(photo, "--overwrite", out="photos"), f"--overwrite would delete {photo}, which this run reads"
    )
    elsewhere = photo.rename(tmp_path / "a.png")
    assert_refused(predict(elsewhere, "--overwrite", out="photos"), "no predictions.json written by this tool")
    assert main(["predict"]) == 2


def test_the_same_folder_is_predicted_again_without_what_was_made_of_it(
    tmp_path, photos, checkpoint, command, monkeypatch
):
    monkeypatch.chdir(photos)
    words = ("predict", ".", "--ckpt", checkpoint, "--device", "cpu", "--overwrite")
    for _ in range(3):
        code, output, errors = command(*words)
        assert code == 0 and "3 images in" in output, errors
    assert "predictions holds results of this tool, no photos, and is left alone" in errors
    assert len(record(photos / "predictions").images) == 3


def test_an_interrupted_run_leaves_nothing(tmp_path, photos, checkpoint):
    many = tmp_path / "many"
    many.mkdir()
    for index in range(400):
        (many / f"{index}.png").symlink_to(photos / "a.png")
    command = [sys.executable, "-m", "anomaly_eval", "predict", many, "--ckpt", checkpoint, "--out", tmp_path / "out"]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while not list(tmp_path.glob(".out.partial-*/overlays/*")) and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode != 0
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))
