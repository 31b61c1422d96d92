"""Denormal numbers as zeros: for each below 1.2e-38, some processors take a hundred times as long as for any other."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Compute with zeros in the place of denormal numbers, in this thread and in those that compute for it.

    Weights alone would not do, as activations and gradients become denormal too. Afterwards all these threads do as
    this one did before. Contexts may be nested, and each Python thread has its own; as a decorator, each call has.
    """
    before = sys.float_info.min / 2 == 0
    try:
        _flush(True)
        yield
    finally:
        _flush(before)


def _flush(on: bool) -> None:
    """Turn flushing on or off; torch by itself tells this thread, and its OpenMP threads only when they are created."""
    threads = torch.get_num_threads()
    if not torch.set_flush_denormal(on) or threads == 1:
        return
    # The OpenMP library that torch computes with, whatever its name; Linux alone has this entry.
    library = ctypes.CDLL(torch._C.__file__)
    parallel = getattr(library, "GOMP_parallel", None)
    if parallel is not None:
        # Flushing is part of C's floating-point environment, which every thread takes over from this one.
        environment = ctypes.create_string_buffer(256)
        library.fegetenv(environment)
        parallel(library.fesetenv, environment, ctypes.c_uint(threads), ctypes.c_uint(0))
