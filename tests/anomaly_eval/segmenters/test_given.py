"""What users give of a network beside it: known classes, and what its kind takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_eval.errors import InputError
from anomaly_eval.scores import choose_scores
from anomaly_eval.scores.base import score_maps
from anomaly_eval.segmenters.given import Given, chosen_classes
from anomaly_eval.segmenters.network import Network, NetworkFacts
from anomaly_eval.segmenters.protocol import NetworkSegmenter

CLASSES = ("road", "traffic light", "void", "car")


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (["0-1", "3"], (0, 1, 3)),
        (["road", "Traffic_Light", "CAR"], (0, 1, 3)),
        (["3", "road"], (3, 0)),
        (["0-3"], (0, 1, 2, 3)),
    ],
)
def test_known_classes_are_numbers_ranges_or_names(asked: list[str], chosen: tuple[int, ...]) -> None:
    assert chosen_classes(asked, CLASSES, named=True) == chosen


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["raod", "car"], "no class 'raod'; did you mean 'road'"),
        (["0-4"], "there is no output 4, as the network has 4, from 0 to 3"),
        (["0-1", "1"], "names the output 1 twice"),
        (["car"], "leaves fewer than two classes"),
        (["3-1"], "leaves fewer than two classes"),
        (["-1", "0", "1"], "no class '-1'"),
        (["1.5", "0"], "no class '1.5'"),
        (["0,1"], "no class '0,1'"),
    ],
)
def test_others_are_refused(asked: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        chosen_classes(asked, CLASSES, named=True)


def test_names_that_stand_in_are_not_read() -> None:
    with pytest.raises(InputError, match="no class 'class 1'; write names"):
        chosen_classes(["class 1", "0"], ("class 0", "class 1"), named=False)


class Linear(Network):
    """Logits and features of a 1x1 convolution."""

    def __init__(self) -> None:
        super().__init__(
            NetworkFacts("net", "0" * 64, 4, CLASSES, provides=frozenset({"logits", "features"})), torch.device("cpu")
        )
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 4, 1)

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> dict[str, Tensor]:
        return {"logits": self.layer(inputs / 64), "features": inputs}


def test_dropped_outputs_leave_the_softmax_and_features_stay() -> None:
    image = np.random.default_rng(0).integers(0, 255, (6, 7, 3), dtype=np.uint8)
    whole = NetworkSegmenter(Linear())
    known = NetworkSegmenter(Linear(), known_classes=(0, 1, 3))
    assert known.classes == ("road", "traffic light", "car")
    record = known.describe()
    assert record.classes == ["road", "traffic light", "car"] and record.dropped_classes == ["void"]
    assert whole.describe().dropped_classes == []
    logits, prediction = whole(image).class_maps.resized(), known(image)
    assert prediction.features is not None and prediction.features.channels == 3
    msp = score_maps(prediction, choose_scores(["msp"], known.provides))["msp"]
    torch.testing.assert_close(msp, -logits[[0, 1, 3]].softmax(0).amax(0))


def test_what_a_kind_does_not_take_is_refused() -> None:
    given = Given(Path("net.pth"), mean=(0.0, 0.0, 0.0))
    given.refuse_others(frozenset({"mean"}), "things")
    with pytest.raises(InputError, match=r"--mean says nothing about net\.pth, one of things"):
        given.refuse_others(frozenset({"config"}), "things")
    with pytest.raises(InputError, match="--mean has 1 values"):
        Given(Path("net.pth"), mean=(0.5,))
    with pytest.raises(InputError, match="--std must be positive"):
        Given(Path("net.pth"), std=(1.0, 0.0, 1.0))
