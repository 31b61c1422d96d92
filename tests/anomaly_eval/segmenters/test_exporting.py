"""A network as a safetensors file: the same network with rounded kernels, and everything else to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.exporting import FIT
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from gmmseg.checkpoints import load_checkpoint
from tests.anomaly_eval import networks

FITTED_ON = dict(dataset="training", n_images=3, expected_images=3, files_sha256="0" * 64, notes=["a note"])
IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def exported(path: Path) -> Path:
    """Write the file beside the checkpoint."""
    target = path.with_suffix(".safetensors")
    target.write_bytes(load_segmenter(path, device="cpu").network.exported())
    return target


def maps_of(segmenter: NetworkSegmenter) -> list[np.ndarray]:
    """Return all maps that a network gives."""
    prediction = segmenter(IMAGE)
    maps = (prediction.logits, prediction.features, prediction.log_density, prediction.log_density_logsumexp)
    return [values.values.numpy() for values in maps if values is not None]


def test_only_kernels_are_rounded(tmp_path: Path) -> None:
    path = networks.save_gmm(tmp_path / "gmm.pth", **{FIT: FITTED_ON})
    before, after = load_checkpoint(path), load_checkpoint(exported(path))
    for name, value in before.weights.items():
        if name.endswith("num_batches_tracked"):
            assert name not in after.weights
        elif name.endswith("weight") and value.dim() > 1:
            assert torch.equal(after.weights[name], value.half().float()) and not torch.equal(
                after.weights[name], value
            )
        else:
            assert after.weights[name].dtype == value.dtype and torch.equal(after.weights[name], value), name
    assert set(after.weights) <= set(before.weights)


def test_it_runs_alone_and_equals_a_checkpoint_of_the_same_weights(tmp_path: Path) -> None:
    path = networks.save_gmm(tmp_path / "gmm.pth", **{FIT: FITTED_ON})
    target = exported(path)
    content = torch.load(path, weights_only=True)
    rounded = load_checkpoint(target).weights
    torch.save({**content, "state_dict": {**content["state_dict"], **rounded}}, tmp_path / "rounded.pth")
    alone, reference, original = (load_segmenter(one, device="cpu") for one in (target, tmp_path / "rounded.pth", path))
    assert alone.classes == networks.CLASSES
    assert alone.fits == original.fits and alone.fits["log_density"].notes == ["a note"]
    assert alone.describe().config_sha256 == original.describe().config_sha256
    assert len(maps_of(alone)) == 4
    assert all(np.array_equal(a, b) for a, b in zip(maps_of(alone), maps_of(reference), strict=True))
    assert not np.array_equal(alone(IMAGE).logits.values, original(IMAGE).logits.values)
    assert alone.network.exported() == target.read_bytes()


def test_weights_beyond_float16_are_refused(tmp_path: Path) -> None:
    network = networks.build(networks.CGNET)
    network.decode_head.conv_seg.weight.data[0, 0] = 70_000
    path = networks.save(tmp_path / "net.pth", networks.CGNET, network)
    with pytest.raises(InputError, match=r"decode_head\.conv_seg\.weight holds numbers that float16 cannot"):
        exported(path)
