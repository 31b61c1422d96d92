"""A wrong card is told in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.errors import InputError
from tests.anomaly_eval.datasets.own_card import CLOSED_SET, LAYOUT, write_card


@pytest.mark.parametrize("folder", ["missing", "~no_such_user", "a" * 300])
def test_missing_card_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"mine\.yaml cannot be read"):
        load_card(f"{folder}/mine.yaml")


@pytest.mark.parametrize(
    "content",
    [b"a: [1\nb: }", b"a: \xc3\x28", b"a: &x [*y]", b"a: 2024-13-45", b"2024-13-45: a", b"[1]: a", b"a: !!int"],
)
def test_invalid_yaml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.yaml is not valid YAML"):
        load_card(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize("content", ["", "a", "- a"])
def test_card_without_fields(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(InputError, match=r"mine\.yaml has no fields"):
        load_card(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("content", "key", "line"),
    [
        ("title: a\ntitle: b", "'title'", 2),
        ("labels:\n  inlier: [0]\n  anomaly: [1]\n  inlier: [2]", "'inlier'", 4),
        ("labels: {class_ids: {7: 0, 0x7: 1}}", "7", 1),
        ("layouts:\n- {name: a}\n- {name: b, 'name': c}", "'name'", 3),
    ],
)
def test_repeated_keys(tmp_path: Path, content: str, key: str, line: int) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(InputError) as caught:
        load_card(str(tmp_path / "mine.yaml"))
    assert str(caught.value) == (
        f"the dataset card {tmp_path}/mine.yaml has the key {key} twice, at line {line} again; remove one of the two."
    )


@pytest.mark.parametrize("bracket", ["[", "{", "- "])
def test_endless_nesting(tmp_path: Path, bracket: str) -> None:
    (tmp_path / "mine.yaml").write_text(bracket * 100_000)
    with pytest.raises(InputError, match=r"mine\.yaml is nested too deep"):
        load_card(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": ...}, "title: the field is missing"),
        ({"title": 2024}, "title: give text, in quotes where it looks like a number"),
        ({"variants": ["all"]}, "variants: give fields, such as {a: b}"),
        ({"folders": "own"}, "folders: give a list, such as [a, b]"),
        ({"layouts": {"name": "x"}}, "layouts: give a list, such as [a, b]"),
        ({"labels": {"inlier": ["5-0"], "anomaly": [7]}}, "5-0 runs backwards, give the lower value first"),
        (
            {"layouts": [{"name": "x", "images": "own/**/{id}.png", "masks": "own/{id}.png"}]},
            "holds **; write one level of the path for each folder, as in */*",
        ),
        ({"titel": "x"}, "titel: no field is called so"),
        ({"name": "My Set"}, "name: 'My Set' may only have small letters, digits and _"),
        ({"default_variant": "dev"}, "default_variant 'dev' is not among the variants"),
        ({"variants": {"a/b": {}}, "default_variant": "a/b"}, "the variant 'a/b'"),
        ({"variants": {"val": {"images": 0}}}, "variants.val.images"),
        ({"size": [2048]}, "size"),
        ({"folders": ["../other"]}, "folders: '../other' must be relative"),
        ({"folders": ["a*"]}, "folders: the folder 'a*'"),
        ({"folders": [".."]}, "without empty names, . or ..; correct it."),
        ({"folders": ["a\0"]}, "folders: 'a\\x00' holds a NUL character"),
        (
            {"labels": {"inlier": ["0-99999999999999"], "anomaly": [1]}},
            "labels.inlier: mask values lie between 0 and 255",
        ),
        ({"labels": {"inlier": [0], "anomaly": [256]}}, "labels.anomaly: mask values lie between 0 and 255"),
        ({"labels": {"inlier": [0], "anomaly": ["x"]}}, "labels.anomaly: 'x' is neither"),
        ({"labels": {"inlier": 0, "anomaly": [1]}}, "labels.inlier: give a list"),
        ({"labels": {"inlier": [0, 1], "anomaly": [1]}}, "labels: the mask value 1 has two meanings"),
        ({"labels": {"inlier": [0]}}, "need inlier and anomaly values"),
        ({"labels": {"inlier": ["0-18"], "anomaly": ["18-21", 33]}}, "labels: the mask value 18 has two meanings"),
        (
            {"labels": {"inlier": ["0..18"], "anomaly": [19]}},
            "'0..18' is neither a mask value nor a range such as 0-18",
        ),
        ({"labels": {"inlier": [0], "anomaly": ["26000-26999"]}}, "mask values lie between 0 and 255"),
        ({"variants": {"val": {"only_ids": "t5/*"}, "test": {}}}, "variants.val.only_ids: give a list"),
        (
            {"layouts": [{"name": "x", "images": "own/{id:../*}.png", "masks": "own/{id}.png"}]},
            "{id:../*} must hold patterns of names, with / between them, such as {id:*/*}, not . or ..",
        ),
        ({"classes": ["road"]}, "closed_set"),
        ({**CLOSED_SET, "classes": None}, "needs classes"),
        ({**CLOSED_SET, "labels": {"inlier": ["0-2"]}}, "class ids from 0 to 1"),
        ({**CLOSED_SET, "labels": {"inlier": [0], "anomaly": [1]}}, "class ids from 0 to 1"),
        ({**CLOSED_SET, "labels": {"class_ids": {300: 1}}}, "between 0 and 255"),
        ({**CLOSED_SET, "labels": {"class_ids": {"1-3": "0-1"}}}, "1-3 are 3 mask values, but 0-1 are 2 class ids"),
        ({**CLOSED_SET, "labels": {"class_ids": {"1-2": "0-1", 2: 1}}}, "a mask value has two class ids"),
        ({**CLOSED_SET, "labels": {"class_ids": {"x": 1}}}, "labels.class_ids: 'x' is neither"),
        ({**CLOSED_SET, "labels": {"class_ids": [1]}}, "labels.class_ids: give fields, such as {a: b}"),
        ({"protocol": {}}, "classes, class_ids and protocol belong to task: closed_set"),
        ({**CLOSED_SET, "protocol": {"short_side": 0}}, "protocol.short_side"),
        ({**CLOSED_SET, "protocol": {"tta": True}}, "protocol.tta: no field is called so"),
        ({**CLOSED_SET, "protocol": {"long_side_at_most": 9}}, "long_side_at_most limits short_side"),
        ({**CLOSED_SET, "protocol": {"short_side": 9, "long_side_at_most": 8}}, "must not be below short_side"),
        ({**CLOSED_SET, "protocol": {"slide": {"crop": [8, 8], "stride": [8, 9]}}}, "the stride is too large"),
        ({"layouts": []}, "layouts"),
        ({"layouts": [LAYOUT, LAYOUT]}, "two layouts have the same name"),
        ({"layouts": [LAYOUT | {"images": []}]}, "layouts.0.images"),
        ({"layouts": [LAYOUT | {"masks": "{folder}/m"}]}, "layouts.0.masks: the template '{folder}/m' must hold {id}"),
        ({"layouts": [LAYOUT | {"masks": "m\0/{id}"}]}, "layouts.0.masks: 'm\\x00/{id}' holds a NUL character"),
        (
            {"layouts": [LAYOUT | {"images": "{folder}/i/{id:*/*}.*", "masks": "{folder}/m/*/{id}.*"}]},
            "layouts.0: ids of images span 2 and those of masks 1 levels of the path, so that none are the same; write",
        ),
        ({"layouts": [LAYOUT | {"variants": ["v9"]}]}, "the variant 'v9'"),
        ({"layouts": [LAYOUT | {"variants": ["val"]}]}, "no layout is for the variant 'test'"),
        ({"layouts": [LAYOUT | {"unlabelled_images": "skip"}]}, "layouts.0.unlabelled_images"),
    ],
)
def test_wrong_cards(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = write_card(tmp_path / "mine.yaml", **changes)
    with pytest.raises(InputError) as caught:
        load_card(str(path))
    message = str(caught.value)
    assert message.startswith(f"the dataset card {path} is wrong: ")
    assert words in message
    assert message.endswith("; correct it.")
    assert "\n" not in message
