"""What is linear in the features of each pixel, and what only looks so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from anomaly_eval.segmenters.linear_classifier import linear_classifier
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks
from tests.shared_data import shared_erfnet


class Doubled(nn.Conv2d):
    """A convolution in name only."""

    def forward(self, input):
        return 2 * super().forward(input)


class DoubledTransposed(nn.ConvTranspose2d):
    """The same, transposed."""

    def forward(self, input, output_size=None):
        return 2 * super().forward(input, output_size)


@pytest.mark.parametrize(
    "layer",
    [
        None,
        nn.ReLU(),
        nn.Conv2d(5, 3, 3, padding=1),
        nn.Conv2d(5, 3, 1, stride=2),
        nn.Conv2d(5, 3, 1, padding=1),
        nn.Conv2d(6, 3, 1, groups=3),
        Doubled(5, 3, 1),
        nn.ConvTranspose2d(5, 3, 3, stride=2, padding=1, output_padding=1),
        nn.ConvTranspose2d(5, 3, 4, stride=2),
        nn.ConvTranspose2d(5, 3, 2, stride=2, padding=1),
        nn.ConvTranspose2d(5, 3, 2, stride=2, dilation=3),
        nn.ConvTranspose2d(5, 3, (2, 3), stride=(2, 3)),
        nn.ConvTranspose2d(6, 3, 2, stride=2, groups=3),
        DoubledTransposed(5, 3, 2, stride=2),
    ],
)
def test_what_is_not_linear_in_each_pixel_is_no_linear_classifier(layer):
    assert linear_classifier(layer) is None


@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers_are_known_by_weight_and_bias(bias):
    features = torch.randn(1, 5, 2, 3)
    for layer in (nn.Conv2d(5, 3, 1, bias=bias), nn.Conv2d(5, 3, 1, bias=bias).to(memory_format=torch.channels_last)):
        found = linear_classifier(layer)
        expected = torch.einsum("cd,ndyx->ncyx", found.weight, features) + found.bias[:, None, None]
        torch.testing.assert_close(layer(features), expected)
    layer = nn.Linear(5, 3, bias=bias)
    found = linear_classifier(layer)
    torch.testing.assert_close(layer(features[0, :, 0].T), features[0, :, 0].T @ found.weight.T + found.bias)


@pytest.mark.parametrize("side", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_a_transposed_convolution_gives_each_pixel_weights_of_its_own(side, bias):
    layer = nn.ConvTranspose2d(5, 3, side, stride=side, bias=bias).double()
    features = torch.randn(1, 5, 2, 3, dtype=torch.float64)
    layer.weight.data, features = layer.weight.data.float().double(), features.float().double()
    found = linear_classifier(layer)
    assert found.per_side == side
    logits = found.laid_out(found.logits(features[0].flatten(1)), (2, 3))
    torch.testing.assert_close(logits[None], layer(features), rtol=1e-6, atol=1e-6)
    some = found.chosen([2, 0])
    torch.testing.assert_close(some.laid_out(some.logits(features[0].flatten(1)), (2, 3)), logits[[2, 0]])


def test_a_network_gives_its_classifier_with_the_features_where_it_is_wanted(tmp_path):
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", networks.CGNET), device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    assert segmenter.with_outputs(["features"])(image).classifier is None
    found = segmenter.with_outputs(["classifier"])(image)
    features = found.features.values
    logits = torch.einsum("cd,dyx->cyx", found.classifier.weight, features) + found.classifier.bias[:, None, None]
    torch.testing.assert_close(logits, found.logits.values, rtol=1e-5, atol=1e-5)


def test_the_last_layer_of_erfnet_gives_its_logits_again():
    path = Path(f"{shared_erfnet()}:build")
    segmenter = load_segmenter(path, device="cpu", known_classes=["0-18"])
    assert "classifier" in segmenter.provides
    found = segmenter(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))
    features, layer = found.features.values, found.classifier
    assert (layer.per_side, layer.weight.shape, features.shape) == (2, (19 * 4, 16), (16, 32, 48))
    logits = layer.laid_out(layer.logits(features.flatten(1).double()), (32, 48))
    torch.testing.assert_close(logits.float(), found.logits.values, rtol=1e-5, atol=1e-5)


def test_mixtures_are_no_linear_classifier(tmp_path):
    segmenter = load_segmenter(networks.save_gmm(tmp_path / "net.pth"), device="cpu")
    assert segmenter.provides == {"logits", "features", "log_density", "log_density_logsumexp"}
