"""What a kind of network has to say; sizes, windows and test protocols are the same for all, and are not its concern.

A new kind is one file in `segmenters/kinds`: a `Network`, and a `NetworkKind` that tells from what the user gave
whether it is of this kind, and loads it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_eval.datasets.test_settings import SlidingWindow
from anomaly_eval.results.origins import FitRecord
from anomaly_eval.runtime.choices import Colours
from anomaly_eval.segmenters.base import CLASS_OUTPUTS
from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.linear_classifier import LinearClassifier

_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Normalisation:
    """What is made of 8-bit pixels: (value - mean) / std for each channel, in `colours`; by default, nothing."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    colours: Colours = "RGB"
    """The order that the network takes, in which mean and std are too."""

    def apply(self, image: NDArray[np.uint8], device: torch.device) -> Tensor:
        """Turn an RGB image (height, width, 3) into an input (1, 3, height, width), float32."""
        ordered = image if self.colours == "RGB" else image[..., ::-1]
        pixels = torch.from_numpy(np.ascontiguousarray(ordered.transpose(2, 0, 1))).to(device, torch.float32)
        mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return ((pixels - mean) / std)[None]


@dataclass(frozen=True)
class NetworkFacts:
    """What is known of a network before an image comes. Two with equal hashes give equal maps."""

    name: str
    """Of its file or folder, without the path."""
    sha256: str
    """Of the weights, or of the file that holds them; empty where nothing tells the network from others."""
    n_classes: int
    class_names: tuple[str, ...] | None = None
    """In the order of the classes; None where nobody noted them."""
    class_names_from: str = "the network"
    """Where they were read."""
    threshold: float | None = None
    """Of two classes, the probability of the second above which it is predicted; None is the more probable one."""
    config: str = "none"
    """Where the settings were read that are not in that file."""
    config_sha256: str = _NOTHING
    provides: frozenset[str] = frozenset({"logits"})
    """The fields of `Prediction` that it can fill."""
    same_as_logits: frozenset[str] = frozenset()
    """Those of them that are the logits themselves; `forward` is not asked for them, and the maps are resized once."""
    align_corners: bool = False
    """How its maps are to be resized, as in `torch.nn.functional.interpolate`."""
    normalisation: Normalisation = field(default_factory=Normalisation)
    windows: SlidingWindow | None = None
    """Of its own test settings; None runs each image as a whole."""
    input_size: InputSize = field(default_factory=InputSize)
    """At which images enter it where nobody asks for another size."""
    processor_size: InputSize | None = None
    """What `--resize processor` stands for: the size that comes with it, but that it does not insist on."""
    fits: Mapping[str, FitRecord] = field(default_factory=dict)
    """What mixtures in it were fitted on after training, by the field of `Prediction`."""
    notes: tuple[str, ...] = ()
    """What was taken for granted of it, such as what is made of pixels; results say it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, or numbers that stand in for them."""
        return self.class_names or numbered_classes(self.n_classes)

    @property
    def class_output(self) -> str:
        """The field of `Prediction` that says which class a pixel is of."""
        return next(name for name in CLASS_OUTPUTS if name in self.provides)


def numbered_classes(count: int) -> tuple[str, ...]:
    """Return what classes without names are called."""
    return tuple(f"class {index}" for index in range(count))


@dataclass(frozen=True)
class Queries:
    """What a mask classifier says of n inputs.

    masks: logits (n, queries, rows, columns) on a grid that covers the input. classes: the softmax of each query
    without the class for no object, (n, queries, classes).
    """

    masks: Tensor
    classes: Tensor


class Network(ABC):
    """A network in evaluation mode on a device. `NetworkSegmenter` turns it into a segmenter.

    It is called without gradients. InputErrors that it raises reach the user as they are, others in a sentence with
    the size of the input and with what `remedy` says.
    """

    runs_in_torch: ClassVar[bool] = True
    """Whether PyTorch does its work, whose memory can be measured; other libraries have memory of their own."""
    linear_classifier: LinearClassifier | None = None
    """The last layer where it is linear in the features; a network that has one `provides` a `classifier`, too."""

    def __init__(self, facts: NetworkFacts, device: torch.device) -> None:
        self.facts, self.device = facts, device

    def prepare(self, image: NDArray[np.uint8]) -> Tensor:
        """Return the input (1, 3, h, w) for an RGB image (height, width, 3); larger where it is padded.

        Padding is at the bottom and the right.
        """
        return self.facts.normalisation.apply(image, self.device)

    def remedy(self, error: Exception) -> str:
        """Say what a user can do about an error of `prepare` or `forward`."""
        other = "" if self.device.type == "cpu" else ", or --device cpu"
        return f"use --resize, as in --resize 1x/32 where sides must be multiples of 32{other}"

    @abstractmethod
    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor | Queries]:
        """Return the wanted fields of `Prediction` for inputs (n, 3, h, w), each (n, channels, rows, columns).

        The evidence of a mask classifier may be its queries. Maps may have a coarser grid, each its own, which covers
        the input; the fewer pixels, the faster.
        """


class NetworkKind(ABC):
    """How networks of one kind are recognised and loaded. It is made without arguments; heavy imports wait for `load`.

    Every class of this kind in a file of `segmenters/kinds` is found there.
    """

    title: ClassVar[str]
    """What users are told that they can give: a plural, with the endings of files."""
    takes: ClassVar[frozenset[str]] = frozenset()
    """The fields of `Given` that mean something to it, beside the path."""
    asked_last: ClassVar[bool] = False
    """Whether all other kinds are asked before: the one that anything else is taken for."""

    @abstractmethod
    def recognises(self, given: Path) -> bool:
        """Whether what the user gave is of this kind, from its name or from its first bytes; never raises."""

    @abstractmethod
    def load(self, given: Given, device: torch.device) -> Network:
        """Load it; raises InputError, which names file and remedy, for what cannot be used."""


def first_line(error: Exception) -> str:
    """Return what an error says first, short enough for a sentence and without control characters."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    said = lines[0].strip()[:300] if lines else type(error).__name__
    return "".join(character if character.isprintable() else "?" for character in said)
