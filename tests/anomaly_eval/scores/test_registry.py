"""Scores own their facts: a class in a module of `scores` is all that a new score takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_eval import evaluate as evaluate_in_python
from anomaly_eval.results.titles import TITLES
from anomaly_eval.scores import SCORES, FittedScore, Score, ScoreOption, choose_scores, register, score_options
from anomaly_eval.scores.base import ClassStatistics, ObservedMoments
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from tests.anomaly_eval.commands import assert_refused, nothing_left, read, rows

ROOT = Path(__file__).parents[3]
EVERYTHING = frozenset(output.name for output in fields(Prediction))


class Nearest(FittedScore):
    """Distance to the k-th nearest of the pixels that were drawn from the fitting set."""

    name = "nearest"
    title = "Nearest neighbour"
    paper = "Sun et al., ICML 2022"
    source = "features"
    needs = "features"
    options = (ScoreOption("k", int, "Which neighbour counts.", min=1),)
    observed: tuple[str, ...] = ()

    def __init__(self, k: int = 1) -> None:
        self.k = k
        self.pixels_: Tensor | None = None

    @property
    def fitted(self) -> bool:
        return self.pixels_ is not None

    def class_maps(self, prediction: Prediction) -> CoarseMaps:
        maps = super().class_maps(prediction)
        assert self.pixels_ is not None
        distances = torch.cdist(maps.values.flatten(1).T.double(), self.pixels_)
        nearest = distances.kthvalue(self.k, dim=1).values.float()
        return maps.like(nearest.reshape(1, *maps.values.shape[1:]))

    def reduce(self, statistics: ClassStatistics) -> Tensor:
        return statistics.max

    def observe(self, prediction: Prediction, label: NDArray[np.uint8], image_id: str) -> ObservedMoments:
        pixels = super().class_maps(prediction).values.flatten(1).T.double()
        generator = torch.Generator().manual_seed(sum(image_id.encode()))
        Nearest.observed = (*Nearest.observed, image_id)
        return {"pixels": pixels[torch.randperm(len(pixels), generator=generator)[:20]]}

    def merge(self, before: ObservedMoments, more: ObservedMoments) -> ObservedMoments:
        return {"pixels": torch.cat([before["pixels"], more["pixels"]])}

    def finish(self, moments: ObservedMoments, classes: Sequence[str]) -> list[str]:
        self.pixels_ = moments["pixels"]
        return []

    def state(self) -> dict[str, Tensor]:
        assert self.pixels_ is not None
        return {"pixels": self.pixels_}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.pixels_ = state["pixels"]


@pytest.fixture
def nearest(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Score]]:
    """A score that this module alone knows."""
    register(Nearest)
    monkeypatch.setattr(Nearest, "observed", ())
    yield Nearest
    del SCORES["nearest"], TITLES["nearest"]


def test_the_order_is_that_of_tables() -> None:
    assert list(SCORES) == [
        *("msp", "entropy", "max_logit", "energy", "sml", "mahalanobis", "gmmseg", "gmmseg_logsumexp"),
        *("gmmseg_normalised", "msp_smoothed", "entropy_smoothed", "max_logit_smoothed", "energy_smoothed"),
        *("gmmseg_smoothed", "gen", "odin_temperature", "knn", "vim", "rba", "max_evidence", "evidence_entropy"),
    ]


@pytest.mark.parametrize("kind", SCORES.values(), ids=list(SCORES))
def test_every_score_says_what_is_said_of_it(kind: type[Score]) -> None:
    assert kind.title and kind.paper and kind.needs
    assert kind.source in EVERYTHING
    assert kind.configured().name == kind.name


def test_titles_and_names_are_not_used_twice() -> None:
    assert len({kind.title for kind in SCORES.values()}) == len(SCORES)
    with pytest.raises(ValueError, match="two scores 'msp'"):
        register(type("Other", (SCORES["entropy"],), {"name": "msp"}))


def test_tables_of_scores_in_the_documentation_say_what_the_scores_say() -> None:
    """A row of Markdown begins with the names of scores and ends with their source."""
    found = 0
    for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")):
        for line in path.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
            names = re.findall(r"`(\w+)`", cells[0]) if re.fullmatch(r"`\w+`(, `\w+`)*", cells[0]) else []
            if len(cells) == 4 and names and set(names) <= SCORES.keys():
                found += len(names)
                papers = {SCORES[name].paper for name in names}
                assert len(papers) == 1 and cells[3].startswith(papers.pop()), line
    assert found in (0, len(SCORES))


def test_options_are_those_that_scores_declare(nearest: type[Score]) -> None:
    own = {"sml_without", "gen_gamma", "gen_top", "odin_temperature_t", "knn_bank", "knn_k", "vim_dimensions"}
    assert score_options().keys() == own | {"nearest_k"}
    (one,) = choose_scores(["nearest"], EVERYTHING, {"nearest_k": 3})
    assert isinstance(one, Nearest) and one.k == 3 and one.name == "nearest_k_3"
    (plain,) = choose_scores(["nearest"], EVERYTHING, {"sml_without": ["smoothing"]})
    assert plain.name == "nearest"


def test_a_new_score_runs_with_its_option(tmp_path, evaluate, nearest) -> None:
    card = str(tmp_path / "training.yaml")
    code, output, errors = evaluate("--scores", "msp", "nearest", "--fit-dataset", card, "--nearest-k", "3")
    assert code == 0, errors
    assert [row["method"] for row in rows(tmp_path / "out")] == ["msp", "nearest_k_3"]
    assert read(tmp_path).provenance.fits["nearest_k_3"].n_images == 3
    assert Nearest.observed == ("0", "1", "2")
    code, output, errors = evaluate("--fit-dataset", card, "--overwrite")
    assert code == 0, errors
    assert "Nearest neighbour" in output
    assert [row["method"] for row in rows(tmp_path / "out")][-1] == "nearest"


def test_a_new_score_is_fitted_to_a_file_and_used_from_python(tmp_path, data, checkpoint, evaluate, nearest) -> None:
    from anomaly_eval.cli.main import main

    card, stats = str(tmp_path / "training.yaml"), tmp_path / "stats.safetensors"
    fit = ["fit", "--ckpt", str(checkpoint), "--dataset", card, "--data-root", str(data), "--device", "cpu"]
    assert main([*fit, "--out", str(stats), "--scores", "nearest"]) == 0
    code, _, errors = evaluate("--scores", "nearest", "--nearest-k", "2", "--stats", str(stats))
    assert code == 0, errors
    options = dict(data_root=data, scores=["nearest"], fit_dataset=card, device="cpu", progress=False, nearest_k=2)
    found = evaluate_in_python(checkpoint, "road_anomaly", **options)
    (row,) = rows(tmp_path / "out")
    assert found.table["auroc"].item() == pytest.approx(float(row["auroc"]))


def test_options_of_scores_are_checked(tmp_path, evaluate, nearest) -> None:
    assert_refused(evaluate("--scores", "msp", "--nearest-k", "2"), "--nearest-k changes nearest, which is not among")
    assert_refused(evaluate("--nearest-k", "2", "--nearest-k", "3"), "--nearest-k takes one value")
    assert evaluate("--nearest-k", "0")[0] == 2
    closed = evaluate("--nearest-k", "2", dataset=str(tmp_path / "training.yaml"))
    assert_refused(closed, "--nearest-k is about anomalies")
    assert nothing_left(tmp_path)
