"""Decode heads of mmsegmentation with a GMM classifier: loss, gradients and predictions, at a few channels."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.heads import GMMSegHead

from mmseg.models.decode_heads.decode_head import BaseDecodeHead  # isort: skip
from mmseg.registry import MODELS  # isort: skip
from mmseg.structures import SegDataSample  # isort: skip
from mmengine.structures import PixelData  # isort: skip

CLASSES, CHANNELS = 3, 8
MIXTURE = {"dimensions": 4, "components": 2, "memory_size": 50, "pixels_per_class_and_image": 20}
ONE = {"in_channels": 8, "channels": CHANNELS, "in_index": 0}
FOUR = {"in_channels": [8, 8, 8, 8], "channels": CHANNELS, "in_index": [0, 1, 2, 3]}
BATCH_NORM = {"type": "BN"}

HEADS: dict[str, dict[str, Any]] = {
    "FCNHead": {**ONE, "num_convs": 2, "concat_input": True},
    "ASPPHead": {**ONE, "dilations": (1, 2)},
    "DepthwiseSeparableASPPHead": {**ONE, "in_index": 1, "dilations": (1, 2), "c1_in_channels": 8, "c1_channels": 4},
    "DepthwiseSeparableFCNHead": {**ONE, "num_convs": 1, "concat_input": False, "norm_cfg": BATCH_NORM},
    "PSPHead": {**ONE, "pool_scales": (1, 2)},
    "UPerHead": {**FOUR, "pool_scales": (1, 2)},
    "SegformerHead": FOUR,
    "FPNHead": {**FOUR, "feature_strides": [4, 8, 16, 32]},
    "ISAHead": {**ONE, "isa_channels": 4, "down_factor": (2, 2)},
    "NLHead": ONE,
    "GCHead": {**ONE, "ratio": 0.25, "pooling_type": "att", "fusion_types": ("channel_add",)},
    "DNLHead": {**ONE, "dropout_ratio": 0.0},
    "APCHead": {**ONE, "pool_scales": (1, 2)},
    "DMHead": {**ONE, "filter_sizes": (1, 3)},
    "EMAHead": {**ONE, "ema_channels": 4, "num_bases": 3, "num_stages": 2},
    "DAHead": {**ONE, "pam_channels": 4},
    "EncHead": {**FOUR, "num_codes": 3, "norm_cfg": BATCH_NORM},
    "ANNHead": {
        "in_channels": [8, 8],
        "in_index": [2, 3],
        "channels": CHANNELS,
        "project_channels": 4,
        "query_scales": (1,),
        "key_pool_scales": (1, 3),
    },
    "LightHamHead": {**FOUR, "ham_channels": 8, "ham_kwargs": {"MD_R": 4}},
    "SETRUPHead": {**ONE, "num_convs": 1, "up_scale": 2, "norm_cfg": BATCH_NORM},
    "SETRMLAHead": {**FOUR, "mla_channels": 2, "norm_cfg": BATCH_NORM},
    "DDRHead": {
        **ONE,
        "norm_cfg": BATCH_NORM,
        "loss_decode": [{"type": "CrossEntropyLoss"}, {"type": "CrossEntropyLoss"}],
    },
}
CASCADE = {"OCRHead": {**ONE, "ocr_channels": 4}}


def build(name: str, **changes: Any) -> BaseDecodeHead:
    settings = {**{**HEADS, **CASCADE}[name], "num_classes": CLASSES, **changes}
    head = MODELS.build({"type": "GMMSegHead", "architecture": name, "mixture": MIXTURE, **settings})
    head.init_weights()
    return head


def pyramid(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 8, 16 >> level, 16 >> level, generator=generator).requires_grad_() for level in range(4)]


def samples(ignored: bool = True) -> list[SegDataSample]:
    generator = torch.Generator().manual_seed(7)
    labels = torch.randint(CLASSES, (2, 1, 32, 32), generator=generator)
    if ignored:
        labels[:, :, :4] = 255
    return [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def inputs_of(name: str, training: bool) -> Any:
    levels = pyramid()
    if name == "SETRMLAHead":
        return [levels[1]] * 4
    if name == "DDRHead" and training:
        return tuple(torch.randn(2, channels, 16, 16).requires_grad_() for channels in (4, 8))
    if name == "DDRHead":
        return levels[0]
    return levels


@pytest.mark.parametrize("name", [*HEADS, *CASCADE])
def test_loss_gradients_and_predictions(name: str) -> None:
    torch.manual_seed(0)
    head = build(name)
    classifier = head.conv_seg
    assert isinstance(head, BaseDecodeHead) and isinstance(head, MODELS.get(name))
    assert isinstance(classifier, GMMClassifier) and isinstance(head.dropout, nn.Identity)
    # What an initialisation of a convolution would do to a normalisation.
    assert classifier.layer_norm is not None and bool((classifier.layer_norm.weight == 1).all())
    assert float(classifier.projection.weight.detach().std()) > 0

    before = torch.randn(2, CLASSES, 16, 16)
    more = (before,) if name in CASCADE else ()
    head.train()
    # DDRHead ignores nothing itself.
    batch = samples(ignored=name != "DDRHead")
    losses = head.loss(inputs_of(name, True), *more, batch, {})
    assert classifier.iteration == 1 and bool(classifier.mixtures.known.any())
    total = sum(value for key, value in losses.items() if "loss" in key)
    assert isinstance(total, Tensor) and bool(torch.isfinite(total))
    total.backward()
    assert classifier.projection.weight.grad is not None
    gradients = [value.grad for key, value in head.named_parameters() if not key.startswith("conv_seg")]
    assert any(value is not None and float(value.abs().max()) > 0 for value in gradients)
    # The class densities of an unknown start are random; those of a second step come from EM.
    head.loss(inputs_of(name, True), *more, batch, {})
    assert classifier.iteration == 2

    head.eval()
    with torch.no_grad():
        logits = head.predict(inputs_of(name, False), *more, [{"img_shape": (32, 32)}] * 2, {})
    assert logits.shape == (2, CLASSES, 32, 32) and bool(torch.isfinite(logits).all())
    assert classifier.iteration == 2 and classifier._seen is None


def test_a_head_that_returns_edges_beside_its_labels_learns_too() -> None:
    """PIDNet stacks label maps and edge maps together."""
    cross_entropy, binary, hard = {"type": "CrossEntropyLoss"}, {"type": "BoundaryLoss"}, {"type": "OhemCrossEntropy"}
    settings = {"in_channels": 8, "channels": 8, "loss_decode": [cross_entropy, cross_entropy, binary, hard]}
    head = GMMSegHead("PIDHead", MIXTURE, num_classes=CLASSES, **settings)
    batch = samples(ignored=False)
    for sample in batch:
        sample.gt_edge_map = PixelData(data=torch.zeros(1, 32, 32))
    features = tuple(torch.randn(2, channels, 8, 8) for channels in (4, 8, 4))
    head.train()
    losses = head.loss(features, batch, {})
    assert head.conv_seg.iteration == 1 and bool(torch.isfinite(losses["loss_sem_i"]))


def test_the_architecture_s_own_losses_come_unchanged() -> None:
    """A classifier in eval mode does not learn, and its head's loss is that of its logits."""
    head = build("FCNHead")
    head.eval()
    levels, batch = pyramid(), samples()
    losses = head.loss(levels, batch, {})
    logits = nn.functional.interpolate(head(levels), size=(32, 32), mode="bilinear", align_corners=False)
    labels = torch.stack([sample.gt_sem_seg.data for sample in batch])[:, 0]
    expected = nn.functional.cross_entropy(logits, labels, ignore_index=255, reduction="sum") / labels.numel()
    torch.testing.assert_close(losses["loss_ce"], expected)
    assert set(losses) == {"loss_ce", "acc_seg"} and head.conv_seg.iteration == 0


