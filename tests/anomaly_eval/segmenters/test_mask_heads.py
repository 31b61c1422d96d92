"""MaskFormer and Mask2Former of mmsegmentation against its own inference.

Their heads are mmdet's; where it is not installed, a head of the same outputs stands in for it.
"""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gmmseg.heads  # noqa: F401  isort: skip
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.models.decode_heads import Mask2FormerHead, MaskFormerHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from anomaly_eval.scores import choose_scores
from anomaly_eval.segmenters.class_maps import QueryEvidence
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import Command, rows

needs_mmdet = pytest.mark.skipif(find_spec("mmdet") is None, reason="mmdet is not installed")
RESNET = dict(type="ResNet", depth=18, base_channels=8, num_stages=4, out_indices=(0, 1, 2, 3), norm_cfg=networks.NORM)
DIM = 32
POSITIONS = dict(num_feats=DIM // 2, normalize=True)
ATTENTION = dict(embed_dims=DIM, num_heads=2, attn_drop=0.0, proj_drop=0.0, dropout_layer=None, batch_first=True)
FFN = dict(
    embed_dims=DIM, feedforward_channels=32, num_fcs=2, act_cfg=dict(type="ReLU"), ffn_drop=0.0, add_identity=True
)
LAYER = dict(self_attn_cfg=ATTENTION, cross_attn_cfg=ATTENTION, ffn_cfg=FFN)
LOSSES = dict(
    loss_cls=dict(type="mmdet.CrossEntropyLoss", use_sigmoid=False, class_weight=[1.0] * 5 + [0.1]),
    loss_mask=dict(type="mmdet.CrossEntropyLoss", use_sigmoid=True),
    loss_dice=dict(type="mmdet.DiceLoss", use_sigmoid=True, activate=True, naive_dice=True),
)
COMMON = dict(in_channels=[8, 16, 32, 64], feat_channels=DIM, out_channels=DIM, num_classes=5, num_queries=7)
DEFORMABLE = dict(embed_dims=DIM, num_heads=2, num_levels=3, num_points=4, dropout=0.0, batch_first=True)
MASK2FORMER = dict(
    type="Mask2FormerHead",
    strides=[4, 8, 16, 32],
    num_transformer_feat_level=3,
    align_corners=False,
    pixel_decoder=dict(
        type="mmdet.MSDeformAttnPixelDecoder",
        num_outs=3,
        norm_cfg=dict(type="GN", num_groups=8),
        act_cfg=dict(type="ReLU"),
        encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=DEFORMABLE, ffn_cfg=FFN)),
        positional_encoding=POSITIONS,
    ),
    positional_encoding=POSITIONS,
    transformer_decoder=dict(return_intermediate=True, num_layers=2, layer_cfg=LAYER),
    **COMMON,
    **LOSSES,
)
MASKFORMER = dict(
    type="MaskFormerHead",
    in_index=[0, 1, 2, 3],
    enforce_decoder_input_project=False,
    pixel_decoder=dict(type="mmdet.PixelDecoder", norm_cfg=dict(type="GN", num_groups=8), act_cfg=dict(type="ReLU")),
    positional_encoding=POSITIONS,
    transformer_decoder=dict(return_intermediate=True, num_layers=2, layer_cfg=LAYER),
    **COMMON,
    **LOSSES,
)


class StandIn:
    """The outputs of mmdet's heads, from one level of features; `predict` of mmsegmentation's asks for no more."""

    def _make(self) -> None:
        self.num_classes = self.out_channels = 5
        self.align_corners = False
        self.queries, self.masks = nn.Linear(8, 7 * 6), nn.Conv2d(8, 7, 1)

    def forward(self, x: tuple[Tensor, ...], batch_data_samples: list[Any]) -> tuple[list[Tensor], list[Tensor]]:
        assert len(batch_data_samples) == len(x[0])
        classes = self.queries(x[0].mean(dim=(2, 3))).reshape(-1, 7, 6)
        # The last layer's is what counts.
        return [classes + 1, classes], [self.masks(x[0]) - 1, self.masks(x[0])]


@MODELS.register_module(force=True)
class StandInForMaskFormer(StandIn, MaskFormerHead):
    def __init__(self, **unused: Any) -> None:
        nn.Module.__init__(self)
        self._make()


@MODELS.register_module(force=True)
class StandInForMask2Former(StandIn, Mask2FormerHead):
    def __init__(self, **unused: Any) -> None:
        nn.Module.__init__(self)
        self._make()


HEADS = [
    pytest.param(dict(type="StandInForMaskFormer"), id="stand-in for MaskFormer"),
    pytest.param(dict(type="StandInForMask2Former"), id="stand-in for Mask2Former"),
    pytest.param(MASKFORMER, id="MaskFormer", marks=needs_mmdet),
    pytest.param(MASK2FORMER, id="Mask2Former", marks=needs_mmdet),
]


def saved(folder: Path, head: dict[str, Any]) -> tuple[Path, Path, nn.Module]:
    """Write a checkpoint and its config; return both, and the network."""
    preprocessor = networks.PREPROCESSOR | {"test_cfg": dict(size_divisor=32)}
    model = dict(
        type="EncoderDecoder",
        data_preprocessor=preprocessor,
        backbone=RESNET,
        decode_head=head,
        train_cfg=dict(),
        test_cfg=dict(mode="whole"),
    )
    torch.manual_seed(0)
    init_default_scope("mmseg")
    network = MODELS.build(ConfigDict(copy.deepcopy(model))).eval()
    with torch.no_grad():
        for value in network.decode_head.parameters():
            if value.dim() > 1:
                value.normal_(0, 1.5 / value[0].numel() ** 0.5)
    config = folder / "config.py"
    config.write_text(f"model = {model!r}\n")
    return networks.save(folder / "net.pth", model, network), config, network


@pytest.mark.parametrize("head", HEADS)
def test_evidence_is_what_mmsegmentation_calls_logits(tmp_path: Path, head: dict[str, Any]) -> None:
    checkpoint, config, network = saved(tmp_path, head)
    segmenter = load_segmenter(checkpoint, str(config), device="cpu")
    assert segmenter.provides == {"evidence"}
    image = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)
    prediction = segmenter(image)
    assert isinstance(prediction.evidence, QueryEvidence)
    meta = dict(ori_shape=(96, 160), img_shape=(96, 160), pad_shape=(96, 160))
    with torch.inference_mode():
        expected = network.encode_decode(segmenter.network.prepare(image), [SegDataSample(metainfo=meta).metainfo])[0]
    assert expected.shape == (5, 96, 160) and expected.std() > 0.01
    torch.testing.assert_close(prediction.evidence.resized(), expected[:, :90, :140], atol=1e-5, rtol=0)
    assert {score.source for score in choose_scores(None, segmenter.provides)} == {"evidence"}


@pytest.mark.parametrize("head", HEADS)
def test_eval_of_it(tmp_path: Path, evaluate: Command, head: dict[str, Any]) -> None:
    checkpoint, config, _ = saved(tmp_path, head)
    code, _, errors = evaluate("--config", str(config), ckpt=str(checkpoint))
    assert code == 0, errors
    assert [row["method"] for row in rows(tmp_path / "out")] == ["rba", "max_evidence", "evidence_entropy"]
