"""What to do where the values in masks do not mean what their dataset card says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anomaly_eval.datasets.cards import DatasetCard, Layout
from anomaly_eval.datasets.images import read_mask
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID

_MEANINGS = {INLIER: "inlier", ANOMALY: "anomaly", VOID: "void"}


def in_a_copy(card: Path | None) -> str:
    """Say where the labels of a dataset can be changed, whether its card is the user's or comes with the project."""
    return f"in a copy of {card}, given as --dataset COPY.yaml" if card is not None else "in the card"


def listed_values(values: Sequence[int], limit: int = 10) -> str:
    """Write values as `0-18, 255`, and at most `limit` runs of them."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(words[:limit]) + (" and more" if len(words) > limit else "")


def unranked(card: DatasetCard, layout: Layout, masks: Sequence[Path]) -> str:
    """Say which values masks of an anomaly dataset hold, and which setting of the card gives them the other meaning.

    For masks of which none has an anomaly, or none an inlier. All can be read, and the card names all their values.
    """
    values = sorted({int(value) for mask in masks for value in np.unique(read_mask(mask))})
    table = card.label_table(layout)
    found = ", ".join(f"{value} ({_MEANINGS[table[value]]})" for value in values)
    lacking = "anomaly" if not any(table[value] == ANOMALY for value in values) else "inlier"
    holds = f"its masks hold only {found}"
    if len(values) == 1:
        return f"{holds}; give masks that also hold a value of the kind {lacking}"
    # The highest is mostly what was drawn; where there are anomalies, void is the only one that is none.
    meant = values[-1] if lacking == "anomaly" else next((value for value in values if table[value] == VOID), values[0])
    rest = [value for value in values if value != meant]
    meanings = {"anomaly": [meant], "inlier": rest} if lacking == "anomaly" else {"inlier": [meant], "anomaly": rest}
    labels = f"labels: {{inlier: {meanings['inlier']}, anomaly: {meanings['anomaly']}}}"
    place = f" of the layout {layout.name}" if layout.labels is not None else ""
    return f"{holds}; if {meant} is the {lacking}, write `{labels}`{place} {in_a_copy(card.path)}"
