"""Means of probabilities, by hand and against mmsegmentation's own test-time augmentation."""

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
from torch.nn.functional import interpolate

from anomaly_eval.datasets.test_settings import SlidingWindow, TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.closed_set import predicted_classes
from anomaly_eval.results.origins import FitRecord
from anomaly_eval.scores import choose_scores
from anomaly_eval.scores.base import score_maps
from anomaly_eval.segmenters.base import Segmenter, predict
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.mean_probabilities import MeanProbabilities
from anomaly_eval.segmenters.network import Network, NetworkFacts, Queries
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from anomaly_eval.segmenters.running import AS_USUAL
from anomaly_eval.segmenters.views import View, Views
from tests.anomaly_eval import networks
from tests.shared_data import shared_data

NAMES = ("road", "traffic light", "sky")
IMAGE = np.random.default_rng(0).integers(0, 255, (48, 70, 3), dtype=np.uint8)


def facts(names: tuple[str, ...] | None = NAMES, name: str = "net", **more: object) -> NetworkFacts:
    content = {"sha256": "0" * 64, "n_classes": len(names or NAMES), "class_names": names} | more
    return NetworkFacts(name, **content)  # type: ignore[arg-type]


class Pooled(Network):
    """Class maps of as many classes as there are names on a grid of 8 x 8 pixels, by seeded weights."""

    def __init__(self, facts: NetworkFacts, seed: int = 0) -> None:
        super().__init__(facts, torch.device("cpu"))
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(facts.n_classes, 3, 1, 1, generator=generator) / 16

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        pooled = torch.nn.functional.avg_pool2d(inputs, 8, ceil_mode=True)
        logits = torch.nn.functional.conv2d(pooled, self.weight)
        return {"logits": logits} if "logits" in wanted else {"probabilities": logits.softmax(1)}


def pooled(seed: int = 0, **more: object) -> NetworkSegmenter:
    return NetworkSegmenter(Pooled(facts(**more), seed))  # type: ignore[arg-type]


def mean_of(members: list[Segmenter], image: np.ndarray = IMAGE) -> Tensor:
    """The mean probabilities, (classes, height, width)."""
    maps = predict(MeanProbabilities(members), image, Path("image.png")).class_maps
    return maps.values


def by_hand(segmenter: NetworkSegmenter, factor: float, mirrored: bool, image: np.ndarray = IMAGE) -> Tensor:
    """The probabilities of a view in float64, with torch's own flip, resizing and softmax."""
    height, width = image.shape[:2]
    shown = torch.flip(torch.from_numpy(image), [1]).numpy() if mirrored else image
    size = int(width * factor + 0.5), int(height * factor + 0.5)
    resized = cv2.resize(shown, size, interpolation=cv2.INTER_LINEAR)
    network = segmenter.network
    with torch.inference_mode():
        logits = network.forward(network.prepare(resized), frozenset({"logits"}))["logits"]
    assert isinstance(logits, Tensor)
    at_image = interpolate(logits.double(), size=(height, width), mode="bilinear", align_corners=False)[0]
    probabilities = at_image.softmax(0)
    return torch.flip(probabilities, [2]) if mirrored else probabilities


def test_views_are_averaged_as_by_hand() -> None:
    image = np.ascontiguousarray(IMAGE[:, :64])  # of whole cells of the grid, also at half the size
    segmenter = pooled()
    views = Views.parse(["flip", "0.5x", "1.5x"])
    found = mean_of([*views.of(segmenter)], image)
    each = [by_hand(segmenter, factor, mirrored, image) for factor in (1, 0.5, 1.5) for mirrored in (False, True)]
    torch.testing.assert_close(found.double(), torch.stack(each).mean(0), atol=2e-6, rtol=0)
    torch.testing.assert_close(found.sum(0), torch.ones(48, 64))


def test_networks_are_averaged_as_by_hand_and_weigh_the_same() -> None:
    image = np.ascontiguousarray(IMAGE[:, :64])
    members = [pooled(seed) for seed in range(3)]
    expected = torch.stack([by_hand(member, 1, False, image) for member in members]).mean(0)
    found = mean_of([*members], image)
    torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=0)
    torch.testing.assert_close(mean_of([*members[::-1]], image), found)


def test_probabilities_are_averaged_as_they_are() -> None:
    members = [pooled(seed, provides=frozenset({"probabilities"})) for seed in (0, 1)]
    each = torch.stack([member(IMAGE).class_maps.resized().exp() for member in members])
    torch.testing.assert_close(mean_of([*members]), each.mean(0), atol=2e-6, rtol=0)
    # A network of logits beside one of probabilities.
    mixed = mean_of([members[0], pooled(1)])
    expected = (each[0] + pooled(1)(IMAGE).class_maps.resized().softmax(0)) / 2
    torch.testing.assert_close(mixed, expected, atol=2e-6, rtol=0)


