"""Ending a training between two iterations when Ctrl-C or a scheduler asks for it."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

from mmengine.hooks import Hook


class Interrupted(Exception):
    """The training was stopped from outside; the message says how to go on, `code` is the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class NotedSignals:
    """While the context lasts, SIGINT and SIGTERM are noted during training, and raise KeyboardInterrupt otherwise.

    An exception in the middle of a step would meet code that takes it for an error of its own: mmengine has some. The
    second signal raises wherever it comes.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.training = False
        self._owner = os.getpid()
        self._before: dict[int, Any] = {}

    @property
    def code(self) -> int:
        """The exit code that shells give to a process that a signal ended."""
        return 128 + (self.number or signal.SIGINT)

    def __enter__(self) -> NotedSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            # A worker of the data loader: Ctrl-C reaches it too, but it is its owner who ends it.
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        again, self.number = self.number is not None, number
        if again or not self.training:
            raise KeyboardInterrupt


class StopHook(Hook):  # type: ignore[misc]
    """Ends a training after the iteration in which a signal came; the last of all hooks."""

    priority = "LOWEST"

    def __init__(self, signals: NotedSignals) -> None:
        self.signals = signals

    def before_train(self, runner: Any) -> None:
        """Begin to wait for the end of an iteration."""
        self.signals.training = True

    def after_train(self, runner: Any) -> None:
        """End to wait."""
        self.signals.training = False

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Raise KeyboardInterrupt where a signal was noted."""
        self._stop()

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Raise KeyboardInterrupt where a signal was noted."""
        self._stop()

    def _stop(self) -> None:
        if self.signals.number is not None:
            raise KeyboardInterrupt
