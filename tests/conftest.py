"""One thread for all tests and the processes that they start."""

from __future__ import annotations

import os

# Before torch is imported. Networks as small as these gain nothing from threads, and threads that wait for each other
# on cores that others use too make the tests five times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
