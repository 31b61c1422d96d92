"""Figures to files: the same figure gives the same bytes, and a file appears whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure
from matplotlib.text import Text

from anomaly_eval.reports.figures.style import legible, paper_style
from anomaly_eval.runtime.output_folder import write_atomically

Format = Literal["pdf", "png"]
FORMATS: tuple[Format, ...] = ("pdf", "png")
# Nobody's date goes into the bytes.
_METADATA: dict[Format, dict[str, None]] = {"pdf": {"CreationDate": None}, "png": {}}


def file_of(figure: Figure, format: Format) -> bytes:
    """Return the figure as a PDF with embedded Type 42 fonts, or as a PNG with 300 pixels an inch."""
    file = io.BytesIO()
    # Fonts and resolution are looked up only now.
    with paper_style():
        for text in figure.findobj(Text):
            if not text.get_text().isascii():
                text.set_text(legible(text.get_text()))
        figure.savefig(file, format=format, metadata=_METADATA[format])
    return file.getvalue()


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write STEM.pdf and STEM.png, and return both paths; raises InputError where a file cannot be written."""
    contents = {beside(stem, format): file_of(figure, format) for format in FORMATS}
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def beside(stem: Path, suffix: str) -> Path:
    """Return STEM.suffix, also for a stem with dots, such as `msp-0.5`."""
    return stem.parent / f"{stem.name}.{suffix}"
