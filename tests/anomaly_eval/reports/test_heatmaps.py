"""Heatmaps share one scale, show where the anomaly is, and survive any score."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from anomaly_eval.errors import InputError
from anomaly_eval.reports import heatmaps
from anomaly_eval.reports.heatmap_figure import COLOUR_MAP, HeatmapContent, Scale, draw_heatmap
from anomaly_eval.reports.heatmaps import HeatmapStore, choose_evenly

# Where the panels are, in pixels of the figure: the left edges, the upper edge, and the width.
LEFT, RIGHT, TOP, WIDTH = 24, 712, 64, 664


def sample(seed: int, shift: float = 0.0, size: tuple[int, int] = (60, 120)) -> HeatmapContent:
    """Return a grey image with a square anomaly, a void strip at the bottom, and random scores."""
    random = np.random.default_rng(seed)
    label = np.zeros(size, np.uint8)
    label[20:40, 30:60] = 1
    label[-10:] = 255
    score = random.standard_normal(size).astype(np.float32) + np.float32(shift)
    return HeatmapContent(np.full((*size, 3), 127, np.uint8), label, score)


def add(store: HeatmapStore, dataset: str, method: str, sample_id: str, what: HeatmapContent) -> None:
    """Add a sample to the store."""
    store.add(dataset, method, sample_id, what.image, what.label, what.score)


def read(content: bytes | Path, folder: Path) -> NDArray[np.uint8]:
    """Return the pixels of a figure."""
    if isinstance(content, bytes):
        (folder / "figure.png").write_bytes(content)
        content = folder / "figure.png"
    return np.asarray(Image.open(content).convert("RGB"))


def information(path: Path) -> dict[str, str]:
    """Return the texts in a figure's file."""
    with Image.open(path) as figure:
        return {str(key): str(value) for key, value in figure.info.items()}


