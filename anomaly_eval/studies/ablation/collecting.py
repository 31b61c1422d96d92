"""The numbers of a study, read back from what its steps wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.registry import ECE, MIOU
from anomaly_eval.reports.combining import combine, read_run
from anomaly_eval.reports.comparable import NamedRun, differences
from anomaly_eval.results.records import Results
from anomaly_eval.studies.ablation.plan import AblationPlan, PlannedRow
from anomaly_eval.studies.ablation.records import AblationRow
from anomaly_eval.studies.calibration.records import CalibrationFindings


@dataclass(frozen=True)
class NetworkFindings:
    """What was found of one network: of anomalies, and of classes, each None without a dataset for it."""

    anomalies: Results | None
    closed_set: Results | None
    calibration: CalibrationFindings | None

    @property
    def closed_set_name(self) -> str | None:
        """The dataset of its classes."""
        return None if self.closed_set is None else self.closed_set.closed_set[0].dataset

    @property
    def miou(self) -> float | None:
        """Mean IoU in percent."""
        return None if self.closed_set is None else self.closed_set.closed_set[0].metrics[MIOU.key]

    @property
    def ece(self) -> float | None:
        """Expected calibration error in percent."""
        return None if self.calibration is None else self.calibration.rows[0].metrics[ECE.key]


def read_findings(folder: Path, plan: AblationPlan, networks: Sequence[str]) -> dict[str, NetworkFindings]:
    """Read what the evaluations of these networks wrote.

    Raises InputError for files that are damaged, and for networks that were not evaluated on the same images.
    """
    found = {}
    for name in networks:
        with_classes = plan.closed_set_of(name) is not None
        found[name] = NetworkFindings(
            read_run(folder / "evaluation" / name) if plan.datasets.anomaly else None,
            read_run(folder / "closed_set" / name) if with_classes else None,
            _read_calibration(folder / "calibration" / name / "calibration.json") if with_classes else None,
        )
    for kind in ("evaluation", "closed_set"):
        runs = runs_of(found, kind)
        if differing := differences(runs):
            raise InputError(
                f"these networks must not be compared: {differing[0].text}; delete the folders of both in "
                f"{folder / kind} and run again."
            )
    return found


def runs_of(found: dict[str, NetworkFindings], kind: str) -> list[NamedRun]:
    """Return the runs of one kind, `evaluation` or `closed_set`, of all networks."""
    runs = []
    for name, findings in found.items():
        results = findings.anomalies if kind == "evaluation" else findings.closed_set
        if results is not None:
            runs.append(NamedRun(name, Path(kind, name), results))
    return runs


def combined(found: dict[str, NetworkFindings], kind: str) -> Results | None:
    """Return the results of all networks as one, None where there are none."""
    runs = runs_of(found, kind)
    return combine(runs, mixed=True) if runs else None


def ablation_rows(
    plan: AblationPlan, chosen: Sequence[PlannedRow], found: dict[str, NetworkFindings]
) -> list[AblationRow]:
    """Return a line for each chosen row, score and anomaly dataset, in the order of the plan.

    A row without scores has one line, of its classes.
    """
    lines: list[AblationRow] = []
    for section in plan.sections:
        for row in (row for row in section.rows if row in chosen):
            findings = found[row.network]
            of_network = {"closed_set": findings.closed_set_name, "miou": findings.miou, "ece": findings.ece}
            if findings.anomalies is None:
                names = {"section": section.title, "row": row.name, "network": row.network}
                nothing: dict[str, Any] = {"score": None, "dataset": None, "metrics": {}, "n_images": 0}
                lines.append(AblationRow.model_validate({**names, **nothing, **of_network}))
                continue
            for score in row.scores:
                for measured in findings.anomalies.rows:
                    if measured.method != score:
                        continue
                    bounds = {
                        one.metric: (one.low, one.high)
                        for one in findings.anomalies.intervals
                        if (one.dataset, one.method) == (measured.dataset, score)
                    }
                    numbers: dict[str, float | None] = {}
                    for key, value in measured.metrics.items():
                        low, high = bounds.get(key, (None, None))
                        numbers |= {key: value, f"{key}_low": low, f"{key}_high": high}
                    names = {"section": section.title, "row": row.name, "network": row.network, "score": score}
                    fields = {**names, "metrics": numbers, **of_network}
                    fields |= {"dataset": measured.dataset, "n_images": measured.n_images}
                    lines.append(AblationRow.model_validate(fields))
    return lines


def _read_calibration(path: Path) -> CalibrationFindings:
    try:
        return CalibrationFindings.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path} cannot be read or is damaged; delete its folder and run again.") from error
