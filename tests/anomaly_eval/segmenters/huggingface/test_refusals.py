"""What cannot be used is refused in one sentence, and nothing of it runs."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from tests.anomaly_eval.commands import Command, assert_refused, nothing_left
from tests.anomaly_eval.hostile.checkpoints import RAN, Trap
from tests.anomaly_eval.segmenters.huggingface import small_networks
from tests.anomaly_eval.segmenters.huggingface.small_networks import PREPROCESSING, build, edit, save

Refused = Callable[..., None]
WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tmp_path / "net", build(small_networks.segformer()))


@pytest.fixture
def refused(tmp_path: Path, evaluate: Command, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Evaluate a folder, and expect a sentence with these words, no code run, and no results."""
    monkeypatch.delenv(RAN, raising=False)

    def refused(folder: Path, *words: str, **options: str) -> None:
        assert_refused(evaluate(ckpt=str(folder), **options), *words)
        assert RAN not in os.environ and nothing_left(tmp_path)

    return refused


def changed_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    return folder


def test_a_folder_that_is_none_of_a_network(tmp_path: Path, refused: Refused) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    config = folder / "config.json"
    refused(folder, "the folder", "empty has no config.json; give a folder that save_pretrained")
    config.write_text("{}")
    refused(folder, "names no model_type")
    for text in ("{", "[1]", "[" * 100_000, "\xff"):
        config.write_text(text, encoding="latin-1")
        refused(folder, "config.json", "copy it anew")
    config.unlink()
    os.mkfifo(config)
    refused(folder, "config.json cannot be read (it is a pipe or a device")


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (lambda: hf.BertConfig(architectures=["BertForMaskedLM"]), "describes a BertForMaskedLM"),
        (lambda: hf.BertConfig(), "describes a network of the type 'bert'"),
        (lambda: hf.YolosConfig(architectures=["YolosForObjectDetection"]), "describes a YolosForObjectDetection"),
        (
            lambda: hf.SegformerConfig(architectures=["SegformerForImageClassification"]),
            "describes a SegformerForImageClassification",
        ),
    ],
    ids=["text", "nothing said", "detection", "classification"],
)
def test_networks_for_something_else(folder: Path, refused: Refused, config: Callable[[], Any], what: str) -> None:
    config().save_pretrained(folder)
    refused(folder, "config.json", what, "give a network for semantic segmentation")


def test_code_weights_and_kernels_from_elsewhere(folder: Path, tmp_path: Path, refused: Refused) -> None:
    (folder / "modeling.py").write_text(f"import os; os.environ[{RAN!r}] = '1'")
    edit(folder, auto_map={"AutoModelForSemanticSegmentation": "modeling.Network"})
    refused(folder, "config.json asks for code of its own (auto_map), which is never run")
    edit(folder, auto_map=None, quantization_config={"load_in_8bit": True, "quant_method": "bitsandbytes"})
    refused(folder, "quantised weights")
    upernet = save(tmp_path / "upernet", build(small_networks.SEMANTIC["upernet, convnext"]()))
    edit(upernet, backbone="facebook/convnext-tiny-224", use_pretrained_backbone=True, backbone_config=None)
    refused(upernet, "names a backbone ('facebook/convnext-tiny-224')", "save the network with a backbone_config")


def test_what_only_says_how_others_ran_it_is_left_out(folder: Path, evaluate: Command) -> None:
    edit(folder, _attn_implementation="kernels-community/flash-attn", torch_dtype="float16", output_attentions=True)
    code, _, errors = evaluate(ckpt=str(folder))
    assert code == 0, errors


@pytest.mark.parametrize("changed", [{"hidden_sizes": 5}, {"depths": [1]}, {"hidden_act": "nonsense"}])
def test_settings_of_no_sense(folder: Path, refused: Refused, changed: dict[str, object]) -> None:
    refused(edit(folder, **changed), "config.json", "copy it anew")


@pytest.mark.parametrize(
    "changed", [{"hidden_sizes": [4096, 8192, 8192, 8192]}, {"depths": [9_000, 1, 1, 1]}, {"depths": [10**9, 1, 1, 1]}]
)
def test_a_far_larger_network_than_the_weights(folder: Path, refused: Refused, changed: dict[str, object]) -> None:
    refused(edit(folder, **changed), "asks for a far larger network than the weights beside it")


@pytest.mark.parametrize(
    "labels", [{"0": "road"}, {"0": "road", "2": "car"}, {"0": "a\x1b[2J", "1": "b"}, {"x": "y"}, ["road", "car"]]
)
def test_labels_of_no_sense(folder: Path, refused: Refused, labels: object) -> None:
    refused(edit(folder, id2label=labels), "config.json")


def test_another_number_of_classes_than_the_data_set_or_the_weights(
    folder: Path, tmp_path: Path, refused: Refused
) -> None:
    six = save(tmp_path / "six", build(small_networks.segformer(id2label={i: f"LABEL_{i}" for i in range(6)})))
    refused(six, "5", "6", "class", dataset=str(tmp_path / "training.yaml"))
    (folder / WEIGHTS).write_bytes((six / WEIGHTS).read_bytes())
    refused(folder, "do not fit its config.json", "classifier.weight has shape (6, 16, 1, 1) instead of (5, 16, 1, 1)")


def test_other_names_of_classes_than_the_data_set(tmp_path: Path, refused: Refused) -> None:
    labels = dict(enumerate(("sky", "building", "road", "vegetation", "cat")))
    folder = save(tmp_path / "net", build(small_networks.segformer(id2label=labels)))
    refused(folder, "'car' in the dataset and 'cat' in the network", dataset=str(tmp_path / "training.yaml"))


