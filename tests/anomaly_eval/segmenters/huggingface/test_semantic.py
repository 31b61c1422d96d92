"""Semantic heads of transformers against transformers itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, interpolate

from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.running import NetworkRequest, Running
from tests.anomaly_eval.segmenters.huggingface import small_networks
from tests.anomaly_eval.segmenters.huggingface.small_networks import CLASSES, FLIPPED, SEMANTIC, build, edit, save

SIZE = (90, 140)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
SQUARE = np.ascontiguousarray(IMAGE[:64, :64])
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def pixel_values(image: np.ndarray) -> torch.Tensor:
    """What processors make of an image: rescaled, then normalised."""
    return torch.from_numpy(((image / np.float32(255) - MEAN) / STD).transpose(2, 0, 1).copy())[None]


def said(network: Any, image: np.ndarray) -> torch.Tensor:
    """Logits as `post_process_semantic_segmentation` resizes them to the image."""
    with torch.inference_mode():
        logits = network(pixel_values=pixel_values(image)).logits
    return interpolate(logits, size=image.shape[:2], mode="bilinear", align_corners=False)[0]


def close_to(expected: torch.Tensor) -> dict[str, float]:
    """The last digits of an input, which grow with the values in a network of random weights."""
    return {"atol": max(1e-4, 3e-5 * float(expected.abs().max())), "rtol": 0}


@pytest.mark.parametrize("name", [name for name in SEMANTIC if name not in ("mobilevit", "dpt", "beit", "data2vec")])
def test_logits_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    network = build(SEMANTIC[name]())
    segmenter = load_segmenter(save(tmp_path / "net", network), device="cpu")
    expected = said(network, IMAGE)
    assert expected.std() > 0.1
    torch.testing.assert_close(segmenter(IMAGE).logits.resized(), expected, **close_to(expected))
    described = segmenter.describe()
    assert (described.checkpoint, described.config, described.inference) == ("net", "config.json", "whole")
    assert described.classes == list(CLASSES) and described.resize == "native"


@pytest.mark.parametrize("name", ["dpt", "beit", "data2vec"])
def test_networks_of_one_size_run_in_windows_of_it(tmp_path: Path, name: str) -> None:
    network = build(SEMANTIC[name]())
    segmenter = load_segmenter(save(tmp_path / "net", network), device="cpu")
    expected = said(network, SQUARE)
    torch.testing.assert_close(segmenter(SQUARE).logits.resized(), expected, **close_to(expected))
    assert segmenter.describe().inference == "slide, crop (64, 64), stride (42, 42)"
    total, count = torch.zeros(5, *SIZE), torch.zeros(SIZE)
    for top in (0, 26):
        for left in (0, 42, 76):
            rows, columns = slice(top, top + 64), slice(left, left + 64)
            total[:, rows, columns] += said(network, IMAGE[rows, columns])
            count[rows, columns] += 1
    torch.testing.assert_close(segmenter(IMAGE).logits.resized(), total / count, **close_to(total))


def test_an_image_that_is_smaller_than_the_only_size_is_padded(tmp_path: Path) -> None:
    network = build(small_networks.beit())
    segmenter = load_segmenter(save(tmp_path / "net", network), device="cpu")
    image = np.ascontiguousarray(IMAGE[:50, :40])
    padded = torch.nn.functional.pad(pixel_values(image), (0, 24, 0, 14))
    with torch.inference_mode():
        logits = interpolate(network(pixel_values=padded).logits, size=(64, 64), mode="bilinear")[0]
    torch.testing.assert_close(segmenter(image).logits.resized(), logits[:, :50, :40], atol=1e-4, rtol=1e-5)


def test_colours_are_flipped_where_the_processor_flips_them(tmp_path: Path) -> None:
    network = build(small_networks.mobilevit())
    segmenter = load_segmenter(save(tmp_path / "net", network, FLIPPED), device="cpu")
    values = torch.from_numpy((IMAGE[..., ::-1] / np.float32(255)).transpose(2, 0, 1).copy())[None]
    with torch.inference_mode():
        expected = interpolate(network(pixel_values=values).logits, size=SIZE, mode="bilinear")[0]
    assert expected.std() > 1e-3
    torch.testing.assert_close(segmenter(IMAGE).logits.resized(), expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", list(SEMANTIC))
def test_features_are_the_input_of_the_last_convolution(tmp_path: Path, name: str) -> None:
    network = build(SEMANTIC[name]())
    segmenter = load_segmenter(save(tmp_path / "net", network), device="cpu")
    assert segmenter.provides == {"logits", "features", "classifier"}
    inputs = segmenter.network.prepare(SQUARE)
    with torch.inference_mode():
        found = segmenter.network.forward(inputs, frozenset({"logits", "features"}))
        classifier = segmenter.network.classifier
        logits = conv2d(found["features"], classifier.weight, classifier.bias)
        if name == "dpt":
            logits = interpolate(logits, scale_factor=2, mode="bilinear", align_corners=True)
    torch.testing.assert_close(logits, found["logits"], atol=1e-5, rtol=1e-5)
    assert segmenter.with_outputs([])(SQUARE).features is None


@pytest.mark.parametrize("options", [{"safe_serialization": True}, {"max_shard_size": "8KB"}], ids=["one", "many"])
def test_weights_in_one_file_and_in_many_are_the_same_network(tmp_path: Path, options: dict[str, Any]) -> None:
    network = build(small_networks.segformer())
    segmenter = load_segmenter(save(tmp_path / "net", network, **options), device="cpu")
    assert len(list((tmp_path / "net").glob("*.safetensors"))) == 1 or "max_shard_size" in options
    torch.testing.assert_close(segmenter(IMAGE).logits.resized(), said(network, IMAGE), atol=1e-4, rtol=1e-5)
    again = load_segmenter(tmp_path / "net", device="cpu")
    assert again.describe() == segmenter.describe()
    (changed := build(small_networks.segformer())).decode_head.classifier.bias.data[0] += 1
    other = load_segmenter(save(tmp_path / "other", changed, **options), device="cpu")
    assert other.describe().checkpoint_sha256 != segmenter.describe().checkpoint_sha256
    assert other.describe().config_sha256 == segmenter.describe().config_sha256


def test_weights_as_torch_saves_them_and_in_half_precision(tmp_path: Path) -> None:
    network = build(small_networks.segformer()).half()
    folder = save(tmp_path / "net", network)
    (folder / "model.safetensors").unlink()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    segmenter = load_segmenter(folder, device="cpu")
    assert next(segmenter.network.model.parameters()).dtype is torch.float32
    torch.testing.assert_close(segmenter(IMAGE).logits.resized(), said(network.float(), IMAGE), atol=1e-4, rtol=1e-5)


def test_parts_that_only_training_uses_may_be_missing_or_there(tmp_path: Path) -> None:
    network = build(SEMANTIC["upernet, swin"]())
    segmenter = load_segmenter(save(tmp_path / "net", network), device="cpu")
    assert segmenter.network.model.auxiliary_head is None
    edit(tmp_path / "net", use_auxiliary_head=False)
    without = load_segmenter(tmp_path / "net", device="cpu")
    assert torch.equal(without(IMAGE).logits.values, segmenter(IMAGE).logits.values)


def test_labels_that_stand_in_for_names_are_none(tmp_path: Path) -> None:
    folder = save(tmp_path / "net", build(small_networks.segformer(id2label={i: f"LABEL_{i}" for i in range(5)})))
    segmenter = load_segmenter(folder, device="cpu")
    assert not segmenter.has_class_names and segmenter.classes[4] == "class 4"


def test_the_folder_may_be_given_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "net", build(small_networks.segformer()))
    monkeypatch.chdir(tmp_path / "net")
    assert load_segmenter(Path("."), device="cpu").describe().checkpoint == "net"


@pytest.mark.parametrize(
    ("settings", "resize", "grid"),
    [
        ({}, "96x64", (16, 24)),
        ({"size": {"shortest_edge": 48, "longest_edge": 64}}, "short side 48, long side at most 64", (11, 16)),
        ({"size": {"shortest_edge": 48}}, "short side 48", (12, 19)),
        ({"size": 40}, "40x40", (10, 10)),
        ({"size": 40, "max_size": 80}, "short side 40, long side at most 80", (10, 16)),
        ({"do_resize": False}, "native", (23, 35)),
    ],
)
def test_resize_processor_is_the_size_of_the_processor(
    tmp_path: Path, settings: dict[str, Any], resize: str, grid: tuple[int, int]
) -> None:
    network = build(small_networks.segformer())
    folder = save(tmp_path / "net", network, small_networks.PREPROCESSING | settings)
    segmenter = NetworkRequest(Given(folder), Running(resize="processor", device="cpu")).load()
    assert segmenter.describe().resize == resize and segmenter.describe().own_resize
    prediction = segmenter(IMAGE)
    assert prediction.size == SIZE and prediction.logits.values.shape[1:] == grid
