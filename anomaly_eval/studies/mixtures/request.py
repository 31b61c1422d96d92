"""What one run of `gmmseg-anomaly fit-mixtures` depends on; importing this loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from anomaly_eval.runtime.choices import FittedFeatures
from anomaly_eval.runtime.option_fields import DATA_ROOT, MAX_SEED, Asked
from anomaly_eval.segmenters.running import AS_USUAL, CHECKPOINT, CONFIG, Running
from gmmseg.covariance_names import Covariance

if TYPE_CHECKING:
    from anomaly_eval.segmenters.running import NetworkRequest


@dataclass(frozen=True)
class MixtureRequest:
    """All that one run of `fit-mixtures` depends on; options of the command line, too."""

    checkpoint: Annotated[Path, CHECKPOINT]
    dataset: Annotated[str, Asked("The closed-set dataset that the network was trained on.", names="files")]
    out: Annotated[Path, Asked("The checkpoint to write (.pth); `eval` runs it.")]
    data_root: Annotated[Path | None, DATA_ROOT] = None
    config: Annotated[str | None, CONFIG] = None
    components: Annotated[int, Asked("Gaussians of each class.", min=1)] = 5
    covariance: Annotated[
        Covariance, Asked("Of each Gaussian: its diagonal, as in the paper's experiments, or the whole.")
    ] = "diagonal"
    """`full` is that of Eq. 4; the paper fits diagonal ones for speed (section 4.1)."""
    shrinkage: Annotated[float, Asked("Share of the mean covariance in each full one.", min=0, max=1)] = 0.0
    """Share of the mean covariance of all Gaussians in each one, in [0, 1]; with full ones only."""
    features: Annotated[
        FittedFeatures | None,
        Asked(
            "What to fit: the input of the last layer or, of a GMM classifier, its projection or its embedding. "
            "Default: the last that there is."
        ),
    ] = None
    """None is the embedding of a GMM classifier, else the input of the last layer."""
    calibrated: Annotated[
        bool, Asked("Logits are densities over a fitted temperature, plus the log shares of the classes.")
    ] = False
    """Whether the logits are log densities over a temperature, plus the logarithms of the classes' shares, both from
    the same images; the density as a score stays as it is. Without, the logits are the log densities, plus the log
    shares of the classes where the network has them."""
    pixels_per_image: Annotated[int, Asked("Pixels drawn from each class and image.", min=1)] = 100
    pixels_per_class: Annotated[int, Asked("Pixels kept of each class.", min=1)] = 5_000
    variance_floor: Annotated[float, Asked("Smallest variance of a feature.", min=1e-12, max=1e6)] = 1e-6
    seed: Annotated[int, Asked("Seed of the pixels and of the first means.", min=0, max=MAX_SEED)] = 0
    running: Running = AS_USUAL
    overwrite: Annotated[bool, Asked("Replace an existing file.")] = False
    iterations: int = 100

    @property
    def network(self) -> NetworkRequest:
        """The network whose features are fitted."""
        return self.running.network(self.checkpoint, self.config)
