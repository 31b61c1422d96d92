"""Records as CSV files for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from anomaly_eval.results.record import Record


def csv_of(kind: type[Record], rows: Sequence[Record]) -> str:
    """Return the rows with the columns of `kind`; numbers read back are exactly those measured."""
    return _csv(kind.columns(), [row.model_dump() for row in rows])


def csv_of_runs(kind: type[Record], rows: Mapping[str, Sequence[Record]]) -> str:
    """Return the rows of several runs, after a column with the run's name."""
    listed = [{"run": run, **row.model_dump()} for run, own in rows.items() for row in own]
    return _csv(["run", *kind.columns()], listed)


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
