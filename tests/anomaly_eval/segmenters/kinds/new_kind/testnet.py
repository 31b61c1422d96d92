"""A kind of network that nobody needs: all of it is in this one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from anomaly_eval.datasets.test_settings import SlidingWindow
from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.network import Network, NetworkFacts, NetworkKind, Normalisation


class TestNetwork(Network):
    """Two convolutions on a grid of a fourth."""

    __test__ = False

    def __init__(self, facts: NetworkFacts, device: torch.device, seed: int) -> None:
        super().__init__(facts, device)
        torch.manual_seed(seed)
        self.body = nn.Conv2d(3, 8, 7, stride=4, padding=3)
        self.head = nn.Conv2d(8, facts.n_classes, 1)

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        features = self.body(inputs).relu()
        if len(inputs) > 3:
            raise ValueError("more than three at once")
        return {"logits": self.head(features), **({"features": features} if "features" in wanted else {})}


class TestNetworks(NetworkKind):
    """A JSON file with the seed of the weights, and what else a network may bring with it."""

    __test__ = False
    title = "files of a test (.testnet)"

    def recognises(self, given: Path) -> bool:
        return given.suffix == ".testnet"

    def load(self, given: Given, device: torch.device) -> TestNetwork:
        try:
            content = given.path.read_bytes()
        except OSError as error:
            raise InputError(f"{given.path} cannot be read ({error.strerror}); check --ckpt.") from error
        settings = json.loads(content)
        facts = NetworkFacts(
            name=given.path.name,
            sha256=hashlib.sha256(content).hexdigest(),
            n_classes=5,
            class_names=tuple(settings["classes"]) if "classes" in settings else None,
            provides=frozenset({"logits", "features"}),
            normalisation=Normalisation((120, 110, 100), (60, 61, 62), "BGR"),
            windows=SlidingWindow(**settings["windows"]) if "windows" in settings else None,
            input_size=InputSize(exact=settings["size"], of_network=True) if "size" in settings else InputSize(),
        )
        return TestNetwork(facts, device, settings["seed"])
