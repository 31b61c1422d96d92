"""One closed-set dataset x segmenter to mean IoU, accuracy and the same for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from anomaly_eval.datasets.pixel_hashes import PixelHashes
from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.anomaly import dataset_record
from anomaly_eval.evaluation.image_work import Compute, Work
from anomaly_eval.evaluation.journal.record import Arrays
from anomaly_eval.evaluation.journal.record_store import Records
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.closed_set import ClosedSetMetrics, ClosedSetState, confusion_matrix
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.results.records import ClosedSetClassRow, ClosedSetRow, DatasetRecord
from anomaly_eval.runtime.choices import ProtocolChoice
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.scores.base import ClassStatistics
from anomaly_eval.segmenters.base import Segmenter, predict
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from gmmseg.class_names import plain_name

_COUNTS = "counts"


@dataclass(frozen=True)
class ClosedSetFindings:
    """What was found on one dataset: its row, a row for each class in the order of the ids, and the images behind."""

    row: ClosedSetRow
    classes: list[ClosedSetClassRow]
    record: DatasetRecord


class ClosedSetEvaluation:
    """What a network gives on one closed-set dataset, in memory that does not grow with its images.

    Run `first` over all images, and ask for the `findings`.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        samples: SampleSet,
        clock: Clock,
        choice: ProtocolChoice = "card",
        records: Records | None = None,
    ) -> None:
        """Take the network and the dataset; `choice` names whose test settings count.

        A card without a protocol leaves them to the network. Raises InputError for a dataset of another task, and for
        other classes than the network's.
        """
        self.samples = samples
        self._classes = check_same_classes(samples, segmenter)
        self._segmenter, self._choice, self._clock, self._records = segmenter, choice, clock, records
        self._state, self._hashes = ClosedSetState(len(self._classes)), PixelHashes()
        self._sizes, self._void_pixels = set[tuple[int, int]](), 0

    @property
    def first(self) -> Work:
        """What is done in the pass over all images.

        It raises InputError for an unusable image or label, and for NaN in logits; the message names the file.
        """
        compute = count_computation(self._segmenter, self.samples, self._choice, self._clock)
        return Work(compute, self._take, records=self._records)

    def second(self) -> None:
        """Nothing is left for a second pass."""

    def findings(self) -> ClosedSetFindings:
        """Return what was found; raises InputError for labels that are all void."""
        samples, segmenter = self.samples, self._segmenter
        try:
            metrics = self._state.compute()
        except ValueError as error:
            raise samples.wrong_labels(error) from error
        described = _under_protocol(segmenter, samples, self._choice).describe()
        whose = "network" if self._choice == "network" or samples.card.protocol is None else "card"
        # What the whole run resizes images to goes before the protocol, which then is not quite the card's.
        size = segmenter.input_size
        asked = "at the network's own size" if size.of_network else "with --resize"
        changed = "" if size.native else f", {asked}"
        views = "" if described.tta is None else f"; mean probabilities of the views {described.tta}"
        used = f"{whose}{changed}: {described.inference}; {described.resize}{views}"
        with self._clock.section("input"):
            record = dataset_record(samples, self._sizes, self._void_pixels, hashes=self._hashes)
        return ClosedSetFindings(_row(samples, metrics, used), _class_rows(samples, self._classes, metrics), record)

    def _take(self, sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8], arrays: Arrays) -> None:
        with self._clock.section("metrics"):
            of_image = ClosedSetState(len(self._classes))
            of_image.counts = arrays[_COUNTS]
            self._state.merge(of_image)
            self._hashes.add(image, label)
            self._void_pixels += int(np.count_nonzero(label == VOID))
            self._sizes.add((label.shape[1], label.shape[0]))


