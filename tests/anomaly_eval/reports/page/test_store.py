"""The store keeps what the page needs, and leaves nothing behind."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.per_image import PerImageState
from anomaly_eval.reports.page import PageStore, store
from tests.anomaly_eval.reports.page.made import exact, fill, make


def test_counts_through_the_store_are_exact(tmp_path: Path) -> None:
    made = {"a": make(0), "b": make(1, (31, 77)), "c": make(2, with_anomaly=False)}
    with PageStore(tmp_path) as kept:
        fill(kept, "roads", made)
        for method in ("msp", "sml"):
            levels = kept.levels("roads", method)
            for index in range(0, len(levels), 10):
                wanted = exact(made, method, levels.thresholds[index])
                assert (levels.anomalies[index], levels.inliers[index]) == wanted[:2]
            for name, one in made.items():
                anomalies, inliers = levels.at_or_above(kept.counts("roads", method, name))
                for index in range(0, len(levels), 25):
                    wanted = exact({name: one}, method, levels.thresholds[index])
                    assert (anomalies[index], inliers[index]) == wanted[:2]


def test_metrics_of_an_image_are_those_of_its_pixels(tmp_path: Path) -> None:
    made = {"a": make(0), "b": make(1), "c": make(2, with_anomaly=False)}
    with PageStore(tmp_path, convention="interpolated") as kept:
        fill(kept, "roads", made)
        samples = kept.samples("roads")
    assert [sample.id for sample in samples] == ["a", "b", "c"]
    assert samples[2].maps["msp"].metrics is None
    for sample in samples[:2]:
        state = PerImageState("interpolated")
        state.update(made[sample.id].maps["sml"], made[sample.id].label)
        assert sample.maps["sml"].metrics == state.compute().means


def test_images_that_are_not_shown_count(tmp_path: Path) -> None:
    made = {"a": make(0), "b": make(1)}
    with PageStore(tmp_path) as kept:
        for index, (name, one) in enumerate(made.items()):
            kept.add("roads", "msp", name, one.image, one.label, one.maps["msp"], shown=index == 0)
        assert [sample.id for sample in kept.samples("roads")] == ["a"]
        assert kept.image_count("roads") == 2
        levels = kept.levels("roads", "msp")
        assert (levels.anomalies[0], levels.inliers[0]) == exact(made, "msp", -np.inf)[2:]


def test_void_is_ignored_and_nan_is_refused_elsewhere(tmp_path: Path) -> None:
    one = make(0)
    scores = one.maps["msp"].copy()
    scores[one.label == 255] = np.nan
    with PageStore(tmp_path) as kept:
        kept.add("roads", "msp", "a", one.image, one.label, scores)
        assert not np.isnan(kept.score_map(kept.samples("roads")[0], "msp")).any()
        scores[0, 0] = np.nan
        with pytest.raises(ValueError, match="the scores of b hold NaN"):
            kept.add("roads", "msp", "b", one.image, one.label, scores)


def test_wrong_use_is_refused(tmp_path: Path) -> None:
    one = make(0)
    with PageStore(tmp_path) as kept:
        with pytest.raises(ValueError, match="expected the shapes"):
            kept.add("roads", "msp", "a", one.image, one.label, one.maps["msp"][1:])
        kept.add("roads", "msp", "a", one.image, one.label, one.maps["msp"])
        with pytest.raises(ValueError, match="already"):
            kept.add("roads", "msp", "a", one.image, one.label, one.maps["msp"])


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    one = make(0)
    monkeypatch.setattr(store.np, "savez", fail)
    with PageStore(tmp_path) as kept, pytest.raises(InputError, match="No space left on device"):
        kept.add("roads", "msp", "a", one.image, one.label, one.maps["msp"])
    with pytest.raises(InputError, match=r"cannot keep images for the page in .*missing: No such file"):
        PageStore(tmp_path / "missing")


def test_the_temporary_folder_goes_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), PageStore(tmp_path) as kept:
        fill(kept, "roads", {"a": make(0)})
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
