"""Mask classifiers of transformers against its own semantic post-processing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.eomt.image_processing_pil_eomt import EomtImageProcessorPil
from transformers.models.mask2former.image_processing_pil_mask2former import Mask2FormerImageProcessorPil
from transformers.models.maskformer.image_processing_pil_maskformer import MaskFormerImageProcessorPil
from transformers.models.oneformer.image_processing_pil_oneformer import OneFormerImageProcessorPil

from anomaly_eval.scores import choose_scores
from anomaly_eval.scores.base import score_maps
from anomaly_eval.segmenters.class_maps import QueryEvidence
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from tests.anomaly_eval.segmenters.huggingface.small_networks import MASKS, build, save
from tests.anomaly_eval.segmenters.huggingface.test_semantic import pixel_values

PROCESSORS: dict[str, tuple[Any, tuple[int, int]]] = {
    "maskformer": (MaskFormerImageProcessorPil, (96, 128)),
    # Its masks are resized to 384x384 whatever the image, which an image of this size leaves as it is.
    "mask2former": (Mask2FormerImageProcessorPil, (384, 384)),
    "oneformer": (OneFormerImageProcessorPil, (96, 128)),
    "eomt": (EomtImageProcessorPil, (64, 64)),
}


def drawn(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, NetworkSegmenter]]:
    """Every kind, as transformers builds it and as it is loaded."""
    folder, found = tmp_path_factory.mktemp("networks"), {}
    for name, parts in MASKS.items():
        network = build(parts())
        found[name] = network, load_segmenter(save(folder / name, network), device="cpu")
    return found


def post_processed(name: str, network: Any, inputs: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Class evidence as transformers computes it, on its own grid."""
    from mmseg.utils import tokenizer

    extra: dict[str, torch.Tensor] = {}
    if name == "oneformer":
        extra["task_inputs"] = tokenizer.tokenize("the task is semantic", context_length=77)
        for module in network.modules():
            if hasattr(module, "is_training"):
                module.is_training = False
    with torch.inference_mode():
        outputs = network(pixel_values=inputs, **extra)
    processor = PROCESSORS[name][0]
    targets: dict[str, Any] = {}
    if name == "eomt":
        targets = {"target_sizes": [size], "size": {"shortest_edge": size[0], "longest_edge": size[1]}}
    (found,) = processor.post_process_semantic_segmentation(
        processor.__new__(processor), outputs, return_segmentation_scores=True, **targets
    )
    scores: torch.Tensor = found.segmentation_scores
    return scores


@pytest.mark.parametrize("name", list(MASKS))
def test_class_evidence_is_that_of_transformers(networks, name: str) -> None:
    network, segmenter = networks[name]
    size = PROCESSORS[name][1]
    inputs = segmenter.network.prepare(drawn(size))
    torch.testing.assert_close(inputs, pixel_values(drawn(size)), atol=1e-5, rtol=0)
    expected = post_processed(name, network, inputs, size)
    maps = segmenter(drawn(size)).class_maps
    found = maps.resized() if expected.shape[1:] == size else maps.read(maps.values)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["maskformer", "mask2former", "oneformer"])
def test_they_give_queries_on_their_own_grid_and_are_padded_to_multiples_of_32(networks, name: str) -> None:
    network, segmenter = networks[name]
    evidence = segmenter(drawn((90, 140))).evidence
    assert isinstance(evidence, QueryEvidence) and evidence.values.shape == (7, 24, 40)
    assert evidence.size == (90, 140) and evidence.extent == (96, 160)
    padded = torch.nn.functional.pad(pixel_values(drawn((90, 140))), (0, 20, 0, 6))
    inputs = segmenter.network.prepare(drawn((90, 140)))
    torch.testing.assert_close(inputs, padded, atol=1e-5, rtol=0)
    if name != "mask2former":
        expected = post_processed(name, network, inputs, (96, 160))
        torch.testing.assert_close(evidence.read(evidence.values), expected, atol=1e-5, rtol=0)


def test_a_larger_image_runs_in_windows_of_eomt_and_a_smaller_one_is_padded_black(networks) -> None:
    network, segmenter = networks["eomt"]
    image = drawn((50, 128))
    black = np.pad(image, ((0, 14), (0, 0), (0, 0)))
    inputs = segmenter.network.prepare(image)
    torch.testing.assert_close(inputs, pixel_values(black), atol=1e-5, rtol=0)
    parts = [post_processed("eomt", network, inputs[..., left : left + 64], (64, 64))[:, :50] for left in (0, 64)]
    assert segmenter.describe().inference == "slide, crop (64, 64), stride (64, 64)"
    torch.testing.assert_close(segmenter(image).evidence.resized(), torch.cat(parts, dim=2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", list(MASKS))
def test_scores_are_those_of_the_formulas(networks, name: str) -> None:
    segmenter = networks[name][1]
    scores = choose_scores(None, segmenter.provides)
    assert [score.name for score in scores] == ["rba", "max_evidence", "evidence_entropy"]
    prediction = segmenter(drawn((90, 140)))
    evidence = prediction.class_maps.resized().double()
    found = score_maps(prediction, scores)
    shares = evidence / evidence.sum(0)
    expected = {
        "rba": -evidence.tanh().sum(0),
        "max_evidence": -evidence.amax(0),
        "evidence_entropy": torch.distributions.Categorical(probs=shares.movedim(0, -1)).entropy(),
    }
    for score, values in expected.items():
        torch.testing.assert_close(found[score].double(), values, atol=1e-5, rtol=0)
