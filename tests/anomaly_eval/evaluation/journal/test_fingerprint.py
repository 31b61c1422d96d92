"""Whatever the bits of a record depend on is part of the fingerprint, and what changed of it is named."""

from __future__ import annotations

import pytest

from anomaly_eval.evaluation.journal.fingerprint import DatasetFingerprint, Fingerprint, differences

ROAD = DatasetFingerprint(spec="road_anomaly", layout="flat", card_sha256="1" * 64, ids=["1", "2", "3"])
TRAINING = DatasetFingerprint(spec="training", layout="flat", card_sha256="2" * 64, ids=["a"])
BEFORE = Fingerprint(
    checkpoint_sha256="3" * 64,
    config_sha256="4" * 64,
    imports=[],
    resize="native",
    inference="whole",
    tta=None,
    classes=["road", "car"],
    protocol="card",
    device="cpu",
    window_batch=4,
    threads=2,
    processor="One CPU",
    scores=["msp", "sml"],
    statistics_sha256=None,
    fit=TRAINING,
    datasets=[ROAD],
    versions={"torch": "2.9.0", "numpy": "2.3.0"},
)
CHANGES = {
    "format": (7, "the format of records was 6 and is 7"),
    "checkpoint_sha256": ("a" * 64, "the checkpoint was 333333333333 and is aaaaaaaaaaaa"),
    "config_sha256": ("a" * 64, "the config was 444444444444 and is aaaaaaaaaaaa"),
    "imports": (["own.py (0a)"], "--import was none and is own.py (0a)"),
    "resize": ("0.5x", "--resize was native and is 0.5x"),
    "inference": ("slide, crop 5", "the network's inference mode was whole and is slide, crop 5"),
    "tta": ("flip", "--tta was none and is flip"),
    "classes": (["road"], "the list of known classes was road car and is road"),
    "protocol": ("network", "--protocol was card and is network"),
    "device": ("NVIDIA H100", "the device was cpu and is NVIDIA H100"),
    "window_batch": (1, "--window-batch was 4 and is 1"),
    "threads": (1, "the number of threads (OMP_NUM_THREADS) was 2 and is 1"),
    "processor": ("Another CPU", "the processor was One CPU and is Another CPU"),
    "scores": (
        ["msp", "sml_without_smoothing"],
        "the choice of scores was msp sml and is msp sml_without_smoothing",
    ),
    "statistics_sha256": ("b" * 64, "the file of --stats was none and is bbbbbbbbbbbb"),
    "fit": (None, "the dataset that is fitted on was training and is none"),
    "datasets": ([TRAINING], "--dataset was road_anomaly and is training"),
    "versions": ({"torch": "2.9.1", "numpy": "2.3.0"}, "torch was 2.9.0 and is 2.9.1"),
}


def test_every_field_is_named_here():
    assert CHANGES.keys() == Fingerprint.model_fields.keys()


@pytest.mark.parametrize("field", CHANGES)
def test_what_changed_is_named(field):
    value, words = CHANGES[field]
    now = BEFORE.model_copy(update={field: value})
    assert differences(BEFORE, now) == [words]
    assert now.sha256 != BEFORE.sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"card_sha256": "9" * 64}, "the card of road_anomaly was 111111111111 and is 999999999999"),
        ({"layout": "released"}, "the layout of road_anomaly was flat and is released"),
        ({"ids": ["1", "3"]}, "the images of road_anomaly were 3 and are 2, 2 is gone"),
        ({"ids": ["1", "2", "3", "4"]}, "the images of road_anomaly were 3 and are 4, 4 is new"),
        ({"ids": ["2", "1", "3"]}, "the images of road_anomaly were 3 and are 3, in another order"),
    ],
)
@pytest.mark.parametrize("place", ["datasets", "fit"])
def test_what_changed_of_a_dataset_is_named(place, change, words):
    own = BEFORE.model_copy(update={"fit": ROAD})
    changed = ROAD.model_copy(update=change)
    now = own.model_copy(update={place: changed if place == "fit" else [changed]})
    assert differences(own, now) == [words]


def test_changed_files_of_the_fitting_set_are_named():
    before, now = (
        BEFORE.model_copy(update={"fit": TRAINING.model_copy(update={"files_sha256": sha})}) for sha in ("a", "b")
    )
    assert differences(before, now) == ["the files of training, which scores are fitted on, were changed"]


def test_nothing_changed_and_two_changes():
    assert differences(BEFORE, BEFORE.model_copy()) == []
    now = BEFORE.model_copy(update={"resize": "512", "versions": {"torch": "2.9.0", "pillow": "12"}})
    assert differences(BEFORE, now) == [
        "--resize was native and is 512",
        "numpy was 2.3.0 and is missing",
        "pillow was missing and is 12",
    ]


def test_it_survives_its_file():
    assert Fingerprint.model_validate_json(BEFORE.model_dump_json(indent=1)) == BEFORE
