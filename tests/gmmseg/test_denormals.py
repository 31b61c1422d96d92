"""Denormal numbers are flushed in all computing threads, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
import torch

from gmmseg.denormals import flushed_denormals
from tests.denormals import survivors, two_threads

_Result = TypeVar("_Result")


def in_a_thread(function: Callable[[], _Result]) -> _Result:
    """Call a function in a Python thread of its own, whose OpenMP threads are its own too."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_threads_that_exist_already_flush_until_the_end() -> None:
    with two_threads():
        with flushed_denormals():
            assert survivors() == 0
            with flushed_denormals():
                assert survivors() == 0
            assert survivors() == 0
        assert survivors() == 1
        with pytest.raises(KeyError), flushed_denormals():
            raise KeyError
        assert survivors() == 1
        assert flushed_denormals()(survivors)() == 0


def test_threads_that_are_created_in_between_flush_until_the_end() -> None:
    def look() -> tuple[float, float]:
        with flushed_denormals():
            inside = survivors()
        return inside, survivors()

    with two_threads():
        assert in_a_thread(look) == (0, 1)


def test_who_flushed_before_goes_on() -> None:
    def look() -> tuple[float, float]:
        torch.set_flush_denormal(True)
        with flushed_denormals():
            inside = survivors()
        return inside, survivors()

    with two_threads():
        assert in_a_thread(look) == (0, 0)


def test_python_threads_do_not_disturb_each_other() -> None:
    """One begins and ends while the other flushes, and the other way round."""
    together = Barrier(2)

    def look(late: bool) -> list[float]:
        found = [survivors()]
        for step in range(4):
            together.wait(60)
            if step == late:
                context = flushed_denormals()
                context.__enter__()
            if step == late + 2:
                context.__exit__(None, None, None)
            together.wait(60)
            found.append(survivors())
        return found

    with two_threads(), ThreadPoolExecutor(2) as pool:
        early, late = pool.map(look, (False, True))
    assert early == [1, 0, 0, 1, 1]
    assert late == [1, 1, 0, 0, 1]
