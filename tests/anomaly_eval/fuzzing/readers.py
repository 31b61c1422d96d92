"""What all fuzzed readers share: how many examples, what may happen, and how valid bytes are damaged."""

from __future__ import annotations

import os
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from anomaly_eval.errors import InputError

FACTOR = float(os.environ.get("GMMSEG_ANOMALY_FUZZ", "1"))
"""How many times the usual number of examples are tried; 14 took eleven minutes on a busy core."""
SECONDS = 5.0
"""Processor time that one example may take, on machines that others use too."""
MEGABYTES = 1000
"""By how much one example may raise the peak of the process's memory."""


def examples(usual: int) -> Callable[[Any], Any]:
    """Return the settings of a fuzzing test: always the same examples, or others each time where a factor is set."""
    return settings(
        derandomize="GMMSEG_ANOMALY_FUZZ" not in os.environ,
        max_examples=max(1, round(usual * FACTOR)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def only_input_errors() -> Iterator[None]:
    """Let pass success and InputError in one line, in bounded time and memory; anything else fails the test."""
    began, memory = time.thread_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except InputError as error:
            message = str(error)
            assert len(message) < 3000, message[:200]
            assert message.isprintable() and message.endswith("."), message[:200]
    assert time.thread_time() - began < SECONDS
    # Kilobytes on Linux.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MEGABYTES * 1000


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """Draw one of some valid contents with a few bytes changed, inserted, doubled or left out, or cut."""
    content = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.sampled_from(["set", "flip", "word", "insert", "remove", "double", "cut"])):
            case "set" if content:
                content[at] = draw(st.integers(0, 255))
            case "flip" if content:
                content[at] ^= 1 << draw(st.integers(0, 7))
            case "word":
                number = draw(st.sampled_from([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000]))
                content[at : at + 4] = number.to_bytes(4, draw(st.sampled_from(["big", "little"])))
            case "insert":
                content[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "remove":
                del content[at : at + draw(st.integers(1, 16))]
            case "double":
                content[at:at] = content[at : at + draw(st.integers(1, 32))]
            case "cut":
                del content[at:]
    return bytes(content)


ODD_TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "..", "../x", "/etc/passwd", "a\nb", "\x1b[2J", "a\0b", "<script>", r"\input{x}", "|", "{", "\ud7ff"]
    ),
    st.builds(lambda count: "a" * count, st.sampled_from([300, 5000])),
)
ODD_NUMBERS = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([2**31, 2**63, -(2**63), 10**30, 10**400]),
    st.floats(),
)
ODD_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), ODD_NUMBERS, ODD_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(ODD_TEXT, inner, max_size=4)),
    max_leaves=8,
)
"""What JSON and YAML can say in the place of anything."""


@st.composite
def rearranged(draw: st.DrawFn, original: Any, values: st.SearchStrategy[Any] = ODD_VALUES) -> Any:
    """Draw a tree of dictionaries and lists with one to three of its parts replaced, removed, doubled or renamed."""
    tree = original
    for _ in range(draw(st.integers(1, 3))):
        tree = _changed(draw, tree, values)
    return tree


def _changed(draw: st.DrawFn, tree: Any, values: st.SearchStrategy[Any]) -> Any:
    inner = isinstance(tree, dict | list) and len(tree) > 0
    if not inner or draw(st.integers(0, 3)) == 0:
        return draw(values)
    keys = sorted(tree, key=str) if isinstance(tree, dict) else list(range(len(tree)))
    key = draw(st.sampled_from(keys))
    what = draw(st.sampled_from(["deeper", "deeper", "deeper", "remove", "more"]))
    if isinstance(tree, dict):
        others = {name: value for name, value in tree.items() if name != key}
        if what == "remove":
            return others
        if what == "more":
            return {**tree, draw(ODD_TEXT): tree[key]}
        return {**others, key: _changed(draw, tree[key], values)}
    before, after = tree[:key], tree[key + 1 :]
    if what == "remove":
        return before + after
    if what == "more":
        return [*before, tree[key], tree[key], *after]
    return [*before, _changed(draw, tree[key], values), *after]
