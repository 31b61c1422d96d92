"""What is linear in the features of each pixel, and what only looks so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from anomaly_eval.segmenters.linear_classifier import linear_classifier
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks


class Doubled(nn.Conv2d):
    """A convolution in name only."""

    def forward(self, input):
        return 2 * super().forward(input)


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


def test_a_network_gives_its_classifier_with_the_features_where_it_is_wanted(tmp_path):
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", networks.CGNET), device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    assert segmenter.with_outputs(["features"])(image).classifier is None
    found = segmenter.with_outputs(["classifier"])(image)
    features = found.features.values
    logits = torch.einsum("cd,dyx->cyx", found.classifier.weight, features) + found.classifier.bias[:, None, None]
    torch.testing.assert_close(logits, found.logits.values, rtol=1e-5, atol=1e-5)


def test_mixtures_are_no_linear_classifier(tmp_path):
    segmenter = load_segmenter(networks.save_gmm(tmp_path / "net.pth"), device="cpu")
    assert segmenter.provides == {"logits", "features", "log_density", "log_density_logsumexp"}
