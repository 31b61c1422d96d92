"""The size of the network's input against mmcv's own, which mmsegmentation's Resize uses."""

from __future__ import annotations

import gmmseg  # noqa: F401  isort: skip
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmcv.image.geometric import rescale_size

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.input_size import InputSize

sides = st.integers(1, 5000)


@given(sides, sides)
def test_short_sides_with_a_limit_are_those_of_mmcv(width, height):
    expected = rescale_size((width, height), (2048, 512))
    assert InputSize(short_side=512, long_side_at_most=2048).target(width, height) == tuple(
        max(side, 1) for side in expected
    )


@given(sides, sides, st.floats(0.05, 3))
def test_factors_are_those_of_mmcv(width, height, factor):
    expected = tuple(max(side, 1) for side in rescale_size((width, height), factor))
    assert InputSize(factor=factor).target(width, height) == expected


@pytest.mark.parametrize(
    ("size", "limited", "unlimited"),
    [
        ((683, 512), (683, 512), (683, 512)),
        ((2048, 512), (2048, 512), (2048, 512)),
        ((1000, 100), (2048, 205), (5120, 512)),
        ((100, 1000), (205, 2048), (512, 5120)),
        ((2050, 512), (2048, 512), (2050, 512)),
    ],
)
def test_very_long_images_get_a_shorter_short_side(size, limited, unlimited):
    assert InputSize(short_side=512, long_side_at_most=2048).target(*size) == limited
    assert InputSize(short_side=512).target(*size) == unlimited


def test_halves_are_rounded_up():
    assert InputSize(factor=0.5).target(1025, 1027) == (513, 514)


def test_rules_in_words():
    assert str(InputSize(short_side=512, long_side_at_most=2048)) == "short side 512, long side at most 2048"
    assert str(InputSize.parse("512")) == "short side 512"
    assert (str(InputSize.parse("0.5x")), str(InputSize.parse("70x45")), str(InputSize())) == (
        "0.5x",
        "70x45",
        "native",
    )


@pytest.mark.parametrize("text", ["512x", "0x", "16.5x", "0", "32001", "32001x5", "5x0"])
def test_sizes_that_no_network_takes(text):
    with pytest.raises(InputError, match=f"--resize '{text}' is .*out of range; give "):
        InputSize.parse(text)


@pytest.mark.parametrize(
    ("text", "image", "size"), [("16x", (2048, 1024), "32768x16384"), ("32000", (640, 480), "42667x32000")]
)
def test_an_input_that_would_be_too_large_is_refused_and_keeps_its_aspect_ratio(text, image, size):
    with pytest.raises(
        InputError,
        match=f"{image[0]}x{image[1]} would enter the network as {size} .*choose a smaller input with --resize",
    ):
        InputSize.parse(text).target(*image)


# Small enough that three times as much is an input that is not refused.
image_sides = st.integers(256, 2000)
sizes = st.one_of(
    st.just(InputSize()),
    st.builds(InputSize, factor=st.floats(0.1, 3)),
    st.builds(InputSize, short_side=st.integers(8, 1000)),
    st.builds(
        lambda short, more: InputSize(short_side=short, long_side_at_most=short + more), st.integers(1, 2000), sides
    ),
    st.builds(lambda across, down: InputSize(exact=(across, down)), sides, sides),
)


@given(sizes, st.integers(1, 64), st.floats(0.25, 3), image_sides, image_sides)
def test_sides_are_rounded_to_the_nearest_multiples(size, divisor, factor, width, height):
    rounded = size.in_multiples_of(divisor)
    for plain, rule in ((size, rounded), (size.times(factor), rounded.times(factor))):
        # Exact sizes are rounded before they are multiplied, and after it.
        slack = divisor / 2 * (1 + (factor if size.exact else 0)) + 1
        for side, multiple in zip(plain.target(width, height), rule.target(width, height), strict=True):
            assert multiple > 0 and multiple % divisor == 0
            assert abs(multiple - max(side, divisor)) <= slack


def test_multiples_as_they_are_written():
    rules = {text: InputSize.parse(text) for text in ("1x/8", "0.5x/32", "360/16", "1000x500/32", "512/1")}
    assert [rule.target(1280, 718) for rule in rules.values()] == [
        (1280, 720),
        (640, 352),
        (640, 368),
        (992, 512),
        (913, 512),
    ]
    assert [str(rule) for rule in rules.values()] == [
        "1x, sides multiples of 8",
        "0.5x, sides multiples of 32",
        "short side 360, sides multiples of 16",
        "992x512, sides multiples of 32",
        "short side 512",
    ]
    assert rules["512/1"] == InputSize.parse("512") and not rules["1x/8"].native
    assert rules["1x/8"].times(0.75).target(1280, 718) == (960, 536)


@pytest.mark.parametrize("text", ["1x/0", "1x/", "512/x", "512/-8", "512/1025", "512/8/8", "512/8.0", "1x/٣"])
def test_multiples_that_are_none(text):
    with pytest.raises(InputError, match=f"--resize '{text}' is not understood; after the slash give .* as in 1x/32"):
        InputSize.parse(text)


@pytest.mark.parametrize("text", ["/8", "x/8", "5x0/8", "0/8"])
def test_multiples_of_no_size(text):
    with pytest.raises(InputError, match=f"--resize '{text}' is "):
        InputSize.parse(text)


@given(sizes, st.floats(0.25, 3), image_sides, image_sides)
def test_a_multiple_of_a_size_gives_inputs_that_are_so_many_times_as_large(size, factor, width, height):
    before, after = size.target(width, height), size.times(factor).target(width, height)
    # A pixel is lost in each rounding; that of a short side or of a limit is stretched over the long side.
    aspect = max(width, height) / min(width, height)
    for side, multiple in zip(before, after, strict=True):
        assert abs(multiple - factor * side) <= (factor + 1) * (1 + aspect) / 2 + 1


@given(sizes, st.floats(0.25, 3), st.booleans())
def test_a_multiple_is_of_the_same_kind_and_the_same_owner(size, factor, of_network):
    size = replace(size, of_network=of_network)
    multiple = size.times(factor)
    assert multiple.of_network is of_network
    assert multiple.native is (size.native and factor == 1)
    for field in ("short_side", "exact", "long_side_at_most"):
        assert (getattr(size, field) is None) == (getattr(multiple, field) is None)
    assert size.times(1) is size


def test_multiples_of_rules():
    texts = {str(InputSize.parse(text).times(0.75)) for text in ("2x", "513", "70x45")}
    assert texts == {"1.5x", "short side 385", "53x34"}
    assert InputSize(short_side=512, long_side_at_most=2048).times(1.25) == InputSize(
        short_side=640, long_side_at_most=2560
    )
    assert str(InputSize().times(0.75)) == "0.75x"
