"""The command `grid`: from checkpoints and a dataset to a figure of chosen images, and a record of what it shows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from anomaly_eval.datasets.cards import Task
from anomaly_eval.datasets.prefetch import read_ahead
from anomaly_eval.datasets.samples import SampleSet, find_dataset
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.closed_set import check_same_classes
from anomaly_eval.evaluation.fit import check_out
from anomaly_eval.metrics import registry
from anomaly_eval.reports.figures.saving import FORMATS, beside, save
from anomaly_eval.reports.figures.style import TWO_COLUMNS
from anomaly_eval.reports.names import network_names
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.runtime.console import warn
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from anomaly_eval.runtime.output_folder import write_atomically
from anomaly_eval.runtime.progress import progress_bar
from anomaly_eval.studies.grid.choosing import CHOICES, Chosen, choose_images, named_images, parse_choices
from anomaly_eval.studies.grid.grid_networks import NamedNetwork, check_score_names, with_scores
from anomaly_eval.studies.grid.grid_record import GridImageRecord, GridNetworkRecord, GridRecord
from anomaly_eval.studies.grid.grid_rows import AnomalyRows, ClassRows, GridRows
from anomaly_eval.studies.grid.request import GridRequest

_RECORD = "json"


def measures(task: Task) -> list[str]:
    """Return what images of a dataset can be ranked by, the default first."""
    return registry.keys(registry.RANKING) if task == "anomaly" else ["miou", "accuracy"]


def run_grid(request: GridRequest, console: Console) -> list[Path]:
    """Draw the grid of some images, and return the paths of the PDF, the PNG and the record.

    Images that are not named are chosen in a pass over all of them, which keeps nothing but a number of each. Raises
    InputError for options that contradict each other or the dataset, for an unknown image, for a dataset in which none
    can be ranked, and for unusable checkpoints, images and places to write.
    """
    if not request.checkpoints:
        raise InputError("a grid needs a network; give one or more --ckpt.")
    wanted, names = request.networks, network_names(request.checkpoints, request.names)
    samples = find_dataset(request.dataset, request.data_root)
    _check_options(request, samples)
    ids = [sample.id for sample in samples.samples]
    chosen = [] if request.images is None else named_images(request.images, ids, samples.spec)
    stem = _stem(request)
    loaded = [
        NamedNetwork(name, network.load(), statistics=network.statistics)
        for name, network in zip(names, wanted, strict=True)
    ]
    networks, rows = _prepare(request, samples, loaded)
    values: dict[str, float] | None = None
    if request.images is None:
        values = _rank(rows, samples, _measure(request, samples), console)
        chosen = choose_images(values, parse_choices(request.choose or CHOICES), request.count)
        _warn_of_few(chosen, request, console)
    images = _add(rows, samples, chosen, console)
    record = GridRecord(
        command=shlex.join(request.command),
        dataset=samples.spec,
        title=samples.title,
        layout=samples.layout,
        card_sha256=samples.card.sha256,
        n_images=len(samples.samples),
        ranked_by=None if values is None else f"{next(iter(images[0].measures))}: {_measure(request, samples)}",
        n_left_out=None if values is None else len(samples.samples) - len(values),
        networks=[
            GridNetworkRecord(name=one.name, model=one.segmenter.describe(), fits=dict(one.fits)) for one in networks
        ],
        images=images,
        colour_scales=rows.scales,
    )
    paths = [*save(rows.draw(), stem), beside(stem, _RECORD)]
    write_atomically(paths[-1], (record.model_dump_json(indent=2) + "\n").encode())
    return paths


def _check_options(request: GridRequest, samples: SampleSet) -> None:
    """Refuse options that contradict each other or the dataset, before anything is loaded."""
    if request.images is not None and request.choose is not None:
        raise InputError("--images and --choose exclude each other; give one of them.")
    if request.images is not None and not request.images:
        raise InputError("--images names no image; give an id or more, or leave it out.")
    if request.count < 1:
        raise InputError(f"--count {request.count} draws nothing; give 1 or more.")
    of_other_task = {
        "closed_set": {"--scores": request.scores is not None, "--stats": bool(request.statistics)},
        "anomaly": {"--protocol": request.protocol is not None},
    }[samples.card.task]
    given = [option for option, is_given in of_other_task.items() if is_given]
    if given:
        kinds = ("a closed-set", "an anomaly")
        kind, other = kinds if samples.card.task == "closed_set" else kinds[::-1]
        raise InputError(
            f"{given[0]} is not for {samples.spec}, which is {kind} dataset; leave it out, or choose {other} dataset."
        )
    known = measures(samples.card.task)
    if request.measure is not None and request.measure not in known:
        raise InputError(
            f"images of {samples.spec} cannot be ranked by {request.measure}; rank them by {' or '.join(known)}."
        )
    if samples.card.task == "anomaly":
        shipped = [network for network in request.networks if network.statistics is not None]
        check_score_names(request.scores, bool(request.statistics or shipped))


def _stem(request: GridRequest) -> Path:
    """Return --out without the suffix of a file that is written; raises InputError where one may not be written."""
    out, suffixes = request.out, (*FORMATS, _RECORD)
    stem = out.with_suffix("") if out.suffix.removeprefix(".") in suffixes else out
    files = [beside(stem, suffix) for suffix in suffixes]
    for file in files:
        check_out(file, request.overwrite)
    refuse_lost_inputs(request, *files)
    return stem


def _prepare(
    request: GridRequest, samples: SampleSet, loaded: Sequence[NamedNetwork]
) -> tuple[list[NamedNetwork], GridRows]:
    """Return the networks as they are run, and empty rows for them."""
    if samples.card.task == "anomaly":
        networks = with_scores(loaded, request.scores, request.statistics)
        return networks, AnomalyRows(networks, request.outline, TWO_COLUMNS)
    for network in loaded:
        classes = check_same_classes(samples, network.segmenter)
    protocol = samples.card.protocol if (request.protocol or "card") == "card" else None
    networks = [replace(network, segmenter=network.segmenter.with_protocol(protocol)) for network in loaded]
    return networks, ClassRows(networks, classes, TWO_COLUMNS)


def _rank(rows: GridRows, samples: SampleSet, measure: str, console: Console) -> dict[str, float]:
    """Return a number of each image that has one, the larger the better, in one pass."""
    values: dict[str, float] = {}
    falling = [metric.key for metric in registry.RANKING if not metric.higher_is_better]
    sign = -1 if measure in falling else 1
    with progress_bar(console, f"ranking {samples.spec}", len(samples.samples)) as advance:
        for loaded in read_ahead(samples, Clock()):
            measured = rows.measure(loaded)
            if measured:
                values[loaded[0].id] = sign * measured[measure]
            advance()
    if not values:
        lacking = "both anomaly and inlier pixels" if samples.card.task == "anomaly" else "a pixel of any class"
        raise InputError(
            f"no image of {samples.spec} has {lacking}, so none can be ranked; name images with --images instead."
        )
    return values


def _add(rows: GridRows, samples: SampleSet, chosen: Sequence[Chosen], console: Console) -> list[GridImageRecord]:
    """Run all networks on the chosen images, in their order."""
    by_id = {sample.id: sample for sample in samples.samples}
    few = replace(samples, samples=tuple(by_id[one.id] for one in chosen))
    records = []
    with progress_bar(console, f"scoring {len(chosen)} images", len(chosen)) as advance:
        for one, loaded in zip(chosen, read_ahead(few, Clock()), strict=True):
            records.append(GridImageRecord(id=one.id, choice=one.choice, measures=rows.add(loaded, one.choice or "")))
            advance()
    return records


def _warn_of_few(chosen: Sequence[Chosen], request: GridRequest, console: Console) -> None:
    wanted = request.count * len(request.choose or CHOICES)
    if len(chosen) < wanted:
        text = f"only {len(chosen)} images can be ranked, so the grid has fewer rows than the {wanted} asked for"
        warn(console, text)


def _measure(request: GridRequest, samples: SampleSet) -> str:
    return request.measure or measures(samples.card.task)[0]
