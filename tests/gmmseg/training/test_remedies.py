"""What refusals advise works when it is followed to the letter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from mmseg.models.losses import CrossEntropyLoss
from torch.nn.functional import cross_entropy

from gmmseg.errors import InputError, reason_of
from gmmseg.training.advice import what_to_do
from gmmseg.training.weighted_loss import WeightedCrossEntropyLoss
from tests.gmmseg.training.trainings import SOFTMAX, losses, train, write_training

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
AMP = """
optim_wrapper = dict(
    type="AmpOptimWrapper", loss_scale="dynamic", dtype="bfloat16", optimizer=dict(type="SGD", lr=0.01)
)
"""
WEIGHTS = "loss['class_weight'] = [1.0, 2.0, 0.5]\n"
SAMPLER = "model['decode_head']['sampler'] = dict(type='OHEMPixelSampler', thresh=0.7, min_kept=100)\n"
MASKFORMER = "model['decode_head'] = dict(type='MaskFormerHead', num_classes=3, in_channels=[16])\n"
ELSEWHERE = "model['backbone'] = dict(type='mmpretrain.ConvNeXt')\n"


def refused(config: Path) -> str:
    """Return the sentence of a training that is refused, and check that the next one finds its place free."""
    with pytest.raises(InputError) as error:
        train(config)
    assert not (config.parent / "out").exists()
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    return str(error.value)


def advised(sentence: str) -> list[str]:
    """Return the options that a sentence ends in."""
    return sentence.split("--cfg-options ")[1].split(", or ")[0].rstrip(".").split()


@without_gpu
@pytest.mark.parametrize("other", [None, "OptimWrapper"])
def test_mixed_precision_on_a_cpu(other: str | None, tmp_path: Path) -> None:
    config = write_training(tmp_path, extra=AMP)
    options = advised(refused(config))
    train(config, options=[f"optim_wrapper.type={other}"] if other else options)
    assert len(losses(tmp_path / "out")) == 4


@pytest.mark.parametrize(
    "source",
    [
        "torchvision://resnet18",
        "open-mmlab://nothing",
        "http://127.0.0.1:9/a.pth",
        "s3://bucket/a.pth",
        "nowhere/a.pth",
    ],
)
@pytest.mark.parametrize("place", ["first", "among others", "two"])
def test_pretrained_weights_that_cannot_be_had(source: str, place: str, tmp_path: Path) -> None:
    pretrained = f"dict(type='Pretrained', checkpoint='{source}')"
    extra = f"model['backbone']['init_cfg'] = {pretrained}\n"
    if place == "among others":
        extra = f"model['backbone']['init_cfg'].append({pretrained})\n"
    if place == "two":
        extra += f"model['decode_head']['init_cfg'] = {pretrained}\n"
    config = write_training(tmp_path, extra=extra)
    sentence = refused(config)
    assert source in sentence
    train(config, options=advised(sentence))
    shutil.move(tmp_path / "out", tmp_path / "first")
    train(config, init_from=tmp_path / "first" / "weights.pth")


@pytest.mark.parametrize("source", ["torchvision://resnet18", "http://127.0.0.1:9/a.pth"])
def test_weights_of_load_from_that_cannot_be_had(source: str, trained: Path, tmp_path: Path) -> None:
    config = write_training(tmp_path, extra=f"load_from = '{source}'\n")
    assert "give the file with --init-from" in refused(config)
    train(config, init_from=trained / "out" / "weights.pth")


@pytest.mark.parametrize("extra", ["", SOFTMAX, SAMPLER, SOFTMAX + "loss['avg_non_ignore'] = False\n"])
def test_class_weights_with_labels_to_ignore(extra: str, tmp_path: Path) -> None:
    train(write_training(tmp_path, extra=WEIGHTS + extra))
    assert len(losses(tmp_path / "out")) == 4


def test_another_number_of_class_weights(tmp_path: Path) -> None:
    sentence = refused(write_training(tmp_path, extra="loss['class_weight'] = [1.0, 2.0]\n"))
    assert "set class_weight of loss_decode to 3 numbers, or to None" in sentence
    train(tmp_path / "tiny.py", options=["model.decode_head.loss_decode.class_weight=[1,2,0.5]"])
    train(tmp_path / "tiny.py", options=["model.decode_head.loss_decode.class_weight=None"], overwrite=True)


def test_the_weighted_loss_is_that_of_pytorch() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.randint(3, (2, 4, 5), generator=torch.Generator().manual_seed(1))
    weights = [1.0, 2.0, 0.5]
    ours, theirs = (
        kind(class_weight=weights, avg_non_ignore=True) for kind in (WeightedCrossEntropyLoss, CrossEntropyLoss)
    )
    assert torch.equal(ours(logits, labels, ignore_index=255), theirs(logits, labels, ignore_index=255))
    labels[0, :2] = 255
    expected = cross_entropy(logits, labels, torch.tensor(weights), ignore_index=255)
    torch.testing.assert_close(ours(logits, labels, ignore_index=255), expected)
    labels[:] = 255
    nothing = ours(logits, labels, ignore_index=255)
    nothing.backward()
    assert nothing == 0 and logits.grad is not None and (logits.grad == 0).all()


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (MASKFORMER, "MaskFormer and Mask2Former need mmdet, which is not installed); pip install mmdet"),
        (ELSEWHERE, "asks for mmpretrain.ConvNeXt, and mmpretrain is not installed); pip install mmpretrain."),
        ("model['backbone']['type'] = 'CGNett'\n", "there is no model CGNett); correct its name, or name the module"),
        ("train_dataloader['dataset']['type'] = 'Own'\n", "there is no dataset Own"),
        ("optim_wrapper['optimizer']['type'] = 'SGDD'\n", "there is no optimizer SGDD"),
        (
            "visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='WandbVisBackend')])\n",
            "install wandb",
        ),
        (
            "param_scheduler = [dict(type='CosineRestartLR', periods=[5, 5], restart_weights=[1], by_epoch=False)]\n",
            "the param_scheduler of the config cannot be built (AssertionError); correct these settings",
        ),
        (
            "param_scheduler = [dict(type='ReduceOnPlateauLR', monitor='loss', by_epoch=False)]\n",
            "ReduceOnPlateauLR only support by_epoch=True); correct these settings",
        ),
    ],
)
def test_what_is_missing_is_named_in_one_sentence(extra: str, told: str, tmp_path: Path) -> None:
    assert told in refused(write_training(tmp_path, extra=extra))


def test_configs_that_cannot_be_written_down_are_not_quoted_whole() -> None:
    error = SyntaxError(f"Failed to format the config file, please check the syntax of: {'a=<function f>' * 1000}")
    assert what_to_do(error).endswith("such as a function); give plain values in its place")
    assert len(reason_of(error)) < 400


def test_what_a_config_defines_on_its_way_is_no_setting(tmp_path: Path) -> None:
    extra = "import math\nhalf = lambda value: value / 2\n\n\nclass Own:\n    pass\n"
    train(write_training(tmp_path, extra=extra))
    assert len(losses(tmp_path / "out")) == 4


def test_epochs_become_iterations(tmp_path: Path) -> None:
    config = write_training(tmp_path, extra="train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)\n")
    assert "give it train_cfg=dict(type='IterBasedTrainLoop', max_iters=...)" in refused(config)
    train(config, options=["train_cfg.type=IterBasedTrainLoop", "train_cfg.max_iters=2"])


def test_a_training_does_not_delete_what_it_starts_from(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    config, start = tmp_path / "tiny.py", tmp_path / "out" / "iter_8.pth"
    for overwrite in (False, True):
        with pytest.raises(InputError):
            train(config, init_from=start, overwrite=overwrite)
    assert start.is_file()
    train(config, init_from=start, out=tmp_path / "other")


def test_mixtures_that_cannot_be_refitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("too few pixels")

    monkeypatch.setattr("gmmseg.training.refitting.fit_mixtures", fail)
    refit = "model.decode_head.mixture.refit_at_end"
    config = write_training(tmp_path)
    with pytest.raises(InputError, match=r"too few pixels; keep them .* --resume and mixture\.refit_at_end=False"):
        train(config, options=[f"{refit}=True"])
    train(config, resume=True, options=[f"{refit}=False"])
    assert (tmp_path / "out" / "weights.pth").is_file()


@pytest.mark.parametrize("step", ["dict(type='ThinLabels', factor=0)", "dict(type='OtherCamera', strength=2)"])
def test_a_step_that_cannot_be_built_says_its_own_sentence(step: str, tmp_path: Path) -> None:
    extra = f"train_dataloader['dataset']['pipeline'].insert(2, {step})\n"
    assert " cannot use the " in refused(write_training(tmp_path, extra=extra)).split(";")[0]
