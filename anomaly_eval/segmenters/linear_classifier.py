"""The last layer of a network, where it is linear: a score may ask which features it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class LinearClassifier:
    """Logits are `weight` x + `bias` for the features x of a pixel.

    weight: (classes, dimensions); bias: (classes,), zeros where the layer has none. Both float32, where the network is.
    """

    weight: Tensor
    bias: Tensor

    def chosen(self, classes: Sequence[int]) -> LinearClassifier:
        """Return the same layer with the logits of these classes alone."""
        return LinearClassifier(self.weight[list(classes)], self.bias[list(classes)])


def linear_classifier(layer: nn.Module | None) -> LinearClassifier | None:
    """Return what a layer computes of each pixel by itself, if that is linear: of a 1x1 convolution or `nn.Linear`."""
    if isinstance(layer, nn.Conv2d):
        plain = type(layer).forward is nn.Conv2d.forward
        plain &= (layer.kernel_size, layer.stride, layer.padding, layer.groups) == ((1, 1), (1, 1), (0, 0), 1)
    else:
        plain = isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward
    if not plain or not isinstance(layer, nn.Conv2d | nn.Linear):
        return None
    weight = layer.weight.detach().flatten(1).float().contiguous()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().float()
    return LinearClassifier(weight, bias)
