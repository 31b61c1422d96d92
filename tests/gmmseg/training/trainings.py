"""Small trainings for tests: drawn images, a tiny network, and what is read back from the work dir."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import gmmseg  # noqa: F401  isort: skip
import numpy as np
import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

from gmmseg.training.request import TrainingRequest
from gmmseg.training.run import run_training

CLASSES = ("sky", "road", "car")
UNFORMATTED = ("yapf.yapflib.yapf_api.FormatCode", lambda text, **_: (text, True))
"""What to patch, and by what, so that configs are not formatted: mmengine does it whenever it saves something, which
takes half the time of a training as small as these."""
UNFORMATTING = """
from yapf.yapflib import yapf_api
yapf_api.FormatCode = lambda text, **_: (text, True)
"""
"""The same as lines of a module that trainings in processes of their own import."""
CONFIG = """
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
default_scope = "mmseg"
norm_cfg = dict(type="GN", num_groups=1)
loss = dict(type="CrossEntropyLoss", avg_non_ignore=True)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor", mean=[128.0] * 3, std=[64.0] * 3, size=(32, 32), pad_val=0, seg_pad_val=255
    ),
    backbone=dict(
        type="CGNet",
        norm_cfg=norm_cfg,
        num_channels=(4, 8, 8),
        num_blocks=(1, 1),
        reductions=(4, 4),
        # CGNet itself starts with slopes of 0; in so few channels some pixels would then have no feature at all.
        init_cfg=[dict(type="Kaiming", layer="Conv2d"), dict(type="Constant", val=0.25, layer="PReLU")],
    ),
    decode_head=dict(
        type="GMMSegHead",
        architecture="FCNHead",
        mixture=dict(preset="paper", components=2, dimensions=4, memory_size=50, pixels_per_class_and_image=5),
        in_channels=16,
        in_index=2,
        channels=16,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.5,
        num_classes=3,
        norm_cfg=norm_cfg,
        loss_decode=loss,
    ),
    test_cfg=dict(mode="whole"),
)
classes = ("sky", "road", "car")
palette = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
augment = [
    dict(type="RandomResize", scale=(64, 64), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type="RandomCrop", crop_size=(32, 32), cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="BaseSegDataset",
        data_root="data/drawn",
        data_prefix=dict(img_path="images/train", seg_map_path="labels/train"),
        img_suffix=".png",
        serialize_data=False,
        metainfo=dict(classes=classes, palette=palette),
        pipeline=load + augment,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="BaseSegDataset",
        data_root="data/drawn",
        data_prefix=dict(img_path="images/val", seg_map_path="labels/val"),
        img_suffix=".png",
        serialize_data=False,
        metainfo=dict(classes=classes, palette=palette),
        pipeline=load + [dict(type="PackSegInputs")],
    ),
)
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
val_cfg = dict(type="ValLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9))
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=20, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=4, val_interval=100)
# Every loss as it is, instead of the mean of the last ones.
log_processor = dict(by_epoch=False, window_size=1)
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=4, max_keep_ckpts=-1),
)
env_cfg = dict(cudnn_benchmark=False)
"""
SOFTMAX = """
for key in ("architecture", "mixture"):
    del model["decode_head"][key]
model["decode_head"]["type"] = "FCNHead"
"""
"""Lines that turn the network of the config into its softmax twin."""
CARD = """
name: drawn
title: Drawn scenes
task: closed_set
variants: {val: {images: 2}, train: {images: 5}}
default_variant: val
labels: {inlier: ["0-2"], void: [255]}
classes: [sky, road, car]
layouts:
  - name: flat
    images: "{folder}/images/{variant}/{id}.png"
    masks: "{folder}/labels/{variant}/{id}.png"
