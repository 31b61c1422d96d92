"""All that one run of `gmmseg-anomaly eval` depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomaly_eval.benchmark import DEFAULT_MEASURES
from anomaly_eval.maps.disk import MapsRequest
from anomaly_eval.maps.index import Precision
from anomaly_eval.measures import Measures
from anomaly_eval.network import NetworkRequest
from anomaly_eval.protocol import ProtocolChoice


@dataclass(frozen=True)
class EvaluationRequest:
    """All that one evaluation depends on."""

    network: NetworkRequest | None
    """None where there are `maps` instead."""
    datasets: Sequence[str]
    out: Path
    maps: MapsRequest | None = None
    """Finished score maps to evaluate in the place of a network's."""
    data_root: Path | None = None
    scores: Sequence[str] | None = None
    fit_dataset: str | None = None
    statistics: Path | None = None
    sml_without: Sequence[str] = ()
    save_scores: Precision | None = None
    """What score maps are rounded to when they are written; None writes none."""
    heatmaps: int | None = 0
    """How many images of each dataset get heatmaps; None is all."""
    figures: bool = False
    """Whether curves and histograms are drawn."""
    page: bool = False
    """Whether a page to browse is written."""
    protocol: ProtocolChoice | None = None
    """Whose test settings closed-set datasets are evaluated with; None is the card's."""
    measures: Measures = DEFAULT_MEASURES
    with_published: bool = False
    journal: bool = True
    """Whether finished images are kept until the end, so that an interrupted run goes on from them."""
    overwrite: bool = False
    command: Sequence[str] = ()
