"""What one report is made of; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from anomaly_eval.runtime.lone_values import TakesLoneValues
from anomaly_eval.runtime.option_fields import MAX_SEED, Asked

FORMATS = ("tex", "csv", "md", "html")


@dataclass(frozen=True)
class ReportRequest(TakesLoneValues):
    """All that one report depends on; options of the command line, too."""

    runs: Annotated[
        Sequence[Path], Asked("Folders that `eval` wrote, of one network or of several.", is_argument=True)
    ] = ()
    out: Annotated[Path, Asked("Folder for the report.")] = Path("report")
    names: Annotated[Sequence[str], Asked("What tables call the single runs. Default: their folders.")] = ()
    groups: Annotated[
        Sequence[str],
        Asked(
            "Runs of several seeds that share a row, mean ± deviation: NAME=RUN,RUN,RUN.", "--group", names="folders"
        ),
    ] = ()
    formats: Annotated[Sequence[str], Asked("Formats of the tables.", "--format")] = FORMATS
    label: Annotated[
        str | None, Asked("How labels of the LaTeX tables begin, tab:LABEL-..., for papers with several reports.")
    ] = None
    with_published: Annotated[bool, Asked("Add the published rows to the tables.")] = False
    intervals: Annotated[
        bool, Asked("Show intervals in the tables: of --bootstrap, else those that the runs have.")
    ] = False
    resamples: Annotated[
        int,
        Asked(
            "Resamples of the images, such as 1000, for intervals and differences over all runs, on the same draws.",
            "--bootstrap",
            min=0,
            max=100_000,
        ),
    ] = 0
    seed: Annotated[int | None, Asked("Seed of the resamples of --bootstrap. Default: 0.", min=0, max=MAX_SEED)] = None
    figures: Annotated[bool, Asked("Also draw curves and histograms of all runs.")] = False
    mixed: Annotated[bool, Asked("Put runs together that differ in conventions, and say so in a footnote.")] = False
    overwrite: Annotated[bool, Asked("Replace an earlier report in --out.")] = False
    command: Sequence[str] = ()