class Where(Network):
    """Logits that follow from the column of the input alone."""

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        across = torch.linspace(-2, 3, inputs.shape[3]).expand(1, 1, *inputs.shape[2:])
        return {"logits": torch.cat([across, 2 * across, -across], dim=1)}


def test_what_a_mirrored_view_says_is_mirrored_back() -> None:
    segmenter = NetworkSegmenter(Where(facts(), torch.device("cpu")))
    plain, flipped = mean_of([segmenter]), mean_of([View(segmenter, mirrored=True)])
    assert not torch.allclose(plain, flipped, atol=0.1)
    torch.testing.assert_close(flipped, plain.flip(2))
    both = mean_of([*Views.parse(["flip"]).of(segmenter)])
    torch.testing.assert_close(both, both.flip(2))
    torch.testing.assert_close(both, (plain + plain.flip(2)) / 2)


class OfPixels(Network):
    """Logits that are the pixels: a network that knows no left or right."""

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        return {"logits": inputs / 50}


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.3, 2.5), st.integers(0, 2**32 - 1))
def test_a_network_that_knows_no_left_or_right_says_the_same_mirrored(
    height: int, width: int, factor: float, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    segmenter = NetworkSegmenter(OfPixels(facts(), torch.device("cpu")))
    plain = mean_of([segmenter], image)
    torch.testing.assert_close(mean_of([View(segmenter, mirrored=True)], image), plain, atol=1e-6, rtol=0)
    torch.testing.assert_close(mean_of([*Views.parse(["flip"]).of(segmenter)], image), plain, atol=1e-6, rtol=0)
    # Of a resized image, pixels may be rounded to the value next to it.
    scaled, mirrored = (mean_of([View(segmenter, factor, mirrored)], image) for mirrored in (False, True))
    torch.testing.assert_close(mirrored, scaled, atol=0.02, rtol=0)


def test_scores_of_one_member_are_those_of_the_network() -> None:
    segmenter = pooled()
    scores = choose_scores(["msp", "entropy", "gen"], frozenset({"probabilities"}))
    found = score_maps(MeanProbabilities([segmenter])(IMAGE), scores)
    expected = score_maps(segmenter(IMAGE), scores)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, atol=3e-6, rtol=0)
    assert np.array_equal(
        predicted_classes(MeanProbabilities([segmenter])(IMAGE).class_maps),
        predicted_classes(segmenter(IMAGE).class_maps),
    )


def test_small_probabilities_keep_their_digits() -> None:
    class Sure(Network):
        def __init__(self, lead: float) -> None:
            super().__init__(facts(), torch.device("cpu"))
            self.lead = lead

        def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
            lead = torch.tensor([self.lead, 0.0, self.lead - 1]).reshape(1, 3, 1, 1)
            return {"logits": lead.expand(1, 3, *inputs.shape[2:])}

    leads = (30.0, 50.0, 80.0, 40.0)
    logits = torch.tensor([[lead, 0.0, lead - 1] for lead in leads], dtype=torch.float64)
    expected = logits.softmax(1).mean(0)
    found = mean_of([NetworkSegmenter(Sure(lead)) for lead in leads])[:, 0, 0]
    assert expected[1] < 1e-13
    torch.testing.assert_close(found.double(), expected, atol=0, rtol=1e-6)


def test_a_protocol_is_applied_to_every_member() -> None:
    protocol = TestProtocol(slide=SlidingWindow(crop=(24, 24), stride=(16, 16)), short_side=32)
    segmenter = pooled()
    members = [segmenter, View(segmenter, 1.5, mirrored=True)]
    tested = MeanProbabilities(members).with_protocol(protocol)
    each = [member.with_protocol(protocol)(IMAGE).class_maps.resized().softmax(0) for member in members]
    expected = (each[0] + each[1].flip(2)) / 2
    torch.testing.assert_close(tested(IMAGE).class_maps.values, expected)
    assert (tested.describe().resize, tested.describe().tta) == ("short side 32", "only 1x, 1.5x mirrored")
    assert tested.provides == {"probabilities"}


def test_it_is_a_segmenter_of_probabilities_alone() -> None:
    fit = FitRecord(dataset="d", n_images=1, expected_images=None, files_sha256="0", notes=[])
    fitted = pooled(1, fits={"logits": fit, "log_density": fit})
    mean = MeanProbabilities([pooled(names=None), fitted])
    assert isinstance(mean, Segmenter) and mean.provides == {"probabilities"}
    assert mean.with_outputs({"features"}).provides == {"probabilities"}
    assert mean.classes == NAMES and mean.has_class_names and mean.device == torch.device("cpu")
    assert mean.fits == {"logits": fit}
    assert [member.checkpoint for member in mean.describe().members] == ["net", "net"]
    views = MeanProbabilities(Views.parse(["flip"]).of(fitted))
    assert views.describe() == fitted.describe().model_copy(update={"tta": "flip"})
    assert views.input_size == fitted.input_size


