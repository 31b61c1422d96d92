"""One run of `gmmseg-anomaly fit-mixtures`: mixtures fitted after training, by batch EM (GMMSeg, Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from anomaly_eval.datasets.prefetch import read_ahead
from anomaly_eval.datasets.samples import find_dataset
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.fit import check_classes, check_out, class_name_notes
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.metrics.temperature import end_of_range
from anomaly_eval.results.origins import FitRecord
from anomaly_eval.runtime.choices import FittedFeatures
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from anomaly_eval.runtime.output_folder import write_atomically
from anomaly_eval.runtime.progress import progress_bar
from anomaly_eval.scores.mahalanobis import sample_label
from anomaly_eval.segmenters.base import predict
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.studies.mixtures.posterior import PosteriorSample
from anomaly_eval.studies.mixtures.request import MixtureRequest
from gmmseg.denormals import flushed_denormals
from gmmseg.estimation import Mixtures, fit_mixtures
from gmmseg.full_covariance import FullMixtures, fit_full_mixtures
from gmmseg.reservoir import ClassReservoir
from gmmseg.sampling import draw_per_class_and_image


@dataclass(frozen=True)
class MixtureReport:
    """What was fitted."""

    images: int
    expected_images: int | None
    pixels: int
    steps: int
    log_likelihood: float
    """Mean over the pixels of log p(x | c), nats."""
    absent: tuple[str, ...]
    """Classes without a pixel; the network never predicts them."""
    input_size: InputSize
    """At which the images entered the network; the checkpoint does not note it."""


@flushed_denormals()
def run_fit_mixtures(request: MixtureRequest, console: Console) -> MixtureReport:
    """Sample the features of a trained network, fit the mixtures, and write a checkpoint that `eval` can run."""
    from anomaly_eval.segmenters.capabilities import TakesMixtures
    from anomaly_eval.segmenters.protocol import NetworkSegmenter
    from anomaly_eval.studies.mixtures.place import MixturePlace, checkpoint_with_mixtures

    if request.shrinkage and request.covariance == "diagonal":
        raise InputError("--shrinkage is about whole covariances; add --covariance full, or leave it out.")
    if request.running.known_classes:
        raise InputError(
            "--known-classes leaves out outputs, but fitted mixtures take the place of all of them; leave it out here, "
            "and give it to eval."
        )
    check_out(request.out, request.overwrite)
    refuse_lost_inputs(request)
    samples = find_dataset(request.dataset, request.data_root)
    segmenter = request.network.load()
    if not isinstance(segmenter, NetworkSegmenter) or not isinstance(segmenter.network, TakesMixtures):
        raise InputError(
            f"{request.checkpoint} has no last layer that mixtures could be put in the place of; choose a "
            f"checkpoint of mmsegmentation."
        )
    place = MixturePlace.of(segmenter.network, request.features)
    classes = check_classes(samples, segmenter)
    posterior = PosteriorSample(len(segmenter.classes), request.seed) if request.calibrated else None
    reservoir = ClassReservoir(len(segmenter.classes), request.pixels_per_class, request.seed)
    with torch.inference_mode(), progress_bar(console, f"features of {samples.spec}", len(samples.samples)) as advance:
        for number, (sample, image, label) in enumerate(read_ahead(samples, Clock())):
            prediction = predict(segmenter, image, sample.image)
            maps = prediction.features
            if maps is None:
                raise InputError(f"the network {request.checkpoint} gives no features; choose another.")
            labels = torch.from_numpy(sample_label(label, maps)).long()
            labels[labels == VOID] = -1
            drawn = draw_per_class_and_image(
                labels[None], request.pixels_per_image, seed=request.seed, first_image=number
            )
            seen = place.see(maps.values).flatten(1).T
            reservoir.add(seen[drawn.to(seen.device)], labels.flatten()[drawn])
            if posterior is not None:
                posterior.add(seen, labels.flatten())
            advance()
    try:
        features, labels = reservoir.result()
    except ValueError as error:
        raise InputError(
            f"mixtures cannot be fitted on {samples.spec}: {error}; fit on images whose pixels are labelled."
        ) from error
    counts = torch.bincount(labels, minlength=len(segmenter.classes))
    known = counts > 0
    _check_counts(segmenter.classes, counts.tolist(), request.components)
    with console.status("EM"):
        try:
            mixtures, history = _fitted(request, features, labels, len(known))
        except ValueError as error:
            how = "--variance-floor or --shrinkage" if request.covariance == "full" else "--variance-floor"
            raise InputError(f"mixtures cannot be fitted on {samples.spec}: {error}; raise {how}.") from error
        found = None if posterior is None else posterior.fit(mixtures, known, place.settings.class_density)
    record = FitRecord(
        dataset=samples.spec,
        n_images=len(samples.samples),
        expected_images=samples.expected_images,
        files_sha256=samples.files_sha256(),
        notes=[
            f"{_kind(request, place.features)} on {len(labels)} pixels, seed {request.seed}",
            segmenter.describe().input_note,
            *([] if found is None else [_posterior_note(found.temperature)]),
            *class_name_notes(classes, segmenter),
        ],
    )
    write_atomically(request.out, checkpoint_with_mixtures(place, mixtures, known, record, found))
    absent = tuple(name for name, there in zip(segmenter.classes, known.tolist(), strict=True) if not there)
    return MixtureReport(
        images=len(samples.samples),
        expected_images=samples.expected_images,
        pixels=len(labels),
        steps=len(history),
        log_likelihood=history[-1],
        absent=absent,
        input_size=segmenter.input_size,
    )


def _fitted(
    request: MixtureRequest, features: Tensor, labels: Tensor, classes: int
) -> tuple[Mixtures | FullMixtures, list[float]]:
    """Fit the mixtures that were asked for, and return the log-likelihood before each step with them."""
    how: dict[str, Any] = {
        "iterations": request.iterations,
        "variance_floor": request.variance_floor,
        "generator": torch.Generator().manual_seed(request.seed),
    }
    if request.covariance == "full":
        return fit_full_mixtures(features, labels, classes, request.components, shrinkage=request.shrinkage, **how)
    return fit_mixtures(features, labels, classes, request.components, **how)


def _posterior_note(temperature: float) -> str:
    """Say how the posterior was calibrated, and where its temperature is not one of many."""
    note = f"posterior with shares of classes, temperature {temperature:.4g}"
    return ", ".join(filter(None, [note, end_of_range(temperature)]))


def _kind(request: MixtureRequest, features: FittedFeatures) -> str:
    """Say in words which mixtures were fitted."""
    text = f"{request.components} Gaussians a class"
    if request.covariance == "full":
        text += f" with full covariance, shrinkage {request.shrinkage:g}"
    return text if features == "input" else f"{text}, of the {features},"


def _check_counts(classes: Sequence[str], counts: Sequence[int], components: int) -> None:
    """Refuse classes that have pixels, but fewer than Gaussians."""
    few = [f"{name} {count}" for name, count in zip(classes, counts, strict=True) if 0 < count < components]
    if few:
        raise InputError(
            f"{components} Gaussians need as many pixels, but there are fewer of {', '.join(few)}; fit on more images, "
            f"or lower --components."
        )
