"""Whatever a checkpoint and the config inside it hold, a network comes out or one sentence."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from anomaly_eval.segmenters.configs import find_config, parse_literals
from gmmseg.checkpoints import load_checkpoint
from gmmseg.safetensors_files import NOTES, safetensors_bytes
from tests.anomaly_eval.fuzzing.readers import (
    ODD_NUMBERS,
    ODD_TEXT,
    ODD_VALUES,
    damaged,
    examples,
    only_input_errors,
    rearranged,
)

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
TENSORS = st.sampled_from(
    [
        torch.ones(2, 2),
        torch.ones(1, dtype=torch.bfloat16),
        torch.ones(2, dtype=torch.complex64),
        torch.eye(3).to_sparse(),
        torch.empty(3, device="meta"),
        torch.ones(1).expand(10**12),
        torch.tensor(float("nan")),
        torch.zeros(0),
        torch.ones(3, dtype=torch.int64),
    ]
)
SETTINGS = st.one_of(
    ODD_NUMBERS,
    ODD_TEXT,
    st.sampled_from(
        [
            [],
            {},
            [1, 1],
            [10**9, 1],
            10**9,
            -1,
            "FCNHead",
            "ResNet",
            "BN",
            "GMMSegHead",
            {"type": "GN", "num_groups": 2},
        ]
    ),
    st.sampled_from(
        ["slide", "whole", True, None, [16, 16], {"type": "SegDataPreProcessor"}, {"type": "CGNet"}, {1: 2, "a": 3}]
    ),
)


def bytes_of(content: Any) -> bytes:
    """Return what torch.save writes."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


SMALL = {
    "meta": {"cfg": "model = dict(type='EncoderDecoder')", "dataset_meta": {"classes": ["a", "b"]}, "iter": 3},
    "state_dict": {"module.w": torch.ones(2, 3), "module.b": torch.ones(2)},
}
ARCHIVES = [bytes_of(SMALL), bytes_of({"w": torch.ones(2)})]


@lru_cache(maxsize=1)
def good() -> dict[str, Any]:
    """A network's checkpoint, read back, its config as a tree."""
    from tests.anomaly_eval import networks

    with tempfile.TemporaryDirectory() as folder:
        path = networks.save(Path(folder) / "net.pth", networks.CGNET)
        content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def load(content: bytes, use: Callable[[Path], Any], name: str = "net.pth") -> None:
    """Write a checkpoint and read it."""
    with tempfile.TemporaryDirectory() as folder, only_input_errors():
        path = Path(folder) / name
        path.write_bytes(content)
        use(path)


def classes_and_config(path: Path) -> None:
    """Read all that a checkpoint says without building its network."""
    checkpoint = load_checkpoint(path)
    _ = checkpoint.classes
    _ = find_config(checkpoint, None).sha256


def segment(path: Path) -> None:
    """Build the network and run it."""
    from anomaly_eval.segmenters.load import load_segmenter

    segmenter = load_segmenter(path, device="cpu")
    segmenter.describe()
    segmenter(IMAGE)


@given(content=damaged(ARCHIVES))
@examples(200)
def test_damaged_archives(content: bytes) -> None:
    load(content, classes_and_config)


@given(content=damaged([safetensors_bytes({"w": torch.ones(2, 3).half()}, {NOTES: json.dumps(SMALL["meta"])})]))
@examples(200)
def test_damaged_safetensors(content: bytes) -> None:
    load(content, classes_and_config, "net.safetensors")


@given(content=rearranged(SMALL, ODD_VALUES | TENSORS))
@examples(200)
def test_other_content(content: Any) -> None:
    load(bytes_of(content), classes_and_config)


@given(data=st.data())
@examples(30)
def test_other_weights(data: st.DataObject) -> None:
    weights = dict(good()["state_dict"])
    for name in data.draw(st.lists(st.sampled_from(sorted(weights)), min_size=1, max_size=2)):
        weights[name] = data.draw(TENSORS)
    load(bytes_of({**good(), "state_dict": weights}), segment)


@given(data=st.data())
@examples(80)
def test_other_settings(data: st.DataObject) -> None:
    meta = good()["meta"]
    model = data.draw(rearranged(parse_literals(meta["cfg"])["model"], SETTINGS))
    load(bytes_of({**good(), "meta": {**meta, "cfg": f"model = {model!r}"}}), segment)


TOKENS = (
    "model = dict ( ) [ ] { } , : ' \" a b 1 - + * ** @ not lambda : if else for in . inf nan None True ... 1j b'x' "
    "f'{1}' ; \\ # := await yield import os __import__ 0x 1e999 99999 '''"
)
WORDS = [*TOKENS.split(), "\n", "\t", " "]


@given(text=st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join) | st.text(max_size=60))
@examples(400)
def test_config_texts(text: str) -> None:
    with only_input_errors():
        try:
            parse_literals(text)
        except ValueError as error:
            assert len(str(error)) < 500


@given(
    opening=st.sampled_from(
        ["(", "[", "{1:", "dict(a=", "-", "not ", "(1,", "a.", "a[", "lambda: ", "'a' ", "1+", "1<"]
    ),
    count=st.sampled_from([10, 90, 99, 100, 150, 201, 1000, 3000, 50_000]),
)
@examples(60)
def test_deep_config_texts(opening: str, count: int) -> None:
    with only_input_errors():
        try:
            parse_literals("model = " + opening * count + "1")
        except ValueError as error:
            assert len(str(error)) < 500
