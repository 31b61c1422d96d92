"""The configs of the demo fit the drawn streets and their card."""

from __future__ import annotations

import gmmseg.heads  # noqa: F401  isort: skip
import mmseg.models  # noqa: F401
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.studies.demo.plan import BACKBONE, NETWORK, TWINS
from anomaly_eval.synthetic_streets.writing import CLASSES_NAME
from gmmseg.checkpoints import load_checkpoint
from gmmseg.training.initialisation import load_what_fits
from tests.configs.loading import DEMO, FOLDER, heads, load


def test_the_demo_names_the_shipped_configs() -> None:
    assert NETWORK == DEMO
    assert all((FOLDER / f"{kind}_{NETWORK}.py").is_file() for kind in TWINS)


def test_the_classes_are_the_cards() -> None:
    card, _ = load_card(CLASSES_NAME)
    config = load(f"softmax_{DEMO}")
    assert card.classes is not None
    for loader in (config.train_dataloader, config.val_dataloader):
        assert tuple(loader.dataset.metainfo.classes) == tuple(card.classes)
    assert heads(config)[-1].num_classes == len(card.classes)


def test_the_shipped_backbone_fits_both_networks_whole_and_alone() -> None:
    init_default_scope("mmseg")
    checkpoint = load_checkpoint(BACKBONE)
    for kind in TWINS:
        network = MODELS.build(load(f"{kind}_{DEMO}").model)
        report = load_what_fits(network, checkpoint.weights, BACKBONE.name)
        own = [name for name in network.state_dict() if name.startswith("backbone.")]
        assert sorted(report.loaded) == sorted(own)
        assert not report.left_over and not report.other_shape
        assert not any(name.startswith("backbone.") for name in report.missing)


def test_without_the_demo_both_networks_start_from_random_weights() -> None:
    for kind in TWINS:
        model = load(f"{kind}_{DEMO}").model
        assert model.get("pretrained") is None
        assert model.backbone.get("init_cfg") is None
