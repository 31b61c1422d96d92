"""Modules and functions as networks, beside the obvious computation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from anomaly_eval.datasets.test_settings import SlidingWindow, TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.scores import choose_scores
from anomaly_eval.scores.base import score_maps
from anomaly_eval.segmenters.base import Prediction, predict
from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from tests.anomaly_eval.segmenters.python.nets import load, write

IMAGE = np.random.default_rng(5).integers(0, 256, (40, 56, 3), dtype=np.uint8)
PIXELS = torch.from_numpy(IMAGE).permute(2, 0, 1)[None] / 255


class Net(nn.Module):
    """Maps on a grid of a fourth, and what is made of them."""

    def __init__(self, then: Any = lambda maps: maps) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body, self.norm, self.head = nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 5, 1)
        self.then = then

    def forward(self, images: Tensor) -> Any:
        return self.then(self.head(self.norm(self.body(images)).relu()))


def segmenter_of(network: Any, size: str | None = None, **given: Any) -> NetworkSegmenter:
    asked = None if size is None else InputSize.parse(size)
    return load_segmenter(Given(Path("net"), instance=network, **given), device="cpu", input_size=asked)


def test_a_module_is_run_in_evaluation_mode_and_its_features_are_found() -> None:
    net = Net()
    assert net.training
    segmenter = segmenter_of(net)
    assert segmenter.provides == {"logits", "features", "classifier"}
    prediction = segmenter(IMAGE)
    torch.testing.assert_close(prediction.classifier.weight, net.head.weight.detach().flatten(1))
    with torch.no_grad():
        features = net.eval().norm(net.body(PIXELS)).relu()
        logits = interpolate(net.head(features), IMAGE.shape[:2], mode="bilinear")[0]
    torch.testing.assert_close(prediction.features.values, features[0])
    torch.testing.assert_close(prediction.logits.resized(), logits, atol=1e-5, rtol=0)
    assert segmenter.with_outputs([])(IMAGE).features is None
    assert "features: input of head, the convolution that gives the output" in segmenter.describe().notes


def test_features_are_the_input_of_the_module_that_is_named() -> None:
    net = Net(lambda maps: {"out": maps * 2})
    assert segmenter_of(net).provides == {"logits"}
    found = segmenter_of((net, {"features": "norm"}))(IMAGE).features
    torch.testing.assert_close(found.values, net.body(PIXELS)[0].detach())


def test_features_of_another_shape_are_refused_with_the_module() -> None:
    net = nn.Sequential(Net(), nn.Flatten(2), nn.Unflatten(2, (16, 16)))
    segmenter = segmenter_of((net, {"features": "2"}), size="64x64")
    with pytest.raises(InputError, match=r"the input of 2 in net is 1x5x256, and features are .*; name another module"):
        segmenter(IMAGE)


def test_probabilities_are_recognised_and_give_the_scores_of_their_logits() -> None:
    logits, probabilities = segmenter_of(Net()), segmenter_of(Net(lambda maps: maps.softmax(1)))
    assert probabilities.provides == {"probabilities", "features"}
    assert "output: probabilities, as they sum to 1" in probabilities.describe().notes
    scores = choose_scores(["msp", "entropy"], probabilities.provides)
    # On the grid itself, as interpolating probabilities is not interpolating logits.
    small = IMAGE[:4, :4]
    expected = score_maps(logits(small), choose_scores(["msp", "entropy"], logits.provides))
    found = score_maps(probabilities(small), scores)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, atol=1e-6, rtol=0)
    said = segmenter_of((Net(lambda maps: maps.softmax(1)), {"output": "logits"}))
    assert said.provides == {"logits", "features"} and "output: logits" in said.describe().notes


def test_outputs_that_change_between_images_are_refused() -> None:
    changing = Net(lambda maps: maps[:, : 5 if maps.shape[2] == 16 else 4])
    with pytest.raises(InputError, match=r"image\.png: net gave 5 classes at first, and gives 4 now"):
        predict(segmenter_of(changing), IMAGE, Path("image.png"))
    negative = Net(lambda maps: maps.softmax(1) if maps.shape[2] == 16 else maps)
    with pytest.raises(InputError, match="gave probabilities at first, and gives negative values now"):
        segmenter_of(negative)(IMAGE)
    without = Net(lambda maps: {"out": 2 * maps, **({"features": maps} if maps.shape[2] == 16 else {})})
    with pytest.raises(InputError, match="gave features at first, and gives none now"):
        segmenter_of(without)(IMAGE)
    with pytest.raises(InputError, match=r"gave NaN or infinite values for image\.png"):
        predict(segmenter_of(Net(lambda maps: maps * float("nan"))), IMAGE, Path("image.png"))


def test_sizes_that_a_module_is_made_for() -> None:
    fixed = Net(lambda maps: maps[..., : 1 if tuple(maps.shape[2:]) == (10, 14) else maps.missing])
    for segmenter in (segmenter_of(fixed, size="56x40"), segmenter_of((fixed, {"input_size": "56x40"}))):
        assert str(segmenter.input_size) == "56x40" and segmenter(IMAGE[:, :20]).logits.channels == 5
    assert segmenter_of((Net(), {"input_size": "56x40"})).describe().own_resize
    with pytest.raises(InputError, match=r"can process neither an input of 64x64 nor 512x512 nor 1024x512 .*--resize"):
        segmenter_of(fixed)
    with pytest.raises(InputError, match=r"net cannot process an input of 64x40 \(AttributeError.*--resize"):
        segmenter_of(fixed, size="64x40")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_modules_of_another_type_get_pixels_of_it(dtype: torch.dtype) -> None:
    net = Net().to(dtype)
    found, expected = segmenter_of(net)(IMAGE), Net().eval()(PIXELS)[0].detach()
    torch.testing.assert_close(found.logits.values, expected, atol=1e-5 if dtype == torch.float64 else 0.1, rtol=0)


def test_modules_without_values_and_channels_last_are_refused() -> None:
    with torch.device("meta"):
        empty = Net()
    with pytest.raises(
        InputError, match=r"net cannot be put on cpu \(Cannot copy out of meta tensor.*; build it there"
    ):
        segmenter_of(empty)
    with pytest.raises(
        InputError, match="gave 16 classes at first, and gives 10 now; classes are the second dimension"
    ):
        segmenter_of(Net(lambda maps: maps.permute(0, 2, 3, 1)))(IMAGE)


def test_mean_and_deviation_are_used() -> None:
    net = Net()
    found = segmenter_of(net, mean=(120.0, 110.0, 100.0), std=(60.0, 61.0, 62.0), colours="BGR")(IMAGE)
    values = (PIXELS.flip(1) * 255 - torch.tensor([120.0, 110.0, 100.0])[:, None, None]) / torch.tensor(
        [60.0, 61.0, 62.0]
    )[:, None, None]
    torch.testing.assert_close(found.logits.values, net.eval()(values)[0].detach(), atol=1e-5, rtol=0)


def test_weights_tell_modules_from_each_other_and_settings_too() -> None:
    net = Net()
    first, again = segmenter_of(net).describe(), segmenter_of(Net()).describe()
    assert (first.checkpoint_sha256, first.config_sha256) == (again.checkpoint_sha256, again.config_sha256)
    other = segmenter_of(net, std=(58.0, 58.0, 58.0)).describe()
    assert other.checkpoint_sha256 == first.checkpoint_sha256 and other.config_sha256 != first.config_sha256
    with torch.no_grad():
        net.norm.running_mean += 1
    assert segmenter_of(net).describe().checkpoint_sha256 != first.checkpoint_sha256


def test_code_tells_modules_with_equal_weights_from_each_other() -> None:
    class Other(Net):
        def forward(self, images: Tensor) -> Any:
            return super().forward(images) + 1

    first, other = segmenter_of(Net()).describe(), segmenter_of(Other()).describe()
    assert first.checkpoint_sha256 == other.checkpoint_sha256 and first.config_sha256 != other.config_sha256


def test_a_function_takes_the_image_and_may_give_more_than_logits() -> None:
    net = Net().eval()

    def function(image: np.ndarray) -> dict[str, Any]:
        assert image.dtype == np.uint8 and image.shape[2] == 3
        with torch.no_grad():
            features = net.body(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
            return {"logits": net.head(features)[0].numpy(), "features": features[0], "log_density": features[0, :5]}

    segmenter = segmenter_of(function)
    assert segmenter.provides == {"logits", "features", "log_density"}
    prediction: Prediction = segmenter(IMAGE)
    torch.testing.assert_close(prediction.logits.values, net.head(net.body(PIXELS))[0].detach())
    assert prediction.features.channels == 8 and prediction.log_density.channels == 5
    assert "input: RGB, from 0 to 255" in segmenter.describe().notes
    windows = TestProtocol(slide=SlidingWindow(crop=(32, 32), stride=(8, 24)))
    averaged = segmenter.with_protocol(windows)(IMAGE).logits.resized()
    tiles = [
        net.head(net.body(PIXELS[:, :, top:][:, :, :32, left:][:, :, :, :32])) for top in (0, 8) for left in (0, 24)
    ]
    total, count = torch.zeros(5, 40, 56), torch.zeros(40, 56)
    for tile, (top, left) in zip(tiles, [(0, 0), (0, 24), (8, 0), (8, 24)], strict=True):
        total[:, top : top + 32, left : left + 32] += interpolate(tile, (32, 32), mode="bilinear")[0].detach()
        count[top : top + 32, left : left + 32] += 1
    torch.testing.assert_close(averaged, total / count, atol=1e-5, rtol=0)


def test_what_functions_cannot_be_asked_is_refused() -> None:
    with pytest.raises(InputError, match=r"net is a function of an image, .* so mean says nothing about it"):
        segmenter_of(lambda image: image, mean=(1.0, 1.0, 1.0), std=(1.0, 1.0, 1.0))
    with pytest.raises(InputError, match=r"net can process neither .*TypeError: .*argument"):
        segmenter_of(lambda: None)
    with pytest.raises(InputError, match=r"returns logits of the shape 64x64; return maps \(classes, rows, columns\)"):
        segmenter_of(lambda image: image[..., 0] / 2)
    with pytest.raises(InputError, match="net gives a int in the place of a network"):
        segmenter_of(3)


def test_known_classes_of_a_module(tmp_path: Path) -> None:
    names = "{'classes': ['road', 'sky', 'void', 'car', 'bus']}"
    path = write(tmp_path, f"def build():\n    return Net(), {names}\n")
    segmenter = load(path, known="road sky car-bus".replace("car-bus", "3-4"))
    assert segmenter.classes == ("road", "sky", "car", "bus")
    assert segmenter.describe().dropped_classes == ["void"]
