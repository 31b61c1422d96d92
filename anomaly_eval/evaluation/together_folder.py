"""The folder of a run of several networks: what is in it is called by, and the report beside the folders of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.reports.comparable import NamedRun
from anomaly_eval.reports.comparison import ComparisonTable
from anomaly_eval.reports.entries import Entries
from anomaly_eval.reports.report import REPORT, report_of, write_record
from anomaly_eval.reports.request import FORMATS, ReportRequest
from anomaly_eval.runtime.file_names import file_names
from anomaly_eval.runtime.output_folder import RESULTS

TOGETHER = replace(REPORT, holds=RESULTS)
"""A report, and a folder of results for each network."""


def folder_names(networks: Sequence[str], means: Sequence[str]) -> dict[str, str]:
    """Return what the folders of networks and of their means are called; raises InputError for unfit names."""
    for name in networks:
        if not name or not name.isprintable():
            raise InputError(f"a network cannot be called {name!r}; choose names that can be read.")
        if name in means:
            raise InputError(f"a network cannot be called {name!r}, as a mean of all is; choose another name.")
    files = file_names([*networks, *means])
    # Some file systems do not tell upper from lower case.
    taken = {entry.casefold() for entry in REPORT.entries}
    for name, file in files.items():
        if file.casefold() in taken:
            raise InputError(f"a network cannot be called {name!r}, as a file of the report is; choose another name.")
    return files


def write_report(
    runs: Sequence[NamedRun], request: EvaluationRequest, folder: Path, warn: Callable[[str], None]
) -> list[ComparisonTable]:
    """Write the tables of all networks beside their folders, and return them; none, with a warning, where that fails.

    request: what all networks were evaluated by. Raises OSError where nothing can be written.
    """
    entries, measures = Entries(runs, [], []), request.measures
    of_report = ReportRequest(
        out=request.out,
        formats=[name for name in FORMATS if request.page or name != "html"],
        with_published=request.with_published,
        intervals=bool(measures.resamples),
        resamples=measures.resamples,
        seed=measures.seed,
        figures=request.figures,
        command=request.command,
    )
    try:
        report = report_of(entries, of_report)
        report.write(folder)
    except OSError:
        raise
    except Exception as error:
        # What took hours is not to be lost to a table, whatever is wrong with it.
        reason = str(error).removesuffix(".") if isinstance(error, InputError) else repr(error)
        warn(f"there is no table of all networks, but one of each ({reason})")
        write_record(entries, replace(of_report, formats=[]), folder)
        return []
    return list(report.tables.values())
