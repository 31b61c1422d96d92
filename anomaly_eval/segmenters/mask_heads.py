"""Mask classifiers of mmsegmentation, MaskFormer and Mask2Former, whose heads are those of mmdet."""

from __future__ import annotations

from typing import Any

import gmmseg.heads  # noqa: F401  isort: skip  (lets mmsegmentation import without compiled ops)
from mmseg.models.decode_heads import Mask2FormerHead, MaskFormerHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

from anomaly_eval.segmenters.network import Queries

_PREDICTS = (MaskFormerHead.predict, Mask2FormerHead.predict)


def is_mask_classifier(model: EncoderDecoder, head: Any) -> bool:
    """Whether the model's own inference sums up queries, weighted by their masks, as `QueryEvidence` does."""
    plain = type(model).encode_decode is EncoderDecoder.encode_decode
    return plain and isinstance(head, MaskFormerHead | Mask2FormerHead) and type(head).predict in _PREDICTS


def queries_of(model: EncoderDecoder, inputs: Tensor) -> Queries:
    """Return the queries of a batch (n, 3, h, w) after the last layer, their masks on the network's own grid."""
    size = (inputs.shape[2], inputs.shape[3])
    meta = {"ori_shape": size, "img_shape": size, "pad_shape": size, "batch_input_shape": size}
    samples = [SegDataSample(metainfo=meta) for _ in inputs]
    classes, masks = model.decode_head(model.extract_feat(inputs), samples)
    return Queries(masks[-1], classes[-1].softmax(dim=-1)[..., :-1])
