"""What `gmmseg-anomaly datasets get` prints: how to get a dataset, and what is wrong with what was unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from anomaly_eval.cli.dataset_listing import check_samples
from anomaly_eval.datasets.cards import DatasetCard, load_card
from anomaly_eval.datasets.layouts import fill_template
from anomaly_eval.datasets.samples import resolve_data_root, scan_samples
from anomaly_eval.errors import InputError


def print_steps(console: Console, progress_console: Console, reference: str, given_root: Path | None) -> bool:
    """Print how to get a dataset; where something of it is there, check it, and return whether nothing is wrong.

    Raises InputError for a dataset that is not known, and for a data root that was given and is no folder.
    """
    card, variant = load_card(reference)
    for line in _steps(card, variant):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    try:
        root = resolve_data_root(given_root)
    except InputError:
        if given_root is not None:
            raise
        console.print("\nWith --data-root DIR, what lies there is checked.", highlight=False, markup=False)
        return True
    try:
        samples = scan_samples(card, variant, root)
    except InputError as error:
        console.print(f"\nNot there yet: {error}", highlight=False, soft_wrap=True, markup=False)
        return True
    console.print(f"\nFound under {root}:", highlight=False, soft_wrap=True, markup=False)
    return check_samples(console, progress_console, samples)


def _steps(card: DatasetCard, variant: str) -> Iterator[str]:
    yield f"{card.title_of(variant)} ({card.spec(variant)})"
    yield f"from: {card.url or 'the card does not say'}"
    yield f"licence: {card.licence or 'not verified; read it at the source'}"
    yield f"expected: {_expected(card, variant)}"
    if len(card.variants) > 1:
        yield f"variants: {', '.join(card.spec(other) for other in card.variants)}"
    yield "\nHow to get it:"
    yield from _indented(card.how_to_get or "The card does not say.")
    yield "\nWhere its files lie under the data root then, one of:"
    for layout in card.layouts_of(variant):
        places = (fill_template(templates[0], card.name, variant) for templates in (layout.images, layout.masks))
        yield f"  {' with '.join(places)} ({layout.name})"
    if card.search_folders[1:]:
        yield f"  {card.name} may also be called {', '.join(card.search_folders[1:])}."
    if card.notes is not None:
        yield "\nWhat to know of it:"
        yield from _indented(card.notes)


def _expected(card: DatasetCard, variant: str) -> str:
    wanted = card.variants[variant]
    parts = [
        f"{wanted.images} images" if wanted.images is not None else "a number of images that the card does not say"
    ]
    if card.size is not None:
        parts.append(f"{card.size[0]}x{card.size[1]} pixels each")
    if wanted.anomaly_percent is not None:
        parts.append(f"{wanted.anomaly_percent} % of the pixels anomalies")
    return ", ".join(parts)


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.rstrip().splitlines()]
