"""Images are chosen as by sorting all of them."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.studies.grid.choosing import CHOICES, Chosen, choose_images, named_images, parse_choices


@pytest.mark.parametrize("seed", range(5))
def test_best_median_and_worst_are_those_of_a_brute_force_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = {f"image {index}": float(value) for index, value in enumerate(rng.permutation(11 + seed))}
    chosen = {one.choice: values[one.id] for one in choose_images(values, CHOICES)}
    assert chosen == {
        "best": max(values.values()),
        # Of the two in the middle, the better one.
        "median": statistics.median_high(values.values()),
        "worst": min(values.values()),
    }


def test_several_of_each_in_the_order_asked_for() -> None:
    values = {name: float(index) for index, name in enumerate("abcdefghi")}
    found = choose_images(values, ("worst", "median", "best"), 2)
    assert [(one.id, one.choice) for one in found] == [
        ("a", "worst"),
        ("b", "worst"),
        ("e", "median"),
        ("f", "median"),
        ("i", "best"),
        ("h", "best"),
    ]
    assert [one.id for one in choose_images(values, ("median",), 3)] == ["e", "f", "d"]


def test_equal_images_come_in_the_order_of_the_dataset() -> None:
    values = dict.fromkeys("abc", 0.5)
    assert [one.id for one in choose_images(values, CHOICES)] == ["a", "b", "c"]


def test_no_image_is_taken_twice() -> None:
    assert choose_images({"a": 1, "b": 0}, CHOICES) == [Chosen("a", "best"), Chosen("b", "worst")]
    assert choose_images({"a": 1}, CHOICES) == [Chosen("a", "best")]
    found = choose_images({"a": 3, "b": 2, "c": 1, "d": 0}, CHOICES, 3)
    assert [one.id for one in found] == ["a", "b", "c", "d"]
    assert choose_images({}, CHOICES) == []


def test_words_of_the_command() -> None:
    assert parse_choices(CHOICES) == CHOICES
    assert parse_choices(["worst", "best"]) == ("worst", "best")
    assert parse_choices(["median", "median"]) == ("median",)
    for words in (["mean"], [], [""], ["best;worst"]):
        with pytest.raises(InputError, match="give best, median, worst, or some of them"):
            parse_choices(words)


def test_images_by_name() -> None:
    known = ["frankfurt_000000_000294", "frankfurt_000000_000576"]
    assert named_images([known[1], known[0], known[1]], known, "cityscapes") == [Chosen(known[1]), Chosen(known[0])]
    with pytest.raises(InputError, match=r"cityscapes has no image 'frankfurt_000294'; did you mean 'frankfurt_"):
        named_images(["frankfurt_000294"], known, "cityscapes")
    with pytest.raises(InputError, match=r"no image 'x'; its first one is 'frankfurt_000000_000294'\."):
        named_images(["x"], known, "cityscapes")
