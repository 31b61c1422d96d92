"""The networks of the shipped configs train: random weights, random images, two steps of their own optimiser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gmmseg  # noqa: F401  isort: skip
import mmseg.models  # noqa: F401
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from gmmseg.classifier import GMMClassifier
from tests.configs.loading import ALL, heads, load

SMALL_NETWORKS = ("segformer_mit-b0", "deeplabv3plus_r18", "cgnet")
SMALL = [name for name in ALL if any(network in name for network in SMALL_NETWORKS)]
BIG = [name for name in ALL if name not in SMALL]
SIZE = (64, 96)

# mmsegmentation's default, which its own configs keep.
pytestmark = pytest.mark.filterwarnings("ignore:Default ``avg_non_ignore`` is False:UserWarning")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    # Such small tensors gain nothing from threads, and lose much where other processes use the cores.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def scope() -> None:
    # As the Runner does it.
    init_default_scope("mmseg")


def without_downloads(config: Config) -> Config:
    """Leave out pretrained weights, and shrink crops and memory."""
    config.model.pretrained = None
    config.model.backbone.init_cfg = None
    config.model.data_preprocessor.size = SIZE
    head = heads(config)[-1]
    if head.type == "GMMSegHead":
        head.mixture.memory_size = 100
    return config


def build(config: Config) -> tuple[nn.Module, OptimWrapper]:
    torch.manual_seed(0)
    # Synchronised batch normalisation needs a GPU.
    model = revert_sync_batchnorm(MODELS.build(config.model))
    model.init_weights()
    return model.train(), build_optim_wrapper(model, config.optim_wrapper)


def batch(classes: int) -> dict[str, list[Any]]:
    """Two images, one of them smaller than the crop, labelled in patches with every tenth row of no class."""
    samples: dict[str, list[Any]] = {"inputs": [], "data_samples": []}
    for height, width in (SIZE, (SIZE[0] - 8, SIZE[1] - 16)):
        labels = torch.randint(classes, (1, height // 8, width // 8)).repeat_interleave(8, 1).repeat_interleave(8, 2)
        labels[:, ::10] = 255
        samples["inputs"].append(torch.randint(256, (3, height, width), dtype=torch.uint8))
        samples["data_samples"].append(SegDataSample(gt_sem_seg=PixelData(data=labels)))
    return samples


def parameters(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def mixtures(classifier: GMMClassifier) -> dict[str, Tensor]:
    return {name: getattr(classifier.mixtures, name).clone() for name in ("means", "log_deviations")}


def takes_two_steps(config: Config) -> None:
    model, optimiser = build(without_downloads(config))
    classifiers = [module for module in model.modules() if isinstance(module, GMMClassifier)]
    assert len(classifiers) == (heads(config)[-1].type == "GMMSegHead")
    backbone = parameters(model.backbone)
    for step in (1, 2):
        before = [mixtures(classifier) for classifier in classifiers]
        losses = model.train_step(batch(heads(config)[-1].num_classes), optimiser)
        assert torch.isfinite(losses["loss"])
        for classifier, old in zip(classifiers, before, strict=True):
            assert int(classifier.iteration) == step
            for name, value in mixtures(classifier).items():
                assert torch.isfinite(value).all()
                assert not torch.equal(value, old[name]), f"EM left the {name} as they were in step {step}"
            assert 0 < classifier.report()["memory_fill"] <= 1
    trained = parameters(model.backbone)
    assert all(torch.isfinite(value).all() for value in trained.values())
    assert any(not torch.equal(value, backbone[name]) for name, value in trained.items())


@pytest.mark.parametrize("name", SMALL)
def test_a_small_network_takes_two_training_steps(name: str) -> None:
    takes_two_steps(load(name))


def test_a_small_network_takes_two_training_steps_of_the_official_preset() -> None:
    config = load("gmmseg_segformer_mit-b0_cityscapes")
    # The official code takes an EM step in every fifth iteration only.
    config.merge_from_dict({"model.decode_head.mixture": dict(preset="official", em_every=1, pixels_per_component=2)})
    takes_two_steps(config)


@pytest.mark.slow
@pytest.mark.parametrize("name", BIG)
def test_a_big_network_takes_two_training_steps(name: str) -> None:
    takes_two_steps(load(name))


@pytest.mark.parametrize("name", ["segformer_mit-b0_cityscapes", "deeplabv3plus_r18_cityscapes", "cgnet_cityscapes"])
def test_the_twins_share_all_parameters_but_the_classifiers(name: str) -> None:
    softmax, _ = build(without_downloads(load(f"softmax_{name}")))
    mixture, _ = build(without_downloads(load(f"gmmseg_{name}")))
    shapes = [
        {key: value.shape for key, value in model.state_dict().items() if not key.startswith("decode_head.conv_seg.")}
        for model in (softmax, mixture)
    ]
    assert shapes[0] == shapes[1]
    assert isinstance(softmax.decode_head.conv_seg, nn.Conv2d)
    assert isinstance(mixture.decode_head.conv_seg, GMMClassifier)
