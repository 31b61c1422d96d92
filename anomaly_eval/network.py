"""Which network a run uses, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_eval.prediction import Segmenter

if TYPE_CHECKING:
    from anomaly_eval.segmenters.mmseg import DeviceName


@dataclass(frozen=True)
class NetworkRequest:
    """Which network to run, and how."""

    checkpoint: Path
    config: str | None = None
    device: DeviceName = "auto"
    resize: str | None = None
    window_batch: int = 4

    def load(self) -> Segmenter:
        """Build the network; importing mmsegmentation takes seconds, so it happens here."""
        from anomaly_eval.segmenters.input_size import InputSize
        from anomaly_eval.segmenters.mmseg import load_segmenter

        return load_segmenter(
            self.checkpoint,
            self.config,
            device=self.device,
            input_size=InputSize.parse(self.resize),
            window_batch=self.window_batch,
        )
