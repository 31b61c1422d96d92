"""Files of a container of Fishyscapes, read as the benchmark's page describes them."""

from __future__ import annotations

import numpy as np

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import assert_refused, nothing_left
from tests.anomaly_eval.studies.prediction.servers.conftest import drawn, files

FORMAT = ("--format", "fishyscapes")
MANY = """
import torch

class Many(torch.nn.Module):
    def forward(self, pixels):
        return torch.cat([pixels] * 7, dim=1)
"""


def test_each_image_is_an_array_of_scores_and_one_of_classes(tmp_path, predict_known):
    red = np.random.default_rng(0).integers(0, 256, (24, 32))
    drawn(tmp_path / "input" / "0004_04_Maurener_Weg_8_000000_000030_rgb.png", red)
    drawn(tmp_path / "input" / "0000_01_Street_rgb.png")
    assert predict_known(tmp_path / "input", *FORMAT, factor="2.5")[0] == 0
    folder = tmp_path / "out" / "output"
    assert files(folder) == [f"{name}_{kind}.npy" for name in ("0000", "0004") for kind in ("anomaly", "segmentation")]
    scores, classes = (np.load(folder / f"0004_{kind}.npy", allow_pickle=False) for kind in ("anomaly", "segmentation"))
    assert scores.dtype == np.float32 and np.issubdtype(classes.dtype, np.integer)
    np.testing.assert_array_equal(scores, np.float32(2.5) * red)
    np.testing.assert_array_equal(classes, np.zeros((24, 32)))


def test_what_the_benchmark_cannot_have_is_refused(tmp_path, predict_known, capsys):
    good = drawn(tmp_path / "input" / "0000_01_Street_rgb.png")
    short, twice = drawn(tmp_path / "12_a.png"), drawn(tmp_path / "0000_other.png")
    refused = [
        ((short, *FORMAT), ("12_a.png is not called DDDD_*.png",)),
        ((good, twice, *FORMAT), ("are both 0000", "give one of them")),
        ((good, *FORMAT, "--split", "val"), ("--split is of --format smiyc and oodis",)),
    ]
    for words, told in refused:
        assert_refused(predict_known(*words), *told)
        assert nothing_left(tmp_path)
    (tmp_path / "many.py").write_text(MANY)
    words = ["predict", str(good), *FORMAT, "--model", f"{tmp_path / 'many.py'}:Many", "--out", str(tmp_path / "out")]
    capsys.readouterr()
    code = main([*words, "--mean", "0", "0", "0", "--std", "1", "1", "1"])
    captured = capsys.readouterr()
    assert_refused((code, captured.out, captured.err), "21 classes", "20 at most", "--known-classes")
    assert nothing_left(tmp_path)
