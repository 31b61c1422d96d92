"""How users say which network runs, and how; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.choices import Colours, DeviceName
from anomaly_eval.runtime.option_fields import DEVICE, Asked, given_flags
from anomaly_eval.segmenters.given import Given, python_function

if TYPE_CHECKING:
    from anomaly_eval.segmenters.base import Segmenter
    from anomaly_eval.segmenters.input_size import InputSize
    from anomaly_eval.segmenters.network import NetworkFacts
    from anomaly_eval.segmenters.zoo import ShippedNetwork

_WHAT = "A network: a checkpoint, or the name of a shipped one (`gmmseg-anomaly networks` lists what can be given)"
CHECKPOINT = Asked(f"{_WHAT}.", "--ckpt", names="files")
CHECKPOINTS_OR_MAPS = Asked(
    "One or more networks: checkpoints, or names of shipped ones (`gmmseg-anomaly networks` lists what can be given); "
    "these, or --score-maps.",
    "--ckpt",
    names="files",
)
CONFIG = Asked(
    "Config: a shipped name, a .py file, mmseg::NAME. Default: that inside the checkpoint, never executed.",
    "--config",
    names="files",
)
MODEL = Asked(
    "A function that builds the network, FILE.py:FUNCTION: it runs, and may take the file of --ckpt.",
    "--model",
    names="files",
)
CHECKPOINTS = Asked(
    "One or more networks, each as `eval` takes it: a checkpoint, or another kind.", "--ckpt", names="files"
)
CONFIGS = Asked(
    "A config for each checkpoint: a shipped name, a .py file, mmseg::NAME, or none. Default, and none: that inside.",
    "--config",
    names="files",
)
IMPORTS = Asked("Modules that register parts of the network: names, or .py files. They run.", "--import", names="files")
NAMES = Asked("What tables and figures call them. Default: their files.")

NONE = "none"
"""What a list of options, one for each network, holds for a network that needs none."""
PROCESSOR_SIZE = "processor"
"""What `--resize` is given for the size of a network's own image processor."""


@dataclass(frozen=True)
class Running:
    """How a network is run."""

    resize: Annotated[
        str | None,
        Asked(
            "Resize images for the network: 0.5x, 512 (short side), 1024x512, with /32 after it to multiples of 32, or "
            "processor (as a network's image processor does). Default: native, or a shipped one's own."
        ),
    ] = None
    device: Annotated[DeviceName, DEVICE] = "auto"
    window_batch: Annotated[int, Asked("Sliding windows that run at once.", min=1)] = 4
    imports: Annotated[Sequence[str], IMPORTS] = ()
    known_classes: Annotated[
        Sequence[str],
        Asked("Outputs that are classes: names, numbers from 0, ranges (0-18); the others are dropped. Default: all."),
    ] = ()
    mean: Annotated[
        Sequence[float], Asked("For networks that do not say it: mean of each channel, of pixels in 0 to 255.")
    ] = ()
    std: Annotated[Sequence[float], Asked("For networks that do not say it: what is divided by after that.")] = ()
    colours: Annotated[Colours | None, Asked("For networks that do not say it: order of the channels.")] = None

    def network(self, checkpoint: Path | None, config: str | None, model: str | None = None) -> NetworkRequest:
        """Return a network that is run so; `model` is FILE.py:FUNCTION, which takes its weights from `checkpoint`.

        Raises InputError where there is neither, and for a model that is not written so.
        """
        path, weights = (checkpoint, None) if model is None else (Path(model), checkpoint)
        if path is None:
            raise InputError("there is no network; give --ckpt, or --model FILE.py:FUNCTION.")
        if model is not None and python_function(path) is None:
            raise InputError(f"--model {model!r} is not understood; write FILE.py:FUNCTION, or give --ckpt for a file.")
        mean, std = (tuple(values) or None for values in (self.mean, self.std))
        config = None if config == NONE else config
        return NetworkRequest(Given(path, config, weights, mean, std, self.colours), self)

    def instance(self, network: Any, config: str | None = None) -> NetworkRequest:
        """Return a network that was handed over from Python, run so."""
        from anomaly_eval.segmenters.python.build import name_of

        request = self.network(Path(name_of(network)), config)
        return NetworkRequest(replace(request.given, instance=network), self)

    def networks(self, checkpoints: Sequence[Path], configs: Sequence[str]) -> list[NetworkRequest]:
        """Return networks that are run so; raises InputError where there are configs, but not one for each."""
        if configs and len(configs) != len(checkpoints):
            raise InputError(
                f"--config gives {len(configs)} values for {len(checkpoints)} checkpoints; give one for each --ckpt."
            )
        chosen = configs or (None,) * len(checkpoints)
        return [self.network(path, config) for path, config in zip(checkpoints, chosen, strict=True)]


AS_USUAL = Running()


@dataclass(frozen=True)
class NetworkRequest:
    """Which network to run, and how."""

    given: Given
    """Its path may also be the name of a shipped network."""
    running: Running

    @property
    def statistics(self) -> Path | None:
        """The statistics that ship with the network for this size of input; none where the user names a config."""
        shipped = self._shipped
        usual = self.given.config is None and not self.running.known_classes and self.running.resize != PROCESSOR_SIZE
        return shipped.statistics(self.running.resize) if shipped is not None and usual else None

    def check(self) -> None:
        """Raise InputError for a checkpoint that is not there, without loading it."""
        from anomaly_eval.segmenters.kinds import kind_of
        from anomaly_eval.segmenters.zoo import checkpoint_file

        # Of other kinds it is known what they are because they are there.
        if self.given.instance is None and kind_of(self.given.path).asked_last:
            checkpoint_file(self.given.path)

    def load(self) -> Segmenter:
        """Load the network; raises InputError as `load_segmenter` does.

        A segmenter that was handed over from Python is returned as it is.
        """
        from anomaly_eval.segmenters.base import Segmenter
        from anomaly_eval.segmenters.input_size import InputSize
        from anomaly_eval.segmenters.load import load_segmenter

        if isinstance(self.given.instance, Segmenter):
            for flag in given_flags(self.running).values():
                raise InputError(f"a segmenter is run as it is, so {flag} says nothing to it; leave it out.")
            return self.given.instance
        shipped, running = self._shipped, self.running
        by_processor = running.resize == PROCESSOR_SIZE
        size = None if running.resize is None or by_processor else InputSize.parse(running.resize)
        if shipped is not None and size is None:
            size = replace(InputSize.parse(shipped.card.input), of_network=True)
        segmenter = load_segmenter(
            self.given if shipped is None else replace(self.given, path=shipped.checkpoint()),
            device=running.device,
            input_size=size,
            window_batch=running.window_batch,
            known_classes=running.known_classes,
            imports=running.imports,
        )
        if by_processor:
            segmenter.input_size = _processor_size(segmenter.network.facts)
        return segmenter

    @property
    def _shipped(self) -> ShippedNetwork | None:
        from anomaly_eval.segmenters.zoo import network_instead_of

        return None if self.given.instance is not None else network_instead_of(self.given.path)


def _processor_size(facts: NetworkFacts) -> InputSize:
    if facts.processor_size is None:
        raise InputError(
            f"{facts.name} brings no size of an image processor for --resize {PROCESSOR_SIZE}; give a factor (0.5x), a "
            f"short side (512) or WIDTHxHEIGHT."
        )
    return facts.processor_size
