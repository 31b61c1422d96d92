"""Class names are read in every spelling, and in no other order than the one that they are noted in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmmseg.checkpoints import load_checkpoint
from gmmseg.class_names import are_numbers, class_names_in, class_names_of_config

NAMES = ("road", "sky", "car")
PALETTE = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(
    "content",
    [
        {"meta": {"dataset_meta": {"CLASSES": list(NAMES), "PALETTE": PALETTE}}},
        {"meta": {"dataset_meta": {"classes": NAMES, "palette": np.array(PALETTE, np.uint8)}}},
        {"meta": {"CLASSES": NAMES, "PALETTE": PALETTE}},
        {"meta": {"classes": NAMES}},
        {"meta": {"Class_Names": NAMES}},
        {"meta": {"dataset_meta": NAMES}},
        {"meta": {"metainfo": {"classes": np.array(NAMES)}}},
        {"CLASSES": NAMES},
        {"class_names": NAMES, "epoch": 3},
        {"id2label": {0: "road", 1: "sky", 2: "car"}},
        {"config": {"id2label": {"2": "car", "0": "road", "1": "sky"}}},
        {"hyper_parameters": {"label2id": {"car": 2, "road": 0, "sky": 1}}},
        {"hyper_parameters": {"dataset": {"class_names": NAMES}}},
        {"meta": {"dataset_meta": {"classes": {"0": "road", "1": "sky", "2": "car"}}, "CLASSES": ("other",)}},
        {"args": {"classes": NAMES}},
    ],
)
def test_every_spelling_is_read(tmp_path: Path, content: dict[str, Any]) -> None:
    torch.save({"state_dict": {"w": torch.ones(1)}, **content}, tmp_path / "net.pth")
    assert load_checkpoint(tmp_path / "net.pth").classes == NAMES


@pytest.mark.parametrize(
    "notes",
    [
        {},
        None,
        3,
        {"classes": 19},
        {"classes": "road"},
        {"classes": []},
        {"PALETTE": PALETTE},
        {"num_classes": 3},
        # A gap would shift the others.
        {"id2label": {0: "road", 2: "sky"}},
        {"id2label": {"a": "road"}},
        {"dataset_meta": None},
    ],
)
def test_what_names_nothing(notes: object) -> None:
    assert class_names_in(notes) is None


@given(st.permutations(range(4)))
def test_mappings_are_in_the_order_of_their_numbers(order: list[int]) -> None:
    names = ("a", "b", "c", "d")
    assert class_names_in({"id2label": {index: names[index] for index in order}}) == names
    assert class_names_in({"label2id": {names[index]: index for index in order}}) == names


@pytest.mark.parametrize(
    "names", [["0", "1", "2"], ["class 0", "class 1"], ["LABEL_0", "LABEL_1"], ["Class_00", "Class_01"]]
)
def test_numbers_are_no_names(names: list[str]) -> None:
    assert are_numbers(tuple(names))


@pytest.mark.parametrize("names", [["1", "2"], ["class 1", "class 0"], ["road", "sky"], ["0", "sky"], ["level 0"]])
def test_names_are_no_numbers(names: list[str]) -> None:
    assert not are_numbers(tuple(names))


@pytest.mark.parametrize(
    "settings",
    [
        {"train_dataloader": {"dataset": {"type": "BaseSegDataset", "metainfo": {"classes": NAMES}}}},
        {"train_dataloader": {"dataset": {"type": "RepeatDataset", "dataset": {"metainfo": {"classes": NAMES}}}}},
        {"test_dataloader": {"dataset": {"datasets": [{"metainfo": {"CLASSES": NAMES}}]}}},
        {"data": {"train": {"classes": NAMES}, "test": {"classes": NAMES[::-1]}}},
        {"metainfo": {"classes": NAMES}, "model": {"type": "EncoderDecoder"}},
        {"classes": list(NAMES)},
    ],
)
def test_configs_name_the_classes_of_their_data(settings: dict[str, Any]) -> None:
    assert class_names_of_config(settings) == NAMES


def test_a_config_of_itself_ends() -> None:
    settings: dict[str, Any] = {"data": {}}
    settings["data"]["data"] = settings
    settings["dataset"] = [settings] * 3
    assert class_names_of_config(settings) is None
