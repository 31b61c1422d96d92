"""The shipped configs say what section 4.1 of the paper says."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.configs.loading import ALL, FOLDER, GMMSEG, SOFTMAX, heads, load, step

PROCESSES = 4


@dataclass(frozen=True)
class Facts:
    """What a dataset is trained and tested with."""

    crop: tuple[int, int]
    iterations: int
    batch: int
    classes: int
    test: str
    kind: str


PAPER = {
    "cityscapes": Facts((768, 768), 80_000, 8, 19, "slide", "CityscapesDataset"),
    "ade20k": Facts((512, 512), 160_000, 16, 150, "whole", "ADE20KDataset"),
    "cocostuff10k": Facts((512, 512), 80_000, 16, 171, "whole", "COCOStuffDataset"),
}
# Not from the paper: mmsegmentation's own CGNet, and a choice of this project.
OTHER = {
    "cgnet_cityscapes": Facts((680, 680), 60_000, 16, 19, "whole", "CityscapesDataset"),
    "cgnet_camvid": Facts((320, 448), 900, 4, 11, "whole", "BaseSegDataset"),
}
PAPER_NETWORKS = ("deeplabv3plus_r101", "ocrnet_hr48", "upernet_swin-b", "segformer_mit-b5")
BACKBONES = {
    "deeplabv3plus_r101": dict(type="ResNetV1c", depth=101),
    "fcn_r101": dict(type="ResNetV1c", depth=101),
    "deeplabv3plus_r18": dict(type="ResNetV1c", depth=18),
    "ocrnet_hr48": dict(type="HRNet"),
    "upernet_swin-b": dict(type="SwinTransformer", embed_dims=128, depths=[2, 2, 18, 2], window_size=7),
    "segformer_mit-b5": dict(type="MixVisionTransformer", embed_dims=64, num_layers=[3, 6, 40, 3]),
    "segformer_mit-b0": dict(type="MixVisionTransformer", embed_dims=32, num_layers=[2, 2, 2, 2]),
    "cgnet": dict(type="CGNet", num_blocks=(3, 21)),
}
ADAMW = {"upernet_swin-b": 6e-5, "segformer_mit-b5": 6e-5, "segformer_mit-b0": 6e-5}


def split(name: str) -> tuple[str, str, Facts]:
    """Return the network, the dataset and the facts of a config's name."""
    network, _, dataset = name.partition("_")[2].rpartition("_")
    return network, dataset, OTHER.get(f"{network}_{dataset}") or PAPER[dataset]


def test_the_papers_networks_are_there_for_each_dataset_in_pairs() -> None:
    assert SOFTMAX == GMMSEG
    wanted = {f"{network}_{dataset}" for network in PAPER_NETWORKS for dataset in PAPER} | {"fcn_r101_cityscapes"}
    assert wanted <= set(SOFTMAX)
    assert {split(f"softmax_{name}")[0] for name in SOFTMAX} == set(BACKBONES)


@pytest.mark.parametrize("name", ALL)
def test_a_config_trains_as_its_dataset_wants(name: str) -> None:
    config = load(name)
    _, dataset, facts = split(name)
    crop = step(config.train_dataloader.dataset.pipeline, "RandomCrop")
    assert tuple(crop.crop_size) == tuple(config.crop_size) == facts.crop
    # What is smaller than the crop is padded to it.
    assert tuple(config.model.data_preprocessor.size) == facts.crop
    assert config.model.data_preprocessor.seg_pad_val == 255
    assert config.train_cfg.max_iters == facts.iterations
    assert config.train_cfg.type == "IterBasedTrainLoop"
    assert config.param_scheduler[-1].end == facts.iterations
    assert facts.iterations % config.train_cfg.val_interval == 0
    processes = 1 if dataset == "camvid" else PROCESSES
    assert config.train_dataloader.batch_size * processes == config.auto_scale_lr.base_batch_size == facts.batch
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.type == facts.kind


@pytest.mark.parametrize("name", ALL)
def test_a_config_is_tested_by_its_datasets_protocol(name: str) -> None:
    config = load(name)
    _, dataset, facts = split(name)
    assert config.model.test_cfg.mode == facts.test
    if facts.test == "slide":
        assert tuple(config.model.test_cfg.crop_size) == (768, 768)
        assert tuple(config.model.test_cfg.stride) == (512, 512)
    pipeline = config.test_dataloader.dataset.pipeline
    assert pipeline == config.val_dataloader.dataset.pipeline
    if dataset == "camvid":
        assert "Resize" not in [item.type for item in pipeline]
    else:
        resize = step(pipeline, "Resize")
        assert resize.keep_ratio
        # Cityscapes keeps its size; for the others 512 is the short side.
        assert tuple(resize.scale) == ((2048, 1024) if dataset == "cityscapes" else (2048, 512))
    labels = [item.type for item in pipeline].index("LoadAnnotations")
    assert "Resize" not in [item.type for item in pipeline[labels:]], "labels are not resized in tests"
    assert config.test_evaluator.type == config.val_evaluator.type == "IoUMetric"


@pytest.mark.parametrize("name", ALL)
def test_a_config_has_the_papers_network(name: str) -> None:
    config = load(name)
    network, _, facts = split(name)
    backbone = config.model.backbone
    assert {key: backbone[key] for key in BACKBONES[network]} == BACKBONES[network]
    if network == "ocrnet_hr48":
        assert backbone.extra.stage4.num_channels == (48, 96, 192, 384)
    every_head = [*heads(config), *([config.model.auxiliary_head] if "auxiliary_head" in config.model else [])]
    for head in every_head:
        assert head.num_classes == facts.classes
        assert head.norm_cfg.type == "SyncBN"
        assert head.loss_decode.get("class_weight") is None
        assert head.get("ignore_index", 255) == 255


@pytest.mark.parametrize("name", ALL)
def test_the_optimiser_is_the_default_of_the_architecture(name: str) -> None:
    config = load(name)
    network, dataset, _ = split(name)
    optimizer = config.optim_wrapper.optimizer
    if dataset == "camvid":
        assert (optimizer.type, optimizer.lr) == ("AdamW", 2e-4)
        assert config.optim_wrapper.paramwise_cfg.custom_keys == dict(head=dict(lr_mult=10.0))
        assert config.param_scheduler[-1].power == 0.9
    elif network == "cgnet":
        assert (optimizer.type, optimizer.lr) == ("Adam", 1e-3)
    elif network in ADAMW:
        assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ("AdamW", ADAMW[network], 0.01)
        assert config.param_scheduler[0].end == config.param_scheduler[1].begin == 1500
        head = config.optim_wrapper.paramwise_cfg.custom_keys.get("head")
        assert head == (dict(lr_mult=10.0) if network.startswith("segformer") else None)
    else:
        assert (optimizer.type, optimizer.lr, optimizer.momentum) == ("SGD", 0.01, 0.9)


def test_the_configs_load_from_where_the_wheel_puts_them(tmp_path: Path) -> None:
    folder = tmp_path / "anomaly_eval" / "_shipped" / "configs"
    shutil.copytree(FOLDER, folder)
    for name in ("gmmseg_segformer_mit-b5_cityscapes", "gmmseg_cgnet_camvid"):
        assert Config.fromfile(folder / f"{name}.py").to_dict() == load(name).to_dict()
