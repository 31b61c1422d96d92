"""Views of an image: how they are named, and what a network says of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anomaly_eval.datasets.test_settings import SlidingWindow, TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.network import Network, NetworkFacts
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from anomaly_eval.segmenters.views import View, Views, record_of
from tests.anomaly_eval import networks

IMAGE = np.random.default_rng(0).integers(0, 255, (48, 70, 3), dtype=np.uint8)


class Pixels(Network):
    """Logits that are the input itself, and a record of the inputs' sizes."""

    def __init__(self, **facts: object) -> None:
        known = NetworkFacts("net", "0" * 64, 3, ("road", "car", "sky"), **facts)  # type: ignore[arg-type]
        super().__init__(known, torch.device("cpu"))
        self.sizes: list[tuple[int, int]] = []

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        self.sizes.append((inputs.shape[3], inputs.shape[2]))
        return {"logits": inputs / 50}


class Plain:
    """A segmenter from Python, at whose size nobody can turn."""

    def __init__(self) -> None:
        segmenter = NetworkSegmenter(Pixels())
        for name in ("classes", "has_class_names", "input_size", "device", "provides", "fits", "describe"):
            setattr(self, name, getattr(segmenter, name))
        self.with_outputs = self.with_protocol = lambda _: self
        self._segmenter = segmenter

    def __call__(self, image: np.ndarray) -> object:
        return self._segmenter(image)


@pytest.mark.parametrize(
    ("words", "text", "count"),
    [
        (["flip", "0.75x", "1.25x"], "flip, 0.75x, 1.25x", 6),
        (["1.25x,flip,.75x"], "flip, 0.75x, 1.25x", 6),
        (["flip"], "flip", 2),
        (["2x", "0.5x"], "0.5x, 2x", 3),
    ],
)
def test_words_have_one_canonical_text(words: list[str], text: str, count: int) -> None:
    views = Views.parse(words)
    assert (str(views), len(views)) == (text, count)
    assert len(views.of(NetworkSegmenter(Pixels()))) == count


factors = st.floats(1e-5, 16).filter(lambda factor: factor != 1)


@given(st.booleans(), st.lists(factors, unique=True, max_size=4))
def test_the_canonical_text_names_the_same_views(flip: bool, factors: list[float]) -> None:
    views = Views(flip, tuple(sorted(factors)))
    if flip or factors:
        assert Views.parse([str(views)]) == views
        assert Views.parse(str(views).split(", ")[::-1]) == views


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fliip"], "--tta 'fliip' is not understood; give flip, factors such as 0.75x, or both."),
        (["512"], "--tta '512' is not understood"),
        (["512x256"], "--tta '512x256' is not understood"),
        (["-0.5x"], "--tta '-0.5x' is not understood"),
        (["0.75"], "--tta '0.75' is not understood"),
        (["1x"], "--tta '1x' would count the image's own size twice; leave it out."),
        (["0.5x", "1.0x"], "--tta '1.0x' would count"),
        (["0.75x", "flip,.75x"], "--tta '.75x' is there twice; give each view once."),
        (["flip,flip"], "--tta 'flip' is there twice"),
        (["0x"], "--tta '0x' is out of range; give factors above 0 and up to 16."),
        (["16.5x"], "--tta '16.5x' is out of range"),
        ([], "--tta names no view; give flip, factors such as 0.75x, or both."),
        ([", ", ""], "--tta names no view"),
    ],
)
def test_what_names_no_views_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(InputError) as refusal:
        Views.parse(words)
    assert str(refusal.value).startswith(sentence)


def test_a_view_is_the_prediction_of_the_mirrored_image_at_its_size() -> None:
    network = Pixels()
    for view in Views.parse(["flip", "0.5x"]).of(NetworkSegmenter(network)):
        shown = IMAGE[:, ::-1] if view.mirrored else IMAGE
        resized = cv2.resize(shown, (35, 24), interpolation=cv2.INTER_LINEAR) if view.factor == 0.5 else shown
        prediction = view(IMAGE)
        assert prediction.size == (48, 70)
        expected = torch.from_numpy(resized.transpose(2, 0, 1).copy()) / 50
        torch.testing.assert_close(prediction.class_maps.values, expected)
    assert network.sizes == [(70, 48), (70, 48), (35, 24), (35, 24)]


