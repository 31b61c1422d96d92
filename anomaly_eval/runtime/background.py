"""Work beside the main thread: one call after the other, in order, with a bounded number waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, ParamSpec

_Arguments = ParamSpec("_Arguments")


class Beside(Generic[_Arguments]):
    """Calls a function in one other thread, in the order of the calls, while the caller goes on.

    Use it as a context manager. What the function raises is raised by the next call, by `wait`, or where the context
    ends; calls that have not begun by then are dropped.
    """

    def __init__(self, function: Callable[_Arguments, object], waiting: int = 1) -> None:
        """Take the function, and how many calls may wait for the one at work before a new call waits itself."""
        self._function, self._waiting = function, waiting
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._calls: deque[Future[object]] = deque()

    def __call__(self, *arguments: _Arguments.args, **named: _Arguments.kwargs) -> None:
        """Queue a call."""
        self._settle(self._waiting)
        self._calls.append(self._pool.submit(self._function, *arguments, **named))

    def wait(self) -> None:
        """Return when all calls are done."""
        self._settle(0)

    def __enter__(self) -> Beside[_Arguments]:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the calls, or drop those that have not begun where the block raised."""
        try:
            if error is None:
                self.wait()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _settle(self, left: int) -> None:
        """Take the results of finished calls, and wait until no more than `left` are unfinished."""
        while self._calls and (len(self._calls) > left or self._calls[0].done()):
            self._calls.popleft().result()
