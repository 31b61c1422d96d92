"""A network of any kind as a segmenter: size of its input, sliding windows, and the test protocols of datasets."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_eval.datasets.test_settings import SlidingWindow, TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.runtime.machine import is_out_of_memory
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.class_maps import LogProbabilities, QueryEvidence
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.device import device_text
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.linear_classifier import LinearClassifier
from anomaly_eval.segmenters.network import Network, Queries, first_line
from anomaly_eval.segmenters.windows import WindowFeatureMean, WindowMean, window_corners
from gmmseg.denormals import flushed_denormals

_Maps = dict[str, CoarseMaps]
"""What the network said of one input, by the fields of `Prediction`."""


class NetworkSegmenter:
    """Runs a network under its own test settings, or under those of a dataset.

    Maps stay on the network's own coarse grid; in sliding-window mode they are averaged at the size of the input, as
    mmsegmentation does, and features on a coarse grid.
    """

    def __init__(
        self,
        network: Network,
        *,
        input_size: InputSize | None = None,
        window_batch: int = 4,
        known_classes: Sequence[int] | None = None,
        imports: Mapping[str, str] | None = None,
    ) -> None:
        """Take a network; `input_size` None is its own one.

        window_batch: windows that run at once. known_classes: the outputs that are classes, in their order; the others
        are dropped before anything is made of them. imports: modules that were imported for it, with their hashes.
        """
        self.network, self.window_batch, self._known = network, window_batch, known_classes
        self._imports = dict(imports or {})
        self._rule, self._factor = input_size or network.facts.input_size, 1.0
        self.provides = network.facts.provides
        self._windows = network.facts.windows
        # Then as mmsegmentation: it resizes class maps to the network's input first, and those to the image.
        self._is_tested = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the known classes, or numbers that stand in for them, in the order of the logits."""
        classes = self.network.facts.classes
        return classes if self._known is None else tuple(classes[index] for index in self._known)

    @property
    def has_class_names(self) -> bool:
        """Whether these are names."""
        return self.network.facts.class_names is not None

    @property
    def input_size(self) -> InputSize:
        """At which size images enter the network; what is set is multiplied by what it was `scaled` by."""
        return self._rule.times(self._factor)

    @input_size.setter
    def input_size(self, size: InputSize) -> None:
        self._rule = size

    @property
    def device(self) -> torch.device:
        """Where the network runs, and its maps lie."""
        return self.network.device

    @property
    def fits(self) -> Mapping[str, FitRecord]:
        """What mixtures in the network were fitted on after training, by the field of `Prediction`."""
        return self.network.facts.fits

    def __call__(self, image: NDArray[np.uint8]) -> Prediction:
        """Segment an RGB image (height, width, 3), uint8; maps stand for the image at its own size."""
        height, width = image.shape[:2]
        resized = self.input_size.apply(image)
        with torch.inference_mode(), flushed_denormals():
            try:
                maps = self._infer(self.network.prepare(resized), resized.shape[:2])
            except InputError:
                raise
            except Exception as error:  # networks fail in their own ways on settings that make no sense
                size = f"{resized.shape[1]}x{resized.shape[0]}"
                if is_out_of_memory(error):
                    other = "" if self.device.type == "cpu" else ", or --device cpu"
                    raise InputError(
                        f"there is not enough memory for a network input of {size}; choose a smaller one with "
                        f"--resize{other}."
                    ) from error
                raise InputError(
                    f"the network cannot process an input of {size} ({first_line(error)}); "
                    f"{self.network.remedy(error)}."
                ) from error
        scale = (height / resized.shape[0], width / resized.shape[1])

        def for_image(maps: CoarseMaps) -> CoarseMaps:
            extent = (maps.extent[0] * scale[0], maps.extent[1] * scale[1])
            return replace(maps, size=(height, width), extent=extent)

        name = self.network.facts.class_output
        if self._is_tested and scale != (1.0, 1.0):
            maps[name] = _at_input_size(maps[name])
        if self._is_tested and self.network.facts.threshold is not None:
            second = 1 if self._known is None else list(self._known).index(1)
            maps[name] = _with_threshold(maps[name], self.network.facts.threshold, second)
        found = {name: for_image(values) for name, values in maps.items()}
        if alike := self.network.facts.same_as_logits & self.provides:
            found |= dict.fromkeys(alike, found["logits"])
        return Prediction(**found, classifier=self._classifier)  # type: ignore[arg-type]  # fields by name

    @property
    def _classifier(self) -> LinearClassifier | None:
        """The last layer for those outputs that are classes, where somebody looks at it."""
        classifier = self.network.linear_classifier if "classifier" in self.provides else None
        return classifier if classifier is None or self._known is None else classifier.chosen(self._known)

    def with_outputs(self, fields: Collection[str]) -> NetworkSegmenter:
        """Return this network without the maps that nobody looks at: some take longer than the network."""
        other = copy.copy(self)
        with_features = {"features"} if "classifier" in fields else set()
        other.provides = self.provides & ({self.network.facts.class_output} | with_features | set(fields))
        return other

    def with_protocol(self, protocol: TestProtocol | None) -> NetworkSegmenter:
        """Return this network as mmsegmentation tests it on a closed-set dataset; it gives classes alone.

        The protocol sets windows and input size, None keeps the network's own windows and native size; a size that was
        asked for when the network was loaded, or that it brought with it, goes before either.
        """
        other = copy.copy(self)
        other.provides = frozenset({self.network.facts.class_output})
        other._is_tested = True
        if protocol is not None:
            other._windows = protocol.slide
            if self._rule.native:
                short_side, limit = protocol.short_side, protocol.long_side_at_most
                other._rule = InputSize(short_side=short_side, long_side_at_most=limit)
        return other

    def scaled(self, factor: float) -> NetworkSegmenter:
        """Return this network with inputs of `factor` times the size, whichever rule or protocol gives that size."""
        other = copy.copy(self)
        other._factor *= factor
        return other

    def describe(self) -> ModelRecord:
        """Say which network this is, with which weights and at which resolution."""
        facts, windows = self.network.facts, self._windows
        known = range(facts.n_classes) if self._known is None else self._known
        return ModelRecord(
            checkpoint=facts.name,
            checkpoint_sha256=facts.sha256,
            config=facts.config,
            config_sha256=facts.config_sha256,
            imports=dict(self._imports),
            classes=list(self.classes),
            class_names_from="nowhere" if facts.class_names is None else facts.class_names_from,
            dropped_classes=[name for index, name in enumerate(facts.classes) if index not in known],
            inference="whole" if windows is None else f"slide, crop {windows.crop}, stride {windows.stride}",
            resize=str(self.input_size),
            own_resize=self.input_size.of_network,
            device=device_text(self.network.device),
            notes=list(facts.notes),
        )

    def _infer(self, inputs: Tensor, size: tuple[int, int]) -> _Maps:
        """Run the network on an input (1, 3, h, w) that pads an image of `size` at the bottom and the right."""
        maps = self._forward(inputs)[0] if self._windows is None else self._slide(inputs, self._windows)
        return {name: replace(values, size=size) for name, values in maps.items()}

    def _slide(self, inputs: Tensor, windows: SlidingWindow) -> _Maps:
        """Average over windows, several at a time."""
        size = (inputs.shape[2], inputs.shape[3])
        window = (min(windows.crop[0], size[0]), min(windows.crop[1], size[1]))
        means: dict[str, WindowMean | WindowFeatureMean] = {}
        corners = window_corners(size, window, windows.stride)
        for start in range(0, len(corners), self.window_batch):
            batch = corners[start : start + self.window_batch]
            crops = [inputs[0, :, top : top + window[0], left : left + window[1]] for top, left in batch]
            for corner, maps in zip(batch, self._forward(torch.stack(crops)), strict=True):
                for name, values in maps.items():
                    if name not in means:
                        means[name] = WindowFeatureMean(size) if name == "features" else WindowMean(size)
                    means[name].add(values.unread if isinstance(values, LogProbabilities) else values, corner)
        results = {name: mean.result() for name, mean in means.items()}
        return {
            name: _of_field(name).covering(one.values, one.size, one.align_corners) for name, one in results.items()
        }

    def _forward(self, inputs: Tensor) -> list[_Maps]:
        """Run a batch (n, 3, h, w) and return one output each; maps stand for the input's pixels."""
        size, facts = (inputs.shape[2], inputs.shape[3]), self.network.facts
        tensors = self.network.forward(inputs, self.provides - facts.same_as_logits)
        return [
            {
                name: self._of_classes(name, _of_input(name, values, index, size, facts.align_corners))
                for name, values in tensors.items()
            }
            for index in range(len(inputs))
        ]

    def _of_classes(self, name: str, maps: CoarseMaps) -> CoarseMaps:
        """Drop outputs that are no classes; features are of none."""
        return maps if self._known is None or name == "features" else maps.chosen(self._known)


