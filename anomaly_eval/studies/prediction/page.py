"""`index.html`: all images, small, beside their classes, in one file that needs no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.reports.page.markup import definitions, escape
from anomaly_eval.reports.page.thumbnails import jpeg
from anomaly_eval.studies.prediction.records import ImageRecord

MOST = 200
"""Images that a page shows, evenly chosen, so that a browser can hold it."""
_LONGEST = 560
_STYLE = """
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 560px), 1fr)); gap: 20px 28px; }
.images figure { margin: 0; }
.images div { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
.images img { width: 100%; display: block; }
.images figcaption { font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
.colours { display: flex; flex-wrap: wrap; gap: 4px 16px; padding: 0; list-style: none; font-size: 13px; }
.colours span { display: inline-block; width: 12px; height: 12px; margin-right: 6px; border: 1px solid #888; }
"""


class PredictionPage:
    """Writes the page image by image. Use the file that it is given as a context manager around it."""

    def __init__(self, file: IO[str], title: str, lead: Sequence[str], legend: Sequence[tuple[str, Sequence[int]]],
                 expected: int | None) -> None:  # fmt: skip
        """Begin the page. legend: names of classes with their colours. expected: how many images may come."""
        self._file, self._seen, self.shown = file, 0, 0
        self._every = max(1, -(-(expected or 1) // MOST))
        style = files("anomaly_eval.reports.page").joinpath("assets", "page.css").read_text(encoding="utf-8") + _STYLE
        colours = "".join(
            f'<li><span style="background: rgb({",".join(map(str, colour))})"></span>{escape(name)}</li>'
            for name, colour in legend
        )
        file.write(
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
            f'<link rel="icon" href="data:,">\n<style>\n{style}</style>\n</head>\n<body>\n<header>\n'
            f'<h1>{escape(title)}</h1>\n<p class="lead">{" · ".join(map(escape, lead))}</p>\n'
            f'<ul class="colours">{colours}</ul>\n</header>\n<main>\n<section class="images">\n'
        )

    def add(self, record: ImageRecord, overlay: NDArray[np.uint8], classes: NDArray[np.uint8]) -> None:
        """Show an image, if it is one of those that the page has room for; both pictures are (height, width, 3) RGB."""
        self._seen += 1
        if (self._seen - 1) % self._every or self.shown == MOST:
            return
        self.shown += 1
        known = "" if record.unknown is None else f", {record.unknown:.2f} % unknown"
        self._file.write(
            f"<figure><div>{_linked(overlay, record.overlay, f'scores of {record.name}')}"
            f"{_linked(classes, record.classes, f'classes of {record.name}')}</div>"
            f"<figcaption>{escape(record.name)}{known}</figcaption></figure>\n"
        )

    def finish(self, about: Sequence[tuple[str, str]]) -> None:
        """End the page with where it comes from."""
        left_out = f'<p class="hint">{self.shown} of {self._seen} images.</p>\n' if self.shown < self._seen else ""
        self._file.write(
            f"</section>\n{left_out}<section><h2>About this run</h2>{definitions(about)}</section>\n"
            f"</main>\n</body>\n</html>\n"
        )


def write_to(path: Path) -> IO[str]:
    """Open a page; names that are no Unicode become a mark for an unknown character."""
    return path.open("w", encoding="utf-8", errors="xmlcharrefreplace")


def _linked(picture: NDArray[np.uint8], file: str | None, what: str) -> str:
    """Return a small picture, which leads to the large one where there is a file."""
    image = f'<img alt="{escape(what)}" src="data:image/jpeg;base64,{b64encode(jpeg(picture, _LONGEST)).decode()}">'
    return image if file is None else f'<a href="{escape(file)}">{image}</a>'
