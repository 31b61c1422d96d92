"""Colours of classes: those that readers of Cityscapes know, else colours that can be told apart."""

from __future__ import annotations

import numpy as np

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.reports.figures.palettes import class_colours, distinct_colours


def test_cityscapes_in_its_own_colours() -> None:
    for name in ("cityscapes", "synthetic_streets_classes"):
        classes = load_card(name)[0].classes
        assert classes is not None
        colours = dict(zip(classes, class_colours(classes).tolist(), strict=True))
        assert (
            colours["road"] == [128, 64, 128] and colours["car"] == [0, 0, 142] and colours["bicycle"] == [119, 11, 32]
        )
    swapped = [classes[1], classes[0], *classes[2:]]
    assert class_colours(swapped).tolist() != class_colours(classes).tolist()


def test_every_card_gets_different_colours() -> None:
    for name in ("camvid", "ade20k", "cocostuff10k"):
        classes = load_card(name)[0].classes
        assert classes is not None
        colours = class_colours(classes)
        assert colours.shape == (len(classes), 3) and colours.dtype == np.uint8
        # None is black, which is void.
        assert len({tuple(colour) for colour in [*colours.tolist(), [0, 0, 0]]}) == len(classes) + 1


def test_few_colours_are_far_apart_and_the_first_of_many() -> None:
    colours = distinct_colours(11).astype(int)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=2)[~np.eye(11, dtype=bool)]
    assert distances.min() > 60
    np.testing.assert_array_equal(distinct_colours(171)[:11], colours)
