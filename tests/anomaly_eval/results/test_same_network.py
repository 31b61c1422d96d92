"""What was learnt with one network is told from what belongs to another."""

from __future__ import annotations

import json

import pytest

from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.results.same_network import network_difference

OLD, NEW, SCORE = ("a" * 64, "b" * 64, "c" * 64)


def network(imports: dict[str, str]) -> ModelRecord:
    return ModelRecord(
        checkpoint="net.pth",
        checkpoint_sha256="0" * 64,
        config="checkpoint meta",
        config_sha256="1" * 64,
        imports=imports,
        classes=["road", "sky"],
        inference="whole",
        resize="native",
        device="cpu",
    )


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {}),
        ({"mine.py": OLD}, {"mine.py": OLD}),
        ({"mine.py": OLD}, {"elsewhere/mine.py": OLD}),
        ({"mine.py": OLD}, {"mine.py": OLD, "my_score.py": SCORE}),
        ({}, {"my_score.py": SCORE}),
    ],
)
def test_the_same_modules_are_the_same_network(before: dict[str, str], now: dict[str, str]) -> None:
    assert network_difference(network(before), network(now)) is None


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"mine.py": OLD}, {"mine.py": NEW}, "mine.py aaaaaaaaaaaa, now mine.py bbbbbbbbbbbb"),
        ({"mine.py": OLD}, {}, "mine.py aaaaaaaaaaaa, now none"),
        ({"a.py": OLD, "b.py": SCORE}, {"a.py": OLD}, "a.py aaaaaaaaaaaa, b.py cccccccccccc, now a.py aaaaaaaaaaaa"),
        ({"\x1b[31m": OLD}, {}, "'\\x1b[31m aaaaaaaaaaaa', now none"),
    ],
)
def test_changed_modules_are_another_network(before: dict[str, str], now: dict[str, str], said: str) -> None:
    found = network_difference(network(before), network(now))
    assert found == (f"other modules of --import ({said})", "these")


def test_records_of_earlier_versions_know_no_modules() -> None:
    fields = json.loads(network({}).model_dump_json(exclude={"imports"}))
    assert network_difference(ModelRecord.model_validate(fields), network({"mine.py": NEW})) is None


@pytest.mark.parametrize(("other", "same"), [("1x", True), ("0.5x", False), ("1x, sides multiples of 8", False)])
def test_the_images_own_size_has_two_names(other: str, same: bool) -> None:
    before = network({})
    now = before.model_copy(update={"resize": other})
    assert (network_difference(before, now) is None) is (network_difference(now, before) is None) is same
