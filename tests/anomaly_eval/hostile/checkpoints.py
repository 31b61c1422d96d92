"""Rows of the table: checkpoints."""

from __future__ import annotations

import argparse
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from safetensors.torch import save

from tests.anomaly_eval.hostile.bench import Bench, Row

RAN = "gmmseg_anomaly_hostile_file_has_run"


class Trap:
    """Sets an environment variable when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Say what unpickling is to run."""
        return exec, (f"import os; os.environ[{RAN!r}] = '1'",)


def changed(bench: Bench, **parts: Any) -> list[str]:
    """Evaluate the network with some parts of its checkpoint replaced."""
    path = bench.folder / "net.pth"
    content = torch.load(path, weights_only=True)
    for name, value in parts.items():
        content[name] = value(content[name]) if callable(value) else value
    torch.save(content, path)
    return bench.eval()


def whole(bench: Bench, content: object, **settings: Any) -> list[str]:
    """Evaluate something else in the place of the checkpoint."""
    torch.save(content, bench.folder / "net.pth", **settings)
    return bench.eval()


def one_class(bench: Bench) -> list[str]:
    """Leave one of the classes."""
    return changed(
        bench,
        state_dict=lambda weights: {
            name: value[:1] if "conv_seg" in name else value for name, value in weights.items()
        },
        meta=lambda meta: {**meta, "cfg": meta["cfg"].replace("num_classes=5", "num_classes=1")},
    )


def with_config(text: str) -> Any:
    """Return how a row puts a config into the checkpoint: `model` in the text stands for the good one."""

    def prepare(bench: Bench) -> list[str]:
        return changed(bench, meta=lambda meta: {**meta, "cfg": text.replace("GOOD", meta["cfg"])})

    return prepare


def with_replaced(pattern: str, new: str) -> Any:
    """Return how a row replaces a part of the good config."""

    def prepare(bench: Bench) -> list[str]:
        def change(meta: dict[str, Any]) -> dict[str, Any]:
            text, count = re.subn(pattern, new, meta["cfg"])
            assert count
            return {**meta, "cfg": text}

        return changed(bench, meta=change)

    return prepare


def compressed(bench: Bench) -> list[str]:
    """Write the entries of the archive anew, with one of zeros, which deflate to next to nothing."""
    path = bench.folder / "net.pth"
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        archive.writestr(f"{next(iter(entries)).split('/')[0]}/data/999", bytes(10_000_000))
    return bench.eval()


def truncated(bench: Bench) -> list[str]:
    """Cut the file in the middle."""
    path = bench.folder / "net.pth"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return bench.eval()


def holding(content: bytes) -> Any:
    """Return how a row writes something else into the file."""

    def prepare(bench: Bench) -> list[str]:
        (bench.folder / "net.pth").write_bytes(content)
        return bench.eval()

    return prepare


def instead(make: Callable[[str], object]) -> Any:
    """Return how a row puts something else in the place of a file."""

    def prepare(bench: Bench) -> list[str]:
        path = bench.folder / "odd.pth"
        make(str(path))
        return bench.eval(ckpt=path)

    return prepare


def first_weight(value: torch.Tensor) -> Any:
    """Return how a row replaces the first weight by another tensor."""

    def prepare(bench: Bench) -> list[str]:
        return changed(bench, state_dict=lambda weights: {**weights, next(iter(weights)): value})

    return prepare


def tensors_alone(change: Callable[[bytes], bytes]) -> Any:
    """Return how a row gives the weights as a safetensors file, whose bytes are changed."""

    def prepare(bench: Bench) -> list[str]:
        weights = torch.load(bench.folder / "net.pth", weights_only=True)["state_dict"]
        (bench.folder / "net.safetensors").write_bytes(change(save(weights)))
        return bench.eval(ckpt=bench.folder / "net.safetensors")

    return prepare


class Plain(torch.nn.Module):
    """A classifier of pixels that can be scripted."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 5, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.layer(images)


class Writing(Plain):
    """The same, but that it writes a file."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        torch.save(images, "gmmseg_anomaly_hostile_file_has_run")
        return self.layer(images)


