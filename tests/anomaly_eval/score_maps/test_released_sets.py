"""Released data sets drawn small: what is measured on them equals scikit-learn, and the check finds nothing wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from anomaly_eval.cli.main import main
from anomaly_eval.datasets.cards import load_card
from tests.anomaly_eval.commands import read

Drawn = tuple[str, str, str, dict[int, int]]

# Name, image and mask by {}, and the meaning of mask values: 0 inlier, 1 anomaly, 2 void.
STREETHAZARDS: Drawn = (
    "streethazards",
    "streethazards/test/images/test/{}.png",
    "streethazards/test/annotations/test/{}.png",
    dict.fromkeys(range(1, 14), 0) | {14: 1},
)
BDD_ANOMALY: Drawn = (
    "bdd_anomaly",
    "bdd100k/images/10k/train/{}.jpg",
    "bdd100k/labels/sem_seg/masks/train/{}.png",
    dict.fromkeys(range(16), 0) | {255: 0} | dict.fromkeys(range(16, 19), 1),
)
MUAD: Drawn = (
    "muad",
    "MUAD/test_ood/leftImg8bit/{}_leftImg8bit.png",
    "MUAD/test_ood/leftLabel/{}_leftLabel.png",
    dict.fromkeys([*range(12), 13, 14, 15], 0) | dict.fromkeys([12, *range(16, 21)], 1) | {21: 2, 255: 2},
)
LOST_AND_FOUND: Drawn = (
    "lostandfound",
    "lostandfound/leftImg8bit/test/05_S_1/{}_leftImg8bit.png",
    "lostandfound/gtCoarse/test/05_S_1/{}_gtCoarse_labelIds.png",
    {0: 2, 1: 0, 2: 1, 30: 1, 31: 2, 35: 1, 39: 2, 43: 1, 255: 2},
)
ISSU: Drawn = (
    "issu_anomaly",
    "dataset_ISSUTrack/images/{}.png",
    "dataset_ISSUTrack/labels_masks/{}.png",
    dict.fromkeys(range(19), 0) | {254: 1, 255: 2},
)
CASES = [
    (STREETHAZARDS, ["t5/9", "t5/10", "t6/9"]),
    (BDD_ANOMALY, ["0027eed2-60fb0001", "ff3d3536-04986e25"]),
    (MUAD, ["000000", "000001"]),
    (LOST_AND_FOUND, ["05_S_1_000003_000170", "05_S_1_000011_000100"]),
    (ISSU, ["static_0_009599", "static_1_2", "temporal_99_520"]),
]


@pytest.mark.parametrize(("case", "ids"), CASES, ids=lambda value: value[0] if isinstance(value, tuple) else "")
def test_a_released_set_is_checked_and_measured(
    case: Drawn, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, _, _, meanings = case
    root, maps = tmp_path / "data", tmp_path / "maps"
    masks = draw(root, case, ids)
    assert main(["datasets", "check", name, "--data-root", str(root)]) == 0, capsys.readouterr()
    scores = write_maps(maps, masks)
    words = ["--dataset", name, "--data-root", str(root), "--out", str(tmp_path / "out"), "--score-maps", str(maps)]
    assert main(["eval", *words]) == 0, capsys.readouterr()
    (row,) = read(tmp_path).rows
    assert row.n_images == len(ids)
    table = np.array([meanings.get(value, 9) for value in range(256)])
    truth = np.concatenate([table[masks[id]].ravel() for id in ids])
    ranks = np.concatenate([scores[id].ravel() for id in ids])[truth < 2]
    truth = truth[truth < 2]
    fpr, tpr, _ = roc_curve(truth, ranks, drop_intermediate=False)
    assert row.metrics["auroc"] == pytest.approx(100 * roc_auc_score(truth, ranks), abs=1e-9)
    assert row.metrics["ap"] == pytest.approx(100 * average_precision_score(truth, ranks), abs=1e-9)
    assert row.metrics["fpr95"] == pytest.approx(100 * fpr[tpr >= 0.95][0], abs=1e-9)


def test_ids_that_span_folders_are_saved_and_found_again(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, saved, out = tmp_path / "data", tmp_path / "saved", tmp_path / "out"
    draw(root, STREETHAZARDS, ["t5/9", "t5/10", "t6/9"])
    words = ["--dataset", "streethazards", "--data-root", str(root), "--out"]
    drawn = ["--heatmaps", "all", "--page"]
    network = ["--ckpt", str(checkpoint), "--scores", "msp", "--device", "cpu", "--resize", "160x90"]
    assert main(["eval", *words, str(saved), *network, "--save-scores", *drawn]) == 0, capsys.readouterr()
    names = {"t5_9", "t5_10", "t6_9"}
    assert {path.stem for path in (saved / "scores" / "streethazards" / "msp").iterdir()} == names
    assert {path.stem.rpartition("_msp")[0] or path.stem for path in (saved / "heatmaps").rglob("*.png")} == names
    assert main(["eval", *words, str(out), "--score-maps", str(saved)]) == 0, capsys.readouterr()
    plain = tmp_path / "plain" / "msp"
    for path in (saved / "scores").rglob("*.tif"):
        town, _, number = path.stem.partition("_")
        (plain / town).mkdir(parents=True, exist_ok=True)
        path.rename(plain / town / f"{number}.tif")
    assert main(["eval", *words, str(tmp_path / "again"), "--score-maps", str(plain)]) == 0, capsys.readouterr()
    for again in ("out", "again"):
        assert (tmp_path / again / "results.csv").read_bytes() == (saved / "results.csv").read_bytes()


def draw(root: Path, case: Drawn, ids: list[str]) -> dict[str, np.ndarray]:
    """Draw images and masks with every value of a case, and return the masks by id."""
    name, image, mask, meanings = case
    width, height = load_card(name)[0].size or (160, 80)
    rng = np.random.default_rng(0)
    values = np.array(list(meanings), np.uint8)
    masks = {id: rng.choice(values, (height // 8, width // 8)).repeat(8, 0).repeat(8, 1) for id in ids}
    for id, drawn in masks.items():
        for template, pixels in ((image, np.full((height, width, 3), 90, np.uint8)), (mask, drawn)):
            path = root / template.format(id)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return masks


def write_maps(folder: Path, masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Write a score map for each mask, called like its id, and return them."""
    rng = np.random.default_rng(1)
    # With ties, and not the same for all values of a mask.
    scores = {id: (rng.integers(0, 200, mask.shape) + mask % 7).astype(np.float32) for id, mask in masks.items()}
    for id, values in scores.items():
        (folder / id).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{id}.npy", values)
    return scores
