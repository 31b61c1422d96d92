"""All that the bits of a record depend on, and what has changed of it, in words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from anomaly_eval.datasets.samples import SampleSet
from anomaly_eval.results.provenance import threads_on, versions
from anomaly_eval.results.record import Record
from anomaly_eval.runtime.choices import ProtocolChoice
from anomaly_eval.runtime.machine import processor_name
from anomaly_eval.scores import Score
from anomaly_eval.segmenters.base import Segmenter
from anomaly_eval.segmenters.running import NetworkRequest


class DatasetFingerprint(Record):
    """Which images are read."""

    spec: str
    layout: str
    card_sha256: str
    ids: list[str]
    files_sha256: str | None = None
    """Over the bytes of all files where scores are fitted on them; those of other images are part of their records."""


class Fingerprint(Record):
    """All that an image's record depends on, apart from the bytes of its own files."""

    format: int = 6
    checkpoint_sha256: str
    config_sha256: str
    imports: list[str]
    """Of each module of --import, its name and the hash of its file."""
    resize: str
    inference: str
    tta: str | None
    classes: list[str]
    protocol: str
    device: str
    window_batch: int
    threads: int | None
    """Of the network on a CPU, where sums are split among them; None on a GPU."""
    processor: str
    scores: list[str]
    """By name, which says the steps that are switched off."""
    statistics_sha256: str | None
    """Of the file that was given."""
    fit: DatasetFingerprint | None
    """What scores are fitted on."""
    datasets: list[DatasetFingerprint]
    versions: dict[str, str]

    @property
    def sha256(self) -> str:
        """The hash over all fields."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


_LONGEST = 300
_MEANINGS = {
    "checkpoint_sha256": "the checkpoint",
    "config_sha256": "the config",
    "imports": "--import",
    "resize": "--resize",
    "inference": "the network's inference mode",
    "tta": "--tta",
    "classes": "the list of known classes",
    "protocol": "--protocol",
    "device": "the device",
    "window_batch": "--window-batch",
    "threads": "the number of threads (OMP_NUM_THREADS)",
    "processor": "the processor",
    "scores": "the choice of scores",
    "statistics_sha256": "the file of --stats",
    "format": "the format of records",
}
"""What a field is called on the command line."""


def differences(before: Fingerprint, now: Fingerprint) -> list[str]:
    """Say what differs, each in words such as `--resize was native and is 0.5x`; empty where nothing does."""
    found = [
        f"{meaning} was {_written(getattr(before, field))} and is {_written(getattr(now, field))}"
        for field, meaning in _MEANINGS.items()
        if getattr(before, field) != getattr(now, field)
    ]
    found += _of_fit(before.fit, now.fit)
    found += _of_datasets(before.datasets, now.datasets)
    packages = dict.fromkeys([*before.versions, *now.versions])
    found += [
        f"{package} was {before.versions.get(package, 'missing')} and is {now.versions.get(package, 'missing')}"
        for package in packages
        if before.versions.get(package) != now.versions.get(package)
    ]
    return [_in_a_sentence(difference) for difference in found]


def _of_fit(before: DatasetFingerprint | None, now: DatasetFingerprint | None) -> list[str]:
    if before is None or now is None:
        specs = [one.spec if one is not None else "none" for one in (before, now)]
        return [] if before is now else [f"the dataset that is fitted on was {specs[0]} and is {specs[1]}"]
    if before.spec != now.spec:
        return [f"the dataset that is fitted on was {before.spec} and is {now.spec}"]
    return _of_dataset(before, now)


def _of_datasets(before: Sequence[DatasetFingerprint], now: Sequence[DatasetFingerprint]) -> list[str]:
    names = [[one.spec for one in datasets] for datasets in (before, now)]
    if names[0] != names[1]:
        return [f"--dataset was {_written(names[0])} and is {_written(names[1])}"]
    return [words for pair in zip(before, now, strict=True) for words in _of_dataset(*pair)]


def _of_dataset(before: DatasetFingerprint, now: DatasetFingerprint) -> list[str]:
    found = []
    if before.card_sha256 != now.card_sha256:
        found.append(f"the card of {now.spec} was {_written(before.card_sha256)} and is {_written(now.card_sha256)}")
    if before.layout != now.layout:
        found.append(f"the layout of {now.spec} was {before.layout} and is {now.layout}")
    if before.ids != now.ids:
        gone = [id for id in before.ids if id not in set(now.ids)]
        new = [id for id in now.ids if id not in set(before.ids)]
        first = f"{gone[0]} is gone" if gone else f"{new[0]} is new" if new else "in another order"
        found.append(f"the images of {now.spec} were {len(before.ids)} and are {len(now.ids)}, {first}")
    elif before.files_sha256 != now.files_sha256:
        found.append(f"the files of {now.spec}, which scores are fitted on, were changed")
    return found


def _written(value: object) -> str:
    """Write a value short enough for a sentence: hashes by their first digits."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    text = "none" if value is None else str(value)
    return text[:12] if len(text) == 64 and text.isalnum() else text


def _in_a_sentence(text: str) -> str:
    """Shorten text from a file that may hold anything, and write characters out that would break a line."""
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return shown if shown.isprintable() else repr(shown)[1:-1]


def fingerprint_of(
    network: NetworkRequest,
    segmenter: Segmenter,
    scores: Sequence[Score],
    *,
    datasets: Sequence[SampleSet] = (),
    fit_set: SampleSet | None = None,
    statistics: Path | None = None,
    protocol: ProtocolChoice = "card",
    tta: str | None = None,
) -> Fingerprint:
    """Return the fingerprint of a run with this network and these scores, before they are fitted."""
    model = segmenter.describe()
    return Fingerprint(
        checkpoint_sha256=model.checkpoint_sha256,
        config_sha256=model.config_sha256,
        imports=[f"{name} ({sha256[:12]})" for name, sha256 in model.imports.items()],
        resize=model.resize,
        inference=model.inference,
        tta=tta,
        classes=model.classes,
        protocol=protocol,
        device=model.device,
        window_batch=network.running.window_batch,
        threads=threads_on(model.device),
        processor=processor_name(),
        scores=[score.name for score in scores],
        statistics_sha256=_hash(statistics),
        fit=_of_samples(fit_set, fit_set.files_sha256()) if fit_set is not None else None,
        datasets=[_of_samples(samples) for samples in datasets],
        versions=versions(),
    )


def _of_samples(samples: SampleSet, files_sha256: str | None = None) -> DatasetFingerprint:
    return DatasetFingerprint(
        spec=samples.spec,
        layout=samples.layout,
        card_sha256=samples.card.sha256,
        ids=[sample.id for sample in samples.samples],
        files_sha256=files_sha256,
    )


def _hash(path: Path | None) -> str | None:
    """Return the hash of a file; what is no file is left to its reader to refuse."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else None
