"""What this process asks of the machine, such as the fast sort, and how it tells that the memory does not suffice."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_SWITCH = "NPY_DISABLE_CPU_FEATURES"


def prefer_fast_sort(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Have numpy sort with AVX2 rather than AVX-512 on AMD Zen 4, where that is six times faster.

    Zen 4 runs the AVX-512 compress-store that numpy's sort is built on in microcode (numpy/x86-simd-sort, issue 6).
    numpy reads its switch only when it is imported, so this does nothing afterwards, nor where the user has set it.
    """
    if "numpy" in sys.modules or _SWITCH in os.environ or not is_zen4(cpuinfo):
        return
    try:
        major, minor = (int(part) for part in version("numpy").split(".")[:2])
    except (PackageNotFoundError, ValueError):
        return
    if (major, minor) >= (2, 4):
        os.environ[_SWITCH] = "X86_V4 AVX512_ICL AVX512_SPR"
    elif major >= 2:
        os.environ[_SWITCH] = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"


def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed arrays for the next ones, rather than return it at every image.

    Getting pages back from the system costs as much as filling them; a run repeats the same allocations for each image.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_MMAP_THRESHOLD, 1 << 30)
            mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)


def usable_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return what the first processor calls itself, else its architecture; another one may round sums otherwise."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name") and ":" in line)
    return next(filter(None, named), platform.processor() or platform.machine() or "unknown")


def is_zen4(cpuinfo: Path) -> bool:
    """Whether the first processor listed is AMD's family 25 (Zen 3 and 4) with AVX-512, which only Zen 4 has."""
    try:
        first = cpuinfo.read_text(errors="replace").split("\n\n", 1)[0]
    except OSError:
        return False
    fields = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    values = {name.strip(): value.strip() for name, value in fields.items()}
    return (
        values.get("vendor_id") == "AuthenticAMD"
        and values.get("cpu family") == "25"
        and "avx512f" in values.get("flags", "").split()
    )


def free_memory(meminfo: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return which part of the memory is free, of the machine or of this container; None where nobody tells."""
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        found = int(lines["MemAvailable"].split()[0]) / int(lines["MemTotal"].split()[0])
    except (OSError, ValueError, KeyError, IndexError, ZeroDivisionError):
        return None
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        counted = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        # Of files that were read, which the system lets go of when it needs the room.
        cached = int(counted["inactive_file"])
    except (OSError, ValueError, KeyError):
        # Without a limit the file says so in a word.
        return found
    return min(found, 1 - (used - cached) / limit) if limit else found


_OF_OPENCV = -4


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: in Python, in PyTorch on a GPU or on the CPU, or in OpenCV."""
    # By name and text, as PyTorch has no class for the CPU, and as looking must not import it.
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text))
        or (type(error).__module__ == "cv2" and getattr(error, "code", None) == _OF_OPENCV)
    )
