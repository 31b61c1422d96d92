"""SegFormers of NVlabs give the logits that their own code gives; that code is repeated here, slowly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gmmseg.heads  # noqa: F401  isort: skip
import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn import functional

from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.segformer_names import is_of_nvlabs
from tests.anomaly_eval import networks

DIMS, HEADS, RATIOS, DEPTH, EMBED, CLASSES = (8, 16, 24, 32), (1, 2, 3, 4), (8, 4, 2, 1), 2, 20, 5
EPS = 1e-6
# Another width than that of the weights, as in the configs of mmsegmentation.
MODEL = networks.mix_transformer(DIMS, HEADS, [DEPTH] * 4, channels=12) | {
    "data_preprocessor": dict(type="SegDataPreProcessor", mean=[0.0] * 3, std=[50.0] * 3, bgr_to_rgb=True, pad_val=0)
}


class Attention(nn.Module):
    """Attention to a pooled copy of the input."""

    def __init__(self, dim: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.heads, self.ratio = heads, ratio
        self.q, self.kv, self.proj = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        if ratio > 1:
            self.sr, self.norm = nn.Conv2d(dim, dim, ratio, ratio), nn.LayerNorm(dim, EPS)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Attend; x: (n, pixels, dim)."""
        n, pixels, dim = x.shape
        q = self.q(x).reshape(n, pixels, self.heads, dim // self.heads).transpose(1, 2)
        if self.ratio > 1:
            x = self.norm(self.sr(x.transpose(1, 2).reshape(n, dim, *size)).flatten(2).transpose(1, 2))
        k, v = self.kv(x).reshape(n, -1, 2, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (dim // self.heads) ** -0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(n, pixels, dim))


class DWConv(nn.Module):
    """A depthwise convolution."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 3, 1, 1, groups=dim)


class Mlp(nn.Module):
    """Two linear layers with a depthwise convolution between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1, self.dwconv, self.fc2 = nn.Linear(dim, 4 * dim), DWConv(4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Mix; x: (n, pixels, dim)."""
        x = self.fc1(x)
        x = self.dwconv.dwconv(x.transpose(1, 2).reshape(len(x), -1, *size)).flatten(2).transpose(1, 2)
        return self.fc2(functional.gelu(x))


class Block(nn.Module):
    """Attention and mixing, each added."""

    def __init__(self, dim: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, EPS), Attention(dim, heads, ratio)
        self.norm2, self.mlp = nn.LayerNorm(dim, EPS), Mlp(dim)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Add both."""
        x = x + self.attn(self.norm1(x), size)
        return x + self.mlp(self.norm2(x), size)


class PatchEmbed(nn.Module):
    """A strided convolution and a normalisation."""

    def __init__(self, before: int, dim: int, patch: int, stride: int) -> None:
        super().__init__()
        self.proj, self.norm = nn.Conv2d(before, dim, patch, stride, patch // 2), nn.LayerNorm(dim, EPS)


class Projection(nn.Module):
    """A linear layer over channels."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.proj = nn.Linear(before, EMBED)


class NVlabs(nn.Module):
    """A small SegFormer with NVlabs' names."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.decode_head = nn.Module(), nn.Module()
        for i, dim in enumerate(DIMS):
            before, patch, stride = (3, 7, 4) if i == 0 else (DIMS[i - 1], 3, 2)
            setattr(self.backbone, f"patch_embed{i + 1}", PatchEmbed(before, dim, patch, stride))
            blocks = nn.ModuleList(Block(dim, HEADS[i], RATIOS[i]) for _ in range(DEPTH))
            setattr(self.backbone, f"block{i + 1}", blocks)
            setattr(self.backbone, f"norm{i + 1}", nn.LayerNorm(dim, EPS))
            setattr(self.decode_head, f"linear_c{i + 1}", Projection(dim))
        fuse = nn.Module()
        fuse.conv, fuse.bn = nn.Conv2d(4 * EMBED, EMBED, 1, bias=False), nn.BatchNorm2d(EMBED)
        self.decode_head.linear_fuse = fuse
        self.decode_head.linear_pred = nn.Conv2d(EMBED, CLASSES, 1)
        # Never called.
        self.decode_head.conv_seg = nn.Conv2d(128, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits at a quarter of the size."""
        scales = []
        for i in range(1, 5):
            x = getattr(self.backbone, f"patch_embed{i}").proj(x)
            size = (x.shape[2], x.shape[3])
            tokens = getattr(self.backbone, f"patch_embed{i}").norm(x.flatten(2).transpose(1, 2))
            for block in getattr(self.backbone, f"block{i}"):
                tokens = block(tokens, size)
            tokens = getattr(self.backbone, f"norm{i}")(tokens)
            x = tokens.transpose(1, 2).reshape(len(x), -1, *size)
            projected = getattr(self.decode_head, f"linear_c{i}").proj(tokens)
            scales.append(projected.transpose(1, 2).reshape(len(x), -1, *size))
        finest = scales[0].shape[2:]
        resized = [functional.interpolate(scale, size=finest, mode="bilinear") for scale in scales[::-1]]
        fused = self.decode_head.linear_fuse.bn(self.decode_head.linear_fuse.conv(torch.cat(resized, 1)))
        return self.decode_head.linear_pred(functional.relu(fused))


@pytest.fixture(scope="module")
def network() -> NVlabs:
    """Random weights, and statistics that are not those of a new network."""
    torch.manual_seed(0)
    network = NVlabs().eval()
    for value in network.parameters():
        nn.init.normal_(value, 0, 0.3)
    network.decode_head.linear_fuse.bn.running_var.uniform_(0.5, 2)
    network.decode_head.linear_fuse.bn.running_mean.normal_()
    return network


@pytest.mark.parametrize(
    "wrap", [lambda weights: weights, lambda weights: {f"module.{k}": v for k, v in weights.items()}]
)
def test_logits_equal_those_of_nvlabs(tmp_path: Path, network: NVlabs, wrap: Any) -> None:
    meta = {"cfg": Config({"model": MODEL}, format_python_code=False).pretty_text}
    torch.save({"state_dict": wrap(network.state_dict()), "meta": meta}, tmp_path / "nvlabs.pth")
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    found = load_segmenter(tmp_path / "nvlabs.pth", device="cpu")(image)
    with torch.no_grad():
        expected = network(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 50)[0]
    assert expected.std() > 0.1
    torch.testing.assert_close(found.logits.values, expected, atol=1e-4, rtol=1e-4)


def test_other_segformers_are_left_alone() -> None:
    assert not is_of_nvlabs({"decode_head.convs.0.conv.weight": torch.ones(1)})
