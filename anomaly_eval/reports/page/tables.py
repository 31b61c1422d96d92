"""Which tables the page has: those of the other reports, and what else the results hold."""

from __future__ import annotations

from collections.abc import Iterator

from anomaly_eval.metrics import registry
from anomaly_eval.reports.closed_set import compare_closed_set
from anomaly_eval.reports.comparison import ComparisonTable, compare
from anomaly_eval.reports.components_and_per_image import compare_components, compare_per_image
from anomaly_eval.reports.operating_points import compare_operating_points
from anomaly_eval.reports.page.table_markup import Column, PageTable, TableCell, count_cell, rate_cell
from anomaly_eval.reports.published import read_published, read_published_closed_set
from anomaly_eval.results.records import Results
from anomaly_eval.results.titles import dataset_title, method_name


def page_tables(results: Results, with_published: bool) -> Iterator[PageTable]:
    """Yield the tables of what was evaluated, the most wanted first."""
    has_anomalies = any(record.task == "anomaly" for record in results.datasets)
    if results.rows or (has_anomalies and not results.operating_points):
        yield page_table(compare(results, read_published() if with_published else ()))
    if results.differences:
        yield differences_table(results)
    if results.per_image:
        yield page_table(compare_per_image(results))
    if results.components:
        yield page_table(compare_components(results))
    if results.operating_points:
        yield page_table(compare_operating_points(results))
    if results.closed_set:
        published = read_published_closed_set() if with_published else ()
        yield page_table(compare_closed_set(results, published))
    for row in results.closed_set:
        yield _classes(results, row.dataset)
    yield _datasets(results)


def page_table(table: ComparisonTable) -> PageTable:
    """Lay out a table that other renderings show as well: columns are the metrics, grouped by dataset."""
    table = table.in_little_room()
    columns = [
        Column("Method", numeric=False, falling_first=False),
        *(Column(setting, numeric=False, falling_first=False) for setting in table.settings),
        *(
            Column(metric.heading, str(dataset), falling_first=metric.higher_is_better)
            for index, dataset in enumerate(table.datasets)
            for metric in table.metrics_of(index)
        ),
    ]
    sections = [
        (
            section.title,
            [
                [
                    TableCell(line.name, mark=line.mark),
                    *map(TableCell, line.settings),
                    *(
                        TableCell(cell.text, cell.value, cell.rank, cell.spread_text)
                        for cells in line.cells
                        for cell in cells
                    ),
                ]
                for line in section.lines
            ],
        )
        for section in table.sections
    ]
    notes = [f"{note.mark} {note.text}".strip() for note in table.notes]
    return PageTable(f"{table.subject}. {table.unit}.", columns, sections, notes)


def differences_table(results: Results) -> PageTable:
    """Lay out the differences of all pairs of methods."""
    texts = [Column(title, numeric=False, falling_first=False) for title in ("Dataset", "Method", "Minus", "Metric")]
    numbers = [Column(title) for title in ("Difference", "Low", "High")]
    titles = {metric.key: metric.title for metric in registry.RANKING}
    rows = [
        [
            TableCell(dataset_title(row.dataset, results.datasets)),
            TableCell(method_name(row.method)),
            TableCell(method_name(row.other)),
            TableCell(titles.get(row.metric, row.metric)),
            *map(rate_cell, (row.difference, row.low, row.high)),
        ]
        for row in results.differences
    ]
    note = "Low and high bound the middle 95 % of the difference over resamples of the images."
    return PageTable("Differences between methods, in points", [*texts, *numbers], [("", rows)], [note])


def _classes(results: Results, dataset: str) -> PageTable:
    """Lay out the classes of a closed-set dataset."""
    columns = [
        Column("Class", numeric=False, falling_first=False),
        *(Column(metric.heading, falling_first=metric.higher_is_better) for metric in registry.CLASSES),
        Column("Labelled pixels"),
        Column("Predicted pixels"),
    ]
    rows = [
        [
            TableCell(row.name),
            *(rate_cell(row.metrics.get(metric.key), metric.unit.digits) for metric in registry.CLASSES),
            count_cell(row.n_label_pixels),
            count_cell(row.n_predicted_pixels),
        ]
        for row in results.closed_set_classes
        if row.dataset == dataset
    ]
    return PageTable(f"Classes of {dataset_title(dataset, results.datasets)}, in percent", columns, [("", rows)])


def _datasets(results: Results) -> PageTable:
    """Lay out which images stood behind the numbers."""
    columns = [
        Column("Dataset", numeric=False, falling_first=False),
        Column("Layout", numeric=False, falling_first=False),
        *map(Column, ("Images", "Expected", "Without anomaly", "Void pixels")),
        Column("Sizes", numeric=False, falling_first=False),
        Column("Hash of the files", numeric=False, falling_first=False),
    ]
    rows = [
        [
            TableCell(record.title),
            TableCell(record.layout),
            *map(
                count_cell,
                (record.n_images, record.expected_images, record.n_images_without_anomaly, record.n_void_pixels),
            ),
            TableCell(", ".join(f"{width} x {height}" for width, height in record.image_sizes)),
            TableCell(record.files_sha256[:12]),
        ]
        for record in results.datasets
    ]
    return PageTable("Images evaluated", columns, [("", rows)])
