"""All that one run of `gmmseg-anomaly predict` depends on; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from anomaly_eval.runtime.option_fields import Asked
from anomaly_eval.segmenters.running import AS_USUAL, CONFIG, MODEL, Running

if TYPE_CHECKING:
    from anomaly_eval.segmenters.running import NetworkRequest

DEFAULT_NETWORK = "gmmseg_efficientnet-lite0_cityscapes"
"""A shipped network of street scenes, which anybody can run."""

OverlayFormat = Literal["png", "jpeg", "none"]
MapPrecision = Literal["float32", "float16", "none"]
OutputFormat = Literal["pictures", "smiyc", "oodis", "fishyscapes"]
"""Pictures to look at, or what the server of a benchmark takes."""


@dataclass(frozen=True)
class PredictionRequest:
    """All that one prediction depends on; options of the command line, too."""

    inputs: Annotated[
        Sequence[Path], Asked("Images, videos, and folders of them (with all folders in these).", is_argument=True)
    ]
    checkpoint: Annotated[
        Path | None,
        Asked(f"A network: a checkpoint, or the name of a shipped one. Default: {DEFAULT_NETWORK}.", "--ckpt"),
    ] = None
    model: Annotated[str | None, MODEL] = None
    instance: Any = None
    """In the place of both: a network from Python."""
    out: Annotated[Path, Asked("Folder for the predictions.")] = Path("predictions")
    config: Annotated[str | None, CONFIG] = None
    score: Annotated[str | None, Asked("The score. Default: max_logit, a GMMSeg network's joint density.")] = None
    statistics: Annotated[
        Path | None, Asked("Statistics written by `gmmseg-anomaly fit`, for scores that learn.", "--stats")
    ] = None
    threshold: Annotated[
        float | None,
        Asked("Score from which pixels are unknown. Default: that of a shipped network's card, else none is unknown."),
    ] = None
    thresholds: Annotated[
        Path | None, Asked("Or a thresholds.json, as `gmmseg-anomaly eval --operating-points` writes it.")
    ] = None
    point: Annotated[
        str | None, Asked("Which one of --thresholds, where there are several: fpr=0.01, or fpr=0.01@DATASET.")
    ] = None
    overlays: Annotated[
        OverlayFormat, Asked("How pictures of image, heat and outline are written; of videos also as .mp4.")
    ] = "png"
    maps: Annotated[
        MapPrecision | None,
        Asked("How score maps are written. Default: float32 of images, none of frames of a video; for smiyc float16."),
    ] = None
    page: Annotated[bool, Asked("Also write index.html: all images, small, to browse.")] = False
    format: Annotated[
        OutputFormat,
        Asked("Pictures, or files for a benchmark's server: SegmentMeIfYouCan, OoDIS, a container of Fishyscapes."),
    ] = "pictures"
    split: Annotated[
        Sequence[str], Asked("What the server calls the images: one name for all inputs, or one for each.")
    ] = ()
    method: Annotated[
        str | None, Asked("What smiyc calls the method. Default: the network and the score, joined by _.")
    ] = None
    least_pixels: Annotated[
        int | None,
        Asked("Of fewer pixels nothing is an anomaly for oodis. Default: 10, as in its evaluation.", min=1),
    ] = None
    running: Running = AS_USUAL
    overwrite: Annotated[bool, Asked("Replace earlier predictions in --out.")] = False
    command: Sequence[str] = ()

    @property
    def network(self) -> NetworkRequest:
        """The network to run."""
        if self.instance is not None:
            return self.running.instance(self.instance, self.config)
        return self.running.network(self.named_checkpoint, self.config, self.model)

    @property
    def named_checkpoint(self) -> Path | None:
        """The checkpoint, or the name of a network that ships, by default one of them."""
        alone = self.checkpoint is None and self.model is None and self.instance is None
        return Path(DEFAULT_NETWORK) if alone else self.checkpoint
