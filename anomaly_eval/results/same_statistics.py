"""Whether scores that learn are used with the statistics that something was chosen with."""

from __future__ import annotations

from anomaly_eval.results.origins import SHIPPED_STATISTICS, FitRecord
from anomaly_eval.results.same_network import shown


def statistics_difference(before: FitRecord, now: FitRecord) -> str | None:
    """Say in what the statistics of a score differ from those of before; None where both learnt from the same.

    Of one network, which is compared elsewhere, the same images and labels give the same statistics, whether `fit`
    wrote them, an evaluation fitted them or they ship: tensors are not compared, as their last bits depend on the
    processor. Notes tell what files do not: classes that a card leaves out, and what other members of a mean learnt
    from.
    """
    if (before.dataset, before.files_sha256) != (now.dataset, now.files_sha256):
        return f"statistics of {_source(before)}, and now there are those of {_source(now)}"
    then, today = (set(one.notes) - {SHIPPED_STATISTICS} for one in (before, now))
    if then != today:
        return (
            f"statistics of {_source(before)} with another note ({shown('; '.join(sorted(then - today)))}, now "
            f"{shown('; '.join(sorted(today - then)))})"
        )
    return None


def _source(fit: FitRecord) -> str:
    return f"{shown(fit.dataset)} ({shown(fit.files_sha256)})"
