"""The records of networks that were averaged, and those of networks alone, which files of before hold."""

from __future__ import annotations

import hashlib

from anomaly_eval.results.means import mean_record
from anomaly_eval.results.origins import ModelRecord
from anomaly_eval.results.same_network import network_difference


def record(name: str, **fields: object) -> ModelRecord:
    content = {
        "checkpoint": f"{name}.pth",
        "checkpoint_sha256": name * 64,
        "config": "the checkpoint",
        "config_sha256": "0" * 64,
        "classes": ["road", "car"],
        "class_names_from": "the checkpoint",
        "inference": "whole",
        "resize": "native",
        "device": "cpu",
    }
    return ModelRecord.model_validate(content | fields)


def test_a_network_alone_is_written_as_before() -> None:
    alone = record("a")
    assert not {"tta", "members"} & set(alone.model_dump()) and "tta" not in alone.model_dump_json()
    assert ModelRecord.model_validate_json(alone.model_dump_json()) == alone
    assert alone.tta is None and alone.members == []


def test_the_mean_of_several_holds_them_in_order_and_is_read_again() -> None:
    one, other = record("a", resize="0.5x", notes=["x"], tta="flip"), record("b", notes=["x", "y"])
    both = mean_record([one, other])
    assert (both.checkpoint, both.resize, both.inference) == ("a.pth + b.pth", "0.5x; native", "whole")
    assert both.notes == ["x", "y"] and both.members == [one, other] and both.tta == "flip; none"
    assert both.checkpoint_sha256 == hashlib.sha256(("a" * 64 + "\n" + "b" * 64).encode()).hexdigest()
    assert both.checkpoint_sha256 != mean_record([other, one]).checkpoint_sha256
    assert ModelRecord.model_validate_json(both.model_dump_json()) == both
    assert mean_record([one]) is one


def test_what_nothing_tells_from_others_has_no_hash_in_a_mean_either() -> None:
    assert mean_record([record("a"), record("b", checkpoint_sha256="")]).checkpoint_sha256 == ""


def test_names_of_classes_are_those_of_a_member_that_has_some() -> None:
    numbers = record("a", classes=["class 0", "class 1"], class_names_from="nowhere")
    both = mean_record([numbers, record("b")])
    assert both.classes == ["road", "car"] and both.class_names_from == "the checkpoint"


def test_views_make_another_network() -> None:
    assert network_difference(record("a"), record("a", tta="flip")) == ("another --tta (none, now flip)", "this one")
    assert network_difference(record("a", tta="flip"), record("a", tta="flip")) is None


def test_means_of_other_things_are_other_networks() -> None:
    members = [record("a"), record("b")]
    of_probabilities, of_scores, unknown = (mean_record(members, of) for of in ("probabilities", "scores", None))
    assert network_difference(of_probabilities, of_scores) == (
        "another mean of networks (of probabilities, now of scores)",
        "this one",
    )
    assert network_difference(of_scores, of_scores) is None
    # Earlier versions did not say which.
    assert network_difference(unknown, of_scores) is None
    assert "mean_of" not in unknown.model_dump() and ModelRecord.model_validate(of_scores.model_dump()) == of_scores
    assert mean_record([record("a")], of="scores") == record("a")
