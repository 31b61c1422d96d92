"""What users name becomes images with names of their own."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_eval.errors import InputError
from anomaly_eval.studies.prediction.frames import IMAGES, Picture, Video, find_inputs
from anomaly_eval.studies.prediction.names import names_for
from tests.anomaly_eval.datasets.drawn_files import draw


def names(*paths: Path) -> list[str]:
    return [one.name for one in find_inputs(paths)[0]]


def test_names_tell_files_apart(tmp_path):
    one, other = draw(tmp_path / "a" / "x.png"), draw(tmp_path / "b" / "x.png")
    draw(tmp_path / "a" / "x.jpg")
    draw(tmp_path / "a" / "X y.PNG")
    assert names(one) == ["x"]
    assert names(one, one, tmp_path / "a" / ".." / "a" / "x.png") == ["x"]
    assert names(tmp_path / "a") == ["X_y", "x_jpg", "x_png"]
    assert names(one, other) == names(other.parent, one)[::-1] == ["a_x", "b_x"]
    assert names(tmp_path / "a", other, tmp_path / "b") == ["X_y", "a_x_jpg", "a_x_png", "b_x"]


def test_as_many_folders_tell_names_apart_as_it_takes(tmp_path):
    for place in ("one/images", "other/images", "other/more"):
        draw(tmp_path / place / "0.png")
        draw(tmp_path / place / "day" / "1.png")
    draw(tmp_path / "one" / "images" / "2.png")
    assert names(tmp_path / "one" / "images", tmp_path / "other" / "images") == [
        "one_images_0",
        "2",
        "one_images_day_1",
        "other_images_0",
        "other_images_day_1",
    ]
    both = names(tmp_path / "other" / "images", tmp_path / "other" / "more")
    assert both == ["images_0", "images_day_1", "more_0", "more_day_1"]
    assert names(tmp_path) == [
        "one_images_0",
        "one_images_2",
        "one_images_day_1",
        "other_images_0",
        "other_images_day_1",
        "other_more_0",
        "other_more_day_1",
    ]


PARTS = st.sampled_from(["a", "A", "b", "a b", "a_b"])


@given(st.sets(st.tuples(PARTS, PARTS, PARTS, st.sampled_from([".png", ".PNG", ".jpg"])), max_size=12), st.data())
def test_every_file_has_a_name_of_its_own(files, data):
    given_as = [(part, data.draw(st.integers(0, 2))) for part in sorted(files)]
    named = [
        ("/".join(parts[start:3]) + parts[3], Path("/", *parts[:2], parts[2] + parts[3])) for parts, start in given_as
    ]
    found = names_for(named)
    assert len({name.casefold() for name in found}) == len(files)
    stems = Counter(name.rpartition(".")[0].casefold() for name, _ in named)
    for (name, _), chosen in zip(named, found, strict=True):
        stem = name.rpartition(".")[0]
        if stems[stem.casefold()] == 1 and "/" not in stem and " " not in stem:
            assert re.fullmatch(rf"{stem}(-\d+)?", chosen), "a name that is alone is kept"


def test_folders_are_looked_through_without_what_is_hidden(tmp_path, photos, video):
    inputs, notes = find_inputs([photos, video])
    assert [one.name for one in inputs] == ["a", "b", "more_a", "clip"]
    assert [type(one) for one in inputs] == [Picture] * 3 + [Video]
    assert notes == [f"{photos} also holds 1 file that is no image, left alone"]
    assert inputs[3].count == 12 and inputs[3].rate == 5


def test_videos_are_taken_of_folders_too(tmp_path, photos, video):
    films = tmp_path / "films"
    films.mkdir()
    video.rename(films / "clip.MP4")
    inputs, notes = find_inputs([films])
    assert [(one.name, type(one)) for one in inputs] == [("clip", Video)] and notes == []
    (films / "clip.MP4").rename(photos / "more" / "clip.mp4")
    inputs, notes = find_inputs([photos])
    assert [one.name for one in inputs] == ["a", "b", "more_a", "more_clip"]
    told = f"{photos} also holds a video, every frame of which is predicted; name the images where that is not meant"
    assert told in notes
    images, notes = find_inputs([photos], IMAGES)
    assert images == inputs[:3] and notes == [f"{photos} also holds 2 files that are no images, left alone"]
    with pytest.raises(InputError, match=r"films holds no image or video \(\.avi, .*\.wmv\); give another folder"):
        find_inputs([films])


RECORDS = [
    ("predictions.json", {"format_version": 1, "network": {}, "score": "msp", "images": []}),
    ("results.json", {"format_version": 1, "rows": [], "provenance": {}}),
    ("report.json", {"format_version": 1, "runs": [], "formats": []}),
    ("calibration.json", {"format_version": 1, "rows": [], "networks": {}}),
    ("demo.json", {"networks": {}, "iterations": 1, "seconds": {}}),
]


@pytest.mark.parametrize(("name", "content"), RECORDS)
def test_what_our_commands_wrote_is_no_photo(tmp_path, name, content):
    photo, ours = draw(tmp_path / "photo.png"), tmp_path / "deep" / "results"
    figure = draw(ours / "figures" / "figure.png")
    assert names(tmp_path) == ["deep_results_figures_figure", "photo"]
    (ours / name).write_text(json.dumps(content))
    inputs, notes = find_inputs([tmp_path])
    assert [one.path for one in inputs] == [photo]
    assert notes == [f"{ours} holds results of this tool, no photos, and is left alone"]
    with pytest.raises(InputError, match="results holds results of this tool rather than photos"):
        find_inputs([ours])
    assert names(figure) == names(ours / "figures") == ["figure"], "whoever names what is in it means it"
    # A file of others may be called so, too.
    (ours / name).write_text(json.dumps({"format_version": 1}))
    assert len(names(tmp_path)) == 2


def test_several_folders_of_ours_are_told_at_once(tmp_path):
    draw(tmp_path / "photo.png")
    for name in ("a", "b"):
        draw(tmp_path / name / "overlays" / "photo.png")
        (tmp_path / name / "predictions.json").write_text(json.dumps(RECORDS[0][1]))
    told = f"{tmp_path} also holds 2 folders of this tool's results, left alone, such as {tmp_path / 'a'}"
    assert find_inputs([tmp_path])[1] == [told]
    # As a shell names all there is.
    found, notes = find_inputs([tmp_path / "a", tmp_path / "photo.png"])
    assert [one.path for one in found] == [tmp_path / "photo.png"]
    assert notes == [f"{tmp_path / 'a'} holds results of this tool, no photos, and is left alone"]
    with pytest.raises(InputError, match="a and the others hold results of this tool rather than photos"):
        find_inputs([tmp_path / "a", tmp_path / "b"])


def test_a_folder_that_cannot_be_looked_through_is_told(tmp_path, monkeypatch):
    draw(tmp_path / "photo.png")
    (tmp_path / "locked").mkdir()
    listed = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    locked, problem = tmp_path / "locked", r"locked cannot be looked through \(Permission denied\)"
    with pytest.raises(InputError, match=rf"{problem}; change its permissions, or name"):
        find_inputs([locked])
    # Every disk has a folder of the system, lost+found.
    found, notes = find_inputs([tmp_path])
    assert [one.path for one in found] == [tmp_path / "photo.png"]
    assert len(notes) == 1 and re.search(rf"{problem}, and is left alone$", notes[0])


def test_names_that_are_no_text_are_refused(tmp_path):
    draw(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    with pytest.raises(InputError, match=r"udcff.png' is not UTF-8"):
        find_inputs([tmp_path])


def test_links_to_one_image_are_several_images(tmp_path):
    (tmp_path / "links").mkdir()
    for index in range(3):
        (tmp_path / "links" / f"{index}.png").symlink_to(draw(tmp_path / "a.png"))
    assert names(tmp_path / "links") == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["images/1.png", "images/2.png"], ["labels_masks/1.png", "labels_masks/2.png", "labels_masks/2_color.png"]),
        (["frames/1.png", "2.png"], ["frames/1.labels/labels_semantic.png", "frames/1.labels/labels_color.png"]),
        (["set/images/val/a.png"], ["set/annotations/val/a.png"]),
        (["leftImg8bit/val/b/b_1_leftImg8bit.png"], ["gtFine/val/b/b_1_gtFine_labelTrainIds.png"]),
        (["annotations/val/a.png", "labels_masks/1.png", "images/2.png"], []),
    ],
)
def test_labels_of_a_data_set_are_left_alone(tmp_path, images, labels):
    for name in (*images, *labels):
        draw(tmp_path / "mine" / name)
    inputs, notes = find_inputs([tmp_path / "mine"])
    assert {one.path for one in inputs} == {tmp_path / "mine" / name for name in images}
    assert len(notes) == bool(labels)
    if labels:
        assert f"also holds {len(labels)} pictures that are" in notes[0] or "also holds a picture that is" in notes[0]
        assert any(notes[0].endswith(f", left alone, such as {tmp_path / 'mine' / name}") for name in labels)
        assert names(tmp_path / "mine" / labels[0]), "whoever names a file means it"


def test_a_folder_of_labels_alone_is_refused(tmp_path):
    for name in ("images/1.png", "labels_masks/1.png"):
        draw(tmp_path / name)
    with pytest.raises(InputError, match="labels_masks holds the labels of a data set; give the folder of its images"):
        find_inputs([tmp_path / "labels_masks"])
    assert names(tmp_path / "images") == ["1"]


def test_there_must_be_something():
    with pytest.raises(InputError, match="nothing to predict"):
        find_inputs([])