@pytest.mark.parametrize(
    ("own", "protocol", "size"),
    [
        (None, None, (35, 24)),
        (InputSize(short_side=24), None, (18, 12)),
        (None, TestProtocol(short_side=32), (23, 16)),
        (InputSize(short_side=24), TestProtocol(short_side=32), (18, 12)),
        (InputSize(factor=1.0), TestProtocol(short_side=32), (35, 24)),
    ],
)
def test_factors_multiply_the_size_of_the_rule_or_of_the_protocol(
    own: InputSize | None, protocol: TestProtocol | None, size: tuple[int, int]
) -> None:
    network = Pixels()
    segmenter = NetworkSegmenter(network, input_size=own)
    before, after = segmenter.with_protocol(protocol).scaled(0.5), segmenter.scaled(0.5).with_protocol(protocol)
    for one in (before, after, View(segmenter, 0.5).with_protocol(protocol)):
        one(IMAGE)
    assert network.sizes == [size] * 3
    assert before.describe() == after.describe()
    assert segmenter.scaled(0.5).scaled(2.0).describe() == segmenter.describe()


def test_windows_of_a_protocol_slide_over_the_scaled_input() -> None:
    network = Pixels()
    protocol = TestProtocol(slide=SlidingWindow(crop=(24, 24), stride=(24, 11)))
    View(NetworkSegmenter(network), 0.5).with_protocol(protocol)(IMAGE)
    assert network.sizes == [(24, 24)]


def test_only_fields_that_are_asked_for_are_filled(tmp_path: Path) -> None:
    segmenter = load_segmenter(networks.save_gmm(tmp_path / "net.pth"), device="cpu")
    (view,) = [view.with_outputs({"log_density"}) for view in [View(segmenter, 0.5, mirrored=True)]]
    prediction = view(IMAGE)
    assert view.provides == {"logits", "log_density"}
    assert prediction.features is None and prediction.log_density is not None


def test_a_segmenter_without_sizes_can_be_mirrored_only() -> None:
    segmenter = Plain()
    plain, mirrored = Views.parse(["flip"]).of(segmenter)  # type: ignore[arg-type]
    assert torch.equal(plain(IMAGE).class_maps.values.flip(2), mirrored(IMAGE).class_maps.values)
    with pytest.raises(InputError, match=r"net takes images at their own size alone, so --tta 0\.75x cannot be had"):
        Views.parse(["0.75x"]).of(segmenter)  # type: ignore[arg-type]


def test_a_size_that_the_network_refuses_is_named() -> None:
    class Fixed(Pixels):
        def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
            if inputs.shape[2:] != (48, 70):
                raise ValueError("only 70x48")
            return super().forward(inputs, wanted)

    plain, half = Views.parse(["0.5x"]).of(NetworkSegmenter(Fixed()))
    plain(IMAGE)
    with pytest.raises(
        InputError,
        match=r"^in the view 0\.5x of --tta, which may be left out, the network cannot process an input of 35x24",
    ):
        half(IMAGE)


def test_views_of_a_network_that_takes_certain_multiples_are_rounded_to_them() -> None:
    network = Pixels()
    segmenter = NetworkSegmenter(network, input_size=InputSize.parse("1x/8"))
    for view in Views.parse(["flip", "0.75x", "1.25x"]).of(segmenter):
        assert view(IMAGE).size == (48, 70)
    assert network.sizes[::2] == network.sizes[1::2] == [(72, 48), (56, 40), (88, 64)]
    assert segmenter.describe().resize == "1x, sides multiples of 8"


def test_records_say_which_views_of_which_networks_there_are() -> None:
    first, other = NetworkSegmenter(Pixels()), NetworkSegmenter(Pixels(), input_size=InputSize(factor=0.5))
    views = Views.parse(["flip,0.75x"])
    assert record_of([View(first)]) == first.describe() == View(first).describe()
    assert record_of(views.of(first)) == first.describe().model_copy(update={"tta": "flip, 0.75x"})
    both = record_of([*views.of(first), *views.of(other)])
    assert [(one.resize, one.tta) for one in both.members] == [("native", "flip, 0.75x"), ("0.5x", "flip, 0.75x")]
    assert both.tta == "flip, 0.75x" and both.resize == "native; 0.5x"
    # Twice the same network is an ensemble too, and parts of views are said one by one.
    assert len(record_of([View(first), View(first)]).members) == 2
    assert View(first, 0.5, mirrored=True).describe().tta == "only 0.5x mirrored"
    assert View(first, 0.5).describe().tta == "only 0.5x"
