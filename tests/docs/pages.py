"""The README and the pages of docs/, taken apart: what their examples are and where they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    """Return how a page is called in test ids."""
    return str(page.relative_to(CHECKOUT))


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M)


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def inline_code(page: Path) -> list[str]:
    """Return what stands between backticks in the text, on one line."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(page))]


def shell_lines(page: Path) -> Iterator[list[str]]:
    """Yield the words of each line of the shell blocks, continued lines joined and comments left out."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


def commands(page: Path) -> list[list[str]]:
    """Return the words after `gmmseg-anomaly`, or after `-m anomaly_eval`, of the lines that run it."""
    found = []
    for words in shell_lines(page):
        if words[:1] == ["gmmseg-anomaly"]:
            found.append(words[1:])
        elif "anomaly_eval" in words and words[words.index("anomaly_eval") - 1] == "-m":
            found.append(words[words.index("anomaly_eval") + 1 :])
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors that forges and the site make of the headings."""
    headings = re.findall(r"^#{1,6} (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
