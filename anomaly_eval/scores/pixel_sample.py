"""A fixed sample of the labelled pixels of a dataset, whoever looked at its images, and in whichever order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from anomaly_eval.scores.base import ObservedMoments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

PER_IMAGE = 1000
"""Pixels that one image adds at most: its neighbours say little more, and what is kept of an image stays small."""
_BITS = 53


def pixel_keys(image_id: str, pixels: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each pixel (pixels,) of an image, which follows from its id and position alone.

    The raw output of PCG64, which numpy promises not to change.
    """
    import numpy as np

    seed = int.from_bytes(hashlib.sha256(image_id.encode("utf-8", "surrogatepass")).digest(), "big")
    raw: NDArray[np.uint64] = np.random.PCG64(seed).random_raw(pixels)
    return (raw >> np.uint64(64 - _BITS)).astype(np.float64) * 2.0**-_BITS


def sample_of_image(values: Tensor, kept: Tensor, image_id: str) -> dict[str, Tensor]:
    """Return the pixels with the smallest keys: `key` (n,) float64, ascending, and `pixels` (n, channels) of them.

    values: (channels, pixels). kept: (pixels,) bool, those that may be drawn.
    """
    import torch

    keys = torch.from_numpy(pixel_keys(image_id, len(kept)))
    keys[~kept.cpu()] = torch.inf
    count = min(int(kept.sum()), PER_IMAGE)
    order = keys.argsort(stable=True)[:count]
    return {"key": keys[order], "pixels": values[:, order.to(values.device)].T.cpu().contiguous()}


def merged_samples(before: ObservedMoments, more: ObservedMoments, limit: int) -> dict[str, Tensor]:
    """Return the at most `limit` pixels of both samples with the smallest keys, by key.

    A sample of all pixels is thus the same in whichever order images come, and the start of it is a smaller sample.
    """
    import torch

    small = more["key"]
    if len(before["key"]) >= limit:
        small = small[small < before["key"][limit - 1]]
    if not len(small):
        return {name: before[name][:limit] for name in ("key", "pixels")}
    keys = torch.cat([before["key"], small])
    order = keys.argsort(stable=True)[:limit]
    return {"key": keys[order], "pixels": torch.cat([before["pixels"], more["pixels"][: len(small)]])[order]}
