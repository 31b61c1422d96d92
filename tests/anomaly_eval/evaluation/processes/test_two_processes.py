"""Two processes find the bits that one finds, and end together."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from anomaly_eval.cli.main import main
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import assert_refused
from tests.anomaly_eval.evaluation.journal.killing import MEASURES, content, run
from tests.anomaly_eval.evaluation.processes.ports import free_port
from tests.forked import ended, in_another_process

ROOT = Path(__file__).parents[4]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "anomaly_eval"]
# Two processes would each want a GPU of its own, and other bits come from other devices.
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU each process wants its own")


@pytest.fixture
def words(tmp_path, data, checkpoint):
    card = str(tmp_path / "training.yaml")
    sets = ["--dataset", "road_anomaly", card, "--fit-dataset", card, "--data-root", str(data)]
    return ["eval", "--ckpt", str(checkpoint), *sets, "--device", "cpu", *MEASURES]


def surroundings(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | more


def run_as_two(words: list[str], out: Path) -> str:
    """Run the command in two processes and return what they print."""
    result = subprocess.run(
        [*TORCHRUN, *words, "--out", str(out), "--launcher", "pytorch"],
        env=surroundings(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def place_of_two() -> dict[str, str]:
    """What launchers tell two processes of this machine, but for their ranks."""
    return {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(free_port())}


def fork_as_two(words: list[str], out: Path) -> str:
    """Run the command in two copies of this process, which need not import anything, and return what they print."""
    place, printed = place_of_two(), out.with_name("printed")

    def work(rank: str) -> int:
        os.environ |= place | {"RANK": rank, "LOCAL_RANK": rank}
        return main([*words, "--out", str(out), "--launcher", "pytorch"])

    pids = [in_another_process(partial(work, rank), printed) for rank in ("0", "1")]
    assert [ended(pid) for pid in pids] == [0, 0], printed.read_text()
    return printed.read_text()


def test_two_processes_find_the_bits_of_one(tmp_path, words):
    assert run_as_two(words, tmp_path / "two").count("Results: ") == 1
    assert run([*words, "--out", str(tmp_path / "one")]) == 0
    assert content(tmp_path / "two") == content(tmp_path / "one")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="processes are copied")
def test_two_processes_find_the_bits_of_one_of_several_networks(tmp_path, data, checkpoint):
    """Both networks are fitted and ranked, and neither takes what is said of the other."""
    other = networks.save(tmp_path / "other.pth", networks.CGNET, networks.build(networks.CGNET, seed=3))
    card = str(tmp_path / "training.yaml")
    sets = ["--dataset", "road_anomaly", "--fit-dataset", card, "--data-root", str(data)]
    words = ["eval", "--ckpt", str(checkpoint), str(other), *sets, "--device", "cpu", "--scores", "msp", "sml"]
    assert fork_as_two(words, tmp_path / "two").count("Results: ") == 1
    assert run([*words, "--out", str(tmp_path / "one")]) == 0
    for name in ("net", "other"):
        assert content(tmp_path / "two" / name) == content(tmp_path / "one" / name)
    assert (tmp_path / "two" / "results.csv").read_bytes() == (tmp_path / "one" / "results.csv").read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="processes are copied")
@pytest.mark.parametrize("scores", [[], ["--scores", "knn", "vim"]])
def test_two_processes_learn_the_bits_that_one_learns(tmp_path, data, checkpoint, scores):
    words = ["fit", "--ckpt", str(checkpoint), "--dataset", str(tmp_path / "training.yaml"), "--data-root", str(data)]
    words += ["--device", "cpu", *scores]
    assert fork_as_two(words, tmp_path / "two").count("Statistics: ") == 1
    assert run([*words, "--out", str(tmp_path / "one")]) == 0
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_without_a_launcher_that_looks_after_them_a_killed_process_ends_the_other(tmp_path, data, words):
    """As under SLURM: nobody ends the first process, so it has to notice by itself."""
    for kind in ("images", "labels_masks"):
        for number in range(4, 40):
            folder = data / "road_anomaly" / kind
            shutil.copyfile(folder / f"{number % 4}.png", folder / f"{number}.png")
    place = place_of_two()
    arguments = [*words, "--out", str(tmp_path / "out"), "--launcher", "pytorch"]
    first, second = (
        subprocess.Popen(
            [sys.executable, "-m", "anomaly_eval", *arguments],
            env=surroundings(**place, RANK=rank, LOCAL_RANK=rank),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    )
    # By then the second one has claimed an image as well, which now never comes.
    while len(list((tmp_path / ".out.journal").glob("records/*/*.record"))) < 4:
        assert first.poll() is None and second.poll() is None
        time.sleep(0.01)
    second.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 2, errors
    assert "process 2 of 2 ended without a word" in errors
    assert time.monotonic() - killed < 60
    second.communicate()
    assert not (tmp_path / "out").exists()


def test_what_several_processes_need_is_told(evaluate, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert_refused(evaluate("--scores", "msp"), "add --launcher pytorch")
    monkeypatch.delenv("WORLD_SIZE")
    assert_refused(evaluate("--scores", "msp", "--launcher", "pytorch"), "needs torchrun", "--nproc_per_node")
    assert_refused(evaluate("--scores", "msp", "--launcher", "slurm"), "needs SLURM", "srun")


def test_commands_that_do_not_share_their_work_are_not_started_several_times(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    code = main(["demo", "--quick", "--out", str(tmp_path / "demo")])
    assert_refused((code, "", capsys.readouterr().err), "demo does not share its work", "without torchrun")
    assert not (tmp_path / "demo").exists()
    monkeypatch.setenv("WORLD_SIZE", "two")
    code = main(["demo", "--quick", "--out", str(tmp_path / "demo")])
    assert_refused((code, "", capsys.readouterr().err), "WORLD_SIZE is 'two' instead of a number")
