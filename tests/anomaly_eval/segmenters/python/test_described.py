"""What networks say of themselves: options go before descriptions, and these before attributes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.python.described import described

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def test_options_go_before_the_description_and_that_before_attributes() -> None:
    network = SimpleNamespace(mean=[1, 2, 3], std=[4, 5, 6], colours="BGR", classes=("road", "sky"), features="head")
    found = described(network, {"mean": (7, 8, 9), "std": STD}, "net", {"std": (10.0, 11.0, 12.0), "colours": None})
    assert (found.mean, found.std, found.colours) == ((7, 8, 9), (10.0, 11.0, 12.0), "BGR")
    assert (found.classes, found.features, found.input_size) == (("road", "sky"), "head", None)


def test_modules_and_buffers_with_such_names_say_nothing() -> None:
    class Normalising(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
            self.std, self.classes = torch.ones(3), 19
            self.features = nn.Sequential()

    found = described(Normalising(), None, "net", {})
    assert found.mean is None and found.std is None and found.classes is None and found.features is None


def test_unsaid_normalisation_is_that_of_torchvision() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    said = described(None, {"mean": MEAN, "std": STD, "colours": "BGR"}, "net", {})
    unsaid = described(None, None, "net", {})
    scaled = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    cpu = torch.device("cpu")
    torch.testing.assert_close(unsaid.normalisation.apply(image, cpu), scaled)
    mean, std = (torch.tensor(values)[None, :, None, None] / 255 for values in (MEAN, STD))
    torch.testing.assert_close(said.normalisation.apply(image, cpu), (scaled.flip(1) - mean) / std, atol=1e-5, rtol=0)
    assert unsaid.input_text == "RGB divided by 255, as nobody said otherwise"
    assert said.input_text.startswith("BGR, mean 123.675 116.28 103.53, deviation 58.395")


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (19, "net describes the network by a int; return"),
        ({"clases": ["a", "b"]}, "net has 'clases', of which nothing is known; the nearest known one is 'classes'"),
        ({"mean": [0.5, 0.5], "std": STD}, "says mean=.* but that is a number for each of the three channels"),
        ({"mean": 127.5, "std": STD}, "says mean=.* but that is a number for each of the three channels"),
        ({"mean": MEAN}, "says the mean of its input, but not what is divided by; say std too"),
        ({"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}, "pixels are in 0 to 255: multiply"),
        ({"std": (58.0, 0.0, 57.0)}, "that must be positive"),
        ({"std": (58.0, float("nan"), 57.0)}, "that is a number for each"),
        ({"classes": 19}, "classes are a list of names"),
        ({"classes": "road"}, "classes are a list of names"),
        ({"classes": ["road", "road"]}, "no two alike"),
        ({"classes": ["road", 3]}, "classes are a list of names"),
        ({"colours": "rgb"}, "that is RGB or BGR"),
        ({"output": "softmax"}, "that is logits or probabilities"),
        ({"input_size": "1024*512"}, "'1024\\*512' is not understood; give a factor"),
        ({"input_size": (1024, 512)}, "that is a text"),
        ({"features": 3}, "that is a text"),
        ({"align_corners": 1}, "that is True or False"),
    ],
)
def test_what_no_network_has_is_refused(returned: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        described(None, returned, "net", {})
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_arrays_are_numbers_too() -> None:
    found = described(None, {"mean": torch.tensor([1.0, 2.0, 3.0]), "std": np.ones(3)}, "net", {})
    assert found.normalisation.mean == (1.0, 2.0, 3.0) and found.normalisation.std == (1.0, 1.0, 1.0)
