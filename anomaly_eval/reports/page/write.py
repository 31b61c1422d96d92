"""The page as one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from anomaly_eval.reports.page.about import about_markup, lead_markup, page_title, warnings_markup
from anomaly_eval.reports.page.content import (
    AllLevels,
    Curves,
    Shown,
    level_picture,
    outline,
    sample_pictures,
    shown_datasets,
)
from anomaly_eval.reports.page.markup import escape, json_script
from anomaly_eval.reports.page.store import LONGEST_MAP, PageStore
from anomaly_eval.reports.page.table_markup import PageTable, table_markup
from anomaly_eval.reports.page.tables import page_tables
from anomaly_eval.reports.page.thumbnails import thumbnail_size
from anomaly_eval.results.records import DatasetRecord, Results
from anomaly_eval.runtime.output_folder import write_atomically

PAGE_FILE = "index.html"
SIZE_LIMIT = 52_000_000
"""Bytes that the pictures may take; maps are made smaller where they would take more."""
_SHORTEST_MAP = 120
_PROBED = 4
"""Images of a dataset whose maps are looked at beforehand."""
_SCRIPTS = ("elements", "tables", "state", "curves", "pictures", "paint", "list", "panels", "controls", "main")


@dataclass(frozen=True)
class Document:
    """What a page says beside curves and images; all but the title and the tables is markup."""

    title: str
    lead: str
    warnings: str
    tables: Sequence[PageTable]
    about: str


def write_page(
    store: PageStore,
    results: Results,
    curves: Curves,
    folder: Path,
    with_published: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the page of one run, `index.html`, into `folder` and return its path.

    curves: by (dataset, method), under the names of the results; may be empty. progress: called after each image
    with the number of images written and to write. Raises InputError where the file cannot be written.
    """
    document = Document(
        page_title(results),
        lead_markup(results),
        warnings_markup(results.warnings),
        list(page_tables(results, with_published)),
        about_markup(results),
    )
    return write_document(document, curves, results.datasets, store, folder, progress)


def write_document(
    document: Document,
    curves: Curves,
    records: Sequence[DatasetRecord],
    store: PageStore,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a page of whatever tables, with curves and the images of a store, both of which may be empty.

    Arguments and errors are those of `write_page`.
    """
    datasets = shown_datasets(store, curves)
    levels = {(name, method): store.levels(name, method) for name in store.datasets for method in store.methods(name)}
    longest = _longest_map(store, datasets, levels)
    # The program comes before the pictures, so that tables and curves are there while these are still read.
    parts = [
        _page(document, datasets, longest),
        json_script("page-data", outline(datasets, levels, curves, records)),
        f"<script>\n{_program()}</script>\n",
        *_pictures(store, datasets, levels, longest, progress),
        "</body>\n</html>\n",
    ]
    path = folder / PAGE_FILE
    # A file name that is no Unicode becomes a mark for an unknown character.
    write_atomically(path, b"".join(part.encode("utf-8", "xmlcharrefreplace") for part in parts))
    return path


def _page(document: Document, datasets: Sequence[Shown], longest: int) -> str:
    """Return the page down to its data."""
    shown = {
        "TITLE": escape(document.title),
        "STYLE": _asset("page.css"),
        "LEAD": document.lead,
        "WARNINGS": document.warnings,
        "TABLES": "".join(map(table_markup, document.tables)),
        "CURVES": _asset("curves.html") if datasets else "",
        "BROWSER": _asset("browser.html").replace("{{LONGEST}}", str(longest)) if _has_images(datasets) else "",
        "ABOUT": document.about,
    }
    first, *rest = _asset("page.html").split("{{")
    # Pieces are put in one by one: text from files may itself look like a place for one.
    return first + "".join(shown[name] + text for name, text in (piece.split("}}", 1) for piece in rest))


def _has_images(datasets: Sequence[Shown]) -> bool:
    return any(dataset.samples for dataset in datasets)


def _pictures(
    store: PageStore,
    datasets: Sequence[Shown],
    levels: AllLevels,
    longest: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[str]:
    """Yield an element for each image; its program reads it only when somebody looks at the image."""
    total, done = sum(len(dataset.samples) for dataset in datasets), 0
    for place, dataset in enumerate(datasets):
        for index, sample in enumerate(dataset.samples):
            yield json_script(f"pictures-{place}-{index}", sample_pictures(store, dataset, sample, levels, longest))
            done += 1
            if progress is not None:
                progress(done, total)


def _longest_map(store: PageStore, datasets: Sequence[Shown], levels: AllLevels) -> int:
    """Return how long the longer side of maps may be so that all pictures stay within the limit, by a sample."""
    n_maps = sum(len(sample.maps) for dataset in datasets for sample in dataset.samples)
    probed = [
        (dataset.name, sample, method)
        for dataset in datasets
        for sample in dataset.samples[:: max(1, len(dataset.samples) // _PROBED)]
        for method in sample.maps
    ]
    images = sum(len(store.image(sample)) for dataset in datasets for sample in dataset.samples)
    longest = LONGEST_MAP
    while probed and longest > _SHORTEST_MAP:
        sizes = []
        for dataset, sample, method in probed:
            size = thumbnail_size(store.label(sample).shape, longest)
            sizes.append(len(level_picture(store, sample, method, levels[dataset, method], size)))
        # Base64 takes 4 bytes for 3.
        if (images + n_maps * sum(sizes) / len(sizes)) * 4 / 3 <= SIZE_LIMIT:
            break
        longest = max(_SHORTEST_MAP, longest * 9 // 10)
    return longest


def _program() -> str:
    """Return the scripts as one, in a scope of its own."""
    scripts = "".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{scripts}}})();\n'


def _asset(name: str) -> str:
    """Read a file that ships with this package."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")
