"""Rows of the table: folders of networks of transformers."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.anomaly_eval.hostile.bench import Bench, Row
from tests.anomaly_eval.hostile.checkpoints import RAN, Trap


def of_network(change: Callable[[Path], object]) -> Any:
    """Return how a row changes the folder of a SegFormer."""

    def prepare(bench: Bench) -> list[str]:
        # Late, as only these rows need transformers.
        from tests.anomaly_eval.segmenters.huggingface.small_networks import build, save, segformer

        folder = save(bench.folder / "net", build(segformer()))
        change(folder)
        return bench.eval(ckpt=folder)

    return prepare


def with_settings(**changed: object) -> Any:
    """Return how a row changes some settings of its config.json."""

    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return of_network(change)


def with_code(folder: Path) -> None:
    """Put a program beside the weights, and have the config ask for it."""
    (folder / "modeling.py").write_text(f"import os; os.environ[{RAN!r}] = '1'")
    path = folder / "config.json"
    automatic = {"auto_map": {"AutoModelForSemanticSegmentation": "modeling.Network"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | automatic))


def with_weights(name: str, write: Callable[[Path], object]) -> Any:
    """Return how a row replaces the weights by another file."""

    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        write(folder / name)

    return of_network(change)


def writing(name: str, content: bytes) -> Any:
    """Return how a row writes something else into a file of the folder."""
    return of_network(lambda folder: (folder / name).write_bytes(content))


def empty(bench: Bench) -> list[str]:
    """Give a folder with nothing in it."""
    (bench.folder / "net").mkdir()
    return bench.eval(ckpt=bench.folder / "net")


ROWS = [
    Row(
        "a folder without config.json in place of a checkpoint", 2, "`has no config.json; give a folder`", empty, "net"
    ),
    Row(
        "a config.json that is no JSON, nested without end, or a pipe",
        2,
        "`config.json`",
        (
            writing("config.json", b"{"),
            writing("config.json", b"[" * 100_000),
            of_network(lambda folder: (os.unlink(folder / "config.json"), os.mkfifo(folder / "config.json"))),
        ),
        "net",
    ),
    Row("a config.json that asks for code of its own", 2, "`which is never run`", of_network(with_code), "config.json"),
    Row(
        "a config.json that names a backbone or kernels to be looked for elsewhere",
        2,
        "`config.json`; nothing is looked for",
        (with_settings(backbone="org/other"), with_settings(quantization_config={"quant_method": "bitsandbytes"})),
        "config.json",
    ),
    Row(
        "a config.json of a far larger network than the weights",
        2,
        "`asks for a far larger network than the weights`; no memory is taken for it",
        (with_settings(hidden_sizes=[4096, 8192, 8192, 8192]), with_settings(depths=[10**9, 1, 1, 1])),
        "config.json",
    ),
    Row(
        "a model.safetensors that is truncated, claims more than it holds, or is a pickle",
        2,
        "`is not a safetensors file or is damaged`; nothing of it runs",
        (
            writing("model.safetensors", b"\0" * 20),
            writing("model.safetensors", (2**60).to_bytes(8, "little") + b"{}"),
            writing("model.safetensors", pickle.dumps(Trap())),
        ),
        "model.safetensors",
    ),
    Row(
        "a pytorch_model.bin that holds code (pickle)",
        2,
        "`Python objects that would have to be executed`; nothing of it runs",
        with_weights("pytorch_model.bin", lambda path: torch.save({"hook": Trap()}, path)),
        "pytorch_model.bin",
    ),
    Row(
        "an index of weights with .. or an absolute path",
        2,
        "`lists no files of weights beside it`",
        tuple(
            with_weights(
                "model.safetensors.index.json",
                lambda path, outside=outside: path.write_text(json.dumps({"weight_map": {"a": outside}})),
            )
            for outside in ("../net.safetensors", "/etc/net.safetensors")
        ),
        "index.json",
    ),
]
