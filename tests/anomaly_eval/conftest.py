"""A small network on small drawn images, and the command that evaluates it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import SIZE, TRAINING_CARD, Answer, Command, write_pair


def draw_data(tmp_path):
    """Draw four images of Road Anomaly, three training images, and a card for the latter; return the data root."""
    rng = np.random.default_rng(0)
    for index in range(4):
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        mask[20:40, 30 + 5 * index : 50 + 5 * index] = 2 if index else 0
        image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        write_pair(tmp_path / "data" / "road_anomaly", str(index), image, mask)
    for index in range(3):
        image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        classes = rng.integers(0, 5, (SIZE[1], SIZE[0]), dtype=np.uint8)
        write_pair(tmp_path / "data" / "training", str(index), image, classes)
    (tmp_path / "training.yaml").write_text(TRAINING_CARD)
    return tmp_path / "data"


@pytest.fixture(scope="session")
def drawn_once(tmp_path_factory):
    """What `draw_data` draws, to be copied: tests damage their images."""
    draw_data(folder := tmp_path_factory.mktemp("drawn"))
    return folder


@pytest.fixture(scope="session")
def saved_once(tmp_path_factory):
    """A small network, to be copied: tests damage their checkpoints."""
    # mmsegmentation takes seconds to import, which tests without a network should not wait for.
    from tests.anomaly_eval import networks

    return networks.save(tmp_path_factory.mktemp("network") / "net.pth", networks.CGNET)


@pytest.fixture
def data(tmp_path, drawn_once):
    """A data root with four images of Road Anomaly and three training images, and a card for the latter."""
    shutil.copytree(drawn_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "data"


@pytest.fixture
def checkpoint(tmp_path, saved_once):
    """A network of five classes with random weights."""
    return Path(shutil.copy(saved_once, tmp_path / "net.pth"))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command and return what it answers."""

    def run(*words: object) -> Answer:
        # What was printed before is no answer to this.
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def evaluate(tmp_path, data, checkpoint, command) -> Command:
    """Run `eval` with sensible arguments and return what it answers."""

    def run(*arguments: str, **replaced: str) -> Answer:
        options = {
            "--ckpt": str(checkpoint),
            "--dataset": "road_anomaly",
            "--data-root": str(data),
            "--out": str(tmp_path / "out"),
            "--device": "cpu",
        } | {f"--{name.replace('_', '-')}": value for name, value in replaced.items()}
        return command("eval", *(word for option in options.items() for word in option), *arguments)

    return run