"""


def write_training(folder: Path, *, images: int = 5, extra: str = "") -> Path:
    """Draw data below `folder`/data, and return a config for it that ends in the lines `extra`."""
    generator = np.random.default_rng(0)
    for part, count in (("train", images), ("val", 2)):
        for kind in ("images", "labels"):
            (folder / "data" / "drawn" / kind / part).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            labels = np.zeros((64, 64), np.uint8)
            labels[generator.integers(20, 40) :] = 1
            left = generator.integers(0, 40)
            labels[40:56, left : left + 20] = 2
            labels[:, :2] = 255
            pixels = np.array([200, 100, 30, *[0] * 252, 0], np.uint8)[labels][..., None].repeat(3, 2)
            noise = generator.integers(0, 40, pixels.shape, dtype=np.uint8)
            drawn = folder / "data" / "drawn"
            Image.fromarray(pixels + noise).save(drawn / "images" / part / f"{index}.png")
            Image.fromarray(labels).save(drawn / "labels" / part / f"{index}.png")
    config = folder / "tiny.py"
    config.write_text(CONFIG + extra)
    return config


def write_new_style(folder: Path, *, extra: str = "") -> Path:
    """Return the config of `write_training` in mmengine's new style, which imports classes in place of naming them."""
    import mmengine.registry
    import mmseg.datasets
    import mmseg.engine
    import mmseg.evaluation
    import mmseg.models
    import mmseg.registry
    from mmengine.registry import Registry

    path = write_training(folder)
    modules = (mmseg.registry, mmengine.registry)
    registries = [value for module in modules for value in vars(module).values() if isinstance(value, Registry)]
    imports: dict[str, str] = {}

    def as_class(found: re.Match[str]) -> str:
        key, name = found.groups()
        kind = next((one.module_dict[name] for one in registries if name in one.module_dict), None)
        if kind is None or not kind.__module__.startswith(("mmseg", "mmengine", "mmcv", "gmmseg")):
            return found[0]
        imports[kind.__name__] = kind.__module__
        return f"{key}={kind.__name__}"

    text = re.sub(r'(type|architecture)="(\w+)"', as_class, path.read_text())
    lines = [f"from {module} import {name}\n" for name, module in imports.items()]
    path.write_text("".join(lines) + text.replace("custom_imports = ", "unused = ") + extra)
    return path


def leave_unformatted_elsewhere(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Have Python processes that are started from now on leave configs unformatted, by a module in a folder."""
    (folder / "sitecustomize.py").write_text(UNFORMATTING)
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))


def forget_earlier_trainings() -> None:
    """Make mmengine build anew what all share: it names these things by the second, and a training takes less."""
    for shared in (DefaultScope, MMLogger, MessageHub, Visualizer, SegLocalVisualizer):
        shared._instance_dict.clear()


def train(config: Path, **settings: Any) -> Path:
    """Train in this process, with the data beside the config, into `out` beside it unless told otherwise."""
    return run_training(_request(config, settings), lambda line: None)


def train_and_listen(config: Path, **settings: Any) -> str:
    """Train like `train`, and return what was said."""
    said: list[str] = []
    run_training(_request(config, settings), said.append)
    return "\n".join(said)


def _request(config: Path, settings: dict[str, Any]) -> TrainingRequest:
    forget_earlier_trainings()
    folder = config.parent
    return TrainingRequest(**{"config": str(config), "out": folder / "out", "data_root": folder / "data"} | settings)


def scalars(work_dir: Path) -> dict[int, dict[str, float]]:
    """Return what was logged, by iteration; of iterations logged by several runs, what the last run wrote."""
    found: dict[int, dict[str, float]] = {}
    for file in sorted(work_dir.glob("*/vis_data/scalars.json")):
        for line in file.read_text().splitlines():
            values = json.loads(line)
            found.setdefault(values["step"], {}).update(values)
    return found


def losses(work_dir: Path) -> dict[int, float]:
    """Return the loss of every iteration."""
    return {step: values["loss"] for step, values in scalars(work_dir).items() if "loss" in values}
