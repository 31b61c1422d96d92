"""The lean head is SegFormer's: the same weights, outputs and gradients."""

from __future__ import annotations

import gmmseg  # noqa: F401  isort: skip
import pytest
import torch
from mmseg.models.decode_heads import SegformerHead

from gmmseg.heads import GMMSegHead
from gmmseg.lean_head import LeanSegformerHead

SETTINGS = dict(
    in_channels=[4, 6, 8, 10],
    in_index=[0, 1, 2, 3],
    channels=12,
    num_classes=5,
    dropout_ratio=0.0,
    norm_cfg=dict(type="BN"),
    align_corners=False,
)


@pytest.mark.parametrize("sizes", [[(16, 24), (8, 12), (4, 6), (2, 3)], [(9, 7), (5, 4), (3, 2), (2, 1)]])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", [dict(type="BN"), None])
def test_outputs_and_gradients_are_those_of_mmsegmentation(
    sizes: list[tuple[int, int]], training: bool, norm: dict[str, str] | None
) -> None:
    torch.manual_seed(0)
    settings = SETTINGS | dict(norm_cfg=norm)
    theirs, ours = SegformerHead(**settings).train(training), LeanSegformerHead(**settings).train(training)
    ours.load_state_dict(theirs.state_dict())
    maps = [torch.randn(2, c, *size) for c, size in zip(SETTINGS["in_channels"], sizes, strict=True)]
    weighting = torch.randn(2, 5, *sizes[0])
    torch.testing.assert_close(ours(maps), theirs(maps), rtol=1e-4, atol=1e-5)
    for head in (theirs, ours):
        (head(maps) * weighting).sum().backward()
    gradients = {name: parameter.grad for name, parameter in ours.named_parameters()}
    for name, parameter in theirs.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().max()) > 0, name
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-3, atol=1e-3)
    assert gradients.keys() == {name for name, _ in theirs.named_parameters()}


def test_a_gmm_classifier_takes_its_last_convolution() -> None:
    head = GMMSegHead("LeanSegformerHead", dict(dimensions=8), **SETTINGS).eval()
    maps = [torch.randn(1, c, 8 // s, 8 // s) for c, s in zip((4, 6, 8, 10), (1, 2, 4, 8), strict=True)]
    assert head(maps).shape == (1, 5, 8, 8)
