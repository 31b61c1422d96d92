"""What the steps of a folder depend on, from what was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from anomaly_eval.studies.ablation.networks import NetworkSetup
from anomaly_eval.studies.ablation.plan import AblationPlan
from anomaly_eval.studies.ablation.records import StudyRecord
from anomaly_eval.studies.ablation.request import AblationRequest
from gmmseg.checkpoints import sha256_of_file


def study_of(plan: AblationPlan, request: AblationRequest, setups: Mapping[str, NetworkSetup]) -> StudyRecord:
    """Return the record of a study, by which its folder is known again."""
    return StudyRecord(
        plan=plan.model_dump(mode="json"),
        seed=request.seed,
        iterations=request.iterations or plan.iterations,
        init_from_sha256=None if request.init_from is None else sha256_of_file(request.init_from),
        configs_sha256={name: setup.config_sha256 for name, setup in setups.items()},
    )
