"""Mean and deviation of groups in tables that rank them: beside the numbers, and in notes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from anomaly_eval.reports.comparison import PUBLISHED, PUBLISHED_WITH_MORE, Cell, ComparisonTable, Rank, Section
from anomaly_eval.reports.entries import Entries
from anomaly_eval.reports.groups import Group
from anomaly_eval.reports.notes import Note
from anomaly_eval.results.origins import is_mean_of_networks, networks_behind


def with_deviations(table: ComparisonTable, entries: Entries) -> ComparisonTable:
    """Return the table with the deviations of groups beside their means, and notes on what they are.

    Ranks stay those of the means: equal means share one, and whatever overlaps is named in a note.
    """
    deviations = {
        (entries.line_name(row.group, row.method), row.dataset, row.point, row.learnt_on, row.metric): row.sd
        for row in entries.group_rows
        if row.sd is not None and math.isfinite(row.sd)
    }

    def of_section(section: Section) -> Section:
        if section.title in (PUBLISHED, PUBLISHED_WITH_MORE):
            return section
        lines = []
        for line in section.lines:
            at = section.point, section.learnt_on
            cells = [
                tuple(
                    replace(
                        cell,
                        deviation=None if cell.value is None else deviations.get((line.name, name, *at, metric.key)),
                    )
                    for cell, metric in zip(row, table.metrics_of(index), strict=True)
                )
                for index, (name, row) in enumerate(zip(table.names, line.cells, strict=True))
            ]
            lines.append(replace(line, cells=tuple(cells)))
        return replace(section, lines=tuple(lines))

    found = replace(table, sections=tuple(map(of_section, table.sections)))
    metrics = {metric.key for metric in table.metrics}
    shown = {row.group for row in entries.group_rows if row.metric in metrics}
    notes = [_group_note(group) for group in entries.groups if group.name in shown]
    return replace(found, notes=(*found.notes, *notes, *_overlap_notes(found)))


def _group_note(group: Group) -> Note:
    """Say what runs a mean is over, and what of them are no other seeds."""
    listed = ", ".join(run.name for run in group.runs)
    if len(group.runs) == 1:
        text = f"{group.name}: one run ({listed}), so that there is no deviation"
    else:
        text = f"{group.name}: mean ± sample standard deviation (n - 1) over {len(group.runs)} runs ({listed})"
    return Note("", f"{'; '.join([text, *_no_seeds(group)])}.")


def _no_seeds(group: Group) -> list[str]:
    """Say which runs are means of networks, among others that are not, and which are of one network."""
    means = [run.name for run in group.runs if is_mean_of_networks(run.results.provenance.model)]
    texts = [f"among them means of several networks: {', '.join(means)}"] if 0 < len(means) < len(group.runs) else []
    alike: dict[tuple[str, ...], list[str]] = {}
    for run in group.runs:
        weights = tuple(model.checkpoint_sha256 for model in networks_behind(run.results.provenance.model))
        if weights and all(weights) and run.name not in means:
            alike.setdefault(weights, []).append(run.name)
    texts += [f"with the same weights: {', '.join(names)}" for names in alike.values() if len(names) > 1]
    return texts + ([f"left out, as means of these networks: {', '.join(group.left_out)}"] if group.left_out else [])


def _overlap_notes(table: ComparisonTable) -> list[Note]:
    """Say that ranks are those of means, and where the best and the next are within their deviations."""
    places = []
    for section in table.sections:
        if section.title in (PUBLISHED, PUBLISHED_WITH_MORE):
            continue
        for index, dataset in enumerate(table.datasets):
            columns = zip(*(line.cells[index] for line in section.lines), strict=True)
            touching = [
                metric.title
                for metric, cells in zip(table.metrics_of(index), columns, strict=True)
                if _best_and_next_overlap(cells)
            ]
            if touching:
                at = f" ({section.title})" if section.point else ""
                places.append(f"{dataset.title} {', '.join(touching)}{at}")
    text = "Best and second are by the mean; equal means share a rank."
    if places:
        text += f" Mean ± deviation of the best and of the next overlap: {'; '.join(places)}."
    return [Note("", text)]


def _best_and_next_overlap(cells: Sequence[Cell]) -> bool:
    """Whether the best of a column and one of the second, with different means, are within their deviations."""
    ranked = {rank: [cell for cell in cells if cell.rank is rank] for rank in (Rank.BEST, Rank.SECOND)}
    return any(
        abs(_number(best) - _number(second)) <= (best.deviation or 0.0) + (second.deviation or 0.0)
        for best in ranked[Rank.BEST]
        for second in ranked[Rank.SECOND]
    )


def _number(cell: Cell) -> float:
    return math.nan if cell.value is None else cell.value
