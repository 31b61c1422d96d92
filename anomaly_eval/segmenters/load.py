"""Which network a run uses, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.choices import DeviceName
from anomaly_eval.segmenters.zoo import checkpoint_file, network_instead_of

if TYPE_CHECKING:
    from anomaly_eval.segmenters.input_size import InputSize
    from anomaly_eval.segmenters.protocol import NetworkSegmenter


@dataclass(frozen=True)
class NetworkRequest:
    """Which network to run, and how."""

    checkpoint: Path
    """What any of the kinds in `segmenters/kinds` recognises, or the name of a shipped network."""
    config: str | None = None
    device: DeviceName = "auto"
    resize: str | None = None
    """None is the size that a network brings with it, else that of the images."""
    window_batch: int = 4
    imports: tuple[str, ...] = ()
    """Modules, or .py files, that register parts of the network; they run."""

    @property
    def statistics(self) -> Path | None:
        """The statistics that ship with the network for this size of input; none where the user names a config."""
        shipped = network_instead_of(self.checkpoint)
        return None if shipped is None or self.config is not None else shipped.statistics(self.resize)

    def load(self) -> NetworkSegmenter:
        """Load the network; raises InputError as `load_segmenter` does."""
        from anomaly_eval.segmenters.input_size import InputSize

        shipped = network_instead_of(self.checkpoint)
        size = None if self.resize is None else InputSize.parse(self.resize)
        if shipped is not None and size is None:
            size = replace(InputSize.parse(shipped.card.input), of_network=True)
        return load_segmenter(
            self.checkpoint if shipped is None else shipped.checkpoint(),
            self.config,
            device=self.device,
            input_size=size,
            window_batch=self.window_batch,
            imports=self.imports,
        )


def load_segmenter(
    given: Path,
    config: str | None = None,
    *,
    device: DeviceName = "auto",
    input_size: InputSize | None = None,
    window_batch: int = 4,
    imports: Sequence[str] = (),
) -> NetworkSegmenter:
    """Load the network that a user gave, of whichever kind; an `input_size` of None is its own.

    imports: modules that register parts of it, which run. Raises InputError where it cannot be used, for a config that
    its kind does not take, for modules that fail, and where CUDA is asked for but not there.
    """
    # Late, as it takes a second.
    from anomaly_eval.segmenters.device import choose_device
    from anomaly_eval.segmenters.imports import import_modules
    from anomaly_eval.segmenters.kinds import kind_of
    from anomaly_eval.segmenters.protocol import NetworkSegmenter

    kind = kind_of(given)
    if kind.asked_last:
        # Nobody knows it: perhaps the name of a shipped network is misspelt.
        given = checkpoint_file(given)
    if config is not None and not kind.takes_config:
        raise InputError(f"--config says nothing about {given}, as it is among {kind.title}; leave it out.")
    import_modules(imports)
    network = kind.load(given, config, choose_device(device))
    if network.facts.n_classes < 2:
        raise InputError(
            f"{given} has {network.facts.n_classes} class, whose probability is always 1, so that nothing could be "
            f"scored; give a network of two classes or more."
        )
    return NetworkSegmenter(network, input_size=input_size, window_batch=window_batch)
