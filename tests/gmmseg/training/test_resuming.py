"""An interrupted training goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gmmseg.errors import InputError
from gmmseg.training.checkpoints import TRAINING_STATE, newest_checkpoint, read_training_checkpoint
from gmmseg.training.identity import first_difference
from gmmseg.training.interrupting import Interrupted, NotedSignals
from tests.gmmseg.training.trainings import UNFORMATTING, losses, scalars, train, train_and_listen, write_training

# Kills its own process when half of a checkpoint is written: nothing that Python could catch or clean up.
KILLING = f"""{UNFORMATTING}
import os, signal
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class KillingHook(Hook):
    def before_save_checkpoint(self, runner, checkpoint):
        if runner.iter + 1 == 8 and "KILL" in os.environ:
            def put(backend, content, path):
                with open(path, "wb") as file:
                    file.write(content[: len(content) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            LocalBackend.put = put
"""
KILLED = """
custom_imports["imports"].append("killing")
custom_hooks = [dict(type="KillingHook")]
"""
TEN = ["train_cfg.max_iters=10"]


def copy_of(trained: Path, folder: Path, *kept: str) -> Path:
    """Return the config of a copy of the training, in whose out/ only these checkpoints are."""
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    for path in (folder / "out").glob("*.pth"):
        if path.name not in kept:
            path.unlink()
    return folder / "tiny.py"


def test_after_a_kill_the_next_losses_are_those_of_an_uninterrupted_training(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "killing.py").write_text(KILLING)
    killed = write_training(tmp_path, extra=KILLED)
    words = ["train", str(killed), "--out", str(tmp_path / "out"), "--data-root", str(tmp_path / "data")]
    command = [sys.executable, "-m", "anomaly_eval", *words, "--cfg-options", *TEN]
    surroundings = os.environ | {
        "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}",
        "OMP_NUM_THREADS": "1",
        "KILL": "1",
    }
    result = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=300)
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert newest_checkpoint(tmp_path / "out") == tmp_path / "out" / "iter_4.pth"
    assert list((tmp_path / "out").glob(".iter_8*"))

    monkeypatch.syspath_prepend(tmp_path)
    train(killed, resume=True, options=TEN)
    resumed, whole = losses(tmp_path / "out"), losses(trained / "out")
    assert resumed == whole and len(whole) == 10
    for name in ("iter_10.pth", "weights.pth"):
        old, new = (torch.load(folder / "out" / name, weights_only=False) for folder in (trained, tmp_path))
        assert all(torch.equal(old["state_dict"][key], new["state_dict"][key]) for key in old["state_dict"])
    assert not list((tmp_path / "out").glob(".*"))


def test_the_memory_goes_on_too(trained: Path, tmp_path: Path) -> None:
    train(copy_of(trained, tmp_path, "iter_8.pth"), resume=True, options=TEN)
    old, new = (read_training_checkpoint(folder / "out" / "iter_10.pth") for folder in (trained, tmp_path))
    (before,), (after,) = (content[TRAINING_STATE]["memories"].values() for content in (old, new))
    assert before.keys() == after.keys() and before["memory.fill"].sum() > 0
    for key in before:
        if key == "memory.stored":
            continue
        assert torch.equal(before[key], after[key]), key
    # What lies beyond the fill of a queue was never written.
    for queue, fill in enumerate(before["memory.fill"].tolist()):
        assert torch.equal(before["memory.stored"][queue, :fill], after["memory.stored"][queue, :fill])


def test_another_number_of_images_in_a_batch_goes_on_with_the_next_image(trained: Path, tmp_path: Path) -> None:
    options = [*TEN, "train_dataloader.batch_size=1", "default_hooks.checkpoint.interval=2"]
    said = train_and_listen(copy_of(trained, tmp_path, "iter_4.pth"), resume=True, options=options)
    assert "from now on in batches of 1 images in place of 2" in said
    samples = [read_training_checkpoint(tmp_path / "out" / f"iter_{i}.pth")[TRAINING_STATE]["samples"] for i in (4, 10)]
    assert samples == [4 * 2, 4 * 2 + 6 * 1]


def test_a_complete_training_is_only_exported_again(trained: Path, tmp_path: Path) -> None:
    path = train(copy_of(trained, tmp_path, "iter_10.pth"), resume=True, options=TEN)
    assert torch.load(path, weights_only=True)["meta"]["iter"] == 10


def test_another_network_is_named(trained: Path, tmp_path: Path) -> None:
    config = copy_of(trained, tmp_path, "iter_8.pth")
    with pytest.raises(InputError, match=r"model\.decode_head\.mixture\.components was 2 and is 3"):
        train(config, resume=True, options=["model.decode_head.mixture.components=3"])


LATER = """
custom_hooks = [dict(type="EMAHook")]
"""
START = """
model["backbone"]["init_cfg"] = [dict(type="Normal", layer="Conv2d", std=0.1)]
"""
FLIPPED = """
train_dataloader["dataset"]["pipeline"] = load + augment[:2] + augment[3:]
"""


@pytest.mark.parametrize(
    ("options", "extra", "told"),
    [
        (["optim_wrapper.optimizer.lr=0.02"], "", "optim_wrapper.optimizer.lr was 0.01 and is 0.02"),
        (["optim_wrapper.optimizer.type=AdamW"], "", "optim_wrapper.optimizer.type was 'SGD' and is 'AdamW'"),
        (["optim_wrapper.clip_grad.max_norm=1"], "", "optim_wrapper.clip_grad was None and is {'max_norm': 1}"),
        (["param_scheduler.0.end=40"], "", "param_scheduler.0.end was 20 and is 40"),
        (["param_scheduler.0.power=1.0", "param_scheduler.0.eta_min=0.1"], "", "eta_min was 0.0 and is 0.1; param_"),
        ([], "param_scheduler = [dict(type='ConstantLR', by_epoch=False)]", "type was 'PolyLR' and is 'ConstantLR'"),
        (["train_cfg.max_iters=30"], "", "max_iters was 10 and is 30, but param_scheduler ends at 20"),
        (["train_cfg.max_iters=7"], "", "max_iters is 7, and 8 iterations are done"),
        (["randomness.seed=3"], "", "randomness was None and is {'seed': 3}"),
        (["train_dataloader.sampler.type=ClassUniformSampler"], "", "'InfiniteSampler' and is 'ClassUniformSampler'"),
        (["train_dataloader.dataset.data_prefix.img_path=images/val"], "", "images was 5 and is 2"),
        (["model.decode_head.mixture.momentum_means=0.9"], "", "momentum_means was None and is 0.9"),
        (["model.data_preprocessor.mean=[1,2,3]"], "", "model.data_preprocessor.mean.0 was 128.0 and is 1"),
        ([], START, "model.backbone.init_cfg was .* and is"),
        (["load_from=a.pth"], "", "load_from was None and is 'a.pth'"),
        ([], LATER, "custom_hooks was None and is"),
        ([], FLIPPED, "train_dataloader.dataset.pipeline was"),
    ],
)
def test_what_the_training_did_not_begin_with_is_named(
    options: list[str], extra: str, told: str, trained: Path, tmp_path: Path
) -> None:
    copy_of(trained, tmp_path, "iter_8.pth")
    if "img_path" in "".join(options):
        options = [*options, "train_dataloader.dataset.data_prefix.seg_map_path=labels/val"]
    with pytest.raises(InputError, match=told) as error:
        train(write_training(tmp_path, extra=extra), resume=True, options=[*TEN, *options])
    assert f"--init-from {tmp_path / 'out' / 'iter_8.pth'} and another --out." in str(error.value)


def test_the_remedy_of_that_works(trained: Path, tmp_path: Path) -> None:
    config = copy_of(trained, tmp_path, "iter_8.pth")
    options = [*TEN, "optim_wrapper.optimizer.lr=0.02"]
    train(config, init_from=tmp_path / "out" / "iter_8.pth", out=tmp_path / "other", options=options)
    assert len(losses(tmp_path / "other")) == 10


def add(images: Path, labels: Path) -> None:
    for folder in (images, labels):
        shutil.copy(folder / "0.png", folder / "9.png")


def rename(images: Path, labels: Path) -> None:
    for folder in (images, labels):
        (folder / "0.png").rename(folder / "7.png")


def relabel(images: Path, labels: Path) -> None:
    Image.fromarray(np.full((64, 64), 1, np.uint8)).save(labels / "0.png")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (add, "images was 5 and is 6; training_files.names was"),
        (rename, "training_files.names was"),
        (relabel, "training_files.sizes was"),
    ],
)
def test_other_training_files_are_named(change: Any, told: str, trained: Path, tmp_path: Path) -> None:
    config = copy_of(trained, tmp_path, "iter_8.pth")
    drawn = tmp_path / "data" / "drawn"
    change(drawn / "images" / "train", drawn / "labels" / "train")
    with pytest.raises(InputError, match=told):
        train(config, resume=True, options=TEN)


def test_data_may_move_and_memory_and_workers_may_change(trained: Path, tmp_path: Path) -> None:
    config = copy_of(trained, tmp_path, "iter_8.pth")
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    options = [*TEN, "train_dataloader.num_workers=1", "model.decode_head.mixture.memory_device=cpu"]
    train(config, resume=True, data_root=tmp_path / "elsewhere", options=options)
    assert losses(tmp_path / "out") == losses(trained / "out")


STEPS = """
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=3),
    dict(type="MultiStepLR", milestones=[5, 7], by_epoch=False),
]
"""


@pytest.mark.parametrize("extra", ["", STEPS])
def test_a_longer_training_is_what_it_would_have_been_from_the_start(extra: str, tmp_path: Path) -> None:
    config = write_training(tmp_path, extra=extra)
    train(config, options=["train_cfg.max_iters=5"])
    train(config, resume=True, options=["train_cfg.max_iters=9"])
    train(config, out=tmp_path / "whole", options=["train_cfg.max_iters=9"])
    assert losses(tmp_path / "out") == losses(tmp_path / "whole")
    rates = [values["lr"] for values in scalars(tmp_path / "out").values() if "lr" in values]
    assert len(rates) == 9 and min(rates) > 0


def test_a_schedule_that_is_as_long_as_the_training_does_not_go_on(tmp_path: Path) -> None:
    extra = "param_scheduler = dict(type='CosineAnnealingLR', by_epoch=False)\n"
    config = write_training(tmp_path, extra=extra)
    train(config)
    with pytest.raises(InputError, match=r"param_scheduler.0.end was 4 and is 8"):
        train(config, resume=True, options=["train_cfg.max_iters=8"])


def test_gradients_that_are_accumulated_do_not_go_on_amid(tmp_path: Path) -> None:
    config = write_training(tmp_path, extra="optim_wrapper['accumulative_counts'] = 2\n")
    train(config, options=["train_cfg.max_iters=5"])
    with pytest.raises(InputError, match=r"max_iters was 5 and is 8, amid 2 accumulated gradients"):
        train(config, resume=True, options=["train_cfg.max_iters=8"])


def test_checkpoints_of_former_versions_go_on(trained: Path, tmp_path: Path) -> None:
    config = copy_of(trained, tmp_path, "iter_8.pth")
    path = tmp_path / "out" / "iter_8.pth"
    content = torch.load(path, weights_only=False)
    state = content[TRAINING_STATE]
    settings = json.loads(state.pop("settings"))
    del state["batch_size"], settings["model"]["backbone"]["init_cfg"]
    state["model"] = json.dumps(settings["model"])
    torch.save(content, path)
    with pytest.raises(InputError, match=r"model\.decode_head\.mixture\.components was 2 and is 3"):
        train(config, resume=True, options=["model.decode_head.mixture.components=3"])
    said = train_and_listen(config, resume=True, options=TEN)
    assert "does not note schedule, optimiser and data" in said
    assert losses(tmp_path / "out") == losses(trained / "out")


def test_another_seed_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has the seed 0, not 5"):
        train(copy_of(trained, tmp_path, "iter_8.pth"), resume=True, seed=5, options=TEN)


def test_the_seed_of_the_checkpoint_is_kept(tmp_path: Path) -> None:
    config = write_training(tmp_path)
    train(config, seed=7)
    train(config, resume=True, options=["train_cfg.max_iters=5"])
    assert read_training_checkpoint(tmp_path / "out" / "iter_5.pth")["meta"]["seed"] == 7


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no checkpoint in .*out to resume from"):
        train(write_training(tmp_path), resume=True)


def test_a_truncated_checkpoint_is_not_resumed(trained: Path, tmp_path: Path) -> None:
    config = copy_of(trained, tmp_path, "iter_4.pth", "iter_8.pth")
    newest = tmp_path / "out" / "iter_8.pth"
    newest.write_bytes(newest.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"iter_8\.pth is damaged .* delete it to go on from the one before"):
        train(config, resume=True)


def test_a_foreign_checkpoint_is_not_resumed(trained: Path, tmp_path: Path) -> None:
    config = copy_of(trained, tmp_path, "weights.pth")
    (tmp_path / "out" / "weights.pth").rename(tmp_path / "out" / "iter_3.pth")
    with pytest.raises(InputError, match="is no training checkpoint of gmmseg-anomaly"):
        train(config, resume=True)


INTERRUPTING = """
import os, signal
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

