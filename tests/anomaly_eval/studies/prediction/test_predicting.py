"""`anomaly_eval.predict`: the same from Python, one result after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import anomaly_eval
from anomaly_eval.errors import InputError
from anomaly_eval.studies.prediction.predicting import load_network


def test_files_folders_videos_and_arrays(photos, video, checkpoint):
    array = np.asarray(Image.open(photos / "a.png"))
    found = list(anomaly_eval.predict(checkpoint, [photos, video, array], device="cpu", threshold=0.5))
    assert [one.frame.name for one in found][:3] == ["a", "b", "more_a"]
    assert [one.frame.number for one in found[3:15]] == list(range(12))
    np.testing.assert_array_equal(found[-1].scores, found[0].scores)
    assert found[-1].scores.dtype == np.float32 and found[-1].classes.shape == array.shape[:2]
    np.testing.assert_array_equal(found[0].unknown, found[0].scores.astype(np.float64) >= 0.5)
    assert set(np.unique(found[0].with_unknown)) <= {*range(5), 255}


def test_results_come_one_by_one(photos, checkpoint):
    results = anomaly_eval.predict(checkpoint, [photos / "a.png", photos / "more"], device="cpu", score="msp")
    first = next(results)
    assert first.frame.name == "a" and first.unknown is None
    assert first.with_unknown is first.classes
    results.close()


def test_a_network_is_loaded_once_for_many(photos, checkpoint):
    network = load_network(checkpoint, device="cpu", score="energy")
    (once,) = anomaly_eval.predict(network, photos / "a.png")
    (again,) = anomaly_eval.predict(network, str(photos / "a.png"))
    np.testing.assert_array_equal(once.scores, again.scores)
    with pytest.raises(InputError, match="score comes too late"):
        anomaly_eval.predict(network, photos, score="msp")


def test_networks_from_python_are_taken(photos):
    class Net(torch.nn.Module):
        def forward(self, pixels):
            return torch.cat([pixels, -pixels], dim=1)

    (found,) = anomaly_eval.predict(Net(), photos / "a.png", device="cpu", mean=[0, 0, 0], std=[1, 1, 1])
    pixels = np.asarray(Image.open(photos / "a.png")).astype(np.float32)
    np.testing.assert_array_equal(found.scores, -pixels.max(axis=2))
    np.testing.assert_array_equal(found.classes, pixels.argmax(axis=2))


def test_bad_calls_are_refused_at_once(photos, checkpoint):
    with pytest.raises(InputError, match="no option 'scores'"):
        anomaly_eval.predict(checkpoint, photos, scores="msp")
    with pytest.raises(InputError, match="does not exist"):
        anomaly_eval.predict(checkpoint, photos / "missing.png", device="cpu")
    with pytest.raises(InputError, match="the path of an image is empty"):
        anomaly_eval.predict(checkpoint, ["", photos], device="cpu")
    with pytest.raises(InputError, match="uint8"):
        anomaly_eval.predict(checkpoint, np.zeros((4, 4)), device="cpu")


def test_lone_words_stand_for_lists_of_themselves() -> None:
    with pytest.raises(InputError, match="known-classes leaves fewer than two classes"):
        load_network(known_classes="road", device="cpu")
