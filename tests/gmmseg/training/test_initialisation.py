"""Starting from the weights of another network."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.settings import MixtureSettings
from gmmseg.training.initialisation import LoadReport, load_what_fits, pretrained_sources, without_pretrained
from tests.gmmseg.training.trainings import train, write_training


class Network(nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.backbone = nn.Linear(2, 4)
        self.head = nn.Linear(4, classes)


def test_what_fits_is_loaded_and_the_rest_is_reported() -> None:
    network, other = Network(3), Network(5)
    weights = other.state_dict() | {"neck.weight": torch.ones(1)}
    del weights["backbone.bias"]
    before = network.backbone.bias.clone()
    report = load_what_fits(network, weights, "other.pth")
    assert report == LoadReport(
        loaded=("backbone.weight",),
        missing=("backbone.bias",),
        left_over=("neck.weight",),
        other_shape=("head.weight", "head.bias"),
    )
    assert torch.equal(network.backbone.weight, other.backbone.weight)
    assert torch.equal(network.backbone.bias, before)
    assert report.lines() == [
        "loaded 1 of the network's 4 weights: backbone 1",
        "missing in the checkpoint: backbone 1 (backbone.bias)",
        "of another shape: head 2 (head.weight, head.bias)",
        "left over in the checkpoint: neck 1 (neck.weight)",
    ]


def test_weights_of_a_backbone_alone_are_the_backbone_s() -> None:
    network, other = Network(), Network()
    report = load_what_fits(network, other.backbone.state_dict(), "backbone.pth")
    assert report.loaded == ("backbone.weight", "backbone.bias")
    assert torch.equal(network.backbone.weight, other.backbone.weight)


def test_a_last_convolution_becomes_that_of_the_softmax_loss() -> None:
    class Segmenter(nn.Module):
        def __init__(self, last: nn.Module) -> None:
            super().__init__()
            self.backbone, self.last = nn.Linear(2, 4), last

    softmax = Segmenter(nn.Conv2d(8, 3, 1))
    settings = {"dimensions": 4, "components": 2, "softmax_loss_weight": 1.0}
    network = Segmenter(GMMClassifier(8, 3, MixtureSettings.from_config(settings)))
    report = load_what_fits(network, softmax.state_dict(), "softmax.pth")
    assert {"last.softmax.weight", "last.softmax.bias"} <= set(report.loaded) and not report.left_over
    assert isinstance(network.last, GMMClassifier) and network.last.softmax is not None
    assert torch.equal(network.last.softmax.weight, softmax.last.weight)
    # Those of a GMMSeg network stay where they are.
    own = network.state_dict()
    assert load_what_fits(network, own, "gmmseg.pth").loaded == tuple(own)


def test_a_mixture_is_loaded_as_a_whole_or_not_at_all() -> None:
    """Counters alone would let random mixtures pass for long known ones."""
    old, new = (
        GMMClassifier(8, 3, MixtureSettings.from_config({"dimensions": dimensions, "components": 2}))
        for dimensions in (4, 6)
    )
    old.mixtures.updates.fill_(900)
    old.iteration.fill_(900)
    before, after = (nn.ModuleDict({"backbone": nn.Linear(2, 2), "head": head}) for head in (old, new))
    report = load_what_fits(after, before.state_dict(), "x")
    assert not bool(new.mixtures.updates.any()) and int(new.iteration) == 0
    assert "head.mixtures.updates" not in report.loaded and "head.mixtures.updates" in report.other_shape


def test_nothing_that_fits_is_an_error() -> None:
    with pytest.raises(InputError, match=r"no weight of the checkpoint other\.pth fits"):
        load_what_fits(Network(), {"backbone.weight": torch.ones(1)}, "other.pth")


def test_long_lists_of_names_are_cut() -> None:
    report = LoadReport(loaded=("a.b",), missing=tuple(f"c.{i}" for i in range(9)), left_over=(), other_shape=())
    assert report.lines()[1] == "missing in the checkpoint: c 9 (c.0, c.1, c.2, c.3, c.4, c.5 and 3 more)"


PRETRAINED = {
    "pretrained": "open-mmlab://resnet18",
    "backbone": {
        "depths": (1, 2),
        "init_cfg": {"type": "Pretrained", "checkpoint": "https://host/a.pth"},
    },
    "heads": [{"init_cfg": [{"type": "Normal", "std": 0.01}, {"type": "Pretrained", "checkpoint": "b.pth"}]}],
}


def test_pretrained_weights_are_found_and_switched_off() -> None:
    assert pretrained_sources(PRETRAINED) == {
        "model.pretrained": "open-mmlab://resnet18",
        "model.backbone.init_cfg": "https://host/a.pth",
        "model.heads.0.init_cfg": "b.pth",
    }
    assert without_pretrained(PRETRAINED) == {
        "pretrained": None,
        "backbone": {"depths": (1, 2), "init_cfg": None},
        "heads": [{"init_cfg": [{"type": "Normal", "std": 0.01}]}],
    }


UNREACHABLE = "model['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint='{}')\n"


@pytest.mark.parametrize("source", ["http://127.0.0.1:9/weights.pth", "/nowhere/weights.pth"])
def test_weights_that_cannot_be_had_are_named_with_the_remedy(source: str, tmp_path: Path) -> None:
    config = write_training(tmp_path, extra=UNREACHABLE.format(source))
    with pytest.raises(InputError, match=rf"pretrained weights {source} .* --init-from"):
        train(config)


def test_a_training_starts_from_a_checkpoint_alone(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(logging.Handler, "handle", lambda handler, record: lines.append(record.getMessage()))
    config = write_training(tmp_path, extra=UNREACHABLE.format("http://127.0.0.1:9/weights.pth"))
    options = ["model.decode_head.mixture.dimensions=3", "train_cfg.max_iters=1", "optim_wrapper.optimizer.lr=0"]
    path = train(config, init_from=trained / "out" / "weights.pth", options=options)
    old, new = (torch.load(file, weights_only=True)["state_dict"] for file in (trained / "out" / "weights.pth", path))
    backbone = [name for name in old if name.startswith("backbone")]
    assert all(torch.equal(old[name], new[name]) for name in backbone)
    assert any(line.endswith(f"weights: backbone {len(backbone)}") for line in lines)
    assert any(line.startswith("of another shape: decode_head") and "projection.weight" in line for line in lines)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no checkpoint file .*none\.pth; check --init-from"):
        train(write_training(tmp_path), init_from=tmp_path / "none.pth")
    assert not (tmp_path / "out").exists()
