"""Which runs `report` puts below each other: every fact that a number depends on is compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.anomaly_eval.commands import SIZE, Answer, Command, assert_refused, write_pair

CARD: dict[str, object] = {
    "name": "own",
    "title": "Own",
    "task": "anomaly",
    "variants": {"all": {"images": 4}},
    "default_variant": "all",
    "labels": {"inlier": [0, 1], "anomaly": [2], "void": [255]},
    "track": "obstacle",
    "layouts": [{"name": "flat", "images": "{folder}/images/{id}.*", "masks": "{folder}/labels_masks/{id}.*"}],
}
OPTIONS = ["--components", "card", "--bootstrap", "20", "--per-image"]


class Runs:
    """Evaluates score maps on a small dataset, and reports on the runs."""

    def __init__(self, folder: Path, command: Command) -> None:
        self.folder, self._command = folder, command
        rng = np.random.default_rng(0)
        for index in range(4):
            mask = rng.integers(0, 2, (SIZE[1], SIZE[0]), dtype=np.uint8)
            mask[20:40, 30 + 5 * index : 50 + 5 * index] = 2
            write_pair(self.data, str(index), rng.integers(0, 256, (*mask.shape, 3), dtype=np.uint8), mask)
            scores = rng.standard_normal(mask.shape) + 0.5 * (mask == 2) + (mask == 1)
            (folder / "maps").mkdir(exist_ok=True)
            np.save(folder / "maps" / f"{index}.npy", scores.astype(np.float32))

    @property
    def data(self) -> Path:
        return self.folder / "data" / "own"

    def eval(self, name: str, *options: str, **card: object) -> Path:
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(CARD | card))
        words = ["--score-maps", self.folder / "maps", "--dataset", path, "--data-root", self.folder / "data"]
        code, _, errors = self._command("eval", *words, "--out", self.folder / name, *options)
        assert code == 0, errors
        return self.folder / name

    def report(self, *words: object) -> Answer:
        code, output, errors = self._command("report", *words, "--out", self.folder / "report", "--overwrite")
        return code, " ".join(output.split()), errors

    def table(self, name: str) -> str:
        return (self.folder / "report" / name).read_text()


@pytest.fixture
def runs(tmp_path: Path, command: Command) -> Runs:
    return Runs(tmp_path, command)


def test_the_same_files_under_another_meaning_of_their_labels_are_refused(runs: Runs) -> None:
    first = runs.eval("first", *OPTIONS)
    void = runs.eval("void", *OPTIONS, labels={"inlier": [1], "anomaly": [2], "void": [0, 255]})
    assert_refused(runs.report(first, void), "the labels of own in void are not those in first", "inlier pixels")
    code, output, _ = runs.report(first, void, "--mixed")
    assert code == 0 and "Not comparable: the labels of own in void" in output
    assert "**" not in runs.table("report.md").replace("**best**", "")


def test_anomalies_elsewhere_are_refused_though_all_counts_are_equal(runs: Runs) -> None:
    first = runs.eval("first")
    for path in (runs.data / "labels_masks").iterdir():
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    assert_refused(runs.report(first, runs.eval("second")), "the labels of own in second are not those in first")


def test_labels_of_other_images_are_refused(runs: Runs) -> None:
    first, masks = runs.eval("first"), runs.data / "labels_masks"
    (masks / "0.png").rename(masks / "x.png")
    (masks / "1.png").rename(masks / "0.png")
    (masks / "x.png").rename(masks / "1.png")
    assert_refused(runs.report(first, runs.eval("second")), "the images of own in second are not those in first")


@pytest.mark.parametrize("change", ["compressed", "renamed", "palette"])
def test_equal_pixels_in_other_files_are_compared(runs: Runs, change: str) -> None:
    first = runs.eval("first")
    for path in [*(runs.data / "images").iterdir(), *(runs.data / "labels_masks").iterdir()]:
        if change == "compressed":
            Image.open(path).save(path, compress_level=0)
        if change == "palette" and path.parent.name == "labels_masks":
            image = Image.open(path)
            image.putpalette(list(range(256)) * 3)
            image.save(path)
        if change == "renamed":
            path.rename(path.with_stem(f"frame_{9 - int(path.stem)}"))
    if change == "renamed":
        for path in list((runs.folder / "maps").iterdir()):
            path.rename(path.with_stem(f"frame_{9 - int(path.stem)}"))
    second = runs.eval("second")
    hashes = [json.loads((folder / "results.json").read_text())["datasets"][0] for folder in (first, second)]
    assert hashes[0]["files_sha256"] != hashes[1]["files_sha256"]
    assert hashes[0]["pixels_sha256"] == hashes[1]["pixels_sha256"]
    code, _, errors = runs.report(first, second)
    assert code == 0, errors


def test_one_pixel_makes_another_image(runs: Runs) -> None:
    first, path = runs.eval("first"), runs.data / "images" / "2.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    assert_refused(runs.report(first, runs.eval("second")), "the images of own in second are not those in first")


def without_hashes(folder: Path) -> None:
    """Make results as they were written before pixels were hashed."""
    content = json.loads((folder / "results.json").read_text())
    for record in content["datasets"]:
        del record["pixels_sha256"], record["labels_sha256"]
    (folder / "results.json").write_text(json.dumps(content))


def test_older_results_are_compared_by_files_and_counts(runs: Runs) -> None:
    first, second = runs.eval("first"), runs.eval("second")
    void = runs.eval("void", labels={"inlier": [1], "anomaly": [2], "void": [0, 255]})
    without_hashes(first)
    assert runs.report(first, second)[0] == 0
    assert_refused(runs.report(first, void), "the labels of own in void are not those in first")
    shutil.rmtree(runs.folder / "second")
    for path in (runs.data / "images").iterdir():
        Image.open(path).save(path, compress_level=0)
    assert_refused(runs.report(first, runs.eval("second")), "the images or labels of own in second are not those")


def test_all_differences_are_named(runs: Runs) -> None:
    first = runs.eval("first")
    nearest = runs.eval("nearest", "--fpr95", "nearest")
    void = runs.eval("void", labels={"inlier": [1], "anomaly": [2], "void": [0, 255]})
    parts = ("in fpr95, first has 'first_geq", "nearest has 'nearest", "the labels of own in void are not those")
    assert_refused(runs.report(first, nearest, void), *parts)
    code, output, _ = runs.report(first, nearest, void, "--mixed")
    assert code == 0 and all(f"Not comparable: {part}" in output for part in (parts[0], parts[2]))


def test_only_incomparable_columns_are_without_a_best(runs: Runs) -> None:
    first = runs.eval("first", "--per-image")
    shutil.copytree(runs.folder / "maps", runs.folder / "better")
    for path in (runs.folder / "maps").iterdir():
        np.save(path, np.load(path) + (np.array(Image.open(runs.data / "labels_masks" / f"{path.stem}.png")) == 2))
    nearest = runs.eval("nearest", "--fpr95", "nearest", "--per-image")
    assert runs.report(first, nearest, "--mixed")[0] == 0
    lines = [line.split("|")[2:5] for line in runs.table("report.md").splitlines() if line.startswith("| nearest")]
    assert len(lines) == 2
    for auroc, ap, fpr95 in lines:
        assert "**" in auroc and "**" in ap and "*" not in fpr95


@pytest.mark.parametrize(
    ("options", "titles"),
    [
        (["--components", "anomaly"], ["Obstacle track, thresholds of the best", "Anomaly track, thresholds of the"]),
        (
            ["--components", "card", "--component-threshold=0.5"],
            ["Obstacle track, thresholds of the best", "thresholds given"],
        ),
    ],
)
def test_components_under_other_settings_are_ranked_apart(runs: Runs, options: list[str], titles: list[str]) -> None:
    first, second = runs.eval("first", "--components", "card"), runs.eval("second", *options)
    code, output, errors = runs.report(first, second)
    assert code == 0, errors
    for title in titles:
        assert title in output
    table = runs.table("components.tex").split("\\toprule")[1].split("\\bottomrule")[0]
    assert "textbf" not in table and table.count("\\emph") == 2
    # One note for each setting.
    assert output.count(", predicted ones") == 2


def test_equal_settings_of_components_share_a_section(runs: Runs) -> None:
    first, second = runs.eval("first", "--components", "card"), runs.eval("second", "--components", "obstacle")
    assert runs.report(first, second)[0] == 0
    assert "\\emph" not in runs.table("components.tex")


def test_intervals_of_other_resamples_are_noted_for_each_run(runs: Runs) -> None:
    first = runs.eval("first", "--bootstrap", "20")
    second = runs.eval("second", "--bootstrap", "30", "--seed", "5")
    third, none = runs.eval("third", "--bootstrap", "20"), runs.eval("none")
    code, output, _ = runs.report(first, second, "--intervals")
    assert code == 0
    assert "Intervals: first: middle 95 % of 20 resamples" in output and "second: middle 95 % of 30" in output
    assert "seed 5" in output
    assert "Intervals: middle 95 % of 20 resamples" in runs.report(first, third, "--intervals")[1]
    # Of the first run alone there is nothing to say.
    assert "Intervals: middle 95 % of 20 resamples" in runs.report(none, third, "--intervals")[1]


def test_incomplete_images_of_a_later_run_are_marked(runs: Runs) -> None:
    first = runs.eval("first")
    for folder in ("images", "labels_masks"):
        (runs.data / folder / "3.png").unlink()
    (runs.folder / "maps" / "3.npy").unlink()
    second = runs.eval("second")
    assert_refused(runs.report(first, second), "the labels of own in second", "first has 4 images", "second 3 images")
    code, output, _ = runs.report(first, second, "--mixed")
    assert code == 0 and "Own†" in output and "3 of 4 images" in output
