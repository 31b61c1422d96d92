"""Drawn scenes: what they depend on, and what their labels hold."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.synthetic_streets.anomalies import LARGEST_SHARE, SMALLEST_SHARE, Anomaly, paint_anomaly
from anomaly_eval.synthetic_streets.camera import HEIGHT, WIDTH, draw_camera
from anomaly_eval.synthetic_streets.canvas import Canvas, Light
from anomaly_eval.synthetic_streets.classes import Class
from anomaly_eval.synthetic_streets.oddities import ODDITIES
from anomaly_eval.synthetic_streets.scene import VOID_BORDER, Scene, draw_scene


@pytest.fixture(scope="module")
def inliers() -> list[Scene]:
    return [draw_scene(0, "train", index, with_anomalies=False) for index in range(40)]


@pytest.fixture(scope="module")
def anomalous() -> list[Scene]:
    return [draw_scene(0, "test", index, with_anomalies=True) for index in range(24)]


def content(scene: Scene) -> tuple[bytes, bytes, bytes]:
    return scene.image.tobytes(), scene.classes.tobytes(), scene.label.tobytes()


def test_a_scene_depends_on_its_arguments_alone(inliers, anomalous):
    for index in (7, 3, 11):
        assert content(draw_scene(0, "test", index, True)) == content(anomalous[index])
        assert content(draw_scene(0, "train", index, False)) == content(inliers[index])


def test_shapes_and_types(inliers, anomalous):
    for scene in (inliers[0], anomalous[0]):
        assert (scene.image.shape, scene.image.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
        assert (scene.classes.shape, scene.classes.dtype) == ((HEIGHT, WIDTH), np.uint8)
        assert (scene.label.shape, scene.label.dtype) == ((HEIGHT, WIDTH), np.uint8)


def test_seeds_splits_and_indices_share_no_image(inliers, anomalous):
    others = [draw_scene(1, "train", index, False) for index in range(3)]
    others += [draw_scene(0, split, index, False) for split in ("val", "test") for index in range(3)]
    scenes = [*inliers, *anomalous, *others]
    assert len({scene.image.tobytes() for scene in scenes}) == len(scenes)
    assert len({scene.classes.tobytes() for scene in scenes}) == len(scenes)


def test_every_class_is_in_a_tenth_of_the_images(inliers):
    images = np.zeros(256, int)
    for scene in inliers:
        images += np.bincount(scene.classes.ravel(), minlength=256) >= 20
    assert not images[19:].any()
    assert images[:19].min() >= len(inliers) // 10


def test_classes_are_those_of_cityscapes():
    cityscapes, _ = load_card("cityscapes")
    names = tuple(kind.name.lower().replace("_", " ") for kind in Class if kind != Class.ANOMALY)
    assert names == cityscapes.classes == load_card("synthetic_streets_classes")[0].classes
    assert [int(kind) for kind in Class][:19] == list(range(19))


def test_without_anomalies_all_is_inlier_and_has_a_class(inliers):
    for scene in inliers:
        assert (scene.label == INLIER).all()
        assert scene.classes.max() < 19


def test_anomalies_cover_a_share_within_the_bounds(anomalous):
    for scene in anomalous:
        assert set(np.unique(scene.label)) == {INLIER, ANOMALY, VOID}
        assert SMALLEST_SHARE <= (scene.label == ANOMALY).mean() <= LARGEST_SHARE


def test_void_surrounds_each_anomaly(anomalous):
    width = 2 * VOID_BORDER + 1
    for scene in anomalous:
        anomaly = (scene.label == ANOMALY).astype(np.uint8)
        around = cv2.dilate(anomaly, np.ones((width, width), np.uint8)) > 0
        assert ((scene.label != INLIER) == around).all()
        assert ((scene.classes == VOID) == around).all()


def test_anomalies_change_nothing_but_themselves_and_the_ground_below_them():
    with_them, without = (draw_scene(0, "test", 5, given) for given in (True, False))
    known = with_them.label == INLIER
    assert (with_them.classes[known] == without.classes[known]).all()
    changed = (with_them.image != without.image).any(-1) & known
    ground = np.isin(without.classes, (Class.ROAD, Class.SIDEWALK, Class.TERRAIN))
    # The blur of the lens reaches a few pixels beyond a shadow.
    assert (cv2.dilate(ground.astype(np.uint8), np.ones((9, 9), np.uint8))[changed] > 0).all()
    assert changed.mean() < 0.2


@pytest.mark.parametrize("name", ODDITIES)
@pytest.mark.parametrize("camouflage", [0.1, 0.3, 0.9])
def test_every_kind_of_anomaly_can_be_seen(name, camouflage):
    random = np.random.default_rng(0)
    canvas = Canvas(draw_camera(random), Light(1.0, 0.5, 0.7))
    canvas.picture[:] = 120
    paint_anomaly(canvas, Anomaly(ODDITIES[name][0], (0.0, 8.0), 1.0, 1, camouflage), random)
    shown = canvas.classes() == Class.ANOMALY
    assert 200 < shown.sum() < 12_000
    # Parts in different tones, unless there was only one tone to take.
    assert canvas.picture[shown].std() > 3


def test_there_are_many_kinds_of_anomalies():
    assert len(ODDITIES) >= 8


@pytest.mark.parametrize(("seed", "split", "index"), [(0, "dev", 0), (-1, "train", 0), (0, "train", -1)])
def test_wrong_arguments(seed, split, index):
    with pytest.raises(ValueError):
        draw_scene(seed, split, index, False)
