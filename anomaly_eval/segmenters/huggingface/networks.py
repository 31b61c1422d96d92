"""Networks of transformers as networks of ours: semantic heads, and mask classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.linear_classifier import linear_classifier
from anomaly_eval.segmenters.network import Network, NetworkFacts, Queries


@dataclass(frozen=True)
class InputRule:
    """Which inputs a network takes; images are padded to them at the bottom and the right."""

    divisor: int = 1
    """What both sides are multiples of."""
    only: tuple[int, int] | None = None
    """The one (height, width) there is, in windows of which larger images run."""
    black: bool = False
    """Whether padding is black, rather than the mean colour."""

    def padding(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return how many pixels an image of (height, width) lacks at its bottom and its right."""
        smallest = self.only or (1, 1)
        wanted = [
            max(-(-side // self.divisor) * self.divisor, least) for side, least in zip(size, smallest, strict=True)
        ]
        return wanted[0] - size[0], wanted[1] - size[1]

    def check(self, size: tuple[int, int]) -> None:
        """Raise InputError for an input of another size than the only one."""
        if self.only is not None and size != self.only:
            across, down = self.only[1], self.only[0]
            raise InputError(
                f"the network takes inputs of {across}x{down} alone, not of {size[1]}x{size[0]}; evaluate it in "
                f"windows of its own with --protocol network."
            )


class TransformersNetwork(Network):
    """What both kinds share: images are normalised and padded."""

    def __init__(self, model: nn.Module, facts: NetworkFacts, rule: InputRule, device: torch.device) -> None:
        super().__init__(facts, device)
        self.model, self.rule = model.eval().to(device), rule

    def prepare(self, image: NDArray[np.uint8]) -> Tensor:
        """Return the input (1, 3, h, w): normalised, and padded where the network needs it."""
        bottom, right = self.rule.padding((image.shape[0], image.shape[1]))
        if self.rule.black:
            return super().prepare(np.pad(image, ((0, bottom), (0, right), (0, 0))))
        return functional.pad(super().prepare(image), (0, right, 0, bottom))


class SemanticNetwork(TransformersNetwork):
    """A network that gives logits, and the input of the convolution that made them as features."""

    def __init__(
        self,
        model: nn.Module,
        facts: NetworkFacts,
        rule: InputRule,
        device: torch.device,
        *,
        classifier: nn.Conv2d | None,
        resizes: bool,
    ) -> None:
        """Take the last convolution, if it is known, and whether the logits are its output, resized to the input."""
        super().__init__(model, facts, rule, device)
        self.classifier, self.resizes = classifier, resizes
        self.linear_classifier = linear_classifier(classifier)

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        """Return the wanted maps of a batch (n, 3, h, w): those of the last convolution where they are only resized."""
        self.rule.check((inputs.shape[2], inputs.shape[3]))
        seen: dict[str, Tensor] = {}

        def keep(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            seen["features"], seen["logits"] = arguments[0], output

        if self.classifier is None:
            return {"logits": self.model(pixel_values=inputs).logits}
        hook = self.classifier.register_forward_hook(keep)
        try:
            logits = self.model(pixel_values=inputs).logits
        finally:
            hook.remove()
        return {"logits": seen["logits"] if self.resizes else logits} | (
            {"features": seen["features"]} if "features" in wanted else {}
        )


class MaskNetwork(TransformersNetwork):
    """A mask classifier, which gives queries; `extra` are further inputs, the same for every image (1, …)."""

    def __init__(
        self,
        model: nn.Module,
        facts: NetworkFacts,
        rule: InputRule,
        device: torch.device,
        extra: Mapping[str, Tensor],
    ) -> None:
        super().__init__(model, facts, rule, device)
        self.extra = {name: value.to(device) for name, value in extra.items()}

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Queries]:
        """Return the queries of a batch (n, 3, h, w), their masks on the network's own grid."""
        self.rule.check((inputs.shape[2], inputs.shape[3]))
        extra = {name: value.expand(len(inputs), *value.shape[1:]) for name, value in self.extra.items()}
        found = self.model(pixel_values=inputs, **extra)
        return {"evidence": Queries(found.masks_queries_logits, found.class_queries_logits.softmax(-1)[..., :-1])}
