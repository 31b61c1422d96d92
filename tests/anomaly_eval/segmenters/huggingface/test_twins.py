"""One SegFormer as a checkpoint of mmsegmentation and as a folder of transformers: the same logits, tables, scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import Command, rows
from tests.anomaly_eval.segmenters.huggingface.small_networks import build, save, segformer

WIDTHS, HEADS, LAYERS = (8, 16, 16, 32), (1, 2, 2, 4), (2, 1, 1, 1)
# Levels without an activation, which transformers' SegFormer does not have.
MMSEG = networks.mix_transformer(WIDTHS, HEADS, LAYERS, channels=16, act_cfg=None)
RENAMED = [
    (r"backbone\.layers\.(\d)\.0\.projection", r"segformer.encoder.patch_embeddings.\1.proj"),
    (r"backbone\.layers\.(\d)\.0\.norm", r"segformer.encoder.patch_embeddings.\1.layer_norm"),
    (r"backbone\.layers\.(\d)\.2", r"segformer.encoder.layer_norm.\1"),
    (r"backbone\.layers\.(\d)\.1\.(\d)", r"segformer.encoder.block.\1.\2"),
    (r"\.norm1\.", ".layer_norm_1."),
    (r"\.norm2\.", ".layer_norm_2."),
    (r"\.attn\.attn\.out_proj", ".attention.output.dense"),
    (r"\.attn\.sr", ".attention.self.sr"),
    (r"\.attn\.norm", ".attention.self.layer_norm"),
    (r"\.ffn\.layers\.0", ".mlp.dense1"),
    (r"\.ffn\.layers\.1", ".mlp.dwconv.dwconv"),
    (r"\.ffn\.layers\.4", ".mlp.dense2"),
    (r"decode_head\.conv_seg", "decode_head.classifier"),
    (r"decode_head\.fusion_conv\.bn", "decode_head.batch_norm"),
    (r"decode_head\.fusion_conv\.conv", "decode_head.linear_fuse"),
]


def converted(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of mmsegmentation's SegFormer as transformers calls them on disk."""
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if "decode_head.convs" in name:
            continue
        for pattern, new in RENAMED:
            name = re.sub(pattern, new, name)
        if ".attn.attn.in_proj_" in name:
            stem, kind = name.split(".attn.attn.in_proj_")
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[f"{stem}.attention.self.{part}.{kind}"] = rows
        elif ".mlp.dense" in name and value.dim() == 4:
            found[name] = value[:, :, 0, 0]
        else:
            found[name] = value
    for level in range(4):
        # A convolution and a batch norm are one linear layer.
        stem = f"decode_head.convs.{level}"
        mean, variance = weights[f"{stem}.bn.running_mean"], weights[f"{stem}.bn.running_var"]
        scale = weights[f"{stem}.bn.weight"] / (variance + 1e-5).sqrt()
        kernel = weights[f"{stem}.conv.weight"][:, :, 0, 0]
        found[f"decode_head.linear_c.{level}.proj.weight"] = kernel * scale[:, None]
        found[f"decode_head.linear_c.{level}.proj.bias"] = weights[f"{stem}.bn.bias"] - mean * scale
    # Transformers puts the levels together from the coarsest to the finest.
    fuse = found["decode_head.linear_fuse.weight"]
    found["decode_head.linear_fuse.weight"] = torch.cat(fuse.chunk(4, dim=1)[::-1], dim=1)
    return found


@pytest.fixture
def twins(tmp_path: Path) -> tuple[Path, Path]:
    """The checkpoint and the folder."""
    network = networks.build(MMSEG)
    # Logits of the size that trained networks have.
    network.decode_head.conv_seg.weight.data /= 4
    checkpoint = networks.save(tmp_path / "twin.pth", MMSEG, network)
    shape = dict(depths=list(LAYERS), hidden_sizes=list(WIDTHS), num_attention_heads=list(HEADS))
    folder = save(tmp_path / "twin", build(segformer(**shape)))
    (folder / "model.safetensors").unlink()
    torch.save(converted(network.state_dict()), folder / "pytorch_model.bin")
    return checkpoint, folder


@pytest.mark.parametrize("size", [(96, 128), (90, 141)])
def test_logits_and_features_are_equal(twins: tuple[Path, Path], size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    one, other = (load_segmenter(path, device="cpu")(image) for path in twins)
    assert one.logits.values.std() > 0.1
    torch.testing.assert_close(other.logits.values, one.logits.values, atol=1e-4, rtol=0)
    torch.testing.assert_close(other.features.values, one.features.values, atol=1e-4, rtol=0)


def test_tables_are_equal(tmp_path: Path, twins: tuple[Path, Path], evaluate: Command) -> None:
    words = (
        "--dataset",
        "road_anomaly",
        str(tmp_path / "training.yaml"),
        "--fit-dataset",
        str(tmp_path / "training.yaml"),
    )
    tables = []
    for number, path in enumerate(twins):
        code, _, errors = evaluate(*words, ckpt=str(path), out=str(tmp_path / str(number)))
        assert code == 0, errors
        tables.append(rows(tmp_path / str(number)))
    assert {row["method"] for row in tables[0]} >= {"msp", "entropy", "max_logit", "energy", "sml", "mahalanobis"}
    for one, other in zip(*tables, strict=True):
        assert one.keys() == other.keys()
        for column, value in one.items():
            if re.fullmatch(r"-?\d+\.\d+", value):
                assert float(other[column]) == pytest.approx(float(value), abs=0.01), (one["method"], column)
