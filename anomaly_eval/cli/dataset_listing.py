"""What `gmmseg-anomaly datasets` prints."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from anomaly_eval.datasets.cards import load_card, shipped_cards
from anomaly_eval.datasets.check import CheckReport, DatasetListing, check_dataset, list_datasets
from anomaly_eval.datasets.samples import SampleSet, resolve_data_root, scan_samples
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.progress import progress_bar


def print_datasets(console: Console, given_root: Path | None) -> None:
    """Print every known dataset and what is found of it; without any data root, the datasets alone."""
    try:
        root = resolve_data_root(given_root)
    except InputError as error:
        if given_root is not None:
            raise
        listings, place = list_datasets(Path("datasets")), str(error)
    else:
        listings, place = list_datasets(root), f"Found under {root}."
    aliases = {card.name: card.aliases for card in shipped_cards()}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "dataset", "task", "images", "layout"):
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for listing in listings:
        name = "\n".join([listing.name, *(f"({alias})" for alias in aliases.get(listing.name, ()))])
        table.add_row(name, listing.title, listing.task, _count(listing), listing.layout or "—")
    console.print(table)
    console.print(place, highlight=False, soft_wrap=True, markup=False)
    for listing in listings:
        if listing.problem:
            console.print(f"{listing.name}: {listing.problem}", highlight=False, soft_wrap=True, markup=False)


def print_check(console: Console, progress_console: Console, reference: str, data_root: Path | None) -> bool:
    """Check one dataset, print the report, and return whether nothing is wrong with the files that are there."""
    card, variant = load_card(reference)
    return check_samples(console, progress_console, scan_samples(card, variant, resolve_data_root(data_root)))


def check_samples(console: Console, progress_console: Console, samples: SampleSet) -> bool:
    """Check the samples that were found, print the report, and return whether nothing is wrong with them."""
    with progress_bar(progress_console, f"checking {samples.spec}", len(samples.samples)) as advance:
        report = check_dataset(samples, lambda done, total: advance())
    for line in _report_lines(report):
        console.print(line, highlight=False, soft_wrap=True)
    return report.passed


def _count(listing: DatasetListing) -> str:
    if listing.layout is None:
        return "—" if listing.expected is None else f"— of {listing.expected}"
    return str(listing.found) if listing.expected is None else f"{listing.found} of {listing.expected}"


def _report_lines(report: CheckReport) -> list[str]:
    """Write a report as lines in rich's markup."""
    expected = "" if report.expected is None else f" of {report.expected} expected"
    sizes = ", ".join(f"{width}x{height} ({count})" for (width, height), count in report.sizes.items())
    lines = [f"{report.spec} ({report.layout} layout): {report.found}{expected} images, {sizes or 'none readable'}"]
    if report.anomaly_percent is not None:
        known = report.expected_anomaly_percent
        beside = "" if known is None else f" (the whole set has {known} %)"
        lines.append(f"anomaly pixels: {report.anomaly_percent:.4g} % of all{beside}")
        lines.append(f"images without an anomaly pixel: {len(report.images_without_anomaly)}")
        lines += [f"  {escape(str(path))}" for path in report.images_without_anomaly]
    if not report.complete:
        lines.append("[yellow]not the whole set:[/] tables will mark its numbers")
    lines += [f"[red]wrong:[/] {escape(problem)}" for problem in report.problems]
    if report.passed:
        lines.append("[green]nothing is wrong with these files[/]")
    return lines
