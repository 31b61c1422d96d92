"""Whether a study goes on from what a folder holds: finished results must be those that its plan would make."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gmmseg.training.identity import first_difference


def study_difference(
    old: Mapping[str, Any], new: Mapping[str, Any], made: Collection[str]
) -> tuple[str, str, str] | None:
    """Return the name of the first difference that matters between two records of studies, and both values.

    What matters is seed, length, start, what is for all networks, and the networks that are `made`, if only in part.
    Titles, rows, and networks of which nothing is there do not.
    Raises KeyError or TypeError where a record is none.
    """
    return first_difference(_settled(old, made), _settled(new, made), "study")


def changed_config(old: Mapping[str, Any], new: Mapping[str, Any], made: Collection[str]) -> str | None:
    """Return the first network that is `made` and whose config is another one now, None where there is none.

    A network whose config only one of the records has is not compared.
    """
    before, now = old.get("configs_sha256", {}), new["configs_sha256"]
    changed = (name for name in sorted(made) if name in before and before[name] != now.get(name, before[name]))
    return next(changed, None)


def _settled(study: Mapping[str, Any], made: Collection[str]) -> dict[str, Any]:
    plan = study["plan"]
    return {
        **{name: study[name] for name in ("seed", "iterations", "init_from_sha256")},
        **{name: plan[name] for name in ("options", "resize", "resize_closed_set", "resamples", "datasets")},
        "networks": {name: plan["networks"].get(name) for name in sorted(made)},
    }
