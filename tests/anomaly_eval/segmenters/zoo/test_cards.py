"""Network cards: what they may say, and what is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.network_cards import read_network_card
from tests.anomaly_eval.segmenters.zoo.stand_in import write_card

NAME = "net-1_a"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / f"{NAME}.safetensors").write_bytes(b"whatever")
    return tmp_path


@pytest.mark.parametrize(("given", "read"), [(256, "256"), ("0.5x", "0.5x"), ("512x256", "512x256")])
def test_sizes_as_resize_takes_them(folder: Path, given: object, read: str) -> None:
    card = read_network_card(write_card(folder, NAME, input=given, statistics={given: "a.safetensors"}))
    assert card.input == read and card.statistics == {read: "a.safetensors"}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (dict(licence=None), "is wrong: licence: the field is missing; correct it"),
        (dict(recipe=None), "recipe: the field is missing"),
        (dict(licenze="x"), "licenze: no field is called so"),
        (dict(input="large"), "input: 'large' is not understood"),
        (dict(input=True), "input: give text"),
        (dict(input=0), "'0' is out of range"),
        (dict(sha256="0" * 63), "sha256: "),
        (dict(statistics={256: "../a.safetensors"}), "statistics.256: "),
        (dict(statistics={256: "a.pth"}), "statistics.256: "),
        (dict(title="a\nb"), "title: "),
        (dict(name="other"), "is of 'other'; call the file other.yaml"),
        (dict(name="Other.pth"), "name: "),
        (dict(closed_set=[dict(dataset="cityscapes", images=500, mean_iou=101)]), "closed_set.0.mean_iou: "),
        (dict(anomaly=[dict(dataset="road_anomaly", images=60, scores=dict(msp=[1, 2]))]), "anomaly.0.scores.msp"),
        (dict(anomaly=[dict(dataset="road_anomaly", images=60, scores={})]), "anomaly.0.scores: "),
    ],
)
def test_wrong_fields(folder: Path, fields: dict[str, Any], told: str) -> None:
    path = write_card(folder, fields.get("name") or NAME, **fields) if "name" not in fields else None
    if path is None:
        path = write_card(folder, NAME).rename(folder / "renamed.yaml")
        path.write_text(path.read_text().replace(f"name: {NAME}", f"name: {fields['name']}"))
    with pytest.raises(InputError) as caught:
        read_network_card(path)
    assert str(caught.value).startswith(f"the network card {path} is ") and told in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"name: a\nname: b", b"\xff\xfe", b"a: !!python/object:os.x {}"])
def test_what_is_no_card(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"the network card .*a\.yaml "):
        read_network_card(tmp_path / "a.yaml")
    with pytest.raises(InputError, match=r"the network card .*b\.yaml cannot be read \(No such file"):
        read_network_card(tmp_path / "b.yaml")