def test_the_head_s_dropout_becomes_the_classifier_s() -> None:
    assert build("FCNHead", dropout_ratio=0.3).conv_seg.dropout.p == 0.3
    assert isinstance(build("FCNHead", dropout_ratio=0).conv_seg.dropout, nn.Identity)


def test_the_projection_takes_the_head_s_normalisation() -> None:
    official = {**MIXTURE, "projection": "conv_norm_relu"}
    settings = {**ONE, "num_classes": CLASSES, "norm_cfg": {"type": "SyncBN", "eps": 0.02}}
    head = GMMSegHead("FCNHead", official, **settings)
    norm = head.conv_seg.projection.norm
    assert isinstance(norm, nn.SyncBatchNorm) and norm.eps == 0.02
    head.init_weights()
    assert bool((norm.weight == 1).all()) and bool((norm.bias == 0).all())


@pytest.mark.parametrize("name", ["FCNHead", "OCRHead"])
def test_a_state_dict_is_that_of_softmax_but_for_the_classifier(name: str) -> None:
    head = build(name)
    softmax = MODELS.build({"type": name, **{**HEADS, **CASCADE}[name], "num_classes": CLASSES})
    rest = {key for key in head.state_dict() if not key.startswith("conv_seg.")}
    assert rest == {key for key in softmax.state_dict() if not key.startswith("conv_seg.")}


