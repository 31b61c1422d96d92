"""What stands beside a grid: which images of which dataset were drawn, by which networks, and their numbers."""

from __future__ import annotations

from anomaly_eval.results.origins import FitRecord, ModelRecord
from anomaly_eval.results.record import Record


class GridNetworkRecord(Record):
    """A network and the name that readers see."""

    name: str
    model: ModelRecord
    fits: dict[str, FitRecord]
    """What scores and densities were fitted on, by score name."""


class GridImageRecord(Record):
    """One row of the grid."""

    id: str
    choice: str | None
    """best, median or worst; None where the image was named."""
    measures: dict[str, dict[str, float]]
    """Numbers of this image alone in percent, by method and measure; empty where there is nothing to measure."""


class GridRecord(Record):
    """The content of the .json beside a grid."""

    format_version: int = 1
    command: str
    dataset: str
    title: str
    layout: str
    card_sha256: str
    n_images: int
    ranked_by: str | None
    """Method and measure by which images were chosen; None where they were named."""
    n_left_out: int | None
    """Images that could not be ranked; None where none was."""
    networks: list[GridNetworkRecord]
    images: list[GridImageRecord]
    colour_scales: dict[str, tuple[float, float]]
    """Lowest and highest score that the colours of a method tell apart."""
