"""Whatever a statistics file holds, its scores can be computed or one sentence comes out."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from anomaly_eval.scores import FittedScore, score_maps
from anomaly_eval.scores.knn import KNN
from anomaly_eval.scores.mahalanobis import Mahalanobis
from anomaly_eval.scores.sml import SML
from anomaly_eval.scores.statistics_file import load_statistics, save_statistics
from anomaly_eval.scores.vim import ViM
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.linear_classifier import LinearClassifier
from gmmseg.safetensors_files import tensors_sha256
from tests.anomaly_eval.fuzzing.origins import FIT, MODEL
from tests.anomaly_eval.fuzzing.readers import ODD_TEXT, ODD_VALUES, damaged, examples, only_input_errors, rearranged

PREDICTION = Prediction(
    logits=CoarseMaps.covering(torch.randn(3, 4, 5), (8, 10)),
    features=CoarseMaps.covering(torch.randn(2, 4, 5), (8, 10)),
    classifier=LinearClassifier(torch.randn(3, 2), torch.randn(3)),
)
KINDS: list[type[FittedScore]] = [SML, Mahalanobis, KNN, ViM]
FITS = {kind.name: FIT for kind in KINDS}
TENSORS = {
    "sml.mean": torch.zeros(3, dtype=torch.float64),
    "sml.deviation": torch.ones(3, dtype=torch.float64),
    "mahalanobis.means": torch.zeros(3, 2, dtype=torch.float64),
    "mahalanobis.whitening": torch.eye(2, dtype=torch.float64),
    "knn.pixels": torch.ones(12, 2),
    "knn.limit": torch.tensor(10_000),
    "vim.origin": torch.zeros(2, dtype=torch.float64),
    "vim.directions": torch.eye(2, dtype=torch.float64),
    "vim.residuals": torch.tensor([2.0, 1.0], dtype=torch.float64),
    "vim.largest_logit": torch.tensor(3.0, dtype=torch.float64),
}


def written() -> bytes:
    """Return a valid file."""
    scores = [kind() for kind in KINDS]
    for score in scores:
        prefix = f"{score.name}."
        score.load_state({name.removeprefix(prefix): TENSORS[name] for name in TENSORS if name.startswith(prefix)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stats.safetensors"
        save_statistics(path, MODEL, scores, FITS)
        return path.read_bytes()


VALID = written()
METADATA = {
    "format": "gmmseg-anomaly statistics 1",
    "model": MODEL.model_dump_json(),
    "fits": json.dumps({name: fit.model_dump() for name, fit in FITS.items()}),
}
ODD_TENSORS = st.builds(
    lambda shape, kind, value: torch.full(shape, value, dtype=torch.float64).to(kind),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from(
        [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8]
    ),
    st.sampled_from([1.0, 0.0, -1.0, 1e300, float("nan"), float("inf")]),
)


def use(content: bytes) -> None:
    """Load statistics into all scores and compute those that have them."""
    scores = [kind() for kind in KINDS]
    with tempfile.TemporaryDirectory() as folder, only_input_errors():
        path = Path(folder) / "stats.safetensors"
        path.write_bytes(content)
        load_statistics(path, MODEL, scores)
        score_maps(PREDICTION, [score for score in scores if score.fitted])


def written_as(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """Return a file of any content whose hash is right."""
    return save(tensors, metadata=metadata | {"tensors_sha256": tensors_sha256(tensors)})


@given(content=damaged([VALID]))
@examples(300)
def test_damaged_statistics(content: bytes) -> None:
    use(content)


@given(data=st.data())
@examples(150)
def test_other_tensors(data: st.DataObject) -> None:
    tensors = dict(TENSORS)
    for name in data.draw(st.lists(st.sampled_from(sorted(tensors)), min_size=1, max_size=3)):
        tensors[name] = data.draw(ODD_TENSORS)
    use(written_as(tensors, METADATA))


@given(data=st.data())
@examples(150)
def test_other_metadata(data: st.DataObject) -> None:
    metadata: dict[str, Any] = dict(METADATA)
    part = data.draw(st.sampled_from(sorted(metadata)))
    tree = st.one_of(ODD_VALUES, rearranged(json.loads(metadata[part])) if part != "format" else ODD_TEXT)
    metadata[part] = data.draw(st.one_of(tree.map(json.dumps), ODD_TEXT))
    if data.draw(st.booleans()):
        del metadata[data.draw(st.sampled_from(sorted(metadata)))]
    use(save(TENSORS, metadata=metadata))
