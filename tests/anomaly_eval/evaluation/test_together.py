"""Several networks in one run give what each gives alone, and one table."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.cli.main import main
from anomaly_eval.datasets import prefetch
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation import image_loop
from anomaly_eval.runtime.machine import free_memory
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import assert_refused, rows
from tests.anomaly_eval.evaluation.journal.killing import MEASURES, content, run, run_and_kill_at

NAMES = ("first", "second")
_GROUP = {"memory.max": "50\n", "memory.current": "45\n"}
_EVENTS = 160
"""How often a run of both networks touches a file for its output folder, about."""


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """A softmax network and a GMMSeg network of the same classes."""
    first = networks.save(tmp_path / "first.pth", networks.CGNET, networks.build(networks.CGNET, seed=1))
    return [first, networks.save_gmm(tmp_path / "second.pth")]


@pytest.fixture
def words(tmp_path: Path, data: Path, pair: list[Path]) -> Callable[..., list[str]]:
    """Return the arguments of a run of some networks, with everything that is written, into a folder of this name."""

    def of(name: str, *checkpoints: Path, everything: bool = True, fit: bool = True) -> list[str]:
        card = str(tmp_path / "training.yaml")
        sets = ["--dataset", "road_anomaly", card, "--data-root", str(data), *(["--fit-dataset", card] if fit else [])]
        measures = [*MEASURES, "--heatmaps", "1", "--operating-points", "fpr=0.1"] if everything else []
        given = map(str, checkpoints or pair)
        return ["eval", "--ckpt", *given, *sets, "--out", str(tmp_path / name), "--device", "cpu", *measures]

    return of


def shared(folder: Path) -> dict[str, bytes]:
    """Return what a run wrote beside the folders of its networks, without what holds times."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "report.json"}


def broken(data: Path) -> Callable[[], object]:
    """Damage the label of the last image, and return how to mend it."""
    label = data / "road_anomaly" / "labels_masks" / "3.png"
    sound = label.read_bytes()
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(label)
    return lambda: label.write_bytes(sound)


def test_each_network_gives_what_it_gives_alone(tmp_path: Path, words: Any, pair: list[Path], capsys: Any) -> None:
    assert main(words("both")) == 0
    printed = capsys.readouterr().out
    assert "first: MSP" in printed and "second: GMMSeg" in printed and "Results: " in printed
    for name, path in zip(NAMES, pair, strict=True):
        assert main(words(name, path)) == 0
        assert content(tmp_path / "both" / name) == content(tmp_path / name)
    folders = [str(tmp_path / name) for name in NAMES]
    options = ["--bootstrap", "40", "--seed", "3", "--intervals", "--format", "tex", "csv", "md"]
    assert main(["report", *folders, "--out", str(tmp_path / "report"), *options]) == 0
    assert shared(tmp_path / "both") == shared(tmp_path / "report")
    assert {row["run"] for row in rows(tmp_path / "both")} == set(NAMES)
    # Reports take the networks of a run.
    assert main(["report", str(tmp_path / "both"), "--out", str(tmp_path / "again"), *options]) == 0
    assert shared(tmp_path / "again") == shared(tmp_path / "report")


def test_seeds_that_were_evaluated_together_are_a_group(tmp_path: Path, words: Any, pair: list[Path]) -> None:
    other = networks.save(tmp_path / "other.pth", networks.CGNET, networks.build(networks.CGNET, seed=2))
    assert main(words("out", pair[0], other, everything=False)) == 0
    runs = {"whole": "out", "each": f"out/first,{tmp_path}/out/other"}
    for name, folders in runs.items():
        given = ["--group", f"seeds={tmp_path}/{folders}", "--out", str(tmp_path / name), "--format", "csv"]
        assert main(["report", *given]) == 0
    assert shared(tmp_path / "whole") == shared(tmp_path / "each")


