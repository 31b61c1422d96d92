"""The fingerprint of a run: what the records in its journal depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from anomaly_eval.journal.fingerprint import DatasetFingerprint, Fingerprint
from anomaly_eval.network import NetworkRequest
from anomaly_eval.prediction import Segmenter
from anomaly_eval.processor import processor_name
from anomaly_eval.protocol import ProtocolChoice
from anomaly_eval.provenance import threads_on, versions
from anomaly_eval.samples import SampleSet
from anomaly_eval.scores import Score


def fingerprint_of(
    network: NetworkRequest,
    segmenter: Segmenter,
    scores: Sequence[Score],
    *,
    datasets: Sequence[SampleSet] = (),
    fit_set: SampleSet | None = None,
    statistics: Path | None = None,
    protocol: ProtocolChoice = "card",
) -> Fingerprint:
    """Return the fingerprint of a run with this network and these scores, before they are fitted."""
    model = segmenter.describe()
    return Fingerprint(
        checkpoint_sha256=model.checkpoint_sha256,
        config_sha256=model.config_sha256,
        resize=model.resize,
        inference=model.inference,
        protocol=protocol,
        device=model.device,
        window_batch=network.window_batch,
        threads=threads_on(model.device),
        processor=processor_name(),
        scores=[score.name for score in scores],
        statistics_sha256=_hash(statistics),
        fit=_of_dataset(fit_set, fit_set.files_sha256()) if fit_set is not None else None,
        datasets=[_of_dataset(samples) for samples in datasets],
        versions=versions(),
    )


def _of_dataset(samples: SampleSet, files_sha256: str | None = None) -> DatasetFingerprint:
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
