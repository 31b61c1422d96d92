"""Banded resizing against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate

from anomaly_eval.segmenters.coarse_maps import CoarseMaps


def by_torch(values, size, align_corners):
    # In float64: in float32 torch rounds the positions too, which costs it several units in the last place.
    exact = interpolate(values.double()[None], size=size, mode="bilinear", align_corners=align_corners)
    return exact[0].float()


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 64])
@pytest.mark.parametrize(
    ("grid", "size"),
    [((9, 16), (72, 128)), ((9, 16), (70, 121)), ((1, 1), (5, 6)), ((30, 20), (11, 9)), ((12, 12), (12, 24))],
)
def test_equals_interpolate(grid, size, rows, align_corners):
    values = torch.randn(5, *grid, generator=torch.Generator().manual_seed(0))
    maps = CoarseMaps.covering(values, size, align_corners)
    bands = list(maps.bands(rows))
    assert [band.start for band, _ in bands] == list(range(0, size[0], rows))
    torch.testing.assert_close(
        torch.cat([part for _, part in bands], dim=1),
        by_torch(values, size, align_corners),
        atol=3e-6,
        rtol=0,
    )


def test_full_size_maps_pass_through_unchanged():
    values = torch.randn(3, 10, 12)
    assert torch.equal(CoarseMaps.covering(values, (10, 12)).resized(), values)


def test_padding_at_bottom_and_right_is_cut_off():
    values = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(1))
    padded = CoarseMaps(values, size=(25, 30), extent=(32.0, 32.0))
    expected = by_torch(values, (32, 32), False)[:, :25, :30]
    torch.testing.assert_close(padded.resized(), expected, atol=3e-6, rtol=0)
