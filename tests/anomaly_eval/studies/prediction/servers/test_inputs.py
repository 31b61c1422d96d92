"""Images that a server knows under names of its own, and those that it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.errors import InputError
from anomaly_eval.studies.prediction.frames import Frame
from anomaly_eval.studies.prediction.predictor import PredictedFrame
from anomaly_eval.studies.prediction.records import ServerPredictions
from anomaly_eval.studies.prediction.request import PredictionRequest
from anomaly_eval.studies.prediction.servers.fishyscapes import Fishyscapes
from anomaly_eval.studies.prediction.servers.inputs import pictures_for
from anomaly_eval.studies.prediction.servers.run import SERVERS
from anomaly_eval.studies.prediction.servers.smiyc import Smiyc
from tests.anomaly_eval.commands import assert_refused, nothing_left
from tests.anomaly_eval.studies.prediction.conftest import cut
from tests.anomaly_eval.studies.prediction.servers.conftest import drawn, files

ANOMALIES = ("--format", "smiyc", "--split", "AnomalyTrack-all", "--method", "known")


def test_images_must_lie_and_be_called_as_the_servers_are(tmp_path, predict_known, video):
    images, labels = drawn(tmp_path / "set" / "images" / "a.jpg").parent, tmp_path / "set" / "labels_masks"
    drawn(labels / "a_labels_semantic.png")
    twice = drawn(tmp_path / "more" / "a.png").parent
    turned = tmp_path / "turned" / "b.png"
    turned.parent.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (32, 24)).save(turned, exif=exif)
    (tmp_path / "empty").mkdir()
    refused = [
        ((video, *ANOMALIES), ("clip.mp4 is a video", "give their folder")),
        ((images.parent, *ANOMALIES), ("a.jpg lies in a folder within", "give that folder")),
        ((images, twice, *ANOMALIES), ("are both AnomalyTrack-all/a", "give one of them")),
        ((images, twice, images, *ANOMALIES[:4], "ObstacleTrack-all"), ("names 2 splits for 3 inputs",)),
        ((turned.parent, *ANOMALIES), ("b.png has the EXIF orientation 6",)),
        ((tmp_path / "empty", *ANOMALIES), ("empty holds no image",)),
        ((tmp_path / "missing", *ANOMALIES), ("missing does not exist",)),
        ((images, "--split", "x"), ("--split is of --format smiyc and oodis", "does nothing with pictures")),
        ((images, "--method", "x"), ("--method is of --format smiyc",)),
    ]
    for words, told in refused:
        assert_refused(predict_known(*words), *told)
        assert nothing_left(tmp_path)


def test_of_a_servers_images_none_is_left_out(tmp_path, predict_known):
    images = drawn(tmp_path / "images" / "a.jpg").parent
    damaged = cut(drawn(images / "b.jpg"))
    assert_refused(predict_known(images, *ANOMALIES), f"{damaged} cannot be read")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("splits", [("AnomalyTrack-all", "ObstacleTrack-all"), ("ObstacleTrack-all",)])
def test_a_split_is_for_one_input_or_for_all(tmp_path, predict_known, splits):
    one, other = drawn(tmp_path / "one" / "a.jpg"), drawn(tmp_path / "other" / "b.jpg")
    words = ("--format", "smiyc", "--method", "m", "--split", *splits)
    assert predict_known(one.parent, other.parent, *words)[0] == 0
    assert files(tmp_path / "out") == [f"anomaly_p/m/{splits[0]}/a.hdf5", f"anomaly_p/m/{splits[-1]}/b.hdf5"]


RELEASED = [
    ("smiyc", "AnomalyTrack-all", ["validation0000.jpg", "boat_trailer0003.jpg"]),
    ("smiyc", "ObstacleTrack-all", ["validation_20.webp", "darkasphalt2_dog_1.webp", "snowstorm2_00_01_38.181.webp"]),
    ("smiyc", "LostAndFound-test", ["15_Rechbergstr_Deckenpfronn_000004_000160_leftImg8bit.png"]),
    ("oodis", "roadanomaly", ["cow0000.jpg"]),
    ("oodis", "roadobstacle", ["curvy-street_inliner_hubcap_3.webp", "motorway_boot_6_and_bird.webp"]),
    ("oodis", "fishyscapes", ["01_Hanns_Klemm_Str_45_000004_000090_leftImg8bit.png"]),
]
OTHERS = [
    ("smiyc", "AnomalyTrack-all", ["0.png", "9.png"], "validation0000 or cow0000"),
    ("smiyc", "ObstacleTrack-all", ["cow0000.jpg"], "curvy-street_dog_1"),
    ("smiyc", "LostAndFound-train", ["0_leftImg8bit.png"], "04_Maurener_Weg_8_000000_000030_leftImg8bit"),
    ("oodis", "roadanomaly", ["validation0000.jpg"], "such as cow0000,"),
    ("oodis", "roadobstacle", ["validation_20.webp"], "such as curvy-street_dog_1,"),
    ("oodis", "fishyscapes", ["0_leftImg8bit.png"], "04_Maurener_Weg_8_000000_000030_leftImg8bit"),
]


def warnings_for(folder: Path, format: str, split: str, names: list[str]) -> list[str]:
    """What is said of names, beside the number of images."""
    for name in names:
        drawn(folder / name)
    request = PredictionRequest(inputs=(folder,), format=format, split=(split,))
    _, warnings = pictures_for(SERVERS[format](request))
    return [text for text in warnings if "images; given here" not in text]


@pytest.mark.parametrize(("format", "split", "names"), RELEASED)
def test_released_names_are_known(tmp_path, format, split, names):
    for index, name in enumerate(names):
        assert warnings_for(tmp_path / str(index), format, split, [name]) == []
    # Others beside them are the user's own.
    ending = "_leftImg8bit" if "leftImg8bit" in names[0] else ""
    assert warnings_for(tmp_path / "0", format, split, [f"more{ending}.png"]) == []


@pytest.mark.parametrize(("format", "split", "names", "told"), OTHERS)
def test_names_that_no_server_knows_are_told(tmp_path, format, split, names, told):
    (warning,) = warnings_for(tmp_path, format, split, names)
    assert f"no image is called as those of {split} were released" in warning
    assert told in warning and warning.endswith(f"given here: {names[0]}")


def test_a_split_without_published_names_takes_any(tmp_path):
    assert warnings_for(tmp_path, "smiyc", "RoadObstacleExtra-v1", ["0.png"]) == []


def test_earlier_predictions_of_any_format_are_replaced(tmp_path, predict_known):
    path = drawn(tmp_path / "0000_a.png")
    formats = [
        ANOMALIES,
        ("--format", "oodis", "--split", "roadobstacle", "--threshold", "9"),
        ("--format", "fishyscapes"),
        ("--overlays", "jpeg"),
        ANOMALIES,
    ]
    for words in formats:
        assert predict_known(path, *words, "--overwrite")[0] == 0
    record = ServerPredictions.model_validate_json((tmp_path / "out" / "predictions.json").read_text())
    assert files(tmp_path / "out") == record.images[0].files == ["anomaly_p/known/AnomalyTrack-all/0000_a.hdf5"]
    assert_refused(predict_known(path, *ANOMALIES), "exists and is not empty", "--overwrite")


@pytest.mark.parametrize("server", [Smiyc, Fishyscapes])
def test_infinite_scores_are_refused(tmp_path, server):
    scores = np.float32([[1, np.inf], [-np.inf, 2]])
    frame = Frame("a", Path("a.png"), None, np.zeros((2, 2, 3), np.uint8))
    found = PredictedFrame(frame, scores, np.zeros((2, 2), np.uint8), None)
    with pytest.raises(
        InputError, match=rf"2 pixels of a.png have an infinite score, which {server.title} cannot rank"
    ):
        server(PredictionRequest(inputs=())).write(tmp_path, found)
    assert not list(tmp_path.iterdir())
