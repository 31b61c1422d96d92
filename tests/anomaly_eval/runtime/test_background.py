"""Work beside the main thread keeps its order, its bound, and its errors."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_eval.datasets.prefetch import prefetch
from anomaly_eval.runtime.background import Beside
from anomaly_eval.runtime.clock import Clock


@given(st.lists(st.integers()), st.integers(0, 3))
def test_calls_keep_their_order(values, waiting):
    seen = []
    with Beside(seen.append, waiting) as call:
        for value in values:
            call(value)
    assert seen == values


def test_no_more_calls_wait_than_allowed():
    going, begun = threading.Event(), []

    def work(number):
        begun.append(number)
        going.wait(10)

    queued = []
    with Beside(work, waiting=1) as call:

        def queue():
            for number in range(4):
                call(number)
                queued.append(number)

        thread = threading.Thread(target=queue)
        thread.start()
        time.sleep(0.2)
        # One is at work, one waits, and the third call has not returned.
        assert begun == [0] and queued == [0, 1]
        going.set()
        thread.join(10)
    assert begun == [0, 1, 2, 3]


def test_an_error_is_raised_by_the_next_call_and_nothing_after_it_is_done():
    done = []

    def work(number):
        if number == 1:
            raise ValueError("one")
        done.append(number)

    with pytest.raises(ValueError, match="one"), Beside(work, waiting=0) as call:
        for number in range(5):
            call(number)
    assert done == [0]


def test_an_error_of_the_last_call_is_raised_at_the_end():
    with pytest.raises(ZeroDivisionError), Beside(lambda: 1 / 0) as call:
        call()


def test_an_error_of_the_block_is_the_one_that_is_raised():
    release = threading.Event()
    with pytest.raises(KeyError, match="block"), Beside(lambda: release.wait(10)) as call:
        call()
        call()
        release.set()
        raise KeyError("block")


@given(st.lists(st.integers(), max_size=6))
def test_reading_ahead_keeps_the_order_and_takes_one_more_than_was_given(items):
    taken = []

    def feed():
        for item in items:
            taken.append(item)
            yield item

    given = []
    for found in prefetch(feed(), lambda item: item + 1, Clock()):
        given.append(found)
        assert len(taken) <= len(given) + 1
    assert given == [item + 1 for item in items]


def test_what_cannot_be_read_is_told_at_its_turn():
    read = prefetch([4, 2, 0, 1], lambda item: 8 // item, Clock())
    assert [next(read), next(read)] == [2, 4]
    with pytest.raises(ZeroDivisionError):
        next(read)


def test_a_clock_adds_up_what_threads_do():
    clock = Clock()

    def work():
        for _ in range(200):
            with clock.section("x"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    before = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < clock.seconds["x"] <= 4 * (time.perf_counter() - before)
