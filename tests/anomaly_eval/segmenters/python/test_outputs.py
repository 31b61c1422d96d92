"""Outputs of networks of one's own, in every form that is understood, and in many that are not."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.python.outputs import OutputReader, are_probabilities

MAPS = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))


@dataclass
class WithLogits:
    logits: Tensor


FORMS: dict[str, Any] = {
    "tensor": MAPS,
    "torchvision": OrderedDict(out=MAPS, aux=torch.zeros(2, 5, 1, 1)),
    "logits": {"logits": MAPS},
    "loss and logits": {"loss": None, "logits": MAPS, "hidden_states": None},
    "object": WithLogits(MAPS),
    "tuple": (MAPS, torch.zeros(2, 5, 1, 1)),
    "list of a dictionary": [{"out": MAPS}],
    "array": MAPS.numpy(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_forms(form: Any) -> None:
    found = OutputReader("net").read(form, 2)
    assert list(found) == ["logits"]
    torch.testing.assert_close(found["logits"], MAPS)


def test_fields_of_a_prediction_are_taken_and_one_says_the_class() -> None:
    features, density = torch.zeros(2, 1, 6, 8), torch.zeros(2, 5, 3, 4)
    given = {"features": features, "probabilities": MAPS.softmax(1), "log_density": density, "other": None}
    found = OutputReader("net").read(given, 2)
    assert list(found) == ["probabilities", "features", "log_density"]
    found = OutputReader("net").read({"probabilities": MAPS, "logits": MAPS}, 2)
    assert list(found) == ["logits"]


def test_functions_give_maps_of_one_image() -> None:
    found = OutputReader("net", of_image=True).read(MAPS[0].double().numpy(), 1)
    torch.testing.assert_close(found["logits"], MAPS[:1].double())


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "net returns None; return a tensor"),
        ([], "net returns a list; return"),
        ("logits", "net returns a str; return"),
        ({"pred": MAPS, "aux": MAPS}, "net returns a dictionary of 'pred', 'aux'; return"),
        ({}, "net returns a dictionary of nothing; return"),
        ({"out": [[1.0]]}, "net returns a list as logits; return"),
        (np.array(["a"]), "net returns a ndarray as logits; return"),
        (MAPS[0], "net returns logits of the shape 5x3x4; return a tensor \\(images, classes, rows, columns\\)"),
        (MAPS[:, :, 0, 0], "of the shape 2x5; return"),
        (MAPS[:, :, :0], "of the shape 2x5x0x4; return"),
        (MAPS.sum(), "of the shape of a single number; return"),
        (MAPS[:1], "of 1 images for an input of 2; return one for each"),
        (MAPS[:, :1], "of a single class; two or more"),
        (
            MAPS.argmax(1, keepdim=True),
            "of whole numbers \\(int64\\); return a value for each class, before any argmax",
        ),
        ({"out": MAPS, "features": MAPS[0]}, "returns features of the shape 5x3x4"),
        ({"out": MAPS, "log_density": MAPS[:, :1]}, "returns log_density of a single class"),
    ],
)
def test_others_are_refused_in_a_sentence(returned: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        OutputReader("net").read(returned, 2)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_probabilities_are_known_by_their_sum() -> None:
    probabilities = MAPS.softmax(1)
    assert are_probabilities(probabilities) and are_probabilities(probabilities.half())
    assert not are_probabilities(MAPS) and not are_probabilities(MAPS.sigmoid())
    assert not are_probabilities(MAPS.log_softmax(1)) and not are_probabilities(probabilities * 1.01)
    negative = probabilities.clone()
    negative[0, 0] -= 1
    negative[0, 1] += 1
    assert not are_probabilities(negative)
    assert not are_probabilities(torch.full_like(MAPS, float("nan")))
