"""The configs of the demo fit the drawn streets and their card."""

from __future__ import annotations

from anomaly_eval.cards import load_card
from anomaly_eval.demo.plan import NETWORK, TWINS
from anomaly_eval.scenes.writing import CLASSES_NAME
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


def test_both_networks_start_from_random_weights() -> None:
    for kind in TWINS:
        model = load(f"{kind}_{DEMO}").model
        assert model.get("pretrained") is None
        assert model.backbone.get("init_cfg") is None