@pytest.mark.parametrize(
    ("names", "difference"),
    [
        (("road", "sky", "traffic light"), "class 1 is 'traffic light' in net and 'sky' in other; leave one"),
        (("road", "sky"), "class 1 is 'traffic light' in net and 'sky' in other"),
        (("road", "Traffic_Light"), "net has 3 and other 2"),
    ],
)
def test_other_classes_are_refused(names: tuple[str, ...], difference: str) -> None:
    with pytest.raises(InputError, match=f"^only networks of the same classes in the same order .* but {difference}"):
        MeanProbabilities([pooled(), pooled(names=names, name="other")])


def test_other_spellings_and_missing_names_are_the_same_classes() -> None:
    MeanProbabilities([pooled(), pooled(names=("Road", "traffic_light", "SKY")), pooled(names=None)])
    with pytest.raises(InputError, match="net has 3 and other 4"):
        MeanProbabilities([pooled(), pooled(names=None, name="other", n_classes=4)])


def test_mask_classifiers_are_refused() -> None:
    class Masks(Network):
        def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Queries]:
            raise AssertionError

    masks = NetworkSegmenter(Masks(facts(name="masks", provides=frozenset({"evidence"})), torch.device("cpu")))
    with pytest.raises(
        InputError, match=r"^masks is a mask classifier: its class evidence is no probability.*leave it"
    ):
        MeanProbabilities([pooled(), masks])


def test_infinities_of_a_member_are_refused() -> None:
    class Broken(Pooled):
        def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
            return {"logits": super().forward(inputs, wanted)["logits"] * torch.inf}

    with pytest.raises(InputError, match=r"NaN or infinite values for image\.png"):
        mean_of([pooled(), NetworkSegmenter(Broken(facts()))])


def test_views_are_those_of_mmsegmentation(tmp_path: Path) -> None:
    """Its pipeline, its network and its `SegTTAModel`, to the last bits of float32."""
    from mmengine.dataset import pseudo_collate
    from mmengine.dataset.base_dataset import Compose
    from mmseg.models import SegTTAModel

    coarse = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "image.png"), image[..., ::-1])
    network = networks.build(networks.CGNET)
    pipeline = Compose(
        [
            dict(type="LoadImageFromFile"),
            dict(
                type="TestTimeAug",
                transforms=[
                    [dict(type="Resize", scale_factor=factor, keep_ratio=True) for factor in (1.0, 0.75, 1.25)],
                    [dict(type="RandomFlip", prob=prob, direction="horizontal") for prob in (0.0, 1.0)],
                    [dict(type="PackSegInputs")],
                ],
            ),
        ]
    )
    data = pseudo_collate([pipeline({"img_path": str(tmp_path / "image.png"), "reduce_zero_label": False})])
    model = SegTTAModel(module=network)
    with torch.inference_mode():
        merged = model.test_step(data)[0].pred_sem_seg.data
        each = [
            network.test_step({"inputs": inputs, "data_samples": samples})[0].seg_logits.data.softmax(0)
            for inputs, samples in zip(data["inputs"], data["data_samples"], strict=True)
        ]
    expected = torch.stack(each).mean(0)
    assert torch.equal(expected.argmax(0), merged.squeeze())

    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", networks.CGNET, network), device="cpu")
    order = [(factor, mirrored) for factor in (1.0, 0.75, 1.25) for mirrored in (False, True)]
    tested = segmenter.with_protocol(None)  # class maps are resized to the input of the network first
    views = [View(tested, factor, mirrored) for factor, mirrored in order]
    for view, theirs in zip(views, each, strict=True):
        torch.testing.assert_close(mean_of([view], image), theirs, atol=1e-6, rtol=0)
    found = mean_of([*views], image)
    torch.testing.assert_close(found, mean_of([*Views.parse(["flip,0.75x,1.25x"]).of(tested)], image))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert (found.argmax(0) == merged.squeeze()).float().mean() > 0.999


def test_a_street_mirrored_by_hand(tmp_path: Path) -> None:
    """The shipped network on a real image: `flip` is the mean of two runs."""
    path = next(iter(sorted((shared_data() / "road_anomaly").rglob("*.jpg"))))
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    segmenter = AS_USUAL.network(Path("gmmseg_efficientnet-lite0_cityscapes"), None).load().with_outputs(())
    plain = segmenter(image).class_maps
    mirrored = segmenter(np.ascontiguousarray(image[:, ::-1])).class_maps
    by_hand = []
    for maps in (plain, mirrored):
        assert maps.extent == (float(image.shape[0]), float(image.shape[1]))
        at_image = interpolate(maps.values[None], image.shape[:2], mode="bilinear", align_corners=maps.align_corners)
        by_hand.append(at_image[0].softmax(0))
    expected = (by_hand[0] + torch.flip(by_hand[1], [2])) / 2
    found = mean_of([*Views.parse(["flip"]).of(segmenter)], image)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert (found.argmax(0) == expected.argmax(0)).float().mean() > 0.9999
