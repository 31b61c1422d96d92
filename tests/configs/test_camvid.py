"""What the CamVid configs read: the layout, the labels, the sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gmmseg  # noqa: F401  isort: skip
import mmseg.datasets
import mmseg.models  # noqa: F401
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from PIL import Image

from anomaly_eval.datasets.cards import load_card
from gmmseg.checkpoints import load_checkpoint
from gmmseg.errors import InputError
from gmmseg.transforms import ReplaceLabels
from tests.configs.loading import load
from tests.shared_data import shared_checkpoint, shared_data

UNLABELLED = 11

pytestmark = pytest.mark.filterwarnings("ignore:Default ``avg_non_ignore`` is False:UserWarning")


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope("mmseg")


def dataset(root: Path, part: str) -> Any:
    settings = load("gmmseg_cgnet_camvid")[f"{part}_dataloader"].dataset
    settings.data_root = str(root)
    return DATASETS.build(settings)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """One frame of each part; the columns of its mask run through all twelve values."""
    mask = np.broadcast_to(np.arange(480) // 40, (360, 480)).astype(np.uint8)
    for part in ("train", "val", "test"):
        for kind, array in (("images", mask[..., None].repeat(3, 2) * 20), ("annotations", mask)):
            folder = tmp_path / kind / part
            folder.mkdir(parents=True)
            Image.fromarray(array).save(folder / f"0001TP_{part}.{'jpg' if kind == 'images' else 'png'}")
    return tmp_path


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_frame_is_tested_whole_with_its_unlabelled_pixels_ignored(drawn: Path, part: str) -> None:
    frames = dataset(drawn, part)
    assert len(frames) == 1
    frame = frames[0]
    assert part in frame["data_samples"].img_path
    assert tuple(frame["inputs"].shape) == (3, 360, 480)
    labels = frame["data_samples"].gt_sem_seg.data[0]
    expected = (torch.arange(480) // 40).expand(360, 480)
    assert torch.equal(labels.long(), expected.masked_fill(expected == UNLABELLED, 255))


def test_a_frame_is_trained_on_in_crops_with_its_unlabelled_pixels_ignored(drawn: Path) -> None:
    frames = dataset(drawn, "train")
    seen: set[int] = set()
    np.random.seed(0)
    for _ in range(20):
        frame = frames[0]
        labels = frame["data_samples"].gt_sem_seg.data[0]
        assert labels.shape == frame["inputs"].shape[1:]
        # At the smallest scale a frame has 360x270 pixels.
        assert 360 <= labels.shape[1] <= 448 and 270 <= labels.shape[0] <= 320
        seen |= set(labels.unique().tolist())
    assert seen == {*range(11), 255}


def test_the_classes_are_those_of_the_dataset_card() -> None:
    config = load("softmax_cgnet_camvid")
    card, _ = load_card("camvid")
    assert list(config.metainfo.classes) == list(card.classes)
    assert len(config.metainfo.palette) == config.model.decode_head.num_classes == len(card.classes)


def test_the_real_split_has_367_101_and_233_frames() -> None:
    root = shared_data() / "camvid"
    assert [len(dataset(root, part)) for part in ("train", "val", "test")] == [367, 101, 233]
    labels = dataset(root, "val")[0]["data_samples"].gt_sem_seg.data
    assert set(labels.unique().tolist()) <= {*range(11), 255}


@pytest.mark.parametrize("name", ["softmax_cgnet_camvid", "gmmseg_cgnet_camvid", "gmmseg_cgnet_cityscapes"])
def test_the_cityscapes_trained_weights_fit_all_but_the_classifier(name: str) -> None:
    weights = load_checkpoint(shared_checkpoint()).weights
    network = MODELS.build(load(name).model).state_dict()
    common = {key for key in network if not key.startswith("decode_head.conv_seg.")}
    assert common == {key for key in weights if not key.startswith("decode_head.conv_seg.")}
    assert all(weights[key].shape == network[key].shape for key in common)


def test_labels_are_replaced_all_at_once() -> None:
    labels = np.array([[0, 1, 2], [11, 3, 255]], dtype=np.uint8)
    result = ReplaceLabels(values={0: 1, 1: 0, 11: 255}).transform({"gt_seg_map": labels})
    assert result["gt_seg_map"].tolist() == [[1, 0, 2], [255, 3, 255]]
    assert result["gt_seg_map"].dtype == np.uint8


@pytest.mark.parametrize("values", [{11: 256}, {-1: 0}, {"11": 255}, {True: 0}, {1.0: 2}])
def test_labels_that_no_mask_can_hold_are_refused(values: dict[Any, Any]) -> None:
    with pytest.raises(InputError, match="labels are 0 to 255"):
        ReplaceLabels(values=values)
