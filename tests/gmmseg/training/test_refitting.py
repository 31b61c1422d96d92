"""Mixtures fitted anew at the end of training: to what, by what, and when not."""

from __future__ import annotations

from pathlib import Path

import mmseg.models  # noqa: F401
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image
from torch import Tensor

from gmmseg.checkpoints import load_checkpoint
from gmmseg.errors import InputError
from gmmseg.full_covariance import fit_full_mixtures
from tests.gmmseg.training.trainings import train, write_training

REFIT = """
model["decode_head"]["mixture"].update(refit_at_end=True, components=1, memory_size=100_000)
model["decode_head"]["mixture"].update(pixels_per_class_and_image=100_000)
"""
FULL = """
model["decode_head"]["mixture"].update(covariance="full", covariance_shrinkage=0.25, covariance_floor=0.5)
"""


def embedded_pixels(folder: Path) -> tuple[Tensor, Tensor]:
    """Return what the exported network makes of all labelled training pixels, (N, D) and (N,)."""
    checkpoint = load_checkpoint(folder / "out" / "weights.pth")
    network = MODELS.build(Config.fromfile(folder / "tiny.py").model)
    network.load_state_dict(checkpoint.weights)
    network.eval()
    features, labels = [], []
    for file in sorted((folder / "data" / "drawn" / "images" / "train").iterdir()):
        image = torch.from_numpy(np.array(Image.open(file))[..., ::-1].copy()).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            head = network.decode_head
            maps = head.conv_seg.embed(head._forward_feature(network.extract_feat((image - 128) / 64)))[0]
        label = np.array(Image.open(file.parents[2] / "labels" / "train" / file.name))
        step = label.shape[0] // maps.shape[1]
        own = torch.from_numpy(label[::step, ::step].astype(np.int64)).flatten()
        features.append(maps.flatten(1).T[own != 255])
        labels.append(own[own != 255])
    return torch.cat(features), torch.cat(labels)


@pytest.mark.parametrize("full", [False, True])
def test_the_mixtures_are_those_of_all_training_pixels_at_the_end(full: bool, tmp_path: Path) -> None:
    train(write_training(tmp_path, extra=REFIT + (FULL if full else "")))
    weights = load_checkpoint(tmp_path / "out" / "weights.pth").weights
    prefix = "decode_head.conv_seg.mixtures."
    last = torch.load(tmp_path / "out" / "iter_4.pth", weights_only=False)["state_dict"]
    assert not torch.equal(weights[f"{prefix}means"], last[f"{prefix}means"])
    assert torch.equal(weights["backbone.stem.0.conv.weight"], last["backbone.stem.0.conv.weight"])

    features, labels = embedded_pixels(tmp_path)
    members = [features[labels == label].double().numpy() for label in range(3)]
    means = np.stack([own.mean(axis=0) for own in members])
    np.testing.assert_allclose(weights[f"{prefix}means"][:, 0], means, rtol=1e-4, atol=1e-5)
    if full:
        floor = 0.5 * sum(((own - own.mean(axis=0)) ** 2).sum() for own in members) / features.numel()
        expected, _ = fit_full_mixtures(features, labels, 3, 1, shrinkage=0.25, variance_floor=floor)
        whitening = weights[f"{prefix}whitening"].double()
        found = torch.linalg.inv(whitening) @ torch.linalg.inv(whitening).transpose(2, 3)
        torch.testing.assert_close(found, expected.covariances, rtol=1e-3, atol=1e-5)
    else:
        deviations = np.stack([own.std(axis=0) for own in members])
        found_deviations = weights[f"{prefix}log_deviations"][:, 0].exp()
        np.testing.assert_allclose(found_deviations, np.maximum(deviations, 1e-3**0.5), rtol=1e-3)


def test_the_same_training_refits_to_the_same_bits(tmp_path: Path) -> None:
    config = write_training(tmp_path, extra=REFIT.replace("components=1", "components=2"))
    first = load_checkpoint(train(config)).weights
    again = load_checkpoint(train(config, out=tmp_path / "again")).weights
    assert all(torch.equal(first[name], again[name]) for name in first)
    # A complete training that is resumed is exported again.
    resumed = load_checkpoint(train(config, resume=True)).weights
    assert all(torch.equal(first[name], resumed[name]) for name in first)


def test_a_class_without_pixels_stays_unknown(tmp_path: Path) -> None:
    config = write_training(tmp_path, extra=REFIT)
    for file in (tmp_path / "data" / "drawn" / "labels" / "train").iterdir():
        labels = np.array(Image.open(file))
        labels[labels == 2] = 255
        Image.fromarray(labels).save(file)
    weights = load_checkpoint(train(config)).weights
    assert (weights["decode_head.conv_seg.mixtures.updates"] > 0).flatten().tolist() == [True, True, False]


def test_a_config_without_validation_is_refused_before_training(tmp_path: Path) -> None:
    extra = f"{REFIT}\nval_dataloader = val_cfg = val_evaluator = None\n"
    with pytest.raises(InputError, match="refit_at_end reads the training images with the pipeline of validation"):
        train(write_training(tmp_path, extra=extra))
    assert not (tmp_path / "out").exists()
