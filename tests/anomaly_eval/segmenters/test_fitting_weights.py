"""Weights whose names or shapes do not fit are told with what the file has and what the network wants."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks

IMAGE = np.random.default_rng(0).integers(0, 256, (97, 131, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """A small network."""
    return networks.build(networks.CGNET)


def written(path: Path, content: Any, model: dict[str, Any] = networks.CGNET) -> tuple[Path, str]:
    """Write what another trainer might, and a config beside it."""
    torch.save(content, path)
    config = path.with_suffix(".py")
    config.write_text(Config(dict(model=model), format_python_code=False).pretty_text)
    return path, str(config)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {"net": {f"segmentor.{name}": value for name, value in weights.items()}},
        lambda weights: {
            "state_dict": {f"model.{name}": value for name, value in weights.items()} | {"loss.w": torch.ones(1)}
        },
        lambda weights: {name.replace("backbone.", "backbone._orig_mod."): value for name, value in weights.items()},
        lambda weights: {"model": weights | {f"ema.{name}": value + 1 for name, value in weights.items()}},
        lambda weights: {f"lightning.module._orig_mod.{name}": value for name, value in weights.items()},
        lambda weights: {
            "state_dict": weights,
            "param_schedulers": [torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 1)],
        },
    ],
    ids=["prefix", "lightning", "compiled part", "average beside", "three wrappers", "optimizer"],
)
def test_networks_of_other_trainers_give_the_same_logits(tmp_path: Path, network: torch.nn.Module, wrap: Any) -> None:
    expected = load_segmenter(networks.save(tmp_path / "plain.pth", networks.CGNET, network), device="cpu")(IMAGE)
    path, config = written(tmp_path / "net.pth", wrap(dict(network.state_dict())))
    found = load_segmenter(path, config, device="cpu")(IMAGE)
    assert torch.equal(found.logits.values, expected.logits.values)


def test_two_networks_are_told(tmp_path: Path, network: torch.nn.Module) -> None:
    both = {f"{prefix}.{name}": value for prefix in ("first", "second") for name, value in network.state_dict().items()}
    with pytest.raises(InputError, match=r"several networks, under first\. and second\.; save the weights of one"):
        load_segmenter(*written(tmp_path / "net.pth", both), device="cpu")


def test_the_closest_names_are_told_first_with_their_shapes(tmp_path: Path, network: torch.nn.Module) -> None:
    weights = dict(network.state_dict())
    weights["decode_head.conv_segm.weight"] = weights.pop("decode_head.conv_seg.weight")
    weights.pop("backbone.stem.0.conv.weight")
    with pytest.raises(
        InputError,
        match=r"decode_head\.conv_seg\.weight is missing, of shape \(5, 32, 1, 1\) "
        r"\(the file has decode_head\.conv_segm\.weight, of shape \(5, 32, 1, 1\)\); backbone\.stem\.0\.conv",
    ):
        load_segmenter(*written(tmp_path / "net.pth", weights), device="cpu")


def test_shapes_that_differ_are_told(tmp_path: Path, network: torch.nn.Module) -> None:
    weights = dict(network.state_dict())
    weights["backbone.stem.0.conv.weight"] = torch.ones(8, 4, 3, 3)
    with pytest.raises(InputError, match=r"stem\.0\.conv\.weight has shape \(8, 4, 3, 3\) instead of \(8, 3, 3, 3\)"):
        load_segmenter(*written(tmp_path / "net.pth", weights), device="cpu")


def resnet(channels: int, mean: list[float]) -> dict[str, Any]:
    """Return a network for images of so many channels."""
    model = copy.deepcopy(networks.CGNET)
    model["data_preprocessor"] = {"type": "SegDataPreProcessor", "mean": mean, "std": [1.0] * len(mean)}
    model["backbone"] = {"type": "ResNet", "depth": 18, "in_channels": channels, "base_channels": 8, "stem_channels": 8}
    model["decode_head"] |= {"in_channels": 64, "in_index": 3, "channels": 64}
    return model


@pytest.mark.parametrize(("channels", "mean"), [(1, [1.0]), (4, [1.0] * 3), (1, [1.0] * 3), (4, [1.0] * 4), (6, [1.0])])
def test_networks_for_other_images_are_told(tmp_path: Path, channels: int, mean: list[float]) -> None:
    path = networks.save(tmp_path / "net.pth", resnet(channels, mean))
    with pytest.raises(InputError, match=r"choose a network for images of three channels\.$"):
        load_segmenter(path, device="cpu")(IMAGE)


def test_networks_for_certain_sizes_say_what_helps(tmp_path: Path) -> None:
    from mmengine.hub import get_config

    name = "mmseg::pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py"
    model = get_config(name).model
    model.backbone.init_cfg = None
    path = networks.save(tmp_path / "net.pth", model, networks.build(model), dataset_meta=None)
    with pytest.raises(InputError, match=r"input of 131x97 .*--resize WIDTHxHEIGHT, or pad .*size_divisor=32"):
        load_segmenter(path, device="cpu")(IMAGE)
    for size in ("128x96", "1x/32"):
        assert load_segmenter(path, device="cpu", input_size=InputSize.parse(size))(IMAGE).size == (97, 131)
    config = tmp_path / "own.py"
    config.write_text(f"_base_ = {name!r}\nmodel = dict(data_preprocessor=dict(test_cfg=dict(size_divisor=32)))")
    assert load_segmenter(path, str(config), device="cpu")(IMAGE).size == (97, 131)


@pytest.mark.parametrize("divisor", [8, 32])
def test_padding_by_a_divisor_changes_only_the_border(tmp_path: Path, network: torch.nn.Module, divisor: int) -> None:
    model = copy.deepcopy(networks.CGNET)
    model["data_preprocessor"] = networks.PREPROCESSOR | {"test_cfg": {"size_divisor": divisor}}
    padded = load_segmenter(networks.save(tmp_path / "net.pth", model, network), device="cpu").network.prepare(IMAGE)
    assert padded.shape[2] % divisor == padded.shape[3] % divisor == 0
    plain = load_segmenter(networks.save(tmp_path / "plain.pth", networks.CGNET, network), device="cpu")
    assert torch.equal(padded[..., :97, :131], plain.network.prepare(IMAGE))
