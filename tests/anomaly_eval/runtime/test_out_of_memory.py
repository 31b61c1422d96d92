"""What counts as too little memory, and what the command says then."""

from __future__ import annotations

import gmmseg  # noqa: F401  isort: skip
import cv2
import pytest
import torch

from anomaly_eval.cli import main as cli
from anomaly_eval.runtime.machine import is_out_of_memory


def opencv_error(code: int) -> cv2.error:
    """Return an error as OpenCV raises them."""
    error = cv2.error("failed")
    error.code = code
    return error


ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    opencv_error(-4),
]


@pytest.mark.parametrize("error", ERRORS)
def test_the_command_says_it_in_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    assert is_out_of_memory(error)
    monkeypatch.setattr(cli, "app", fail)
    assert cli.main([]) == 2
    assert "the memory does not suffice; give a smaller --resize" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), opencv_error(-5), KeyError("out of memory")])
def test_other_errors_are_not_hidden(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    assert not is_out_of_memory(error)
    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(type(error)):
        cli.main([])


def test_opencv_itself_says_so() -> None:
    with pytest.raises(cv2.error) as caught:
        cv2.resize(torch.zeros(1, 1, 3, dtype=torch.uint8).numpy(), (2**15 - 1, 2**30))
    assert is_out_of_memory(caught.value)
