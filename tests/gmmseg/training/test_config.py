"""What is read from, refused in, and put into the config of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from gmmseg.errors import InputError
from gmmseg.training.config import arrange, fit_to_machine, load_config
from tests.gmmseg.training.trainings import write_training

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def load(folder: Path, *options: str, extra: str = "") -> Config:
    return load_config(str(write_training(folder, images=1, extra=extra)), options)


def arranged(folder: Path, *options: str, extra: str = "") -> Config:
    config = load(folder, *options, extra=extra)
    arrange(config, seed=1, start=6)
    return config


def test_options_are_merged_by_their_dotted_names(tmp_path: Path) -> None:
    config = load(
        tmp_path, "train_cfg.max_iters=7", "param_scheduler.0.end=7", "model.backbone.init_cfg=None", "a=[1,2]"
    )
    assert config.train_cfg.max_iters == config.param_scheduler[0].end == 7
    assert config.model.backbone.init_cfg is None
    assert config.a == [1, 2]


@pytest.mark.parametrize("option", ["max_iters", "a=[1,(2]", "param_scheduler.5.end=1", "work_dir.x.y=1"])
def test_options_that_do_not_fit_are_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--cfg-options"):
        load(tmp_path, option, extra="work_dir = 'x'\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.py", "there is no config"), ("wrong.py", "cannot be loaded .ZeroDivisionError"), ("base.py", "no `model`")],
)
def test_configs_that_cannot_be_used_are_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("a = 1 / 0\n")
    (tmp_path / "base.py").write_text("a = 1\n")
    with pytest.raises(InputError, match=message):
        load_config(str(tmp_path / name))


def test_a_name_of_mmsegmentation_is_found() -> None:
    config = load_config("mmseg::cgnet/cgnet_fcn_4xb8-60k_cityscapes-512x1024")
    assert config.model.backbone.type == "CGNet"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)\n", "does not count iterations"),
        ("train_cfg['type'] = 'OtherLoop'\n", "cannot be resumed exactly; use IterBasedTrainLoop"),
    ],
)
def test_loops_that_cannot_be_resumed_are_refused(extra: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, extra=extra)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("train_dataloader['sampler'] = dict(type='OtherSampler')\n", "OtherSampler cannot be resumed exactly"),
        ("train_dataloader['batch_sampler'] = dict(type='BatchSampler')\n", "no batch_sampler"),
        ("optim_wrapper['accumulative_counts'] = 3\n", "checkpoint.interval to a multiple of 3"),
    ],
)
def test_what_cannot_be_resumed_is_refused(extra: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        arranged(tmp_path, extra=extra)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("dict(type='InfiniteSampler', shuffle=True)", dict(type="ResumableSampler", shuffle=True)),
        ("dict(type='InfiniteSampler', shuffle=False)", dict(type="ResumableSampler", shuffle=False)),
        ("dict(type='DefaultSampler', shuffle=True)", dict(type="ResumableSampler", shuffle=True)),
        ("dict(type='ClassUniformSampler', shuffle=True)", dict(type="ClassUniformSampler")),
        ("dict(type='ClassUniformSampler', cache='c')", dict(type="ClassUniformSampler", cache="c")),
    ],
)
def test_samplers_become_resumable(given: str, expected: dict[str, Any], tmp_path: Path) -> None:
    loader = arranged(tmp_path, extra=f"train_dataloader['sampler'] = {given}\n").train_dataloader
    assert loader.sampler == {**expected, "batch_size": 2, "start": 6}
    assert loader.dataset.type == "SeededSamples" and loader.dataset.dataset.type == "BaseSegDataset"


def test_own_hooks_of_a_config_stay(tmp_path: Path) -> None:
    config = arranged(tmp_path, extra="custom_hooks = [dict(type='EMAHook')]\n")
    assert config.custom_hooks[0].type == "EMAHook" and len(config.custom_hooks) == 4


@without_gpu
def test_mixed_precision_without_a_gpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"AmpOptimWrapper.*needs a GPU; on a CPU give"):
        fit_to_machine(load(tmp_path, "optim_wrapper.type=AmpOptimWrapper"), distributed=False)


@without_gpu
@pytest.mark.parametrize("distributed", [False, True])
def test_batch_normalisation_stays_in_one_process_without_a_gpu(distributed: bool, tmp_path: Path) -> None:
    config = load(tmp_path, extra="model['backbone']['norm_cfg'] = dict(type='SyncBN', requires_grad=True)\n")
    fit_to_machine(config, distributed=distributed)
    assert config.model.backbone.norm_cfg == dict(type="BN", requires_grad=True)
    # CGNet insists on a tuple.
    assert isinstance(config.model.backbone.num_channels, tuple)
    assert ("model_wrapper_cfg" in config) == distributed


def test_workers_are_not_kept(tmp_path: Path) -> None:
    config = arranged(tmp_path, "train_dataloader.num_workers=0", "train_dataloader.persistent_workers=True")
    assert not config.train_dataloader.persistent_workers
