"""`gmmseg-anomaly speed` as a user meets it; whatever time it takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from anomaly_eval.studies.speed import run
from anomaly_eval.studies.speed.records import Machine
from anomaly_eval.studies.speed.timing import Seconds
from tests.anomaly_eval.commands import Answer, Command, assert_refused, nothing_left, rows


@pytest.fixture
def checkpoints(tmp_path: Path, checkpoint: Path) -> list[str]:
    """A softmax network, and one with densities."""
    from tests.anomaly_eval import networks

    return [str(checkpoint), str(networks.save_gmm(tmp_path / "gmm.pth"))]


@pytest.fixture
def speed(tmp_path: Path, checkpoints: list[str], command: Command) -> Command:
    """Run `speed` on small images and return what it answers."""

    def run(*words: str, size: Sequence[str] = ("--size", "64x96")) -> Answer:
        return command("speed", "--ckpt", *checkpoints, "--out", tmp_path / "out", "--device", "cpu", *size, *words)

    return run


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rounds of known milliseconds, in which the networks run all the same."""

    def known(calls: Sequence[Callable[[], object]], *_: Any, **__: Any) -> Seconds:
        for call in calls:
            call()
        return np.array([[10.0, 11.0, 20.0, 30.0], [10.0, 12.0, 20.0, 30.0], [40.0, 52.0, 80.0, 120.0]]) / 1000

    monkeypatch.setattr(run, "take_turns", known)


def test_numbers_are_those_of_the_times(tmp_path: Path, speed: Command, times: None) -> None:
    code, output, errors = speed("--runs", "3")
    assert code == 0, errors
    alone, other, msp, density = rows(tmp_path / "out", "speed.csv")
    assert [(one["network"], one["score"]) for one in (alone, other, msp, density)] == [
        ("net", ""),
        ("gmm", ""),
        ("net", "msp"),
        ("gmm", "gmmseg"),
    ]
    assert float(other["ms"]) == pytest.approx(12) and float(other["fps"]) == pytest.approx(1000 / 12)
    assert float(other["ms_high"]) == pytest.approx(12 + 0.9 * 40)
    assert float(other["ratio"]) == pytest.approx(1.2) and float(other["ratio_low"]) == pytest.approx(1.11)
    # Scores are compared with the score of the first network, not with the network alone.
    assert float(density["ratio"]) == float(density["ratio_high"]) == pytest.approx(1.5)
    assert float(msp["ratio"]) == float(alone["ratio"]) == 1
    assert all(float(one["peak_memory_mb"]) > 0 for one in rows(tmp_path / "out", "speed.csv"))
    assert {(one["height"], one["width"], one["runs"]) for one in rows(tmp_path / "out", "speed.csv")} == {
        ("64", "96", "3")
    }
    assert "| gmm | 83.3 | 12 | 11.1 to 48 | 1.200 | 1.110 to 1.290 |" in output
    assert "softmax DeepLabV3+ 14.16, GMMSeg-DeepLabV3+ 13.37 (1.059 of the time)" in output
    assert (tmp_path / "out" / "speed.md").read_text() in output


def test_it_says_where_and_how(tmp_path: Path, speed: Command) -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    code, output, errors = speed("--runs", "2", "--warm-up", "1", "--threads", "2", "--names", "A", "B")
    assert code == 0, errors
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before
    record = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert record["machine"]["device"] == "cpu" and record["machine"]["threads"] == 2
    assert "torch" in record["versions"] and record["command"].startswith("gmmseg-anomaly speed --ckpt")
    assert set(record["networks"]) == {"A", "B"} and record["networks"]["A"]["resize"] == "96x64"
    assert {name: {score: len(found) for score, found in own.items()} for name, own in record["seconds"].items()} == {
        "A": {"": 2, "msp": 2},
        "B": {"": 2, "gmmseg": 2},
    }
    assert ", 2 threads, torch" in output and "2 runs after 1." in output
    assert speed("--runs", "1")[0] == 2
    assert speed("--runs", "1", "--overwrite")[0] == 0


def test_without_a_size_networks_resize_as_they_do(tmp_path: Path, speed: Command, times: None) -> None:
    assert speed("--resize", "32", size=())[0] == 0
    assert {(one["height"], one["width"]) for one in rows(tmp_path / "out", "speed.csv")} == {("1024", "2048")}
    record = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert {network["resize"] for network in record["networks"].values()} == {"short side 32"}


@pytest.mark.parametrize(
    ("load", "threads", "warned"), [(0.4, 1, False), (1.0, 1, False), (3.0, 1, True), (0.2, 2, False), (None, 2, False)]
)
def test_a_machine_at_work_is_told(load: float | None, threads: int, warned: bool) -> None:
    machine = Machine(device="cpu", processor="p", cores=2, threads=threads, load_before=load)
    assert bool(run._warnings(machine)) == warned


def test_refusals(tmp_path: Path, speed: Command) -> None:
    assert_refused(speed(size=("--size", "1024")), "'1024' is not understood", "HEIGHTxWIDTH")
    assert_refused(speed(size=("--size", "0x5")), "'0x5' is not understood")
    assert_refused(speed(size=("--size", "99999x99999")), "up to 16384x16384")
    assert_refused(speed("--resize", "32"), "--size is what enters the networks")
    assert_refused(speed("--names", "A"), "1 names for 2 checkpoints")
    assert_refused(speed("--config", "a.py"), "--config gives 1 values for 2 checkpoints")
    assert nothing_left(tmp_path)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A network in ONNX that takes images of 64x96 (height x width) alone."""
    from tests.anomaly_eval.segmenters.kinds.onnx_files import save

    path = save(tmp_path / "fixed.onnx", size=(64, 96))
    path.with_suffix(".yaml").write_text("{mean: [0, 0, 0], std: [255, 255, 255]}")
    return path


def test_memory_that_pytorch_does_not_allocate_is_not_known(
    tmp_path: Path, speed: Callable[..., Answer], exported: Path
) -> None:
    code, output, errors = speed("--ckpt", str(exported), "--runs", "1", "--warm-up", "0")
    assert code == 0, errors
    peaks = {(one["network"], one["score"]): one["peak_memory_mb"] for one in rows(tmp_path / "out", "speed.csv")}
    assert float(peaks["net", ""]) > 0 and float(peaks["net", "msp"]) > 0
    assert peaks["fixed", ""] == peaks["fixed", "msp"] == ""
    assert [line.endswith("| not known |") for line in output.splitlines() if line.startswith("| fixed")] == [True] * 2


def test_a_fixed_size_is_told_of_by_the_option_that_was_given(
    tmp_path: Path, speed: Callable[..., Answer], exported: Path
) -> None:
    other = speed("--ckpt", str(exported), size=("--size", "32x48"))
    assert_refused(other, "fixed.onnx was exported for inputs of 96x64 alone", "give another --size HEIGHTxWIDTH, or")
    assert "--resize" not in other[2]
    assert_refused(speed("--ckpt", str(exported), "--resize", "48x32", size=()), "leave --resize out")
    assert nothing_left(tmp_path)


def test_a_gpu_is_waited_for_whichever_network_runs_there(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    cpu, gpu = torch.device("cpu"), torch.device("cuda:0")
    for devices in ([cpu, gpu], [gpu, cpu], [cpu, cpu]):
        run._waiting(devices)()
    assert waited == [gpu, gpu]
