"""The configs of the shipped Cityscapes networks train, on either layout of the data, and in bfloat16."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from anomaly_eval.datasets.cards import load_card
from gmmseg.checkpoints import load_checkpoint
from gmmseg.efficientnet_lite import EfficientNetLite, SameConv2d
from gmmseg.training.bfloat16 import BFloat16OptimWrapper
from gmmseg.training.request import TrainingRequest
from gmmseg.training.run import run_training
from tests.configs.loading import FOLDER, SMALL, differences, heads, load, plain
from tests.gmmseg.training.trainings import forget_earlier_trainings, losses

FRAMES = 2975


def write_frames(root: Path) -> None:
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "annotations"):
            (root / kind / split).mkdir(parents=True)
        labels = np.kron(generator.integers(0, 19, (4, 4), dtype=np.uint8), np.ones((16, 16), np.uint8))
        labels[0] = 255
        image = np.clip(labels[..., None] * 12 + generator.integers(0, 9, (64, 64, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(root / f"images/{split}/0001.jpg"), image)
        cv2.imwrite(str(root / f"annotations/{split}/0001.png"), labels)


@pytest.mark.parametrize("name", [f"softmax_{SMALL}-start", f"softmax_{SMALL}", f"gmmseg_{SMALL}"])
def test_a_few_steps_on_a_flat_copy(name: str, tmp_path: Path) -> None:
    write_frames(tmp_path / "data" / "cityscapes")
    forget_earlier_trainings()
    out = tmp_path / "out"
    options = [
        "train_cfg.max_iters=3",
        "train_dataloader.batch_size=2",
        "train_dataloader.num_workers=0",
        "val_dataloader.num_workers=0",
        "model.backbone.init_cfg=None",
        "default_hooks.logger.interval=1",
        "log_processor.window_size=1",
    ]
    source = str(FOLDER / f"{name}.py")
    run_training(TrainingRequest(source, out, tmp_path / "data", options=options), lambda line: None)
    found = losses(out)
    assert found.keys() == {1, 2, 3}
    assert all(np.isfinite(value) for value in found.values())
    weights = load_checkpoint(out / "weights.pth").weights
    assert {value.dtype for value in weights.values() if value.is_floating_point()} <= {torch.float32, torch.float64}


@pytest.mark.parametrize(("ending", "own"), [("", {"model.decode_head.dropout_ratio"}), ("-diagonal", set())])
def test_gmmseg_is_its_softmax_twin_but_for_the_head(ending: str, own: set[str]) -> None:
    found = differences(plain(load(f"softmax_{SMALL}")), plain(load(f"gmmseg_{SMALL}{ending}")))
    head = {f"model.decode_head.{key}" for key in ("type", "architecture", "mixture")}
    assert {path for path in found if not path.startswith("custom_imports")} == head | own


def test_the_second_part_shows_other_cameras_and_is_shorter_and_nothing_else() -> None:
    first, second = load(f"softmax_{SMALL}-start"), load(f"softmax_{SMALL}")
    steps = [step.type for step in second.train_dataloader.dataset.pipeline]
    assert steps.pop(steps.index("OtherCamera")) and steps == [step.type for step in first.train_pipeline]
    assert second.train_pipeline == second.train_dataloader.dataset.pipeline
    changed = ("train_pipeline", "train_dataloader.dataset.pipeline", "param_scheduler", "train_cfg", "optim_wrapper")
    assert all(path.startswith(changed) for path in differences(plain(first), plain(second)))
    assert second.model == first.model
    assert second.param_scheduler[-1].end == second.train_cfg.max_iters < first.train_cfg.max_iters


def test_the_first_part_is_twenty_passes_over_train_and_ends_at_no_rate() -> None:
    config = load(f"softmax_{SMALL}-start")
    samples = config.train_cfg.max_iters * config.train_dataloader.batch_size
    assert 20 * FRAMES <= samples < 20.2 * FRAMES
    assert config.param_scheduler[-1].end == config.train_cfg.max_iters
    assert config.param_scheduler[-1].eta_min == 0
    card, _ = load_card("cityscapes")
    assert card.classes is not None
    assert heads(config)[-1].num_classes == len(card.classes)


def test_the_head_fits_the_backbone() -> None:
    model = load(f"softmax_{SMALL}").model
    assert model.decode_head.in_channels == EfficientNetLite(model.backbone.variant).channels
    assert model.backbone.init_cfg.checkpoint == f"efficientnet-lite:{model.backbone.variant}"


def test_a_step_runs_in_bfloat16_and_leaves_float32() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(SameConv2d(3, 4, 3, stride=2), SameConv2d(4, 4, 5, groups=4))
    seen = []
    for module in network:
        module.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    wrapper = BFloat16OptimWrapper(torch.optim.SGD(network.parameters(), lr=0.1))
    images, before = torch.randn(2, 3, 8, 8), [value.detach().clone() for value in network.parameters()]
    with wrapper.optim_context(network):
        loss = network(images).float().square().mean()
    assert not torch.is_autocast_enabled("cpu")
    wrapper.update_params(loss)
    # Channel-wise convolutions stay in float32 on a CPU, where their gradient is faster.
    assert seen == [torch.bfloat16, torch.float32]
    for old, new in zip(before, network.parameters(), strict=True):
        assert new.dtype == torch.float32
        assert not torch.equal(old, new)