def _at_input_size(maps: CoarseMaps) -> CoarseMaps:
    """Resize class maps to the input of the network; of probabilities, logarithms are read after that alone."""
    values = maps.unread.resized() if isinstance(maps, LogProbabilities) else maps.resized()
    kind = LogProbabilities if isinstance(maps, LogProbabilities) else CoarseMaps
    return kind.covering(values, maps.size, maps.align_corners)


def _of_field(name: str) -> type[CoarseMaps]:
    """Return what maps are, but for queries, in a field of `Prediction`."""
    return LogProbabilities if name == "probabilities" else CoarseMaps


def _with_threshold(logits: CoarseMaps, threshold: float, second: int) -> CoarseMaps:
    """Shift two logits so that the one of `second` is the larger one where its probability exceeds a threshold."""
    shift = logits.values.new_zeros(2)
    shift[1 - second] = math.log(threshold / (1 - threshold))
    return replace(logits, values=logits.values + shift[:, None, None])


def _of_input(
    name: str, values: Tensor | Queries, index: int, size: tuple[int, int], align_corners: bool
) -> CoarseMaps:
    """Return what a network says in one field of one of its inputs, whose size is (height, width)."""
    if isinstance(values, Queries):
        extent, classes = (float(size[0]), float(size[1])), values.classes[index].float()
        return QueryEvidence(values.masks[index].float().contiguous(), size, extent, align_corners, classes=classes)
    return _of_field(name).covering(values[index].float().contiguous(), size, align_corners)