POINT_HEAD = {"in_channels": [8], "in_index": [0], "channels": 8, "num_fcs": 1}
MASK_HEAD = {
    "in_channels": 8,
    "channels": 8,
    "num_layers": 1,
    "num_heads": 2,
    "embed_dims": 8,
}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("PointHead", {**POINT_HEAD, "num_classes": CLASSES}),
        ("SegmenterMaskTransformerHead", {**MASK_HEAD, "num_classes": CLASSES}),
        ("FCNHead", {**ONE, "num_classes": 2, "out_channels": 1, "threshold": 0.3}),
    ],
)
def test_heads_that_do_not_end_in_one_convolution_say_so(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{name} does not end in one convolution with an output for each class"):
        GMMSegHead(name, MIXTURE, **settings)


@pytest.mark.parametrize(
    "name",
    ["KernelUpdateHead", "EncoderDecoder", "ResNet", "FCNHaed", "GMMSegHead", "", "CrossEntropyLoss", "os.system"],
)
def test_what_is_no_decode_head_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"there is no decode head '{name}'.*check `architecture`"):
        GMMSegHead(name, MIXTURE, **ONE, num_classes=CLASSES)


def test_a_list_or_a_class_is_no_architecture() -> None:
    wrong: Any
    for wrong in (["FCNHead"], {"type": "FCNHead"}, None, 3):
        with pytest.raises(InputError, match="there is no decode head"):
            GMMSegHead(wrong, MIXTURE, **ONE, num_classes=CLASSES)


def test_a_dotted_name_imports_nothing() -> None:
    code = """
import sys
from gmmseg.errors import InputError
from gmmseg.heads import GMMSegHead
before = set(sys.modules)
for name in ("antigravity.anything", "this", "mmseg.models.FCNHead", "smtpd.Some"):
    try:
        GMMSegHead(name, in_channels=8, channels=8, num_classes=3)
    except InputError as error:
        print(error)
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    *errors, imported = done.stdout.strip().splitlines()
    assert len(errors) == 4 and imported == "[]"


def test_a_wrong_mixture_and_too_many_dimensions_are_named() -> None:
    with pytest.raises(InputError, match="no field 'componets'; did you mean 'components'"):
        build("FCNHead", mixture={"componets": 2})
    with pytest.raises(InputError, match=r"64 dimensions.*only 8 channels.*set mixture.dimensions to 8 or less"):
        build("FCNHead", mixture={})


def test_labels_outside_the_classes_are_named_while_training() -> None:
    head = build("FCNHead", ignore_index=255)
    batch = samples()
    head.train()
    logits = head(pyramid())
    batch[1].gt_sem_seg.data[0, 20, 20] = CLASSES
    labels = torch.stack([sample.gt_sem_seg.data for sample in batch])[:, 0]
    assert logits.shape[1] == CLASSES
    with pytest.raises(InputError, match="a training label has the value 3, but the network has 3 classes"):
        head.conv_seg.learn(labels, head.ignore_index)
    with pytest.raises(InputError, match="a training label has the value 3, but the network has 3 classes"):
        head.loss(pyramid(), batch, {})
