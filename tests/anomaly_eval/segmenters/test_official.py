"""Checkpoints of the official GMMSeg code: names and shapes as it saves them, and what its formula makes of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gmmseg.heads  # noqa: F401  isort: skip
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from torch import Tensor
from torch.distributions import Independent, Normal
from torch.nn.functional import batch_norm, conv2d, layer_norm, normalize

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.shipped import config_source
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import Command, assert_refused, read

CONFIG = "gmmseg_segformer_mit-b0_cityscapes"
COMPONENTS, CHANNELS = 5, 96
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
NAMES = tuple(f"name {index}" for index in range(19))
Weights = dict[str, Tensor]


def segformer(channels: int) -> dict[str, Any]:
    """The model of the shipped config with a softmax, and as many channels as an official config sets."""
    model: dict[str, Any] = Config.fromfile(config_source(CONFIG.replace("gmmseg", "softmax"))).model.to_dict()
    model["backbone"].pop("init_cfg")
    model["decode_head"]["channels"] = channels
    return model


def with_head(**head: Any) -> dict[str, Any]:
    """A small CGNet with another head of 16 channels."""
    model = copy.deepcopy(networks.CGNET)
    shared = dict(num_classes=5, norm_cfg=networks.NORM, loss_decode=dict(type="CrossEntropyLoss"), channels=16)
    return model | {"decode_head": shared | head}


DEEPLAB = with_head(
    type="DepthwiseSeparableASPPHead", in_channels=32, in_index=2, dilations=(1, 2), c1_in_channels=11, c1_channels=8
)
UPERNET = with_head(type="UPerHead", in_channels=[11, 35, 32], in_index=[0, 1, 2], pool_scales=(1, 2))


@dataclass
class Twin:
    """A network with a softmax, and the weights of an official one with the same backbone and head."""

    model: dict[str, Any]
    dimensions: int = 64
    projection: bool = True

    def __post_init__(self) -> None:
        """Build it with random weights."""
        self.network = revert_sync_batchnorm(networks.build(self.model))
        heads = self.network.decode_head
        cascade = isinstance(heads, torch.nn.ModuleList)
        self.head = heads[-1] if cascade else heads
        self.prefix = "decode_head.1." if cascade else "decode_head."
        self.classes = self.head.num_classes

    def official_weights(self) -> Weights:
        """All names of an official checkpoint, in its shapes but for the length of the queues."""
        generator = torch.Generator().manual_seed(1)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        queues, size = self.classes * COMPONENTS, (self.classes, COMPONENTS, self.dimensions)
        added: Weights = {
            # Not of length one: the official code normalises them in each forward.
            "means": normal(*size) * 0.5,
            "diagonal": torch.empty(size).uniform_(0.1, 0.6, generator=generator),
            "eye_matrix": torch.ones(self.dimensions),
            "iteration_counter": torch.tensor([80_000.0]),
            "queue": normalize(normal(queues, self.dimensions, 50), dim=1),
            "queue_ptr": torch.zeros(queues, dtype=torch.int64),
            "feat_norm.weight": normal(self.dimensions),
            "feat_norm.bias": normal(self.dimensions),
            "mask_norm.weight": normal(self.classes),
            "mask_norm.bias": normal(self.classes),
        }
        if self.projection:
            added |= {
                "projection.conv.weight": normal(self.dimensions, self.head.channels, 1, 1),
                "projection.bn.weight": normal(self.dimensions),
                "projection.bn.bias": normal(self.dimensions),
                "projection.bn.running_mean": normal(self.dimensions),
                "projection.bn.running_var": normal(self.dimensions).square() + 0.1,
                "projection.bn.num_batches_tracked": torch.tensor(80_000),
            }
        return dict(self.network.state_dict()) | {f"{self.prefix}{name}": value for name, value in added.items()}

    def official_formula(self, weights: Weights, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The class log densities and the output of the official network, (1, classes, h, w)."""
        seen: list[Tensor] = []
        hook = self.head.conv_seg.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
        with torch.inference_mode():
            self.network._forward(inputs)
        hook.remove()
        own = {name.removeprefix(self.prefix): value for name, value in weights.items()}
        x = seen[0]
        if self.projection:
            of_norm = (own[f"projection.bn.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
            x = batch_norm(conv2d(x, own["projection.conv.weight"]), *of_norm).relu()
        x = layer_norm(x.movedim(1, -1), (self.dimensions,), own["feat_norm.weight"], own["feat_norm.bias"])
        x = normalize(x, dim=-1).double()
        gaussians = Independent(Normal(normalize(own["means"].double(), dim=-1), own["diagonal"].double()), 1)
        density = gaussians.log_prob(x[..., None, None, :]).amax(dim=-1)
        output = layer_norm(density.float(), (self.classes,), own["mask_norm.weight"], own["mask_norm.bias"])
        return density.movedim(-1, 1), output.movedim(-1, 1)


def save(path: Path, weights: Weights, names: tuple[str, ...] = NAMES) -> Path:
    """Write it as mmcv 1.x does."""
    config = "model = dict(type='EncoderDecoder', decode_head=dict(type='SegformerGMMSegHead'))"
    meta = {"mmcv_version": "1.6.0", "config": config, "CLASSES": names, "PALETTE": [[0, 0, 0]]}
    torch.save({"meta": meta, "state_dict": weights, "optimizer": {"state": {}, "param_groups": []}}, path)
    return path


def check(twin: Twin, folder: Path, config: str) -> None:
    """Compare densities and logits with the formula."""
    weights = twin.official_weights()
    segmenter = load_segmenter(save(folder / "official.pth", weights, NAMES[: twin.classes]), config, device="cpu")
    network = segmenter.network
    inputs = network.prepare(IMAGE)
    with torch.inference_mode():
        found: Any = network.forward(inputs, frozenset({"logits", "log_density"}))
    density, output = twin.official_formula(weights, inputs)
    torch.testing.assert_close(found["log_density"].double() + math.log(COMPONENTS), density, atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(found["logits"], output, atol=1e-4, rtol=1e-4)
    # The LayerNorm over classes changes the density, which is looked at before it.
    assert float((found["logits"] - found["log_density"]).abs().max()) > 1
    assert segmenter.describe().config.endswith(", preset official")
    assert segmenter.classes == NAMES[: twin.classes] and segmenter.has_class_names


@pytest.mark.parametrize("config", [CONFIG, CONFIG.replace("gmmseg", "softmax")])
@pytest.mark.parametrize(
    "twin",
    [
        pytest.param((segformer(CHANNELS), 64, True), id="other channels"),
        pytest.param((segformer(64), 64, False), id="no projection"),
    ],
)
def test_segformer_with_a_shipped_config(tmp_path: Path, config: str, twin: tuple[Any, int, bool]) -> None:
    check(Twin(*twin), tmp_path, config)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(DEEPLAB, id="DeepLabV3+"),
        pytest.param(UPERNET, id="UPerNet"),
        pytest.param(networks.cascade(), id="OCRNet"),
    ],
)
def test_other_heads_with_a_config_file(tmp_path: Path, model: dict[str, Any]) -> None:
    config = tmp_path / "config.py"
    config.write_text(Config(dict(model=model), format_python_code=False).pretty_text)
    check(Twin(model, dimensions=8), tmp_path, str(config))


def test_a_large_file_is_mapped_and_gives_the_same(tmp_path: Path, twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmmseg.checkpoints._LARGE", 0)
    check(twin, tmp_path, CONFIG)
    torch.save({"state_dict": twin.official_weights()}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert load_segmenter(tmp_path / "old.pth", CONFIG, device="cpu").provides >= {"log_density"}


def test_a_whole_evaluation(tmp_path: Path, evaluate: Command, twin: Twin) -> None:
    path = save(tmp_path / "official.pth", twin.official_weights())
    refused = evaluate(ckpt=str(path))
    assert_refused(refused, "official.pth", "official GMMSeg", "--config", "gmmseg_segformer_mit-b5_cityscapes")
    code, _, errors = evaluate("--scores", "gmmseg", "gmmseg_normalised", ckpt=str(path), config=CONFIG)
    assert code == 0, errors
    assert read(tmp_path).provenance.model.inference == "slide, crop (768, 768), stride (512, 512)"
    assert read(tmp_path).provenance.model.classes == list(NAMES)


def without(name: str) -> Callable[[Weights], None]:
    def take_out(weights: Weights) -> None:
        del weights[f"decode_head.{name}"]

    return take_out


def with_value(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[Weights], None]:
    def put(weights: Weights) -> None:
        weights[f"decode_head.{name}"] = change(weights[f"decode_head.{name}"])

    return put


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (without("feat_norm.weight"), "decode_head.conv_seg.layer_norm.weight is missing"),
        (without("diagonal"), "name its own config"),
        (without("projection.bn.weight"), "projection.bn.weight is missing"),
        (with_value("diagonal", lambda value: -value), "deviations that are not positive"),
        (with_value("diagonal", lambda value: value * math.nan), "deviations that are not positive"),
        (with_value("diagonal", lambda value: value[0]), "must be (classes, components, dimensions)"),
        (with_value("means", lambda value: value[:, :0]), "must be (classes, components, dimensions)"),
    ],
)
def test_damaged_ones_are_refused(tmp_path: Path, damage: Callable[[Weights], None], sentence: str, twin: Twin) -> None:
    weights = twin.official_weights()
    damage(weights)
    with pytest.raises(InputError) as refused:
        load_segmenter(save(tmp_path / "official.pth", weights), CONFIG, device="cpu")
    assert sentence in str(refused.value) and "official.pth" in str(refused.value)


def test_another_number_of_classes_is_told(tmp_path: Path, twin: Twin) -> None:
    weights = twin.official_weights()
    path = save(tmp_path / "official.pth", weights)
    config = tmp_path / "config.py"
    model = segformer(CHANNELS)
    model["decode_head"]["num_classes"] = 150
    config.write_text(Config(dict(model=model), format_python_code=False).pretty_text)
    with pytest.raises(InputError, match=r"was trained for 19 classes, but the config .* builds 150"):
        load_segmenter(path, str(config), device="cpu")


def test_another_backbone_is_told(tmp_path: Path, twin: Twin) -> None:
    path = save(tmp_path / "official.pth", twin.official_weights())
    with pytest.raises(InputError, match=r"does not fit the config \(\w+r18_cityscapes, preset official\)"):
        load_segmenter(path, "gmmseg_deeplabv3plus_r18_cityscapes", device="cpu")


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin(segformer(CHANNELS))
