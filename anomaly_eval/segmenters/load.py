"""Which network a run uses, and how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_eval.segmenters.base import Segmenter
from anomaly_eval.segmenters.zoo import checkpoint_file, network_instead_of

if TYPE_CHECKING:
    from anomaly_eval.segmenters.mmseg import DeviceName


@dataclass(frozen=True)
class NetworkRequest:
    """Which network to run, and how."""

    checkpoint: Path
    """A file, or the name of a shipped network."""
    config: str | None = None
    device: DeviceName = "auto"
    resize: str | None = None
    """None is the own size of a shipped network, else that of the images."""
    window_batch: int = 4

    @property
    def statistics(self) -> Path | None:
        """The statistics that ship with the network for this size of input; none where the user names a config."""
        shipped = network_instead_of(self.checkpoint)
        return None if shipped is None or self.config is not None else shipped.statistics(self.resize)

    def load(self) -> Segmenter:
        """Build the network; importing mmsegmentation takes seconds, so it happens here."""
        from anomaly_eval.segmenters.input_size import InputSize
        from anomaly_eval.segmenters.mmseg import load_segmenter

        shipped = network_instead_of(self.checkpoint)
        size = InputSize.parse(self.resize)
        if shipped is not None and self.resize is None:
            size = replace(InputSize.parse(shipped.card.input), of_network=True)
        return load_segmenter(
            checkpoint_file(self.checkpoint),
            self.config,
            device=self.device,
            input_size=size,
            window_batch=self.window_batch,
        )
