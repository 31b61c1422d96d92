"""One run of `gmmseg-anomaly speed`: from networks to tables of their speed and memory."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from anomaly_eval.errors import InputError
from anomaly_eval.reports.csv_files import csv_of
from anomaly_eval.reports.names import network_names
from anomaly_eval.results.provenance import threads_on, versions
from anomaly_eval.runtime.kept_inputs import refuse_lost_inputs
from anomaly_eval.runtime.machine import processor_name, usable_cores
from anomaly_eval.runtime.output_folder import FolderKind, prepare_output
from anomaly_eval.runtime.progress import progress_bar
from anomaly_eval.scores import SCORES, Score, score_maps
from anomaly_eval.segmenters.base import Segmenter
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from anomaly_eval.studies.speed.memory import peak_bytes
from anomaly_eval.studies.speed.records import Machine, SpeedConventions, SpeedFindings, SpeedRow
from anomaly_eval.studies.speed.request import SpeedRequest
from anomaly_eval.studies.speed.tables import markdown_of
from anomaly_eval.studies.speed.timing import Call, Seconds, Spread, ratios, take_turns

_RECORD, _CSV, _MARKDOWN = "speed.json", "speed.csv", "speed.md"
SPEED = FolderKind(
    _RECORD,
    entries=frozenset({_RECORD, _CSV, _MARKDOWN}),
)
_SCORES = ("gmmseg", "msp")
"""What a network is timed with: the first that it can give."""
ALONE = ""


@dataclass(frozen=True)
class _Timed:
    """A call of one network, alone or with a score."""

    network: str
    score: str
    call: Call


def run_speed(request: SpeedRequest, console: Console) -> SpeedFindings:
    """Time the networks in turn, write the tables, and return the numbers.

    Raises InputError for a network that cannot be loaded or cannot process images of the size, and for a size that is
    none.
    """
    refuse_lost_inputs(request)
    networks, size = request.networks, request.image_size
    names = network_names(request.checkpoints, request.names)
    load = _load_of_machine()
    with prepare_output(request.out, request.overwrite, SPEED) as output, _threads(request.threads):
        segmenters = {name: network.load() for name, network in zip(names, networks, strict=True)}
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        timed = _calls(segmenters, image)
        calls, rounds = [one.call for one in timed], request.warm_up + request.runs
        with torch.inference_mode():
            with _remedies_of_size(request.size), progress_bar(console, "running", rounds) as advance:
                wait = _waiting([segmenter.device for segmenter in segmenters.values()])
                seconds = take_turns(calls, request.runs, request.warm_up, wait=wait, after_round=advance)
            peaks = [_peak(one.call, segmenters[one.network]) for one in timed]
        described = {name: segmenter.describe() for name, segmenter in segmenters.items()}
        machine = Machine(
            device=described[names[0]].device,
            processor=processor_name(),
            cores=usable_cores(),
            threads=threads_on(described[names[0]].device),
            load_before=load,
        )
        by_network: dict[str, dict[str, list[float]]] = {name: {} for name in names}
        for index, one in enumerate(timed):
            by_network[one.network][one.score] = seconds[:, index].tolist()
        findings = SpeedFindings(
            rows=_rows(timed, seconds, peaks, size),
            seconds=by_network,
            conventions=SpeedConventions(),
            command=shlex.join(request.command),
            versions=versions(),
            networks=described,
            machine=machine,
            warm_up=request.warm_up,
            warnings=_warnings(machine),
        )
        texts = {
            _RECORD: findings.model_dump_json(indent=2) + "\n",
            _CSV: csv_of(SpeedRow, findings.rows),
            _MARKDOWN: markdown_of(findings),
        }
        for name, text in texts.items():
            (output.path / name).write_text(text, encoding="utf-8")
    return findings


def _calls(segmenters: Mapping[str, Segmenter], image: NDArray[np.uint8]) -> list[_Timed]:
    """Return what is timed, in the order of the turns: all networks alone, then those that can with a score."""
    alone = [_Timed(name, ALONE, partial(one.with_outputs(()), image)) for name, one in segmenters.items()]
    return [*alone, *(timed for name, one in segmenters.items() for timed in _with_score(name, one, image))]


def _with_score(name: str, segmenter: Segmenter, image: NDArray[np.uint8]) -> list[_Timed]:
    """Return the call of a network with its score; none where it gives neither densities nor probabilities."""
    for kind in (SCORES[known] for known in _SCORES):
        source = kind.source_among(segmenter.provides)
        if source is not None:
            return [_Timed(name, kind.name, partial(_scored, segmenter.with_outputs({source}), [kind()], image))]
    return []


def _scored(segmenter: Segmenter, scores: Sequence[Score], image: NDArray[np.uint8]) -> object:
    return score_maps(segmenter(image), scores)


def _peak(call: Call, segmenter: Segmenter) -> int | None:
    """Return the bytes that a call of a network takes; None where not PyTorch allocates them."""
    known = isinstance(segmenter, NetworkSegmenter) and segmenter.network.runs_in_torch
    return peak_bytes(call, segmenter.device) if known else None


def _rows(
    timed: Sequence[_Timed], seconds: Seconds, peaks: Sequence[int | None], size: tuple[int, int]
) -> list[SpeedRow]:
    """Return a line for each call; what is alone is compared with the first that is, and so for scores."""
    rows = []
    for index, (one, peak) in enumerate(zip(timed, peaks, strict=True)):
        first = next(place for place, other in enumerate(timed) if (other.score == ALONE) == (one.score == ALONE))
        time, ratio = Spread.of(1000 * seconds[:, index]), Spread.of(ratios(seconds, first)[:, index])
        rows.append(
            SpeedRow(
                network=one.network,
                score=one.score,
                fps=1000 / time.median,
                ms=time.median,
                ms_low=time.low,
                ms_high=time.high,
                ratio=ratio.median,
                ratio_low=ratio.low,
                ratio_high=ratio.high,
                peak_memory_mb=None if peak is None else peak / 1e6,
                height=size[0],
                width=size[1],
                runs=len(seconds),
            )
        )
    return rows


@contextmanager
def _remedies_of_size(size: str | None) -> Iterator[None]:
    """Name --size in the remedies of networks that cannot process their input, who else would name --resize."""
    try:
        yield
    except InputError as error:
        problem, _, _ = str(error).rpartition("; ")
        if size is None or not problem:
            raise
        raise InputError(f"{problem}; give another --size HEIGHTxWIDTH, or leave it out.") from error


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let PyTorch and OpenCV compute with so many threads in the block; None changes nothing."""
    if count is None:
        yield
        return
    of_torch, of_opencv = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(of_torch)
        cv2.setNumThreads(of_opencv)


def _load_of_machine() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _warnings(machine: Machine) -> list[str]:
    """Say that others were at work, which makes times too long and ratios less certain."""
    threads = machine.threads or 1
    if machine.load_before is None or machine.load_before + threads <= machine.cores + 0.5:
        return []
    return [
        f"other programs were at work: a load of {machine.load_before:.1f} on {machine.cores} cores when this began; "
        f"times are too long, and spread wider"
    ]


def _waiting(devices: Sequence[torch.device]) -> Callable[[], None]:
    """Return what waits for the GPU, if one of the networks runs there: those of onnxruntime may not, and be first."""
    gpu = next((device for device in devices if device.type == "cuda"), None)
    return _nothing if gpu is None else partial(torch.cuda.synchronize, gpu)


def _nothing() -> None:
    """There is nothing to wait for on a CPU."""
