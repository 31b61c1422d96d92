"""The drawn scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples import drawn_scenes
from examples.drawn_scenes import draw_scene


@pytest.mark.parametrize("anomalies", [False, True])
def test_the_seed_decides_the_scene(anomalies: bool) -> None:
    image, labels = draw_scene(3, anomalies=anomalies)
    again_image, again_labels = draw_scene(3, anomalies=anomalies)
    other_image, _ = draw_scene(4, anomalies=anomalies)
    np.testing.assert_array_equal(image, again_image)
    np.testing.assert_array_equal(labels, again_labels)
    assert np.any(image != other_image)


@pytest.mark.parametrize("seed", range(20))
def test_labels_of_scenes_without_anomalies(seed: int) -> None:
    image, labels = draw_scene(seed, size=(192, 96))
    assert image.shape == (96, 192, 3)
    assert labels.shape == (96, 192)
    assert set(np.unique(labels)) <= {*range(len(drawn_scenes.CLASSES)), drawn_scenes.VOID}


@pytest.mark.parametrize("seed", range(20))
def test_labels_of_scenes_with_anomalies(seed: int) -> None:
    _, labels = draw_scene(seed, anomalies=True)
    assert set(np.unique(labels)) <= {0, 1, drawn_scenes.VOID}
    assert 0.003 <= np.mean(labels == 1) <= 0.05


@pytest.mark.parametrize("seed", range(5))
def test_a_void_border_of_two_pixels_surrounds_the_anomalies(seed: int) -> None:
    _, labels = draw_scene(seed, anomalies=True)
    height, width = labels.shape
    for row, column in np.argwhere(labels == 1):
        near = labels[max(row - 2, 0) : min(row + 3, height), max(column - 2, 0) : min(column + 3, width)]
        assert not np.any(near == 0)


def test_a_second_run_with_fewer_scenes_leaves_no_old_ones(tmp_path: Path) -> None:
    drawn_scenes.write_dataset(tmp_path, [0, 1, 2], drawn_scenes.SIZE, anomalies=False)
    drawn_scenes.write_dataset(tmp_path, [0], drawn_scenes.SIZE, anomalies=False)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["scene_0000.png"]
    assert [path.name for path in (tmp_path / "labels_masks").iterdir()] == ["scene_0000.png"]
