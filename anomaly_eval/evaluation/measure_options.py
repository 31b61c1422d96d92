"""What an evaluation measures beside the metrics of the pool; importing this loads nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
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
    also means over images. components: also component metrics, at the `component_threshold` of a method, else that of
    the best pixel F1; from Python a number, or a mapping from methods to numbers, will do. negate: methods that score
    anomalies lower; thresholds are on what their scores become. operating_points: goals of thresholds, see
    `metrics.operating_points.Goal`. thresholds: a file of them.
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
        Sequence[str],
        Asked(
            "Score from which pixels count as anomalies in components: METHOD=VALUE, or a value for a lone method. "
            "Default: that of the best F1."
        ),
    ] = ()
    negate: Annotated[
        Sequence[str], Asked("Methods that score anomalies lower than the rest: their scores are taken times -1.")
    ] = ()
    operating_points: Annotated[
        Sequence[str],
        Asked("Also choose thresholds for these goals, and write them to thresholds.json: tpr=0.95 fpr=0.01 f1."),
    ] = ()
    thresholds: Annotated[
        Path | None,
        Asked("Also measure the thresholds that --operating-points chose on other images: their thresholds.json."),
    ] = None

    def __post_init__(self) -> None:
        """Take lone values in the place of lists."""
        object.__setattr__(self, "component_threshold", _words(self.component_threshold))
        object.__setattr__(self, "negate", _words(self.negate))
        object.__setattr__(self, "operating_points", _words(self.operating_points))

    def check(self) -> None:
        """Raise InputError for thresholds without components, and for those that are no numbers."""
        if self.component_threshold and self.components is None:
            raise InputError(
                "--component-threshold is about component metrics; add --components card (anomaly or obstacle where "
                "the card names no track), or leave it out."
            )
        for word in self.component_threshold:
            if math.isnan(_named_number(word)[1]):
                raise InputError(f"--component-threshold {word} holds no number; give METHOD=VALUE, such as msp=-0.5.")

    def component_thresholds(self, methods: Sequence[str]) -> dict[str, float]:
        """Return the given thresholds by method.

        Raises InputError for one without a name where there are several methods, whose scores have scales of their own,
        for a method that is not there, and for one that is given twice.
        """
        found: dict[str, float] = {}
        for word in self.component_threshold:
            name, value = _named_number(word)
            if name is None and len(methods) > 1:
                example = " ".join(f"{method}=VALUE" for method in methods[:2])
                raise InputError(
                    f"--component-threshold {word} is one number for {len(methods)} methods, whose scores have scales "
                    f"of their own; name the methods that have one, such as --component-threshold {example}."
                )
            name = methods[0] if name is None else name
            _check_known("--component-threshold", [name], methods)
            if name in found:
                raise InputError(f"--component-threshold names {name} twice; leave one of them out.")
            found[name] = value
        return found

    def check_methods(self, methods: Sequence[str]) -> None:
        """Raise InputError for what is said of methods that are not there; see `component_thresholds`."""
        self.component_thresholds(methods)
        _check_known("--negate", self.negate, methods)

    def of_methods(self, methods: Sequence[str]) -> Measures:
        """Return the same without what is said of other methods, such as of those of another network."""
        words = [word for word in self.component_threshold if _named_number(word)[0] in (None, *methods)]
        return replace(self, component_threshold=words, negate=[name for name in self.negate if name in methods])

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


def _words(given: object) -> tuple[str, ...]:
    """Return a lone value, a mapping from names to values, or a sequence of values as the words for them."""
    if isinstance(given, Mapping):
        return tuple(f"{name}={value}" for name, value in given.items())
    if isinstance(given, Sequence) and not isinstance(given, str):
        return tuple(map(str, given))
    return () if given is None else (str(given),)


def _named_number(word: str) -> tuple[str | None, float]:
    """Read `NAME=VALUE`, or a value alone; NaN is what is no number."""
    name, separator, value = word.rpartition("=")
    try:
        return (name if separator else None), float(value)
    except ValueError:
        return (name if separator else None), math.nan


def _check_known(flag: str, names: Sequence[str], methods: Sequence[str]) -> None:
    for name in names:
        if name not in methods:
            raise InputError(f"{flag} names {name!r}, which is not among the methods; they are {', '.join(methods)}.")


DEFAULT_MEASURES = Measures()
