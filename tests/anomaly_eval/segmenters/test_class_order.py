"""Whatever a checkpoint calls its classes is checked against the data; where it calls them nothing, that is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks

NAMES = list(networks.CLASSES)


def written(path: Path, meta: dict[str, Any] | None = None, **beside: Any) -> Path:
    """Write a checkpoint with a config and these notes, in and beside its meta."""
    network = networks.build(networks.CGNET)
    config = Config(dict(model=networks.CGNET), format_python_code=False).pretty_text
    torch.save({"meta": {"cfg": config} | (meta or {}), "state_dict": network.state_dict(), **beside}, path)
    return path


@pytest.mark.parametrize(
    ("meta", "beside"),
    [
        ({"dataset_meta": {"CLASSES": NAMES}}, {}),
        ({"CLASSES": tuple(NAMES)}, {}),
        ({"dataset_meta": {"class_names": NAMES}}, {}),
        ({}, {"classes": NAMES}),
        ({}, {"id2label": dict(enumerate(NAMES))}),
        ({}, {"hyper_parameters": {"class_names": NAMES}}),
    ],
)
def test_names_are_read_wherever_they_are(tmp_path: Path, meta: dict[str, Any], beside: dict[str, Any]) -> None:
    record = load_segmenter(written(tmp_path / "net.pth", meta, **beside), device="cpu").describe()
    assert (record.classes, record.class_names_from) == (NAMES, "the checkpoint")


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize(
    "data",
    [
        f"train_dataloader = dict(dataset=dict(type='BaseSegDataset', metainfo=dict(classes={NAMES})))",
        f"metainfo = dict(classes={NAMES})",
        f"data = dict(train=dict(type='X', classes={NAMES}))",
    ],
)
def test_names_of_a_config(tmp_path: Path, data: str, inside: bool) -> None:
    text = f"model = {networks.CGNET!r}\n{data}\n"
    (tmp_path / "own.py").write_text(text)
    path = written(tmp_path / "net.pth", {"cfg": text} if inside else None)
    record = load_segmenter(path, None if inside else str(tmp_path / "own.py"), device="cpu").describe()
    assert (record.classes, record.class_names_from) == (NAMES, "the config")


def test_data_sets_of_mmsegmentation_name_their_classes(tmp_path: Path) -> None:
    model = networks.CGNET | {"decode_head": networks.CGNET["decode_head"] | {"num_classes": 19}}
    path = networks.save(tmp_path / "net.pth", model, dataset_meta=None)
    config = tmp_path / "own.py"
    config.write_text(f"model = {model!r}\ntrain_dataloader = dict(dataset=dict(type='CityscapesDataset'))")
    segmenter = load_segmenter(path, str(config), device="cpu")
    assert segmenter.classes[:2] == ("road", "sidewalk") and segmenter.has_class_names
    # A base that was left as it is names other classes than the network has.
    config.write_text(f"model = {model!r}\ntrain_dataloader = dict(dataset=dict(type='ADE20KDataset'))")
    assert not load_segmenter(path, str(config), device="cpu").has_class_names


@pytest.mark.parametrize("noted", [None, list(range(5)), [f"LABEL_{index}" for index in range(5)]])
def test_where_nothing_names_the_classes(tmp_path: Path, noted: object) -> None:
    record = load_segmenter(written(tmp_path / "net.pth", {"CLASSES": noted}), device="cpu").describe()
    assert record.class_names_from == "nowhere"
    assert record.classes == [f"class {index}" for index in range(5)]


def test_results_of_earlier_versions_are_read(tmp_path: Path) -> None:
    record = load_segmenter(written(tmp_path / "net.pth"), device="cpu").describe().model_dump()
    del record["class_names_from"]
    assert ModelRecord.model_validate_json(json.dumps(record)).class_names_from is None


@pytest.mark.parametrize("channels", [None, 1])
def test_a_network_of_one_class_is_refused(tmp_path: Path, channels: int | None) -> None:
    head = networks.CGNET["decode_head"] | {"num_classes": 1, "out_channels": channels}
    model = networks.CGNET | {"decode_head": head}
    path = networks.save(tmp_path / "net.pth", model, dataset_meta={"classes": ["road"]})
    with pytest.raises(
        InputError, match=r"one class.*num_classes=2 and out_channels=1 in the decode head with --config"
    ):
        load_segmenter(path, device="cpu")
    # The remedy, to the letter.
    (tmp_path / "own.py").write_text(f"model = {binary(0.3)!r}")
    assert load_segmenter(path, str(tmp_path / "own.py"), device="cpu").classes == ("not road", "road")
    torch.save(torch.load(path, weights_only=True)["state_dict"], path)
    assert len(load_segmenter(path, str(tmp_path / "own.py"), device="cpu").classes) == 2


def binary(threshold: float | None) -> dict[str, Any]:
    """Return a network whose one output is a sigmoid."""
    loss = dict(type="CrossEntropyLoss", use_sigmoid=True)
    more = {"num_classes": 2, "out_channels": 1, "threshold": threshold, "loss_decode": loss}
    return networks.CGNET | {"decode_head": networks.CGNET["decode_head"] | more}


@pytest.mark.parametrize("threshold", [None, 0.3, 0.5, 0.9])
def test_a_binary_head_has_two_classes_of_its_sigmoid(tmp_path: Path, threshold: float | None) -> None:
    network = networks.build(binary(threshold))
    path = networks.save(tmp_path / "net.pth", binary(threshold), network, dataset_meta={"classes": ["rest", "road"]})
    image = torch.randint(0, 256, (64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    segmenter = load_segmenter(path, device="cpu")
    logits = segmenter(image).logits.resized()
    with torch.no_grad():
        batch = network.data_preprocessor({"inputs": [torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())]})
        coarse = network(batch["inputs"])
        expected = torch.nn.functional.interpolate(coarse, size=(64, 96), mode="bilinear")[0, 0].sigmoid()
    torch.testing.assert_close(logits.softmax(0)[1], expected, atol=1e-5, rtol=0)
    # Closed-set classes are those of mmsegmentation, which compares with the threshold of the head.
    limit = 0.3 if threshold is None else threshold
    tested = segmenter.with_protocol(None)(image).logits.resized()
    clear = (expected - limit).abs() > 1e-4
    assert torch.equal((tested.argmax(0) == 1)[clear], (expected > limit)[clear])
    # Also where the classes are named in another order.
    turned = load_segmenter(path, device="cpu", known_classes=("1", "0"))
    of_turned = turned.with_protocol(None)(image).logits.resized()
    torch.testing.assert_close(of_turned, tested[[1, 0]])
