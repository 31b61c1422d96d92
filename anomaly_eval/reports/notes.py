"""Footnotes of a table: what a reader must know before comparing its numbers with others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anomaly_eval.datasets.cards import Task
from anomaly_eval.metrics import registry
from anomaly_eval.metrics.registry import FPR95, RankingMetric
from anomaly_eval.reports.origins import origin_at_resolution, origin_text, remarks
from anomaly_eval.reports.published import CLOSED_SET_SOURCE, SOURCE
from anomaly_eval.results.origins import FitRecord, ModelRecord, Origin
from anomaly_eval.results.records import ClosedSetRow, DatasetRecord, Results
from anomaly_eval.results.titles import dataset_title, method_name

DAGGER = "†"
_MOST_SIZES = 3


@dataclass(frozen=True)
class Note:
    """One footnote. `mark` is the dagger, a number, or empty for a note on the whole table."""

    mark: str
    text: str


def fit_marks(results: Results) -> dict[str, str]:
    """Number what the scores were fitted on; scores that were fitted alike share a number."""
    return {method: str(1 + index) for index, (_, methods) in enumerate(_fits(results)) for method in methods}


def fit_notes(results: Results) -> list[Note]:
    """Say what the scores were fitted on, by the numbers of `fit_marks`."""
    return [Note(str(1 + index), _fit_text(fit, methods)) for index, (fit, methods) in enumerate(_fits(results))]


def deviations(record: DatasetRecord) -> list[str]:
    """Say in what the evaluated images differ from those of the whole dataset, if in anything."""
    found = [] if record.complete else [_count_text(record.n_images, record.expected_images)]
    if record.expected_size is not None and not record.expected_sizes_only:
        others = [size for size in record.image_sizes if size != record.expected_size]
        some = "some images" if record.expected_size in record.image_sizes else "images"
        found.append(f"{some} of {_sizes_text(others)} instead of {_sizes_text([record.expected_size])}")
    return found


def notes_of(results: Results, with_published: bool, models: Mapping[str, Origin] | None = None) -> tuple[Note, ...]:
    """Return the daggers, the fits, then the notes on the whole table; `models` by run where there are several."""
    notes = measuring_notes(results, with_published)
    notes += model_notes(models) if models else [model_note(results)]
    notes += interval_notes(results)
    if with_published:
        notes.append(Note("", f"Published rows are copied from {SOURCE}; other networks, so they are ranked apart."))
        defined = results.conventions.metrics
        if defined.get(FPR95.key) != FPR95.definition:
            notes.append(Note("", f"The published {FPR95.title} do not follow the convention named here."))
    return tuple(notes)


def measuring_notes(results: Results, with_published: bool) -> list[Note]:
    """Return the daggers, the fits, and how anomaly metrics are defined."""
    notes = [*deviation_notes(results, "anomaly", with_published), *fit_notes(results)]
    conventions = results.conventions
    return [
        *notes,
        Note("", f"Pooling: {conventions.pooling}. Positives: {conventions.positives}."),
        Note("", convention_text(results, registry.RANKING)),
        Note("", f"Class maps: {conventions.class_maps}."),
        *negation_notes(results),
    ]


def convention_text(results: Results, metrics: Iterable[RankingMetric]) -> str:
    """Say how metrics are defined."""
    definitions = results.conventions.metrics
    return " ".join(f"{metric.title}: {definitions[metric.key]}." for metric in metrics if metric.key in definitions)


def nothing_published(results: Results, names: Sequence[str], source: str) -> Note:
    """Say that published rows were asked for, and that there are none for these datasets."""
    titles = ", ".join(dataset_title(name, results.datasets) for name in names)
    return Note("", f"Nothing is published for {titles} in {source}.")


def negation_notes(results: Results) -> list[Note]:
    """Say whose scores were taken times -1, where there are some."""
    names = ", ".join(map(method_name, results.provenance.negated))
    return [Note("", f"Scores taken times -1: {names}.")] if names else []


def interval_notes(results: Results) -> list[Note]:
    """Say how intervals came about, where there are some."""
    shown = results.intervals and results.provenance.bootstrap is not None
    return [Note("", f"Intervals: {results.provenance.bootstrap}.")] if shown else []


def model_note(results: Results) -> Note:
    """Say which network was run, and how, or which score maps were read."""
    return Note("", origin_at_resolution(results.provenance.model))


def model_notes(models: Mapping[str, Origin]) -> list[Note]:
    """Say of each run which network it was, and how it was run, or which score maps were read."""
    return [Note("", f"{name}: {origin_at_resolution(model)}") for name, model in models.items()]


def closed_set_notes_of(
    results: Results,
    with_published: bool,
    networks: Mapping[str, Sequence[ClosedSetRow]],
    models: Mapping[str, Origin] | None = None,
    runs: Mapping[str, Origin] | None = None,
) -> tuple[Note, ...]:
    """Return the daggers, how each closed-set dataset was tested, then the notes on the whole table.

    networks: the rows of each network, of all its runs where it has several; models: which networks they are, where
    `results` are those of several runs; runs: which networks are behind them, where rows are means over runs.
    """
    notes = deviation_notes(results, "closed_set", with_published)
    classes = [row.dataset for row in results.closed_set_classes]
    for name, rows in networks.items():
        model = models[name] if models else None
        for dataset in dict.fromkeys(row.dataset for row in rows):
            title = dataset_title(dataset, results.datasets)
            whose = f"{name}, {title}" if models else title
            total = len(model.classes) if isinstance(model, ModelRecord) else classes.count(dataset)
            own = [row for row in rows if row.dataset == dataset]
            protocols = either(dict.fromkeys(row.protocol for row in own))
            occurring = either(map(str, sorted({row.n_classes for row in own})))
            text = f"{whose}: test settings of the {protocols}; mIoU over {occurring} of {total} classes."
            notes.append(Note("", text))
    conventions = results.conventions
    used = runs or models or {"": results.provenance.model}
    has_views = any(isinstance(model, ModelRecord) and model.tta for model in used.values())
    augmentation = "" if has_views else "; no test-time augmentation"
    notes += [
        Note("", f"Closed set: {conventions.closed_set}{augmentation}."),
        Note("", f"Means: {conventions.closed_set_means}."),
        Note("", f"Class maps: {conventions.closed_set_maps}."),
    ]
    if models:
        listed = runs or {name: models[name] for name in networks}
        notes += [Note("", f"{name}: {_origin(model)}") for name, model in listed.items()]
    else:
        notes.append(Note("", _origin(results.provenance.model)))
    if with_published:
        text = f"Published rows are copied from {CLOSED_SET_SOURCE}; other networks, so they are ranked apart."
        notes.append(Note("", text))
    return tuple(notes)


def either(texts: Iterable[str]) -> str:
    """Join texts of which each holds somewhere: `a, b or c`."""
    words = list(texts)
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _origin(model: Origin) -> str:
    """Name a network, and say what must be known of it; how it was run differs from set to set."""
    return " ".join([origin_text(model), *remarks(model)])


def warnings_of(results: Results, task: Task) -> tuple[str, ...]:
    """Return the warnings about datasets of a task; those about no dataset count among anomalies, if there are any."""
    if all(record.task == task for record in results.datasets):
        return tuple(results.warnings)
    # The name of a run, or of a group and a run, may stand before that of the dataset.
    closed_set = [f": {record.name}: " for record in results.datasets if record.task == "closed_set"]
    about = {text: any(name in f": {text}" for name in closed_set) for text in results.warnings}
    return tuple(text for text in results.warnings if about[text] == (task == "closed_set"))


def deviation_notes(results: Results, task: Task, with_published: bool) -> list[Note]:
    """Return a note for each dataset of a task that was not evaluated as a whole."""
    records = [record for record in results.datasets if record.task == task and deviations(record)]
    return [Note(DAGGER, _deviation_text(record, with_published)) for record in records]


def _deviation_text(record: DatasetRecord, with_published: bool) -> str:
    """Say what was evaluated of a dataset; other images cannot be compared with published numbers."""
    caution = ["not comparable with the published rows"] if with_published else []
    return f"{record.title}: {', '.join([*deviations(record), *caution])}."


def _count_text(found: int, expected: int | None) -> str:
    """Say how many images there were, and how many there should have been."""
    if expected is None:
        return f"{found} images"
    return f"{found} of {expected} images" if found <= expected else f"{found} images instead of {expected}"


def _sizes_text(sizes: list[tuple[int, int]]) -> str:
    """List the first few sizes, as `1024x512`."""
    words = [f"{width}x{height}" for width, height in sizes[:_MOST_SIZES]]
    if len(sizes) > _MOST_SIZES:
        words.append(f"{len(sizes) - _MOST_SIZES} more sizes")
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _fits(results: Results) -> list[tuple[FitRecord, list[str]]]:
    """Group the fitted scores by what they were fitted on, in the order in which they were fitted."""
    groups: list[tuple[FitRecord, list[str]]] = []
    for method, fit in results.provenance.fits.items():
        for known, methods in groups:
            if known == fit:
                methods.append(method)
                break
        else:
            groups.append((fit, [method]))
    return groups


def _fit_text(fit: FitRecord, methods: list[str]) -> str:
    """Say what scores were fitted on, and what to know about it."""
    count = _count_text(fit.n_images, fit.expected_images)
    names = ", ".join(method_name(method) for method in methods)
    return " ".join([f"{names}: fitted on {fit.dataset}, {count}.", *map(_sentence, fit.notes)])


def _sentence(text: str) -> str:
    """Begin a text with a capital and end it with a full stop."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
