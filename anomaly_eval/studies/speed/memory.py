"""The memory that a call takes at its peak."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.autograd.profiler import profile

_LOG_LEVEL = "KINETO_LOG_LEVEL"
_MEMORY_EVENT = "[memory]"


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """Return the most bytes of tensors that a call held at once beside those that were there before, weights included.

    That is what PyTorch allocates on the device; libraries that it calls may take working memory of their own.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        return max(0, torch.cuda.max_memory_allocated(device) - before)
    # The resident memory of a process never shrinks and is that of all that ran before.
    with _quiet_profiler(), profile(profile_memory=True, use_kineto=False) as watched:
        call()
    events = [event for event in watched.kineto_results.events() if event.name() == _MEMORY_EVENT]
    changes = (int(event.nbytes()) for event in sorted(events, key=lambda event: event.start_ns()))
    return max(itertools.accumulate(changes, initial=0))


@contextmanager
def _quiet_profiler() -> Iterator[None]:
    """Keep the profiler from printing when it starts and stops, unless the user asks for its log."""
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = "99"
    try:
        yield
    finally:
        del os.environ[_LOG_LEVEL]
