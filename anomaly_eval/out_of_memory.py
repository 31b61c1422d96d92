"""Telling errors of a memory that does not suffice from others."""

from __future__ import annotations

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