def scripted(network: torch.nn.Module, **changes: bytes) -> Any:
    """Return how a row gives a TorchScript file, with entries whose names hold a word replaced."""

    def prepare(bench: Bench) -> list[str]:
        path = bench.folder / "net.pt"
        torch.jit.script(network).save(str(path))
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                archive.writestr(name, next((new for word, new in changes.items() if word in name), content))
        return bench.eval(ckpt=path)

    return prepare


def python_file(bench: Bench) -> list[str]:
    """Give a Python file without naming a function in it."""
    (bench.folder / "net.py").write_text(f"import os\nos.environ[{RAN!r}] = '1'\ndef build(): pass\n")
    return bench.eval(ckpt=bench.folder / "net.py")


DAMAGED = "`is not a PyTorch checkpoint or is damaged`"
CODE = "`Python objects that would have to be executed`; nothing of it runs"
NETWORK = "net.pth"

ROWS = [
    Row("a checkpoint that holds code (pickle)", 2, CODE, lambda bench: changed(bench, hook=Trap()), NETWORK),
    Row(
        "arrays, configs, schedulers and optimizers of other packages beside the weights",
        0,
        "read past: nothing of them is imported or run",
        lambda bench: changed(
            bench,
            palette=np.zeros((5, 3), np.uint8),
            config_object=Config({"model": {}}),
            optimizer_object=torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1),
            arguments=argparse.Namespace(lr=1),
        ),
    ),
    Row(
        "weights of another trainer, under other keys and prefixes",
        0,
        "unwrapped",
        lambda bench: changed(
            bench,
            state_dict=lambda weights: {
                "model": {f"module._orig_mod.net.{name}": value for name, value in weights.items()}
            },
        ),
    ),
    Row(
        "weights of two networks side by side",
        2,
        "`holds several networks`, `save the weights of one of them`",
        lambda bench: changed(
            bench,
            state_dict=lambda weights: {
                f"{prefix}.{name}": value for prefix in ("one", "two") for name, value in weights.items()
            },
        ),
        NETWORK,
    ),
    Row(
        "a whole pickled network as checkpoint",
        2,
        "`rather than weights`, `state_dict() of the network`",
        lambda bench: whole(bench, torch.nn.Linear(2, 2)),
        NETWORK,
    ),
    Row(
        "a checkpoint of another pickle protocol",
        2,
        "`another pickle protocol`, `anew without pickle_protocol`",
        lambda bench: whole(bench, {"w": torch.ones(1)}, pickle_protocol=4),
        NETWORK,
    ),
    Row(
        "a weight that shows one number a billion times",
        2,
        "`instead of`; no memory is taken for it",
        first_weight(torch.zeros(1).expand(40_000, 25_000)),
        NETWORK,
    ),
    Row(
        "a network of one class",
        2,
        "`is of a network of one class`, `num_classes=2 and out_channels=1`",
        one_class,
        NETWORK,
    ),
    Row("a zip bomb as checkpoint", 2, "`would unpack to more than its own size`", compressed, NETWORK),
    Row("a truncated checkpoint", 2, DAMAGED, truncated, NETWORK),
    Row("an empty checkpoint", 2, DAMAGED, holding(b""), NETWORK),
    Row("an HTML page as checkpoint", 2, DAMAGED, holding(b"<!DOCTYPE html><html></html>"), NETWORK),
    Row(
        "a safetensors checkpoint that is truncated, claims more than it holds, or is a pickle",
        2,
        "`is not a safetensors file or is damaged`; nothing of it runs",
        (
            tensors_alone(lambda content: content[:-1]),
            tensors_alone(lambda content: (2**60).to_bytes(8, "little") + content[8:]),
            tensors_alone(lambda content: pickle.dumps(Trap())),
        ),
        "net.safetensors",
    ),
    Row(
        "a pipe or device in place of a checkpoint",
        2,
        "`is a folder, a pipe or a device`",
        (instead(os.mkfifo), instead(lambda path: os.symlink("/dev/zero", path))),
        "odd.pth",
    ),
    Row(
        "a link that leads to itself in place of a checkpoint",
        2,
        "`there is no checkpoint file`",
        instead(lambda path: os.symlink(path, path)),
        "odd.pth",
    ),
    Row(
        "sparse, quantised or complex weights",
        2,
        "`save it as a dense tensor of real numbers`",
        (
            first_weight(torch.ones(8, 3, 3, 3).to_sparse()),
            first_weight(torch.quantize_per_tensor(torch.ones(8, 3, 3, 3), 0.1, 0, torch.quint8)),
            first_weight(torch.ones(8, 3, 3, 3, dtype=torch.complex64)),
        ),
        NETWORK,
    ),
    Row(
        "weights with control characters in their names",
        2,
        "`has a weight whose name is not plain text`",
        lambda bench: changed(bench, state_dict=lambda weights: {**weights, "\x1b[2J\n": torch.ones(1)}),
        NETWORK,
    ),
    Row(
        "class names that are no text, such as lists of lists",
        2,
        "`has class names that are not text`",
        lambda bench: changed(bench, meta=lambda meta: {**meta, "dataset_meta": {"classes": [[["a"]]] * 5}}),
        NETWORK,
    ),
    Row(
        "a config with __import__ or another call inside a checkpoint",
        2,
        "`is more than plain values`, `is not executed`",
        (
            with_config(f"model = __import__('os').environ.update({RAN}='1')"),
            with_config("model = dict(type=open('/etc/passwd').read())"),
        ),
        NETWORK,
    ),
    Row(
        "_base_ or {{…}} beside the model of that config",
        0,
        "ignored: of the whole text only the values of `model` are taken",
        with_config("_base_ = '../../../etc/base.py'\nother = '{{ fileDirname }}/{{$HOME:x}}'\nGOOD"),
    ),
    Row(
        "_base_ or {{…}} in the model of that config, with a file",
        2,
        "`names a file`, `which is not read on a checkpoint's word`",
        (
            with_replaced("dropout_ratio=0.1", "_base_='base.py'"),
            with_replaced("dropout_ratio=0.1", "channel='{{ fileDirname }}/base'"),
            with_replaced("dropout_ratio=0.1", "channel='../../../etc/passwd'"),
        ),
        NETWORK,
    ),
    Row(
        "a type of another package in that config",
        2,
        "`which is no module of mmsegmentation`; nothing is imported",
        with_replaced("type='CGNet'", "type='os.system'"),
        NETWORK,
    ),
    Row(
        "a config that asks for a far larger network than the weights",
        2,
        "`asks for a far larger network than the weights`; no memory is taken for it",
        (
            with_replaced(r"num_blocks=\(\s*1,", "num_blocks=(1000000000,"),
            with_replaced(r"num_channels=\(\s*8,", "num_channels=(6000,"),
        ),
        NETWORK,
    ),
    Row(
        "a config of 3 million characters, or nested without end",
        2,
        "`is more than plain values`",
        (with_config("model = [" + "0," * 1_500_000 + "]"), with_config("model = " + "(" * 5000 + ")" * 5000)),
        NETWORK,
    ),
    Row(
        "a TorchScript file whose program reads or writes files",
        2,
        "`holds a program that may read or write files`; nothing of it runs",
        (scripted(Writing()), scripted(Plain(), code=b'x = getattr(torch, "sa\\x76e")')),
        "net.pt",
    ),
    Row(
        "a TorchScript file that unpacks to far more than its size",
        2,
        "`would unpack to far more than its own size`",
        (scripted(Plain(), data=bytes(10_000_000)), scripted(Plain(), code=bytes(1 << 27))),
        "net.pt",
    ),
    Row(
        "a Python file in place of a checkpoint",
        2,
        "`needs the name of its function that builds the network`; nothing of it runs until one is named",
        python_file,
        "net.py",
    ),
]
