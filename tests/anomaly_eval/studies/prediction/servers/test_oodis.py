"""Files for OoDIS, read as its verification and its evaluation of Cityscapes' kind describe them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage

from anomaly_eval.studies.prediction.servers.oodis import anomaly_instances
from tests.anomaly_eval.commands import assert_refused, nothing_left
from tests.anomaly_eval.studies.prediction.servers.conftest import drawn, files

MASK = re.compile(r".*_instanceIds_\d+_1\.png")


def listed(path: Path) -> list[tuple[str, float]]:
    """Return the masks of a list and their confidences; three words a line, as the evaluation wants them."""
    found = []
    for line in path.read_text().splitlines():
        name, label, confidence = line.split(" ")
        assert MASK.fullmatch(name) and label == "1"
        found.append((name, float(confidence)))
    return found


def test_unknown_components_become_masks_with_confidences(tmp_path, predict_known):
    red = np.full((24, 32), 10)
    red[2:6, 2:6] = 150
    red[10:15, 10:15] = 200
    # Joined at a corner, and a component of three pixels.
    red[15, 15], red[20, 20:23] = 120, 255
    drawn(tmp_path / "images" / "cow0000.jpg", red)
    code, _, errors = predict_known(
        tmp_path / "images", "--format", "oodis", "--split", "roadanomaly", "--threshold", "100"
    )
    assert code == 0 and "roadanomaly has 100 images" in errors
    folder = tmp_path / "out" / "roadanomaly"
    assert files(folder) == [
        "cow0000_instanceIds_0_1.png",
        "cow0000_instanceIds_1_1.png",
        "cow0000_instanceIds_pred.txt",
    ]
    (first, sure), (second, less) = listed(folder / "cow0000_instanceIds_pred.txt")
    above = (25 * 200 + 120) / 26 - 100
    assert sure == pytest.approx(above / (1 + above)) and less == 50 / 51
    number, _ = ndimage.label(red >= 100, np.ones((3, 3)))
    for name, pixel in ((first, (12, 12)), (second, (3, 3))):
        with Image.open(folder / name) as mask:
            assert mask.mode == "L"
            np.testing.assert_array_equal(np.asarray(mask) != 0, number == number[pixel])


def test_an_image_without_anomalies_has_one_mask_without_a_pixel(tmp_path, predict_known):
    drawn(tmp_path / "01_Street" / "01_Street_000000_000010_leftImg8bit.png", 5)
    words = ("--format", "oodis", "--split", "fishyscapes", "--threshold", "100")
    assert predict_known(tmp_path / "01_Street", *words)[0] == 0
    folder = tmp_path / "out" / "fishyscapes"
    assert listed(folder / "01_Street_000000_000010_gtCoarse_instanceIds_pred.txt") == [
        ("01_Street_000000_000010_gtCoarse_instanceIds_0_1.png", 0.0)
    ]
    assert not np.asarray(Image.open(folder / "01_Street_000000_000010_gtCoarse_instanceIds_0_1.png")).any()


def test_the_least_size_can_be_chosen(tmp_path, predict_known):
    red = np.zeros((24, 32), int)
    red[0, :9], red[5, :10], red[10, :11] = 200, 200, 200
    path = drawn(tmp_path / "a.webp", red)
    words = (path, "--format", "oodis", "--split", "roadobstacle", "--threshold", "100", "--overwrite")
    for least, count in ((None, 2), (11, 1), (1, 3)):
        assert predict_known(*words, *(() if least is None else ("--least-pixels", least)))[0] == 0
        assert len(listed(tmp_path / "out" / "roadobstacle" / "a_instanceIds_pred.txt")) == count


@given(
    arrays(np.float32, (7, 9), elements=st.sampled_from([-np.inf, 0, 1, 2.5, 4, np.inf])),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.integers(1, 4),
)
def test_instances_are_the_components_of_scipy(scores, threshold, least):
    unknown = scores >= threshold
    number, found = anomaly_instances(unknown, scores, threshold, least)
    expected, count = ndimage.label(unknown, np.ones((3, 3)))
    masks = [expected == one for one in range(1, count + 1) if (expected == one).sum() >= least]
    confidence = {}
    for mask in masks:
        above = scores[mask].mean(dtype=np.float64) - threshold
        confidence[mask.tobytes()] = 1.0 if np.isinf(above) else above / (1 + above)
    assert {(number == one).tobytes(): sure for one, sure in found} == pytest.approx(confidence)
    assert [sure for _, sure in found] == sorted((sure for _, sure in found), reverse=True)


def test_what_the_benchmark_cannot_have_is_refused(tmp_path, predict_known):
    path = drawn(tmp_path / "a.webp")
    blank = drawn(tmp_path / "a b.webp")
    obstacle = ("--format", "oodis", "--split", "roadobstacle")
    refused = [
        ((path, *obstacle), ("from a threshold on", "--threshold")),
        ((path, *obstacle, "--threshold=-inf"), ("of which -inf (--threshold) leaves all or none; give a finite one",)),
        ((blank, *obstacle, "--threshold", "1"), ("a b.webp has a name with other characters",)),
        ((path, *obstacle, "--threshold", "1", "--method", "x"), ("--method is of --format smiyc",)),
        ((path, *obstacle, "--threshold", "1", "--maps", "float16"), ("--maps is of --format pictures and smiyc",)),
        ((path, "--format", "oodis", "--split", "fishyscapes"), ("a.webp is not called *_leftImg8bit.webp",)),
    ]
    for words, told in refused:
        assert_refused(predict_known(*words), *told)
        assert nothing_left(tmp_path)
