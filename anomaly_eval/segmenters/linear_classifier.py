"""The last layer of a network, where it is linear: a score may ask which features it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class LinearClassifier:
    """Logits are `weight` x + `bias` for the features x of a pixel.

    weight: (classes, dimensions); bias: (classes,), zeros where the layer has none. Both float32, where the network is.

    Where a pixel of the features becomes per_side x per_side pixels of logits, each has weights of its own: weight
    (classes per_side^2, dimensions) and bias (classes per_side^2,) are those of the first class, row by row, then those
    of the next one.
    """

    weight: Tensor
    bias: Tensor
    per_side: int = 1

    def chosen(self, classes: Sequence[int]) -> LinearClassifier:
        """Return the same layer with the logits of these classes alone."""
        parts = self.per_side**2
        rows = [parts * index + part for index in classes for part in range(parts)]
        return LinearClassifier(self.weight[rows], self.bias[rows], self.per_side)

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits (classes, per_side^2, pixels) of features (dimensions, pixels), both float64."""
        stacked = self.bias.double()[:, None].addmm(self.weight.double(), features)
        return stacked.reshape(-1, self.per_side**2, features.shape[1])

    def laid_out(self, values: Tensor, grid: tuple[int, int]) -> Tensor:
        """Lay values (channels, per_side^2, pixels) out on the grid of the logits, (channels, rows, columns).

        grid: (rows, columns) of the features.
        """
        return functional.pixel_shuffle(values.reshape(-1, *grid), self.per_side)


def linear_classifier(layer: nn.Module | None) -> LinearClassifier | None:
    """Return what a layer computes of each pixel by itself, if that is linear.

    That is so of `nn.Linear`, of a 1x1 convolution, and of a transposed one whose kernel is as large as its stride.
    """
    if isinstance(layer, nn.ConvTranspose2d):
        return _of_transposed(layer)
    if isinstance(layer, nn.Conv2d):
        plain = type(layer).forward is nn.Conv2d.forward
        plain &= (layer.kernel_size, layer.stride, layer.padding, layer.groups) == ((1, 1), (1, 1), (0, 0), 1)
    else:
        plain = isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward
    if not plain or not isinstance(layer, nn.Conv2d | nn.Linear):
        return None
    weight = layer.weight.detach().flatten(1).float().contiguous()
    return LinearClassifier(weight, _bias(layer.bias, weight))


def _of_transposed(layer: nn.ConvTranspose2d) -> LinearClassifier | None:
    side = layer.kernel_size[0]
    square = layer.kernel_size == layer.stride == (side, side)
    rest = (layer.padding, layer.output_padding, layer.dilation, layer.groups)
    if not square or rest != ((0, 0), (0, 0), (1, 1), 1) or type(layer).forward is not nn.ConvTranspose2d.forward:
        return None
    # (dimensions, classes, side, side), of which no two pixels of features meet.
    weight = layer.weight.detach().flatten(1).T.float().contiguous()
    bias = None if layer.bias is None else layer.bias.repeat_interleave(side**2)
    return LinearClassifier(weight, _bias(bias, weight), side)


def _bias(bias: Tensor | None, weight: Tensor) -> Tensor:
    return weight.new_zeros(len(weight)) if bias is None else bias.detach().float()
