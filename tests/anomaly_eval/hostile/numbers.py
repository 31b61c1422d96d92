"""Rows of the table: runs and scores whose numbers would mislead, and names that break tables."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from PIL import Image

from anomaly_eval.cli.main import main
from tests.anomaly_eval.hostile.bench import Bench, Row
from tests.anomaly_eval.hostile.score_maps import SHAPE, use

LONG = "long_" * 40


def beside(change: Callable[[Bench], object], of_first: Callable[[Bench], object] = lambda bench: None):
    """Return how a row reports on the run and on another one, before which something changes."""

    def prepare(bench: Bench) -> list[str]:
        of_first(bench)
        change(bench)
        assert main(bench.eval(out=bench.folder / "other")) == 0
        return ["report", *(str(bench.folder / name) for name in ("run", "other")), "--out", str(bench.out)]

    return prepare


def compress_anew(bench: Bench) -> None:
    """Store equal pixels in other bytes."""
    for path in (bench.image, bench.mask):
        Image.open(path).save(path, compress_level=0)


def mirror(bench: Bench) -> None:
    """Put the anomalies elsewhere, without a change of their number."""
    Image.open(bench.mask).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(bench.mask)


def before_hashes(bench: Bench) -> None:
    """Make the first run one from before pixels were hashed."""
    path = bench.folder / "run" / "results.json"
    content = json.loads(path.read_text())
    for record in content["datasets"]:
        del record["pixels_sha256"], record["labels_sha256"]
    path.write_text(json.dumps(content))


def scored(score: Callable[[np.ndarray, np.random.Generator], np.ndarray], *options: str, name: str = "maps"):
    """Return how a row evaluates score maps, each made of where the anomalies are."""

    def prepare(bench: Bench) -> list[str]:
        (bench.folder / name).mkdir()
        for index in range(2):
            anomalies = np.asarray(Image.open(bench.mask.with_name(f"{index}.png"))) == 2
            values = score(anomalies, np.random.default_rng(index))
            np.save(bench.folder / name / f"{index}.npy", np.broadcast_to(values, SHAPE))
        return [*use(bench, name), *options]

    return prepare


def warns(words: str) -> Callable[[Bench], None]:
    """Return a check for a warning in the results and in the table."""

    def check(bench: Bench) -> None:
        results = json.loads((bench.out / "results.json").read_text())
        assert any(words in warning for warning in results["warnings"])
        assert words in (bench.out / "results.md").read_text().replace("\\", "")

    return check


def has_wide_intervals(bench: Bench) -> None:
    """Check that images of which one is ranked well and one badly give an interval that says so."""
    intervals = json.loads((bench.out / "results.json").read_text())["intervals"]
    (auroc,) = (row for row in intervals if row["metric"] == "auroc")
    assert auroc["low"] < 30 and auroc["high"] > 70


def one_each(anomalies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rank the first image well and the second badly, with an offset that float32 does not survive."""
    # The first numbers of the generators of both images lie on either side.
    sign = 1.0 if rng.random() > 0.6 else -1.0
    return 1e12 + rng.random(anomalies.shape) + sign * anomalies


def is_ascii(bench: Bench) -> None:
    """Check that LaTeX and figures were made, and that LaTeX has no letter that pdflatex lacks."""
    assert (bench.out / "results.tex").read_text().isascii()
    assert list((bench.out / "figures").rglob("roc.pdf"))


def is_cut(bench: Bench) -> None:
    """Check that rows of tables are short, and that the name is there as a whole."""
    text = (bench.out / "results.md").read_text()
    assert LONG in text.replace("\\", "")
    assert max(len(line) for line in text.splitlines() if line.startswith("| ")) < 200


def noisy(anomalies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rank anomalies somewhat higher."""
    return rng.random(anomalies.shape) + 0.5 * anomalies


def drawn(name: str) -> Callable[[Bench], list[str]]:
    """Return how a row evaluates a method of this name, with figures."""
    return scored(noisy, "--figures", name=name)


ROWS = [
    Row(
        "a run whose card has another meaning for the same label values, beside one without",
        2,
        "`the labels of own in other are not those in run`, `--mixed`",
        beside(lambda bench: bench.write_card(labels={"inlier": [2], "anomaly": [0], "void": [255]})),
    ),
    Row(
        "a run on labels that were moved, as many pixels as before",
        2,
        "`the labels of own in other are not those in run`, `--mixed`",
        beside(mirror),
    ),
    Row("a run on images that were compressed anew without loss", 0, "compared by pixels", beside(compress_anew)),
    Row(
        "a results.json from before pixels were hashed",
        0,
        "compared by files and counts of pixels",
        beside(lambda bench: None, before_hashes),
    ),
    Row(
        "score maps in which anomalies score lower",
        0,
        "a warning that offers `--negate`",
        scored(lambda anomalies, rng: -1.0 * noisy(anomalies, rng)),
        check=warns("give --negate maps"),
    ),
    Row(
        "score maps that are the same everywhere",
        0,
        "a warning: nothing is ranked",
        (scored(lambda *_: np.float64(0.5)), scored(lambda *_: np.float64(-np.inf))),
        check=warns("all scores of maps are equal"),
    ),
    Row(
        "masks in place of scores",
        0,
        "a warning: two values only",
        scored(lambda anomalies, rng: (noisy(anomalies, rng) > 0.75).astype(np.float32)),
        check=warns("take two values only"),
    ),
    Row(
        "float64 scores with an offset of 1e12",
        0,
        "ranked in float64, in intervals too",
        scored(one_each, "--bootstrap", "200"),
        check=has_wide_intervals,
    ),
    Row(
        "a method called in Greek, Chinese, emoji, or with a bracket or an underscore first",
        0,
        "tables compile and figures name it; letters without type are spelt out",
        tuple(map(drawn, ("β = 10⁻³", "漢字", "🚗", "[x]", "_x"))),
        check=is_ascii,
    ),
    Row("a method with a name of 200 characters", 0, "cut in tables, written out below", drawn(LONG), check=is_cut),
]
