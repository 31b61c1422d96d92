"""What an evaluation measures beside the metrics of the pool; importing this loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.conventions import Convention
from anomaly_eval.runtime.choices import ComponentChoice
from anomaly_eval.runtime.option_fields import MAX_SEED, Asked

if TYPE_CHECKING:
    from anomaly_eval.datasets.samples import SampleSet
    from anomaly_eval.metrics.components import Track


@dataclass(frozen=True)
class Measures:
    """What is wanted beside the metrics of the pool, and how FPR95 is read off; options of the command line, too.

    resamples: how often images are drawn for intervals, 0 being never; seed: of these draws, None being 0. per_image:
    also means over images. components: also component metrics, at `component_threshold` or, None, that of the best
    pixel F1.
    """

    fpr_convention: Annotated[
        Convention, Asked("How FPR95 is read off: as Fishyscapes, RbA, ood_metrics or torch-uncertainty do.", "--fpr95")
    ] = "first_geq"
    resamples: Annotated[
        int, Asked("Resamples of the images for 95 % intervals, such as 1000.", "--bootstrap", min=0, max=100_000)
    ] = 0
    seed: Annotated[int | None, Asked("Seed of the resamples of --bootstrap. Default: 0.", min=0, max=MAX_SEED)] = None
    per_image: Annotated[bool, Asked("Also means over images, which are other numbers than those of the pool.")] = False
    components: Annotated[
        ComponentChoice | None,
        Asked("Also the component metrics of SegmentMeIfYouCan: of the card's track, or of the one named."),
    ] = None
    component_threshold: Annotated[
        float | None,
        Asked("Score from which pixels count as anomalies in components. Default: that of the best F1."),
    ] = None

    def track_for(self, samples: SampleSet) -> Track | None:
        """Return the component sizes for a dataset; raises InputError where its card should tell and does not."""
        from anomaly_eval.metrics.components import TRACKS

        if self.components is None:
            return None
        name = samples.card.track if self.components == "card" else self.components
        if name is None:
            raise InputError(
                f"the card of {samples.spec} names no track for component metrics; "
                f"choose --components anomaly (large ones) or obstacle (small ones)."
            )
        return TRACKS[name]


DEFAULT_MEASURES = Measures()