def test_each_image_is_read_once(words: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = prefetch.read_pair

    def counted(sample: Any) -> Any:
        read.append(f"{sample.image.parts[-3]}/{sample.id}")
        return real(sample)

    monkeypatch.setattr(image_loop, "read_pair", counted)
    assert main(words("out", everything=False)) == 0
    # Each network is fitted before the passes that they share.
    assert sorted(read) == [*(f"road_anomaly/{one}" for one in range(4)), *(f"training/{one // 3}" for one in range(9))]


def test_where_memory_is_scarce_one_follows_the_other(
    tmp_path: Path, words: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert main(words("whole", everything=False)) == 0
    monkeypatch.setattr("anomaly_eval.segmenters.device.free_memory", lambda: 0.2)
    assert main(words("parts", everything=False)) == 0
    assert "memory is scarce: first first" in capsys.readouterr().err
    assert shared(tmp_path / "parts") == shared(tmp_path / "whole")


@pytest.mark.parametrize(
    ("meminfo", "files", "expected"),
    [
        ("MemTotal: 100 kB\nMemAvailable: 40 kB\n", {}, 0.4),
        ("MemTotal: 100 kB\nMemAvailable: 40 kB\n", {"memory.max": "max\n", "memory.current": "5\n"}, 0.4),
        ("MemTotal: 100 kB\nMemAvailable: 40 kB\n", {**_GROUP, "memory.stat": "anon 45\ninactive_file 0\n"}, 0.1),
        # Images that were read are no reason to wait.
        ("MemTotal: 100 kB\nMemAvailable: 40 kB\n", {**_GROUP, "memory.stat": "anon 5\ninactive_file 35\n"}, 0.4),
        ("MemTotal: 100 kB\nMemAvailable: 40 kB\n", {**_GROUP, "memory.stat": "anon 35\ninactive_file 5\n"}, 0.2),
        ("MemTotal: 100 kB\n", {}, None),
        (None, {}, None),
    ],
)
def test_free_memory(tmp_path: Path, meminfo: str | None, files: dict[str, str], expected: float | None) -> None:
    if meminfo is not None:
        (tmp_path / "meminfo").write_text(meminfo)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = free_memory(tmp_path / "meminfo", tmp_path)
    assert found == (None if expected is None else pytest.approx(expected))


def test_an_interrupted_run_goes_on(tmp_path: Path, data: Path, words: Any, pair: list[Path], capsys: Any) -> None:
    mend = broken(data)
    assert main(words("out")) == 2
    journal = tmp_path / ".out.journal" / "networks"
    assert [len(list((journal / name).glob("records/*/*.record"))) for name in NAMES] == [3, 3]
    mend()
    capsys.readouterr()
    for others, why in ((pair[:1], "first, second"), ([pair[0], tmp_path / "third.pth"], "second")):
        if not others[-1].exists():
            networks.save(others[-1], networks.CGNET)
        result = main(words("out", *others)), "", capsys.readouterr().err
        assert_refused(result, f"was of others than this one ({why})", "--overwrite")
    assert main(words("out")) == 0
    assert "goes on: 3 of 4 images of road_anomaly" in capsys.readouterr().err
    assert main(words("whole")) == 0
    assert shared(tmp_path / "out") == shared(tmp_path / "whole")
    assert not list(tmp_path.glob(".*"))


def test_overwriting_clears_what_other_networks_left(tmp_path: Path, data: Path, words: Any, pair: list[Path]) -> None:
    mend = broken(data)
    assert main(words("out", everything=False)) == 2
    mend()
    assert main([*words("out", pair[0], everything=False), "--overwrite"]) == 0
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="processes are copied")
def test_killed_at_any_moment_it_ends_with_the_same_bits(tmp_path: Path, words: Any) -> None:
    assert run(words("whole")) == 0
    whole = shared(tmp_path / "whole") | {name: content(tmp_path / "whole" / name) for name in NAMES}
    event = random.Random(5).randrange(_EVENTS)
    assert run_and_kill_at(words("out"), tmp_path / "out", event) == -9
    published = (tmp_path / "out").exists()
    assert run(words("out")) == (2 if published else 0)
    assert shared(tmp_path / "out") | {name: content(tmp_path / "out" / name) for name in NAMES} == whole
    assert not list(tmp_path.glob(".*"))


def test_without_a_journal_that_of_an_interrupted_run_is_left(tmp_path: Path, data: Path, words: Any) -> None:
    mend = broken(data)
    assert main(words("out", everything=False)) == 2
    mend()
    kept = sorted(path.name for path in tmp_path.glob(".out.journal/networks/*/records/*/*"))
    assert main([*words("out", everything=False), "--no-journal"]) == 0
    assert sorted(path.name for path in tmp_path.glob(".out.journal/networks/*/records/*/*")) == kept != []


def test_without_one_network_the_others_go_on(
    tmp_path: Path, data: Path, words: Any, pair: list[Path], capsys: Any
) -> None:
    third = networks.save(tmp_path / "third.pth", networks.CGNET)
    mend = broken(data)
    assert main(words("out", *pair, third, everything=False)) == 2
    mend()
    capsys.readouterr()
    assert main([*words("out", everything=False), "--overwrite"]) == 0
    assert capsys.readouterr().err.count("goes on: 3 of 4 images of road_anomaly") == 2
    assert not list(tmp_path.glob(".*"))


_NETWORKS = """
import torch


class Network(torch.nn.Module):
    def __init__(self, fails_at=0):
        super().__init__()
        self.layer, self.looked, self.fails_at = torch.nn.Conv2d(3, 5, 1), 0, fails_at

    def forward(self, images):
        self.looked += 1
        return self.layer(images) * (float("nan") if self.looked == self.fails_at else 1)


def sound():
    torch.manual_seed(0)
    return Network()


def fails():
    return Network(4)
"""


def test_an_error_says_which_network_it_is_of(tmp_path: Path, data: Path, words: Any, capsys: Any) -> None:
    (tmp_path / "nets.py").write_text(_NETWORKS)
    places = ["--dataset", "road_anomaly", "--data-root", str(data), "--out", str(tmp_path / "out"), "--device", "cpu"]
    given = [f"{tmp_path / 'nets.py'}:{name}" for name in ("sound", "fails")]
    assert main(["eval", "--ckpt", *given, *places]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    # Told apart by their functions, as they are of one file.
    assert last.startswith("error: nets:fails: the network gave NaN")
    needs = ["--scores", "gmmseg", "--no-journal"]
    assert main(["eval", "--ckpt", *given, *places, *needs]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: nets:sound: nets.py:sound provides none of")


def test_a_checkpoint_that_is_not_there_is_missed_before_the_others_are_fitted(
    tmp_path: Path, words: Any, pair: list[Path], capsys: Any
) -> None:
    result = main(words("out", pair[0], tmp_path / "nowhere.pth")), "", capsys.readouterr().err
    assert_refused(result, "no checkpoint file", "nowhere.pth")
    assert not list(tmp_path.glob(".*"))


def test_results_are_kept_where_there_can_be_no_common_table(
    tmp_path: Path, words: Any, pair: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def refuse(*_: object) -> None:
        raise InputError("these must not be compared; leave one out.")

    with monkeypatch.context() as patched:
        patched.setattr("anomaly_eval.evaluation.together_folder.report_of", refuse)
        assert main(words("out", everything=False)) == 0
    assert "no table of all networks, but one of each (these must not be compared;" in capsys.readouterr().err
    for name, path in zip(NAMES, pair, strict=True):
        assert main(words(name, path, everything=False)) == 0
        assert content(tmp_path / "out" / name) == content(tmp_path / name)
    # It is known as a folder of ours.
    assert main([*words("out", everything=False), "--overwrite"]) == 0
    assert (tmp_path / "out" / "results.csv").is_file()


def test_a_score_that_no_network_has_costs_no_results(
    tmp_path: Path, data: Path, pair: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    places = ["--dataset", "road_anomaly", "--data-root", str(data), "--device", "cpu", "--scores", "msp", "rba"]
    words = ["eval", "--ckpt", *map(str, pair), *places, "--out"]
    assert main([*words, str(tmp_path / "at-once")]) == 2
    assert "'rba' needs" in capsys.readouterr().err.splitlines()[-1]
    # The others have been evaluated by the time that the last one is loaded.
    monkeypatch.setattr("anomaly_eval.segmenters.device.free_memory", lambda: 0.2)
    assert main([*words, str(tmp_path / "in-turn")]) == 0
    assert "warning: the score 'rba' needs" in capsys.readouterr().err
    assert {row["method"] for row in rows(tmp_path / "in-turn")} == {"msp"}
    result = main([*words, str(tmp_path / "negated"), "--negate", "msp", "rba", "nothing"]), "", capsys.readouterr().err
    assert_refused(result, "--negate names 'nothing'")


def test_earlier_results_are_replaced_and_nothing_else(tmp_path: Path, words: Any, capsys: Any) -> None:
    assert main(words("out", everything=False)) == 0
    again = [*words("out", everything=False), "--overwrite"]
    assert main(again) == 0
    (tmp_path / "out" / "first" / "notes.txt").write_text("mine")
    capsys.readouterr()
    assert_refused((main(again), "", capsys.readouterr().err), "also holds first", "not ours")
    assert (tmp_path / "out" / "first" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--names", "a"], "--names gives 1 names for 2"),
        (["--names", "a", "a"], "'a' is there twice"),
        (["--names", "a", "figures"], "cannot be called 'figures'"),
        (["--names", "a", "Results.CSV"], "cannot be called 'Results.CSV'"),
        (["--names", "", "b"], "--names is empty"),
        (["--names", "a\nb", "c"], "cannot be called 'a\\nb'"),
        (["--names", "mean of scores", "b", "--ensemble", "mean"], "cannot be called 'mean of scores', as a mean"),
        (["--config", "a.py"], "--config gives 1 values for 2 networks"),
        (["--stats", "a.safetensors"], "--stats gives 1 values for 2 networks"),
        (["--stats", "a.safetensors", "b.safetensors"], "there is no statistics file a.safetensors"),
        (["--model", "net.py:build"], "--model is one network"),
        (["--thresholds", "thresholds.json"], "thresholds.json"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, data: Path, pair: list[Path], more: list[str], sentence: str, capsys: Any
) -> None:
    places = ["--dataset", "road_anomaly", "--data-root", str(data), "--out", str(tmp_path / "out")]
    assert_refused((main(["eval", "--ckpt", *map(str, pair), *places, *more]), "", capsys.readouterr().err), sentence)
    assert not (tmp_path / "out").exists()


def test_each_network_has_those_of_the_scores_that_it_provides(tmp_path: Path, words: Any, capsys: Any) -> None:
    scores = ["--scores", "gmmseg", "msp", "--negate", "gmmseg"]
    scores += ["--components", "obstacle", "--component-threshold", "gmmseg=12"]
    assert main([*words("out", everything=False, fit=False), *scores]) == 0
    found = {name: [row["method"] for row in rows(tmp_path / "out") if row["run"] == name] for name in NAMES}
    assert found == {"first": ["msp"], "second": ["gmmseg", "msp"]}
    capsys.readouterr()
    for more, sentence in (
        (["--scores", "msp", "evidence_entropy"], "which none of these networks provides"),
        (["--scores", "gmmseg"], "first.pth provides none of gmmseg"),
        (["--scores", "msp", "sml"], "first.pth: give --fit-dataset"),
        (["--scores", "msp", "--negate", "energy"], "energy"),
    ):
        assert main([*words("other", everything=False, fit=False), *more]) == 2
        assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_networks_that_need_no_config_or_statistics_are_given_none(
    tmp_path: Path, data: Path, pair: list[Path], capsys: Any
) -> None:
    config = tmp_path / "net.py"
    config.write_text(f"model = {networks.CGNET!r}")
    bare = networks.save(tmp_path / "bare.pth", networks.CGNET, cfg="")
    statistics = tmp_path / "first.safetensors"
    places = ["--data-root", str(data), "--device", "cpu"]
    card = str(tmp_path / "training.yaml")
    assert main(["fit", "--ckpt", str(pair[0]), "--dataset", card, "--out", str(statistics), *places]) == 0
    words = ["eval", "--ckpt", str(pair[0]), str(bare), "--dataset", "road_anomaly", "--out", str(tmp_path / "out")]
    words += ["--config", "none", str(config), "--stats", str(statistics), "none"]
    assert main([*words, *places]) == 0
    found = {
        name: {row["method"] for row in rows(tmp_path / "out") if row["run"] == name} for name in ("first", "bare")
    }
    assert "sml" in found["first"] and found["bare"] == found["first"] - {"sml", "mahalanobis"}


def test_one_network_takes_one_config(tmp_path: Path, data: Path, pair: list[Path], capsys: Any) -> None:
    words = ["eval", "--ckpt", str(pair[0]), "--dataset", "road_anomaly", "--data-root", str(data)]
    assert_refused(
        (main([*words, "--config", "a.py", "b.py"]), "", capsys.readouterr().err), "2 values for one network"
    )
