"""What the paper printed beside what a study measured."""

from __future__ import annotations

from collections.abc import Sequence

from anomaly_eval.metrics import registry
from anomaly_eval.metrics.registry import ECE, MIOU
from anomaly_eval.reports.comparison import Line, Section, ranked_cells
from anomaly_eval.reports.notes import Note
from anomaly_eval.reports.published_tables import read_published_table
from anomaly_eval.studies.ablation.plan import PlannedPublished, PlannedSection


def published_section(
    planned: PlannedPublished, section: PlannedSection, closed_set: Sequence[str | None], anomaly: Sequence[str]
) -> list[Section]:
    """Return the published rows of a section, and those that the plan leaves out; none where none has a number.

    closed_set: the dataset of the classes in the first column, empty without such a column. anomaly: the other ones.
    """
    named = {row.published for row in section.rows} | planned.missing.keys()
    rows = {name: found for name, found in read_published_table(planned.table).rows.items() if name in named}
    columns = [*((name, (MIOU, ECE)) for name in closed_set), *((name, registry.RANKING) for name in anomaly)]
    shown = [name for name, found in rows.items() if any(dataset in found for dataset, _ in columns)]
    if not shown:
        return []
    ranked = [
        ranked_cells([[[rows[name].get(dataset or "", {}).get(one.key) for one in metrics]] for name in shown], metrics)
        for dataset, metrics in columns
    ]
    lines = (Line(name, "", (), tuple(of_column[place][0] for of_column in ranked)) for place, name in enumerate(shown))
    return [Section(f"{section.title}, published", tuple(lines))]


def published_notes(planned: PlannedPublished | None) -> list[Note]:
    """Say where published rows come from, and why some are not measured."""
    if planned is None:
        return []
    source = read_published_table(planned.table).source
    return [
        Note("", f"Published rows are copied from {source}; other networks, so they are ranked apart."),
        *(Note("", f"{name}, published only: {reason}.") for name, reason in planned.missing.items()),
    ]
