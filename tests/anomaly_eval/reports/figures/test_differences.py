"""Frames lie around the largest regions that one prediction has right and another wrong."""

from __future__ import annotations

import numpy as np

from anomaly_eval.reports.figures.differences import Frame, largest_differences, wrong_pixels

LABEL = np.zeros((128, 256), np.uint8)


def wrong_in(*boxes: tuple[slice, slice]):
    predicted = LABEL.copy()
    for box in boxes:
        predicted[box] = 1
    return predicted


def test_wrong_pixels_leave_void_out() -> None:
    label = np.array([[0, 1, 255]], np.uint8)
    assert wrong_pixels(np.array([[0, 0, 0]], np.uint8), label).tolist() == [[False, True, False]]


def test_the_largest_region_comes_first_with_a_margin_of_a_cell() -> None:
    # Cells are 4 pixels wide.
    small, large = (slice(8, 16), slice(8, 16)), (slice(40, 80), slice(100, 140))
    predictions = [wrong_in(small, large), LABEL]
    assert largest_differences(predictions, LABEL) == [Frame(96, 36, 48, 48), Frame(4, 4, 16, 16)]
    assert largest_differences(predictions, LABEL, count=1) == [Frame(96, 36, 48, 48)]
    assert largest_differences(predictions, LABEL, count=0) == []


def test_what_both_have_wrong_seams_and_void_are_no_difference() -> None:
    both, seam = (slice(0, 32), slice(0, 32)), (slice(60, 61), slice(0, 256))
    assert largest_differences([wrong_in(both, seam), wrong_in(both)], LABEL) == []
    void = np.full_like(LABEL, 255)
    assert largest_differences([wrong_in(both), LABEL], void) == []
    assert largest_differences([wrong_in(both)], LABEL) == []


def test_frames_stay_within_the_image_and_do_not_meet() -> None:
    corner, beside = (slice(0, 40), slice(0, 40)), (slice(0, 16), slice(44, 60))
    frames = largest_differences([wrong_in(corner, beside), LABEL], LABEL)
    assert frames == [Frame(0, 0, 44, 44)]
    assert largest_differences([wrong_in((slice(100, 128), slice(248, 256))), LABEL], LABEL) == [Frame(244, 96, 12, 32)]
