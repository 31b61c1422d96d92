"""The last layer is found by what it gives, whatever it is called and whatever follows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from anomaly_eval.segmenters.python.last_layer import convolutions_heard, last_layer

IMAGES = torch.randn(1, 3, 24, 32, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """Two heads, the second of which only helped in training, and what is made of the first."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(3, 5, 3, 2, 1)
        self.classify, self.auxiliary = nn.Conv2d(5, 5, 1), nn.Conv2d(5, 5, 1)
        self.then = then

    def forward(self, images: Tensor) -> Tensor:
        features = self.body(images).relu()
        output = self.then(self.classify(features))
        self.auxiliary(features)
        return output


def larger(align_corners: bool) -> Callable[[Tensor], Tensor]:
    return lambda maps: interpolate(maps, (24, 32), mode="bilinear", align_corners=align_corners)


@pytest.mark.parametrize(
    "then",
    [
        lambda maps: maps,
        larger(False),
        larger(True),
        lambda maps: maps.softmax(1),
        lambda maps: larger(False)(maps).softmax(1),
        lambda maps: larger(False)(maps.softmax(1)),
    ],
)
def test_found(then: Callable[[Tensor], Tensor]) -> None:
    net = Net(then)
    with torch.no_grad(), convolutions_heard(net) as heard:
        output = net(IMAGES)
    assert list(heard) == ["body", "classify", "auxiliary"]
    assert last_layer(heard, output) == "classify"
    assert not any(layer._forward_hooks for layer in net.modules())


@pytest.mark.parametrize(
    "then",
    [lambda maps: maps * 2, lambda maps: maps.flip(1), lambda maps: maps[:, :4], lambda maps: maps.log_softmax(1)],
)
def test_not_where_more_follows(then: Callable[[Tensor], Tensor]) -> None:
    net = Net(then)
    with torch.no_grad(), convolutions_heard(net) as heard:
        output = net(IMAGES)
    assert last_layer(heard, output) is None


def test_transposed_convolutions_classify_too() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ConvTranspose2d(4, 6, 2, 2))
    with torch.no_grad(), convolutions_heard(net) as heard:
        output = net(IMAGES)
    assert last_layer(heard, output) == "1"
