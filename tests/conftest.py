"""One thread for all tests and the processes that they start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no failure of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# Before torch is imported. Networks as small as these gain nothing from threads, and threads that wait for each other
# on cores that others use too make the tests five times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def loggers_forget_captured_streams() -> Iterator[None]:
    """Give mmengine's loggers, which live as long as the process, another stream than that of a test that is over."""
    yield
    if "mmengine.logging" in sys.modules:
        from mmengine.logging import MMLogger

        for logger in MMLogger._instance_dict.values():
            for handler in logger.handlers:
                # Handlers of files are stream handlers too.
                if type(handler).__name__ == "StreamHandler":
                    # Not by `setStream`, which flushes the one that is closed.
                    handler.stream = sys.__stderr__
