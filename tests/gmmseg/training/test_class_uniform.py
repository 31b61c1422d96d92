"""Class-uniform sampling, and the index of classes that it draws from."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import gmmseg  # noqa: F401  isort: skip
import mmseg.datasets  # noqa: F401
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from gmmseg.errors import InputError
from gmmseg.training import class_uniform, label_index
from gmmseg.training.class_uniform import ClassUniformSampler
from gmmseg.training.label_index import classes_of_images
from tests.gmmseg.training.trainings import CLASSES, scalars, train, write_training

HELD = [{0}, {0, 1}, {0, 1}, {0, 2}]
"""Classes of each image: 0 in all, 2 in the last one only."""


def write_labels(folder: Path, held: list[set[int]]) -> None:
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for index, classes in enumerate(held):
        labels = np.full((8, 8), 255, np.uint8)
        labels.flat[: len(classes)] = sorted(classes)
        Image.fromarray(labels).save(folder / "labels" / f"{index}.png")
        Image.fromarray(labels[..., None].repeat(3, 2)).save(folder / "images" / f"{index}.png")


def build(folder: Path, steps: list[dict[str, Any]] | None = None, **settings: Any) -> Any:
    init_default_scope("mmseg")
    pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), *(steps or [])]
    return DATASETS.build(
        dict(
            type="BaseSegDataset",
            data_root=str(folder),
            data_prefix=dict(img_path="images", seg_map_path="labels"),
            img_suffix=".png",
            metainfo=dict(classes=CLASSES, palette=[[0, 0, 0]] * 3),
            pipeline=[*pipeline, dict(type="PackSegInputs")],
        )
        | settings
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_labels(tmp_path / "set", HELD)
    return tmp_path / "set"


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def test_classes_are_drawn_equally_often_and_then_one_of_their_images(folder: Path, cache: str) -> None:
    sampler = ClassUniformSampler(build(folder), batch_size=2, seed=0, cache=cache)
    count = 6000
    drawn = np.bincount([index for index, _ in islice(sampler, count)], minlength=4) / count
    # Image 0 is drawn for class 0 alone; image 3 for class 0 and whenever class 2 is drawn.
    expected = np.array([1 / 12, 1 / 12 + 1 / 6, 1 / 12 + 1 / 6, 1 / 12 + 1 / 3])
    assert np.abs(drawn - expected).max() < 4 * np.sqrt(0.25 / count)


def test_the_draws_are_those_of_seed_and_position(folder: Path, cache: str) -> None:
    def draws(**settings: int) -> list[tuple[int, int]]:
        return list(islice(ClassUniformSampler(build(folder), batch_size=2, cache=cache, **settings), 40))

    assert draws(seed=1, start=10)[:30] == draws(seed=1)[10:]
    assert [index for index, _ in draws(seed=1)] != [index for index, _ in draws(seed=2)]


def test_a_class_without_image_is_left_out_with_a_warning(
    tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(class_uniform, "print_log", lambda line, *_: said.append(line))
    write_labels(tmp_path / "set", [{0}, {0, 2}])
    sampler = ClassUniformSampler(build(tmp_path / "set"), batch_size=1, seed=0, cache=cache)
    drawn = np.bincount([index for index, _ in islice(sampler, 2000)]) / 2000
    assert np.abs(drawn - [1 / 4, 3 / 4]).max() < 0.05
    assert said == ["classes that no training image holds are not drawn: road"]


def test_labels_without_any_class_are_refused(tmp_path: Path, cache: str) -> None:
    write_labels(tmp_path / "set", [set(), set()])
    with pytest.raises(InputError, match="no training label holds a class"):
        ClassUniformSampler(build(tmp_path / "set"), batch_size=1, seed=0, cache=cache)


def as_sets(held: np.ndarray) -> list[set[int]]:
    return [set(np.flatnonzero(row).tolist()) for row in held]


def test_labels_are_read_as_the_pipeline_reads_them(folder: Path, cache: str) -> None:
    assert as_sets(classes_of_images(build(folder), cache)) == HELD
    reduced = build(folder, reduce_zero_label=True)
    assert as_sets(classes_of_images(reduced, cache)) == [set(), {0}, {0}, {1}]
    replaced = build(folder, [dict(type="ReplaceLabels", values={0: 255, 1: 0})])
    assert as_sets(classes_of_images(replaced, cache)) == [set(), {0}, {0}, {2}]
    mapped = build(folder)
    mapped.label_map = {0: 2, 2: 0, 1: 255}
    mapped._fully_initialized = False
    mapped.data_list = []
    mapped.full_init()
    assert as_sets(classes_of_images(mapped, cache)) == [{2}, {2}, {2}, {0, 2}]


def test_labels_are_read_once_until_a_file_changes(folder: Path, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = classes_of_images(build(folder), cache)
    reads: list[int] = []
    read_all = label_index._read_all
    monkeypatch.setattr(label_index, "_read_all", lambda *arguments: reads.append(1) or read_all(*arguments))
    assert np.array_equal(classes_of_images(build(folder), cache), first)
    assert not reads
    write_labels(folder, [{1}, *HELD[1:]])
    assert as_sets(classes_of_images(build(folder), cache)) == [{1}, *HELD[1:]]
    assert reads == [1]


def test_a_damaged_cache_is_not_believed(folder: Path, cache: str) -> None:
    first = classes_of_images(build(folder), cache)
    (file,) = Path(cache).iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert np.array_equal(classes_of_images(build(folder), cache), first)


def test_a_cache_that_cannot_be_written_does_no_harm(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert as_sets(classes_of_images(build(folder), str(tmp_path / "file" / "cache"))) == HELD


def test_a_label_that_cannot_be_read_is_named(folder: Path, cache: str) -> None:
    (folder / "labels" / "2.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"2\.png cannot be read"):
        classes_of_images(build(folder), cache)


def test_a_joined_dataset_is_refused(folder: Path, cache: str) -> None:
    settings = dict(type="ConcatDataset", datasets=[build(folder)])
    with pytest.raises(InputError, match="one dataset, not of ConcatDataset"):
        ClassUniformSampler(DATASETS.build(settings), batch_size=1, seed=0, cache=cache)


def test_a_config_trains_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ["train_dataloader.sampler.type=ClassUniformSampler", "train_cfg.max_iters=2"]
    train(write_training(tmp_path), options=options)
    assert {1, 2} <= scalars(tmp_path / "out").keys()
    assert list((tmp_path / "cache" / "gmmseg-anomaly").iterdir())