def test_weights_that_are_missing_left_over_or_nan(folder: Path, refused: Refused) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    changed_weights(folder, lambda weights: weights.pop("decode_head.classifier.bias"))
    refused(folder, "decode_head.classifier.bias is missing")
    (folder / WEIGHTS).write_bytes(whole)
    changed_weights(folder, lambda weights: weights.update(more=torch.ones(2)))
    refused(folder, "more is not part of the network")
    (folder / WEIGHTS).write_bytes(whole)
    changed_weights(folder, lambda weights: weights["decode_head.classifier.weight"].fill_(torch.nan))
    refused(folder, "the network gave NaN or infinite values", "check its weights")


def test_nan_in_the_queries_of_a_mask_classifier(tmp_path: Path, refused: Refused) -> None:
    folder = save(tmp_path / "net", build(small_networks.mask2former()))
    changed_weights(folder, lambda weights: weights["class_predictor.weight"].fill_(torch.nan))
    refused(folder, "the network gave NaN or infinite values")


def test_files_of_weights_that_are_damaged_or_hold_code(folder: Path, refused: Refused) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    for content in (whole[:-1], b"", b"<html></html>", (2**60).to_bytes(8, "little") + whole[8:], pickle.dumps(Trap())):
        (folder / WEIGHTS).write_bytes(content)
        refused(folder, f"{WEIGHTS} is not a safetensors file or is damaged")
    (folder / WEIGHTS).unlink()
    refused(folder, "has neither model.safetensors nor pytorch_model.bin")
    torch.save({"hook": Trap()}, folder / "pytorch_model.bin")
    refused(folder, "pytorch_model.bin holds Python objects that would have to be executed")
    (folder / "pytorch_model.bin").write_bytes(b"no weights")
    refused(folder, "pytorch_model.bin is not a PyTorch checkpoint or is damaged")


@pytest.mark.parametrize(
    "index",
    [{}, {"weight_map": []}, {"weight_map": {"a": "../model.safetensors"}}, {"weight_map": {"a": "/etc/passwd"}}],
)
def test_an_index_that_lists_no_files_of_weights(folder: Path, refused: Refused, index: object) -> None:
    (folder / WEIGHTS).rename(folder.parent / WEIGHTS)
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    refused(folder, "index.json lists no files of weights beside it")


def test_an_index_of_a_file_that_is_not_there(folder: Path, refused: Refused) -> None:
    (folder / WEIGHTS).unlink()
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": {"a": "part.safetensors"}}))
    refused(folder, "there is no checkpoint file", "part.safetensors")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (None, ("has no preprocessor_config.json", "or give --mean and --std")),
        ({}, ("preprocessor_config.json has no image_mean of three numbers",)),
        (PREPROCESSING | {"image_std": [1, 0, 1]}, ("image_std that is not above 0",)),
        (PREPROCESSING | {"image_mean": [1, "2", 3]}, ("no image_mean of three numbers",)),
        (PREPROCESSING | {"rescale_factor": 0}, ("rescale_factor that is no number above 0",)),
        (PREPROCESSING | {"size": {"height": 10**9, "width": 8}}, ("has a size of '1000000000'",)),
        (PREPROCESSING | {"size_divisor": "x"}, ("has a size of 'x'",)),
    ],
)
def test_a_processor_that_says_too_little(
    tmp_path: Path, refused: Refused, settings: object, words: tuple[str, ...]
) -> None:
    refused(save(tmp_path / "net", build(small_networks.segformer()), settings), *words)


def test_mean_and_deviation_may_be_given_instead(folder: Path, tmp_path: Path, evaluate: Command) -> None:
    assert evaluate(ckpt=str(folder), out=str(tmp_path / "whole"))[0] == 0
    (folder / "preprocessor_config.json").unlink()
    words = ("--mean", "123.675", "116.28", "103.53", "--std", "58.395", "57.12", "57.375")
    code, _, errors = evaluate(*words, ckpt=str(folder))
    assert code == 0, errors
    assert (tmp_path / "out" / "results.csv").read_text() == (tmp_path / "whole" / "results.csv").read_text()


def test_a_processor_within_the_file_of_another(folder: Path, evaluate: Command) -> None:
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    assert evaluate(ckpt=str(folder))[0] == 0


def test_oneformer_with_another_vocabulary(tmp_path: Path, refused: Refused) -> None:
    folder = save(tmp_path / "net", build(small_networks.oneformer(text_encoder_vocab_size=100)))
    refused(folder, "has another vocabulary than CLIP's")


def test_eomt_that_was_saved_in_the_middle_of_its_training(tmp_path: Path, refused: Refused) -> None:
    network = build(small_networks.eomt())
    network.attn_mask_probs.fill_(0.5)
    refused(save(tmp_path / "net", network), "attention masks were being annealed")


def test_one_size_and_a_protocol_of_whole_images(tmp_path: Path, refused: Refused) -> None:
    card = tmp_path / "training.yaml"
    card.write_text(card.read_text() + "protocol: {}\n")
    folder = save(tmp_path / "net", build(small_networks.beit()))
    refused(folder, "takes inputs of 64x64 alone, not of 96x64", "--protocol network", dataset=str(card))


def test_without_the_extra(folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    refused(folder, "is a network of transformers, which is not installed", "pip install 'transformers>=5.0,<6'")


def test_a_config_of_mmsegmentation(folder: Path, evaluate: Command) -> None:
    assert_refused(evaluate("--config", "a.py", ckpt=str(folder)), "--config says nothing about", "transformers")
