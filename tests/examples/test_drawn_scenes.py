"""The drawn scenes and the small network trained on them."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

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


def test_written_scenes_are_read_back_as_drawn(tmp_path: Path) -> None:
    drawn_scenes.write_dataset(tmp_path, [5], drawn_scenes.SIZE, anomalies=True)
    image, labels = draw_scene(5, anomalies=True)
    pixels, truth = drawn_scenes.read_dataset(tmp_path)
    np.testing.assert_array_equal(pixels[0].permute(1, 2, 0).numpy()[..., ::-1], image)
    np.testing.assert_array_equal(truth[0].numpy(), labels)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    drawn_scenes.write_dataset(tmp_path, range(4), drawn_scenes.SIZE, anomalies=False)
    model, _ = drawn_scenes.build_model(seed=0)
    losses = drawn_scenes.train(model, tmp_path, iterations=10, seed=0)
    assert len(losses) == 10
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_the_checkpoint_holds_only_plain_values(tmp_path: Path) -> None:
    options = ["--train-images", "2", "--test-images", "1", "--iterations", "2"]
    drawn_scenes.main(["--out", str(tmp_path), *options])
    assert len(list((tmp_path / "data" / "drawn" / "images").iterdir())) == 1

    checkpoint = torch.load(tmp_path / "drawn.pth", weights_only=True)
    assert checkpoint["meta"]["dataset_meta"]["classes"] == drawn_scenes.CLASSES
    model, _ = drawn_scenes.build_model(seed=1)
    model.load_state_dict(checkpoint["state_dict"])

    allowed = (
        ast.Module,
        ast.Assign,
        ast.Name,
        ast.Call,
        ast.keyword,
        ast.Constant,
        ast.List,
        ast.Tuple,
        ast.Dict,
    )
    for node in ast.walk(ast.parse(checkpoint["meta"]["cfg"])):
        assert isinstance(node, (*allowed, ast.expr_context)), ast.dump(node)
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            assert node.func.id == "dict"
