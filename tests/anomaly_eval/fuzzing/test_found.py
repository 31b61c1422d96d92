"""What fuzzing has found, each as the smallest input that did it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.images import read_mask
from anomaly_eval.datasets.samples import scan_samples
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.journal.fingerprint import differences
from anomaly_eval.reports.combining import read_run
from anomaly_eval.results.curves import CURVES_FILE, HISTOGRAMS_FILE, read_distributions
from anomaly_eval.score_maps.index import read_index
from tests.anomaly_eval.evaluation.journal.test_fingerprint import BEFORE
from tests.anomaly_eval.fuzzing.png_files import png_of
from tests.anomaly_eval.fuzzing.readers import only_input_errors
from tests.anomaly_eval.fuzzing.test_checkpoints import SMALL, bytes_of, classes_and_config, good, load, segment
from tests.anomaly_eval.fuzzing.test_results import FILES
from tests.anomaly_eval.fuzzing.test_results import TREE as RESULTS
from tests.anomaly_eval.fuzzing.test_score_maps import INDEX
from tests.anomaly_eval.fuzzing.test_statistics import METADATA, TENSORS, use, written_as
from tests.anomaly_eval.hostile.bench import ANOMALY_CARD


@pytest.mark.parametrize(
    "changes",
    [
        {"\x1f": 1},
        {"": 1},
        {"a" * 5000: 1},
        {"default_variant": "a" * 5000},
        {"folders": ["\x1f"]},
        {"title": "two\nlines"},
        {"url": "a" * 5000},
        {"layouts": [{"name": "flat", "images": "{id}\x1b", "masks": "{id}"}]},
        {"layouts": [{"name": "flat", "images": "a" * 5000, "masks": "{id}"}]},
    ],
)
def test_words_of_a_card_that_break_the_lines_of_a_message(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump(ANOMALY_CARD | changes))
    with pytest.raises(InputError) as caught:
        scan_samples(*load_card(str(path)), tmp_path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


def test_labels_by_aliases_are_not_written_out(tmp_path: Path) -> None:
    text = "[0]"
    for level in range(40):
        text = f"[&l{level} {text}, *l{level}]"
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump(ANOMALY_CARD | {"labels": "HERE"}).replace("HERE", f"{{inlier: {text}}}"))
    with only_input_errors():
        load_card(str(path))


def test_many_wildcards_take_no_time(tmp_path: Path) -> None:
    (tmp_path / ("a" * 250)).touch()
    path = tmp_path / "card.yaml"
    layout = {"name": "flat", "images": "*a*a*a*a*a*a*{id}b", "masks": "{id}"}
    path.write_text(yaml.safe_dump(ANOMALY_CARD | {"layouts": [layout]}))
    with pytest.raises(InputError, match="more than 3 wildcards"):
        load_card(str(path))


@pytest.mark.parametrize("name", ["cfg", "config", "CLASSES", "dataset_meta"])
@pytest.mark.parametrize("value", [torch.ones(2, 2), {"classes": torch.ones(2)}], ids=["tensor", "tensor of classes"])
def test_tensors_in_the_place_of_notes(name: str, value: object) -> None:
    load(bytes_of({**SMALL, "meta": {name: value}}), classes_and_config)


@pytest.mark.parametrize(
    "changes",
    [
        {"test_cfg": 1},
        {"test_cfg": {"mode": "slide", "crop_size": ["a", "b"], "stride": [1, 1]}},
        {"test_cfg": {"mode": "whole", 1: 2}},
        {"\n": 1},
        {"type": {"a": {"b": "c" * 5000}}},
        {"type": "\x1b[2J"},
        {"data_preprocessor": {"type": "SegDataPreProcessor", "mean": "a", "std": [1]}},
    ],
)
def test_settings_that_make_no_sense(changes: dict[Any, Any]) -> None:
    from anomaly_eval.segmenters.configs import parse_literals

    meta = good()["meta"]
    model = parse_literals(meta["cfg"])["model"] | changes
    load(bytes_of({**good(), "meta": {**meta, "cfg": f"model = {model!r}"}}), segment)


@pytest.mark.parametrize("type", [torch.int64, torch.float32, torch.bool, torch.bfloat16])
def test_statistics_in_other_number_types(type: torch.dtype) -> None:
    use(written_as({name: value.to(type) for name, value in TENSORS.items()}, METADATA))


@pytest.mark.parametrize("value", ["\x7f" + "a" * 63, "a" * 100_000])
@pytest.mark.parametrize("name", ["checkpoint_sha256", "resize"])
def test_statistics_of_another_network_with_odd_names(name: str, value: str) -> None:
    model = json.loads(METADATA["model"]) | {name: value}
    use(written_as(TENSORS, METADATA | {"model": json.dumps(model)}))


@pytest.mark.parametrize("name", ["decode_head.conv_seg.weight", "decode_head.conv_seg.bias"])
@pytest.mark.parametrize(
    "value", [torch.tensor(1.0), torch.zeros(0), torch.ones(1).expand(10**12)], ids=["0-d", "empty", "wide"]
)
def test_weights_of_other_shapes(name: str, value: torch.Tensor) -> None:
    load(bytes_of({**good(), "state_dict": {**good()["state_dict"], name: value}}), segment)


@pytest.mark.parametrize("text", ["[1]", "3", "null", "[" * 100_000, '{"sml": 3}', "{}"])
def test_records_of_statistics_that_are_none(text: str) -> None:
    use(written_as(TENSORS, METADATA | {"fits": text}))


@pytest.mark.parametrize(
    "content", ["[" * 100_000, "1" * 5000, '{"format_version": {"a": "' + "b" * 9000 + '"}}', "nul"]
)
def test_results_that_are_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with only_input_errors():
        read_run(tmp_path)


def test_a_track_that_is_none(tmp_path: Path) -> None:
    component = RESULTS["components"][0] | {"track": "nbstacle"}
    (tmp_path / "results.json").write_text(json.dumps(RESULTS | {"components": [component]}))
    with pytest.raises(InputError, match="it has the track 'nbstacle'; evaluate anew"):
        read_run(tmp_path)


def test_a_command_that_breaks_the_line_is_not_repeated(tmp_path: Path) -> None:
    changed = RESULTS | {"format_version": 1, "provenance": {"command": "a\nb"}}
    (tmp_path / "results.json").write_text(json.dumps(changed))
    with pytest.raises(InputError, match=r"reads 2; evaluate anew\.$"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", [CURVES_FILE, HISTOGRAMS_FILE])
@pytest.mark.parametrize("content", [b'"' + b"a" * 200_000, b"a,b\0\n", b"\xff", b"", b"nan\n"])
def test_tables_that_are_none(tmp_path: Path, name: str, content: bytes) -> None:
    for other, text in FILES.items():
        (tmp_path / other).write_bytes(text)
    header = FILES[name].splitlines()[0] + b"\n"
    (tmp_path / name).write_bytes(header + content if content else content)
    with pytest.raises(InputError, match=r"evaluate anew\.$"):
        read_distributions(tmp_path)


@pytest.mark.parametrize("name", [CURVES_FILE, HISTOGRAMS_FILE])
def test_a_pipe_in_place_of_a_table_is_not_waited_for(tmp_path: Path, name: str) -> None:
    for other, text in FILES.items():
        (tmp_path / other).write_bytes(text)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="a pipe or a device"):
        read_distributions(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        png_of(4, 1, 2, 0, b"\x1b"),
        png_of(4, 1, 4, 0, b"\x01\x23"),
        png_of(2, 1, 16, 2, b"\0\1" * 6),
        png_of(2, 1, 16, 4, b"\0\1\xff\xff" * 2),
        png_of(2, 1, 16, 6, b"\0\1\0\1\0\1\xff\xff" * 2),
        b"P5 2 1 1\n\0\1",
        b"P2 2 1 9\n0 1\n",
        b"P6 1 1 65535\n" + b"\0\1" * 3,
    ],
    ids=["2 bits", "4 bits", "RGB 16", "LA 16", "RGBA 16", "PGM of 1", "PGM of 9", "PPM of 65535"],
)
def test_values_that_reading_would_change(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mask.png").write_bytes(content)
    with pytest.raises(InputError, match=r"mask\.png .*; save (it|its values, not stretched,) as an 8-bit gray PNG\.$"):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("content", [b"P5 2 1 255\n\0\1", b"P2 2 1 255\n0 1\n", b"P5 2 1 65535\n\0\0\0\1"])
def test_pgm_values_that_reading_keeps(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mask.pgm").write_bytes(content)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.pgm"), [[0, 1]])


@pytest.mark.parametrize("options", [{"format": "JPEG"}, {"format": "TIFF", "compression": "jpeg"}, {"format": "WEBP"}])
def test_masks_compressed_with_loss(tmp_path: Path, options: dict[str, Any]) -> None:
    with (tmp_path / "mask.png").open("wb") as file:
        Image.new("RGB", (16, 16)).save(file, **options)
    with pytest.raises(InputError, match=r"mask\.png is compressed with loss"):
        read_mask(tmp_path / "mask.png")


def test_lossless_webp_is_a_mask(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (7, 7, 7)).save(tmp_path / "mask.webp", lossless=True)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.webp"), np.full((2, 3), 7))


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.update({"\x1f": 1}),
        lambda index: index.update({"a" * 5000: 1}),
        lambda index: index["maps"]["own"]["sml"]["0"].update(file="\0"),
        lambda index: index["maps"]["own"]["sml"]["0"].update(file="../" + "a" * 5000),
    ],
)
def test_an_index_of_score_maps_that_breaks_the_lines_of_a_message(tmp_path: Path, change: Any) -> None:
    index = json.loads(INDEX.model_dump_json())
    change(index)
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError) as caught:
        read_index(tmp_path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


@pytest.mark.parametrize("value", ["\x1f", "a" * 5000])
def test_what_an_interrupted_run_says_of_itself_stays_in_its_line(value: str) -> None:
    found = differences(BEFORE.model_copy(update={"checkpoint_sha256": value, "resize": value}), BEFORE)
    assert len(found) == 2 and all(text.isprintable() and len(text) < 500 for text in found)
