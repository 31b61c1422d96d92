"""The networks that ship: complete, as their cards say, and small enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.errors import InputError
from anomaly_eval.scores import SCORES, FittedScore, choose_scores
from anomaly_eval.scores.statistics_file import load_statistics
from anomaly_eval.segmenters.running import Running
from anomaly_eval.segmenters.zoo import shipped_networks

ROOT = Path(__file__).parents[4]
NAMES = [network.card.name for network in shipped_networks()]
LARGEST_WHEEL = 45_000_000


def test_the_wheel_stays_small() -> None:
    """Weights hardly compress, so that the sum of the files is about the size of the wheel."""
    folders = [ROOT / name for name in ("anomaly_eval", "gmmseg", "configs", "networks", "reports")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix not in (".pyc", "")]
    assert 0 < sum(path.stat().st_size for path in files) < LARGEST_WHEEL


def test_every_file_belongs_to_a_card() -> None:
    networks = shipped_networks()
    wanted = {name for network in networks for name in network.card.statistics.values()}
    wanted |= {f"{name}{suffix}" for name in NAMES for suffix in (".yaml", ".safetensors")}
    assert {path.name for path in (ROOT / "networks").iterdir()} == wanted | {"README.md"}


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_what_its_card_says(name: str) -> None:
    (network,) = (one for one in shipped_networks() if one.card.name == name)
    request = Running(device="cpu").network(Path(name), None)
    segmenter = request.load()
    model = segmenter.describe()
    assert model.checkpoint_sha256 == network.card.sha256 and model.own_resize
    # The file runs by the config in its header: that of its training, unless mixtures were fitted afterwards.
    if not segmenter.fits:
        by_config = Running(device="cpu").network(Path(name), network.card.config).load().describe()
        assert by_config.config_sha256 == model.config_sha256
    assert segmenter.classes == load_card("cityscapes")[0].classes
    scores = [score for score in choose_scores(None, segmenter.provides) if isinstance(score, FittedScore)]
    assert request.statistics is not None
    # Learnt at this scale from squashed images, which the card vouches for and nobody else.
    with pytest.raises(InputError, match="fitted with another --resize"):
        load_statistics(request.statistics, model, scores)
    fits = load_statistics(request.statistics, model, scores, vouched=True)
    assert fits.keys() == {"sml", "mahalanobis"} and all(score.fitted for score in scores)
    for fit in fits.values():
        # Copies of Cityscapes that lack a frame or two of its 2975 are about.
        assert fit.dataset == network.card.trained_on and fit.n_images > 2970


@pytest.mark.parametrize("name", NAMES)
def test_a_card_tells_all(name: str) -> None:
    (card,) = (network.card for network in shipped_networks() if network.card.name == name)
    licence = " ".join(card.licence.split())
    assert "abstract representations of this dataset (such as models trained on it" in licence
    assert "not for commercial purposes" in licence
    assert card.closed_set and {result.dataset for result in card.anomaly} >= {"road_anomaly"}
    for result in card.anomaly:
        assert load_card(result.dataset)[0].task == "anomaly" and result.scores.keys() <= SCORES.keys()