if "InterruptingHook" not in HOOKS.module_dict:
    @HOOKS.register_module()
    class InterruptingHook(Hook):
        def before_train_iter(self, runner, **_):
            if runner.iter + 1 == 6:
                os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_ends_the_training_after_its_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "interrupting.py").write_text(INTERRUPTING)
    monkeypatch.syspath_prepend(tmp_path)
    extra = 'custom_imports["imports"].append("interrupting")\ncustom_hooks = [dict(type="InterruptingHook")]\n'
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match=r"stopped; go on from iter_4\.pth with --resume") as stop:
        train(write_training(tmp_path, extra=extra), options=TEN)
    assert stop.value.code == 128 + signal.SIGTERM
    assert max(losses(tmp_path / "out")) == 6
    assert signal.getsignal(signal.SIGTERM) is handler


def test_the_second_signal_does_not_wait() -> None:
    with NotedSignals() as signals:
        signals.training = True
        signal.raise_signal(signal.SIGINT)
        assert signals.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ("m.a.b.1", "2", "3")),
        ({"a": [1]}, {"a": [1, 2]}, ("m.a", "[1]", "[1, 2]")),
        ({"a": 1}, {}, ("m.a", "1", "None")),
        ({"type": "A", "a": 1}, {"type": "B", "a": 2}, ("m.type", "'A'", "'B'")),
        ({"a": None}, {"a": {"b": 1}}, ("m.a", "None", "{'b': 1}")),
    ],
)
def test_the_first_difference_is_named(old: Any, new: Any, found: Any) -> None:
    assert first_difference(old, new, "m") == found