def count_computation(segmenter: Segmenter, samples: SampleSet, choice: ProtocolChoice, clock: Clock) -> Compute:
    """Return what computes the confusion counts of an image, (classes, classes) int64; see `ClosedSetEvaluation`."""
    tested = _under_protocol(segmenter, samples, choice)

    def compute(sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8]) -> Arrays:
        with clock.section("forward"), torch.inference_mode():
            prediction = predict(tested, image, sample.image)
        with clock.section("metrics"):
            predicted = predicted_classes(prediction.class_maps)
            return {_COUNTS: confusion_matrix(predicted, label, len(segmenter.classes))}

    return compute


def check_same_classes(samples: SampleSet, segmenter: Segmenter) -> tuple[str, ...]:
    """Return the class names of a dataset if they are those of the network, in the same order.

    Raises InputError for a dataset of another task, and for another number or order, naming the first difference.
    Case, spaces and underscores make none; numbers that stand in for names that a checkpoint lacks are not compared.
    """
    classes = samples.card.classes
    if samples.card.task != "closed_set" or classes is None:
        raise InputError(
            f"{samples.spec} is an anomaly dataset without class labels, so neither IoU nor accuracy can be measured "
            f"on it; choose a closed-set dataset, e.g. cityscapes."
        )
    of_network = segmenter.classes
    differing = [
        f"class {index} is {ours!r} in the dataset and {theirs!r} in the network"
        for index, ours, theirs in differing_names(classes, segmenter)
    ]
    remedy = "evaluate on the classes that the network was trained on"
    if len(classes) != len(of_network):
        first = f" ({differing[0]})" if differing else ""
        raise InputError(f"{samples.spec} has {len(classes)} classes, the network {len(of_network)}{first}; {remedy}.")
    if differing:
        raise InputError(f"{samples.spec} has other classes than the network: {differing[0]}; {remedy}.")
    return classes


def _under_protocol(segmenter: Segmenter, samples: SampleSet, choice: ProtocolChoice) -> Segmenter:
    return segmenter.with_protocol(samples.card.protocol if choice == "card" else None)


def predicted_classes(maps: CoarseMaps) -> NDArray[np.uint8]:
    """Return the class with the largest value at each pixel of the image, (height, width); the first of equal ones."""
    return torch.cat([ClassStatistics(values).argmax.to(torch.uint8) for _, values in maps.bands()]).cpu().numpy()


def unchecked_order(samples: SampleSet, segmenter: Segmenter) -> list[str]:
    """Warn where the classes of a dataset and a network are equal in number, and nothing tells whether in order."""
    if segmenter.has_class_names:
        return []
    return [
        f"{samples.spec}: nothing says what the classes of the network are called, so their order could not be checked"
    ]


def differing_names(of_dataset: Sequence[str], segmenter: Segmenter) -> list[tuple[int, str, str]]:
    """Return number and names, of the dataset and of the network, of the classes that are called something else.

    Case, spaces and underscores make no difference; nothing is returned for numbers that stand in for names.
    """
    pairs = enumerate(zip(of_dataset, segmenter.classes, strict=False))
    differing = [(index, ours, theirs) for index, (ours, theirs) in pairs if plain_name(ours) != plain_name(theirs)]
    return differing if segmenter.has_class_names else []


def _row(samples: SampleSet, metrics: ClosedSetMetrics, protocol: str) -> ClosedSetRow:
    return ClosedSetRow(
        dataset=samples.spec,
        metrics=registry.written(registry.CLOSED_SET, metrics),
        n_images=len(samples.samples),
        n_pixels=metrics.n_pixels,
        n_classes=int(np.count_nonzero(~np.isnan(metrics.iou))),
        protocol=protocol,
    )


def _class_rows(samples: SampleSet, classes: Sequence[str], metrics: ClosedSetMetrics) -> list[ClosedSetClassRow]:
    return [
        ClosedSetClassRow(
            dataset=samples.spec,
            class_id=index,
            name=name,
            metrics=registry.written(registry.CLASSES, found),
            n_label_pixels=found.label_pixels,
            n_predicted_pixels=found.predicted_pixels,
        )
        for index, (name, found) in enumerate(zip(classes, metrics.classes, strict=True))
    ]
