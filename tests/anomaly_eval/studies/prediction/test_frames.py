"""What users name becomes images with names of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.studies.prediction.frames import Picture, Video, find_inputs
from tests.anomaly_eval.datasets.drawn_files import draw


def names(*paths: Path) -> list[str]:
    return [one.name for one in find_inputs(paths)[0]]


def test_names_tell_files_apart(tmp_path):
    one, other = draw(tmp_path / "a" / "x.png"), draw(tmp_path / "b" / "x.png")
    draw(tmp_path / "a" / "x.jpg")
    draw(tmp_path / "a" / "X y.PNG")
    assert names(one) == ["x"]
    assert names(one, one, tmp_path / "a" / ".." / "a" / "x.png") == ["x"]
    assert names(tmp_path / "a") == ["X_y", "x.jpg", "x.png"]
    several = names(one, other)
    assert len(set(several)) == 2 and several[0] == "x.png"
    assert len({name.casefold() for name in names(tmp_path / "a", other, tmp_path / "b")}) == 4


def test_folders_are_looked_through_without_what_is_hidden(tmp_path, photos, video):
    inputs, notes = find_inputs([photos, video])
    assert [one.name for one in inputs] == ["a", "b", "more_a", "clip"]
    assert [type(one) for one in inputs] == [Picture] * 3 + [Video]
    assert notes == [f"{photos} also holds 1 file that is no image, left alone"]
    assert inputs[3].count == 12 and inputs[3].rate == 5


def test_names_that_are_no_text_are_refused(tmp_path):
    draw(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    with pytest.raises(InputError, match=r"udcff.png' is not UTF-8"):
        find_inputs([tmp_path])


def test_links_to_one_image_are_several_images(tmp_path):
    (tmp_path / "links").mkdir()
    for index in range(3):
        (tmp_path / "links" / f"{index}.png").symlink_to(draw(tmp_path / "a.png"))
    assert names(tmp_path / "links") == ["0", "1", "2"]


def test_there_must_be_something():
    with pytest.raises(InputError, match="nothing to predict"):
        find_inputs([])
