"""What `grid` cannot do is told in one sentence, and before a network runs where that is possible."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.running import Running
from anomaly_eval.studies.grid.grid import run_grid
from anomaly_eval.studies.grid.grid_networks import NamedNetwork, with_scores
from anomaly_eval.studies.grid.request import GridRequest
from tests.anomaly_eval.commands import SIZE, write_pair

QUIET = Console(quiet=True)
ON_CPU = Running(device="cpu")


@pytest.fixture
def request_for(tmp_path: Path, data: Path):
    """A request whose checkpoint does not exist: it is refused for that only where nothing comes before."""

    def make(**replaced: Any) -> GridRequest:
        plain = GridRequest([Path("missing.pth")], "road_anomaly", tmp_path / "grid", data_root=data)
        return replace(plain, **replaced)

    return make


ONE = Path("a/net.pth")


@pytest.mark.parametrize(
    ("replaced", "sentence"),
    [
        (dict(checkpoints=[]), r"needs a network; give one or more --ckpt\."),
        (dict(names=["a", "b"]), r"2 names for 1 checkpoints; give one for each --ckpt\."),
        (dict(checkpoints=[ONE, ONE]), r"twice; tell the networks apart with --names\."),
        (dict(images=["9"]), r"^road_anomaly has no image '9'; its first one is '0'\.$"),
        (dict(images=[]), r"--images names no image"),
        (dict(images=["1"], choose=("best",)), r"--images and --choose exclude each other; give one of them\."),
        (dict(count=0), r"--count 0 draws nothing; give 1 or more\."),
        (dict(scores=["mps"]), r"there is no score 'mps'; did you mean 'msp'\?"),
        (dict(scores=["msp", "sml"]), r"^the score sml needs statistics of the training data; give --stats FILE"),
        (dict(measure="miou"), r"images of road_anomaly cannot be ranked by miou; rank them by auroc or ap or fpr95\."),
        (
            dict(protocol="network"),
            r"^--protocol is not for road_anomaly, which is an anomaly dataset; leave it out, or choose a closed-set ",
        ),
        (dict(dataset="road"), r"road"),
        (dict(), r"missing\.pth"),
    ],
)
def test_before_a_network_is_loaded(request_for, replaced: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        run_grid(request_for(**replaced), QUIET)


@pytest.mark.parametrize(
    ("replaced", "sentence"),
    [
        (
            dict(scores=["msp"]),
            r"^--scores is not for training, which is a closed-set dataset; leave it out, or choose ",
        ),
        (dict(statistics=[Path("x")]), r"^--stats is not for training"),
        (dict(measure="auroc"), r"images of training cannot be ranked by auroc; rank them by miou or accuracy\."),
    ],
)
def test_options_of_the_other_kind(request_for, tmp_path: Path, replaced: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        run_grid(request_for(dataset=str(tmp_path / "training.yaml"), **replaced), QUIET)


@pytest.mark.parametrize("suffix", ["pdf", "png", "json"])
def test_files_are_replaced_only_when_asked_for(request_for, tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"grid.{suffix}").write_text("mine")
    with pytest.raises(InputError, match=rf"grid\.{suffix} exists already; .* --overwrite"):
        run_grid(request_for(), QUIET)
    with pytest.raises(InputError, match=r"missing\.pth"):
        run_grid(request_for(overwrite=True), QUIET)
    assert (tmp_path / f"grid.{suffix}").read_text() == "mine"
    with pytest.raises(InputError, match="its folder does not exist"):
        run_grid(request_for(out=tmp_path / "nowhere" / "grid.pdf"), QUIET)


def test_no_image_that_can_be_ranked(request_for, tmp_path: Path, checkpoint: Path) -> None:
    void, pale = np.full((SIZE[1], SIZE[0]), 255, np.uint8), np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    write_pair(tmp_path / "empty" / "road_anomaly", "0", pale, np.zeros_like(void))
    write_pair(tmp_path / "empty" / "training", "0", pale, void)
    request = request_for(checkpoints=[checkpoint], running=ON_CPU, data_root=tmp_path / "empty")
    with pytest.raises(
        InputError, match=r"^no image of road_anomaly has both anomaly and inlier pixels, so .*--images"
    ):
        run_grid(request, QUIET)
    with pytest.raises(InputError, match=r"^no image of training has a pixel of any class, so .*--images"):
        run_grid(replace(request, dataset=str(tmp_path / "training.yaml")), QUIET)
    assert not list(tmp_path.glob("grid*"))


def test_fewer_images_than_asked_for_are_told(
    request_for, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_grid(request_for(checkpoints=[checkpoint], running=ON_CPU, count=2, scores=["msp"]), Console())
    printed = " ".join(capsys.readouterr().out.split())
    assert "only 3 images can be ranked, so the grid has fewer rows than the 6 asked for" in printed


def test_other_classes_than_the_network(request_for, checkpoint: Path, tmp_path: Path) -> None:
    card = tmp_path / "training.yaml"
    card.write_text(card.read_text().replace("road, vegetation", "vegetation, road"))
    with pytest.raises(InputError, match="other classes than the network: class 2 is 'vegetation' in the dataset"):
        run_grid(request_for(checkpoints=[checkpoint], running=ON_CPU, dataset=str(card)), QUIET)


@dataclass
class Outputs:
    """A network of which only the outputs are known."""

    provides: frozenset[str]
    fits: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> None:
        return None


def named(name: str, *provides: str) -> NamedNetwork:
    return NamedNetwork(name, Outputs(frozenset(provides)))  # type: ignore[arg-type]


def test_each_network_gives_the_scores_that_it_can() -> None:
    both = [named("softmax", "logits"), named("gmmseg", "logits", "log_density")]
    found = with_scores(both, ["msp", "gmmseg"], [])
    assert [[score.name for score in network.scores] for network in found] == [["msp"], ["msp", "gmmseg"]]
    everything = with_scores(both, None, [])
    assert [score.name for score in everything[0].scores] == ["msp", "entropy", "max_logit", "energy"]


def test_scores_that_no_network_gives_and_networks_that_give_none() -> None:
    with pytest.raises(InputError, match=r"the network softmax does not provide any of gmmseg; choose others"):
        with_scores([named("softmax", "logits"), named("gmmseg", "logits", "log_density")], ["gmmseg"], [])
    with pytest.raises(InputError, match=r"the score 'gmmseg' needs class log densities, which this network does not"):
        with_scores([named("softmax", "logits")], ["msp", "gmmseg"], [])


def test_statistics_that_are_for_no_network(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no statistics file .*x\.safetensors"):
        with_scores([named("softmax", "logits")], ["msp"], [tmp_path / "x.safetensors"])
    with pytest.raises(InputError, match=r"there is no statistics file .*x\.safetensors"):
        with_scores([named("softmax", "logits")], ["sml"], [tmp_path / "x.safetensors"])
