"""Networks that were exported to ONNX, run by onnxruntime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.network import Network, NetworkFacts, Normalisation
from anomaly_eval.segmenters.onnx.image_input import ImageInput, image_input
from anomaly_eval.segmenters.onnx.outputs import as_field, axes_of, channels_first, class_output, meaning, named_output
from anomaly_eval.segmenters.onnx.session import hash_of, open_session, run
from anomaly_eval.segmenters.onnx.settings import OnnxSettings, settings_of
from gmmseg.denormals import flushed_denormals

_HEIGHT, _WIDTH = 256, 384
"""Of the image that a network is tried on, where its input has no size of its own."""


class OnnxNetwork(Network):
    """Logits or probabilities, and features where an output is named that holds them, on the grids of the outputs."""

    runs_in_torch = False

    def __init__(self, given: Given, device: torch.device) -> None:
        """Open the file; it is run once, on noise, as only its values tell logits from probabilities."""
        self.path = given.path
        settings = settings_of(given)
        sha256 = hash_of(self.path)
        self.session = open_session(self.path, device)
        self.input = image_input(self.session, self.path, settings.layout)
        outputs = self.session.get_outputs()
        # The features are no output of classes that one would have to choose among.
        others = [entry for entry in outputs if entry.name != settings.features]
        self._classes = class_output(others or outputs, settings.output, self.path)
        self._features = settings.features and named_output(outputs, settings.features, self.path, "features")
        normalisation = _normalisation(settings, self.input, self.path)
        on_cuda = device.type == "cuda" and "CUDAExecutionProvider" in self.session.get_providers()
        device = device if on_cuda else torch.device("cpu")
        first, size = self._try(normalisation)
        self._axes = {name: axes_of(values, size, self.input.layout, self.path) for name, values in first.items()}
        classes = channels_first(first[self._classes], self._axes[self._classes])
        self._found = meaning(classes, settings.gives, self.path)
        super().__init__(self._facts(settings, sha256, normalisation, classes.shape[1]), device)

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        """Return the wanted maps of a batch (n, 3, h, w); one after the other where the graph takes one image."""
        names = [self._classes, *([self._features] if self._features and "features" in wanted else [])]
        parts = torch.split(inputs, 1 if self.input.batch == 1 else len(inputs))
        found = [self._run(part, names) for part in parts]
        maps = {name: torch.cat([part[name] for part in found]) for name in names}
        maps = {name: channels_first(values, self._axes[name]).to(self.device) for name, values in maps.items()}
        classes = maps[self._classes]
        if len(classes) != len(inputs) or classes.shape[1] != self.facts.n_classes:
            raise InputError(f"{self.path} gives the shape {tuple(classes.shape)} here; export it anew.")
        fields = as_field(classes, self._found)
        return {**fields, "features": maps[self._features]} if self._features in maps else fields

    def remedy(self, error: Exception) -> str:
        """Say what a user can do about an error of `forward`."""
        return (
            "use --resize with a size that it was exported for, as in --resize 1x/32 where sides must be multiples of "
            "32, or export it with free sizes"
        )

    def _run(self, inputs: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the outputs of these names for inputs (n, 3, h, w), in the graph's own order of axes."""
        height, width = inputs.shape[2:]
        if not self.input.fits(height, width):
            only = f"{self.input.width or 'ANY'}x{self.input.height or 'ANY'}"
            raise InputError(
                f"{self.path} was exported for inputs of {only} alone, not of {width}x{height}; {self._how_to_fit()}."
            )
        outputs = run(self.session, names, {self.input.name: self.input.array(inputs)})
        return dict(zip(names, map(torch.from_numpy, outputs), strict=True))

    def _how_to_fit(self) -> str:
        if self.input.size.native:
            return "use --resize WIDTHxHEIGHT with such a size"
        return "leave --resize out, or name --protocol network where the windows of a data set are of another size"

    def _try(self, normalisation: Normalisation) -> tuple[dict[str, Tensor], tuple[int, int]]:
        """Return all outputs that are used, for an image of noise, and the (height, width) of that."""
        size = (self.input.height or _HEIGHT, self.input.width or _WIDTH)
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        names = [self._classes, *([self._features] if self._features else [])]
        try:
            with flushed_denormals():
                return self._run(normalisation.apply(image, torch.device("cpu")), names), size
        except MemoryError as error:
            raise InputError(
                f"there is not enough memory for {self.path} on an image of {size[1]}x{size[0]}; export a smaller "
                f"network, or use a larger machine."
            ) from error
        except RuntimeError as error:
            raise InputError(
                f"onnxruntime cannot run {self.path} on an image of {size[1]}x{size[0]} ({error}); export it anew, "
                f"with the size of your images or with free sizes."
            ) from error

    def _facts(self, settings: OnnxSettings, sha256: str, normalisation: Normalisation, n_classes: int) -> NetworkFacts:
        if settings.classes is not None and len(settings.classes) != n_classes:
            raise InputError(
                f"{self.path.with_suffix('.yaml')} names {len(settings.classes)} classes, but {self.path} gives "
                f"{n_classes}; write a name for each output."
            )
        described = _description(self.input, normalisation, f"{self._found} from {self._classes}", settings)
        return NetworkFacts(
            name=self.path.name,
            sha256=sha256,
            n_classes=n_classes,
            class_names=settings.classes,
            class_names_from=self.path.with_suffix(".yaml").name,
            config=described,
            config_sha256=hashlib.sha256(described.encode()).hexdigest(),
            provides=frozenset(
                {"logits" if self._found == "logits" else "probabilities", *(["features"] if self._features else [])}
            ),
            align_corners=settings.align_corners,
            normalisation=normalisation,
            windows=settings.slide,
            # Windows may be of that size, and lie in images of any.
            input_size=InputSize() if settings.slide else self.input.size,
        )


def load_network(given: Given, device: torch.device) -> OnnxNetwork:
    """Load an ONNX file; raises InputError, which names file and remedy, for what cannot be used."""
    return OnnxNetwork(given, device)


def _normalisation(settings: OnnxSettings, image: ImageInput, path: Path) -> Normalisation:
    """Return what is made of pixels. The user has to say it unless they enter as they are: a guess would not show."""
    said = settings.mean is not None or settings.std is not None
    if image.takes_pixels and said:
        raise InputError(f"{path} takes pixels of 8 bits as they are; leave mean and std out.")
    if not image.takes_pixels and not said:
        raise InputError(
            f"{path} does not say what it takes: give --mean and --std in the 0 to 255 of pixels, which are 0 0 0 and "
            f"1 1 1 where it normalises pixels itself, 0 0 0 and 255 255 255 for values from 0 to 1."
        )
    mean, std = settings.mean or (0.0, 0.0, 0.0), settings.std or (1.0, 1.0, 1.0)
    return Normalisation((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]), settings.colours or "RGB")


def _description(image: ImageInput, normalisation: Normalisation, output: str, settings: OnnxSettings) -> str:
    """Say in one line how the file is used; equal lines are used alike."""
    mean, std = (
        " ".join(f"{value!r}".removesuffix(".0") for value in values)
        for values in (normalisation.mean, normalisation.std)
    )
    parts = [
        f"input {image}",
        f"{normalisation.colours}, mean {mean}, std {std}",
        output,
        *([f"features from {settings.features}"] if settings.features else []),
        *(["align_corners"] if settings.align_corners else []),
    ]
    # Reports take what is before a slash for a folder.
    return "; ".join(parts).replace("/", "_")
