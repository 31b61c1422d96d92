"""Reading a plan: one that ships, by its name, or a file."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from anomaly_eval.errors import InputError, nearest
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.runtime.shipped import shipped_folder
from anomaly_eval.runtime.strict_yaml import first_problem, parse_card
from anomaly_eval.studies.ablation.plan import AblationPlan

_LARGEST = 1 << 20


def load_plan(reference: str) -> AblationPlan:
    """Return the plan that NAME or FILE.yaml stands for.

    Raises InputError for an unknown name, and for a file that is missing or wrong; the first mistake is named.
    """
    path = Path(reference).expanduser() if reference.lower().endswith((".yaml", ".yml")) else _shipped(reference)
    try:
        content = read_regular(path, _LARGEST)
    except OSError as error:
        raise InputError(f"the plan {path} cannot be read ({error.strerror or error}); check the path.") from error
    fields = parse_card(content, path, "plan")
    if not isinstance(fields, dict):
        raise InputError(
            f"the plan {path} has no fields; start from the one that ships, configs/ablations/camvid.yaml."
        )
    try:
        return AblationPlan.model_validate(fields)
    except ValidationError as error:
        raise InputError(f"the plan {path} is wrong: {first_problem(error)}; correct it.") from error


def _shipped(name: str) -> Path:
    plans = {path.stem: path for path in sorted((shipped_folder("configs") / "ablations").glob("*.yaml"))}
    if name not in plans:
        raise InputError(f"there is no plan {name!r}; {nearest(name, plans)}, or give a plan file (.yaml).")
    return plans[name]
