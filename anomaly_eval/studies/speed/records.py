"""What a measurement of speed found and where it came from: the content of `speed.json`."""

from __future__ import annotations

from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.results.record import Record


class SpeedRow(Record):
    """One line of `speed.csv`. Times are in milliseconds for one image, with their 5th and 95th percentiles."""

    network: str
    score: str
    """Empty where the network runs alone."""
    fps: float
    """Images a second, at the median time."""
    ms: float
    ms_low: float
    ms_high: float
    ratio: float
    """Median over rounds of the time as a multiple of the first network's in the same round."""
    ratio_low: float
    ratio_high: float
    peak_memory_mb: float | None
    """Of tensors beside weights and image; None of networks that others than PyTorch run."""
    height: int
    width: int
    """Of the images."""
    runs: int


class SpeedConventions(Record):
    """The choices that every number depends on, in words."""

    network: str = "an 8-bit image in memory to class maps on the network's own grid, resizing and windows included"
    score: str = "the same and a score map at the size of the image"
    turns: str = "networks run in turn, one image at a time, after runs that are not timed; a GPU is waited for"
    spread: str = "median, and 5th and 95th percentiles over runs; ratios are of times in the same round"
    memory: str = (
        "the most that tensors took at once beside weights and image, in 10^6 bytes, in a run of its own; not known of "
        "networks that others than PyTorch run, as of ONNX"
    )
    image: str = "noise, the same for all"


class Machine(Record):
    """On what networks ran."""

    device: str
    """The model of the GPU, or `cpu`."""
    processor: str
    cores: int
    threads: int | None
    """Those of PyTorch; None on a GPU."""
    load_before: float | None
    """Processes that wanted a core in the minute before, None where the system does not tell."""


class SpeedFindings(Record):
    """All that one run of `speed` found."""

    format_version: int = 1
    rows: list[SpeedRow]
    seconds: dict[str, dict[str, list[float]]]
    """All timed runs by network and score, in their order."""
    conventions: SpeedConventions
    command: str
    versions: dict[str, str]
    networks: dict[str, ModelRecord]
    machine: Machine
    warm_up: int
    warnings: list[str]