def test_one_scale_for_all_images_of_a_method(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    samples = {name: sample(seed, shift=10 * seed) for seed, name in enumerate(["a", "b", "c"])}
    steps: list[tuple[int, int]] = []
    with HeatmapStore(tmp_path) as store:
        # The order of one pass over the images: all methods of an image, then the next image.
        for name, what in samples.items():
            add(store, "roads:v2", "msp", name, what)
            add(store, "roads:v2", "sml", name, HeatmapContent(what.image, what.label, what.score * 100))
        scales = store.scales()
        paths = store.draw(tmp_path / "out", {"msp": "MSP"}, {"roads:v2": "Roads"}, lambda *step: steps.append(step))
    values = np.concatenate([what.score[what.label != 255] for what in samples.values()])
    for method, factor in (("msp", 1), ("sml", 100)):
        scale = scales["roads:v2", method]
        assert (scale.low, scale.high) == pytest.approx(np.percentile(values * factor, [1, 99]), rel=1e-5)
        assert scale.n_images == 3
    assert [path.relative_to(tmp_path / "out").as_posix() for path in paths] == [
        f"heatmaps/roads_v2/{method}/{name}.png" for method in ("msp", "sml") for name in "abc"
    ]
    described = [information(path) for path in paths]
    assert [info["Description"] for info in described] == [scales["roads:v2", "msp"].text] * 3 + [
        scales["roads:v2", "sml"].text
    ] * 3
    assert described[1]["Title"].split("  ·  ") == ["Roads", "MSP", "b"]
    assert steps == [(done, 6) for done in range(1, 7)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_equal_scores_have_equal_colours_in_all_images(tmp_path: Path) -> None:
    with HeatmapStore(tmp_path) as store:
        for name, other in (("a", -50.0), ("b", 50.0)):
            what = sample(0)
            what.label[:] = 0
            what.score[:, :60], what.score[:, 60:] = 3.0, other
            add(store, "roads", "msp", name, what)
        paths = store.draw(tmp_path, {}, {})
    first, second = (read(path, tmp_path) for path in paths)
    spot = (TOP + 100, RIGHT + 100)
    expected = np.asarray(colormaps[COLOUR_MAP](53 / 100)[:3]) * 255
    assert np.abs(first[spot] - expected).max() <= 2
    assert (first[spot] == second[spot]).all()


def test_both_lines_of_the_outline_are_drawn_around_the_anomaly(tmp_path: Path) -> None:
    what = sample(0)
    figure = read(draw_heatmap(what, Scale(-2, 2, 1), "MSP", "title"), tmp_path)
    assert figure.shape[1] == 1600
    factor = WIDTH / 120
    # A walk from the middle of the anomaly in the grey image to the left, across its edge.
    row = TOP + round(30 * factor)
    edge = LEFT + round(30 * factor)
    walk = figure[row, edge - 10 : edge + 10].astype(int).max(-1)
    assert walk.min() < 40 and walk.max() > 215
    assert (figure[row, edge + 2 : edge + 40] == 127).all(), "the outline covers the anomaly"
    assert (figure[TOP + 10 : TOP + 40, LEFT + 10 : LEFT + 40] == 127).all()


def test_no_outline_where_there_is_no_anomaly(tmp_path: Path) -> None:
    what = sample(0)
    what.label[what.label == 1] = 0
    figure = read(draw_heatmap(what, Scale(-2, 2, 1), "MSP", "title"), tmp_path)
    assert (figure[TOP : TOP + 330, LEFT : LEFT + WIDTH] == 127).all()


def test_void_is_striped(tmp_path: Path) -> None:
    what = sample(0)
    what.score[:] = 2.0
    figure = read(draw_heatmap(what, Scale(-2, 2, 1), "MSP", "title"), tmp_path)
    factor = WIDTH / 120
    void = figure[TOP + round(51 * factor) : TOP + round(59 * factor), RIGHT + 5 : RIGHT + 600]
    seen = figure[TOP + 5 : TOP + 100, RIGHT + 5 : RIGHT + 600]
    assert len(np.unique(seen.reshape(-1, 3), axis=0)) == 1
    assert len(np.unique(void.reshape(-1, 3), axis=0)) == 2
    assert not (void == seen[0, 0]).all(-1).any()


@pytest.mark.parametrize("filling", [np.nan, np.inf, -np.inf, 0.0, 3e38, -0.9])
def test_any_score_is_drawn(tmp_path: Path, filling: float) -> None:
    """Constant scores, infinities and NaN; only half of the map has other numbers, or nothing else at all."""
    with HeatmapStore(tmp_path) as store:
        for name, columns in (("half", 60), ("all", 120)):
            what = sample(0)
            what.score[:, :columns] = filling
            add(store, f"roads {name}", "msp", name, what)
        for scale in store.scales().values():
            assert np.isfinite([scale.low, scale.high]).all() and scale.low < scale.high
        for path in store.draw(tmp_path, {}, {}):
            assert read(path, tmp_path).shape[1] == 1600


def test_infinities_take_the_end_colours(tmp_path: Path) -> None:
    what = sample(0)
    what.label[:] = 0
    what.score[:, :60], what.score[:, 60:] = -np.inf, np.inf
    figure = read(draw_heatmap(what, Scale(-2, 2, 1), "MSP", "title"), tmp_path)
    for column, end in ((50, 0.0), (600, 1.0)):
        wanted = np.asarray(colormaps[COLOUR_MAP](end)[:3]) * 255
        assert np.abs(figure[TOP + 100, RIGHT + column] - wanted).max() <= 2


@pytest.mark.parametrize("size", [(128, 256), (1024, 2048), (900, 60), (40, 1500), (57, 61)])
def test_all_shapes_and_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    label = np.zeros(size, np.uint8)
    label[5, 5] = 1
    score = np.linspace(-1, 1, label.size, dtype=np.float32).reshape(size)
    what = HeatmapContent(np.full((*size, 3), 200, np.uint8), label, score)
    content = draw_heatmap(what, Scale(-1, 1, 4), r"$\no_math$", r"A long title $\no_math$ " * 4)
    assert read(content, tmp_path).shape[1] == 1600
    assert len(content) < 1_000_000


def test_ids_become_file_names_of_their_own(tmp_path: Path) -> None:
    ids = ["a b", "a?b", "A B", "..", "$x$", "frame_000030"]
    with HeatmapStore(tmp_path) as store:
        for sample_id in ids:
            add(store, "roads", "msp", sample_id, sample(0))
        paths = store.draw(tmp_path, {}, {})
    names = [path.stem for path in paths]
    assert names[0] == "a_b" and names[-1] == "frame_000030"
    assert len({name.casefold() for name in names}) == len(ids)
    assert all(path.parent == tmp_path / "heatmaps" / "roads" / "msp" for path in paths)


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    what = sample(0)
    with HeatmapStore(tmp_path) as store, pytest.raises(ValueError, match="expected the shapes"):
        store.add("roads", "msp", "a", what.image, what.label, what.score[1:])


def test_a_score_map_is_added_once(tmp_path: Path) -> None:
    with HeatmapStore(tmp_path) as store:
        add(store, "roads", "msp", "a", sample(0))
        with pytest.raises(ValueError, match="already"):
            add(store, "roads", "msp", "a", sample(0))


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(heatmaps.np, "savez", fail)
    with HeatmapStore(tmp_path) as store, pytest.raises(InputError, match="No space left on device"):
        add(store, "roads", "msp", "a", sample(0))
    with pytest.raises(InputError, match=r"cannot write heatmaps into .*missing: No such file"):
        HeatmapStore(tmp_path / "missing")


def test_the_temporary_folder_goes_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), HeatmapStore(tmp_path) as store:
        add(store, "roads", "msp", "a", sample(0))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("n", "count", "wanted"),
    [(10, 0, []), (10, 1, [5]), (10, 2, [2, 7]), (10, 5, [1, 3, 5, 7, 9]), (3, 3, [0, 1, 2]), (3, 9, [0, 1, 2])],
)
def test_choose_evenly(n: int, count: int, wanted: list[int]) -> None:
    ids = [f"id{index}" for index in range(n)]
    assert choose_evenly(ids, count) == [ids[index] for index in wanted]
    assert choose_evenly([], count) == []
