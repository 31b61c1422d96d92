"""Weights are found in what other trainers put around them, whatever it is and in whichever order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmmseg.checkpoints import load_checkpoint
from gmmseg.errors import InputError
from gmmseg.wrappings import TwoNetworksError, find_weights, named_as, without_wrappers

WEIGHTS = {"backbone.stem.weight": torch.ones(2), "decode_head.conv_seg.bias": torch.zeros(3)}
NAMES = frozenset(WEIGHTS)


def prefixed(prefix: str, weights: dict[str, Any] = WEIGHTS) -> dict[str, Any]:
    """Put something before every name."""
    return {f"{prefix}{name}": value for name, value in weights.items()}


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"model": WEIGHTS, "optimizer": {"state": {}, "param_groups": []}, "epoch": 3},
        {"model_state_dict": prefixed("module."), "loss": torch.tensor(1.0)},
        {"state_dict": prefixed("model._orig_mod."), "callbacks": {}, "pytorch-lightning_version": "2.4"},
        {"model": {"state_dict": prefixed("module._orig_mod.")}},
        {"checkpoint": {"model_state_dict": prefixed("_orig_mod.module.")}, "epoch": 3},
        {"epoch": 3, "net": prefixed("_orig_mod.")},
        {"anything": WEIGHTS, "epoch": 3},
        {"ema_state_dict": {"steps": torch.tensor(3), **prefixed("module.")}},
        {"model_ema": {"n_averaged": torch.tensor(3), **prefixed("module.")}},
        # The averages go after the weights that a trainer says are those of the network.
        {"ema": {"backbone.other": torch.ones(1)}, "model": WEIGHTS},
        {"state_dict": WEIGHTS, "ema_state_dict": prefixed("module.", {"backbone.other": torch.ones(1)})},
    ],
)
def test_weights_are_unwrapped(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "net.pth")
    found = load_checkpoint(tmp_path / "net.pth").weights
    assert set(found) == NAMES
    assert all(torch.equal(found[name], value) for name, value in WEIGHTS.items())


@given(st.lists(st.sampled_from(["module.", "_orig_mod.", "model.", "net.", "ema."]), max_size=5))
def test_any_nesting_of_prefixes_is_dropped(prefixes: list[str]) -> None:
    assert set(without_wrappers(prefixed("".join(prefixes)))) == NAMES
    assert set(named_as(prefixed("".join(prefixes)), NAMES)) == NAMES


@given(st.lists(st.sampled_from(["state_dict", "model", "model_state_dict", "network", "own"]), max_size=4))
def test_any_nesting_of_dictionaries_is_opened(holders: list[str]) -> None:
    content: Any = WEIGHTS
    for name in holders:
        content = {name: content, "epoch": 3}
    found, _ = find_weights(content)
    assert found is not None and set(found) == NAMES


def test_notes_lie_around_the_weights() -> None:
    _, notes = find_weights({"meta": {"a": 1}, "a": 2, "b": 2, "model": {"b": 3, "c": 3, "state_dict": WEIGHTS}})
    assert notes == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("content", [None, 3, [], {"state_dict": 3}, {"state_dict": None, "w": torch.ones(1)}])
def test_where_there_are_no_weights(content: object) -> None:
    assert find_weights(content)[0] is None


def test_a_prefix_nobody_foresaw_is_dropped_with_what_lies_outside_of_it() -> None:
    given_weights = prefixed("segmentor.core.") | {"criterion.weight": torch.ones(1)}
    assert set(named_as(given_weights, NAMES)) == NAMES


def test_compiled_parts_are_found() -> None:
    parts = {"backbone._orig_mod.stem.weight": 1, "decode_head.module.conv_seg.bias": 2}
    assert named_as(parts, NAMES) == {"backbone.stem.weight": 1, "decode_head.conv_seg.bias": 2}


def test_averages_beside_the_weights_are_left_out() -> None:
    plain = {name: 1 for name in NAMES}
    assert named_as(plain | prefixed("ema_model.", {name: 2 for name in NAMES}), NAMES) == plain
    both = prefixed("net.", plain) | prefixed("teacher.", {name: 2 for name in NAMES})
    assert named_as(both, NAMES) == plain


def test_two_networks_are_not_chosen_from() -> None:
    with pytest.raises(TwoNetworksError, match=r"first\. and second\."):
        named_as(prefixed("first.") | prefixed("second."), NAMES)


def test_foreign_weights_keep_their_names_so_that_they_are_told() -> None:
    more = WEIGHTS | {"extra.weight": torch.ones(1)}
    assert set(named_as(more, NAMES)) == set(more)
    part = {"backbone.stem.weight": 1, "model.decode_head.conv_seg.bias": 1}
    assert set(named_as(part, NAMES)) >= {"backbone.stem.weight"}
    assert named_as({"a": 1}, NAMES) == {"a": 1}


def test_what_a_file_has_is_said(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "best": 0.5, "history": {}}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"not tensors, such as 'epoch' \(int\)"):
        load_checkpoint(tmp_path / "net.pth")
