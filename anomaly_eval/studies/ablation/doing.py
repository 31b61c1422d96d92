"""Doing single steps of a study: each by what the command of its name does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from anomaly_eval.evaluation.measure_options import Measures
from anomaly_eval.evaluation.request import EvaluationRequest
from anomaly_eval.evaluation.run import run_evaluation
from anomaly_eval.runtime.choices import DeviceName
from anomaly_eval.segmenters.running import Running
from anomaly_eval.studies.ablation.networks import NetworkSetup
from anomaly_eval.studies.ablation.plan import AblationPlan
from anomaly_eval.studies.ablation.steps import Step
from anomaly_eval.studies.calibration.request import CalibrationRequest
from anomaly_eval.studies.calibration.run import run_calibration
from anomaly_eval.studies.mixtures.request import MixtureRequest
from anomaly_eval.studies.mixtures.run import run_fit_mixtures
from anomaly_eval.studies.trainings import Training
from gmmseg.training.checkpoints import newest_checkpoint


@dataclass(frozen=True)
class Workshop:
    """All that steps depend on, beside the step."""

    plan: AblationPlan
    setups: Mapping[str, NetworkSetup]
    folder: Path
    data_root: Path
    init_from: Path | None
    seed: int
    device: DeviceName
    command: Sequence[str]

    def training(self, step: Step) -> Training:
        """Return the training of a step, which goes on from its newest checkpoint if there is one."""
        setup, out = self.setups[step.network], self.folder / "training" / step.network
        resume = out.is_dir() and newest_checkpoint(out) is not None
        return Training(
            setup.config,
            setup.options,
            self.data_root,
            out,
            self.seed,
            setup.iterations,
            init_from=self.init_from,
            resume=resume,
            overwrite=out.is_dir() and not resume,
            # No GPU is found then.
            environment={"CUDA_VISIBLE_DEVICES": ""} if self.device == "cpu" else {},
        )

    def checkpoint(self, network: str) -> Path:
        """Return the file of a network's weights."""
        return self.folder / Step("train" if self.plan.networks[network].refit is None else "refit", network).result

    def do(self, step: Step, console: Console) -> None:
        """Do a step that is no training; its result appears whole or not at all."""
        if step.kind == "refit":
            self._refit(step.network, console)
        elif step.kind == "evaluate":
            self._evaluate(step, console)
        elif step.kind == "closed_set":
            datasets = [self.plan.closed_set_of(step.network) or ""]
            request = self._evaluation(step, datasets, resize=self.plan.resize_closed_set)
            run_evaluation(request, console)
        elif step.kind == "calibrate":
            calibration = CalibrationRequest(
                checkpoints=[self.checkpoint(step.network)],
                dataset=self.plan.closed_set_of(step.network) or "",
                out=self._out(step),
                names=[step.network],
                data_root=self.data_root,
                running=Running(self.plan.resize_closed_set, self.device),
                overwrite=True,
                command=self.command,
            )
            run_calibration(calibration, console)
        else:
            raise ValueError(f"{step.name} is done by a process of its own")

    def _refit(self, network: str, console: Console) -> None:
        planned = self.plan.networks[network]
        request = MixtureRequest(
            checkpoint=self.checkpoint(planned.refit or ""),
            out=self.checkpoint(network),
            data_root=self.data_root,
            seed=self.seed,
            running=Running(planned.resize, self.device),
            overwrite=True,
            **{"dataset": self.plan.datasets.fit, **planned.mixture_fields},
        )
        run_fit_mixtures(request, console)

    def _evaluate(self, step: Step, console: Console) -> None:
        plan = self.plan
        request = self._evaluation(
            step,
            plan.datasets.anomaly,
            resize=plan.resize,
            scores=plan.scores_of(step.network),
            fit_dataset=plan.datasets.fit if plan.learns(step.network) else None,
            measures=Measures(resamples=plan.resamples, seed=self.seed if plan.resamples else None),
        )
        run_evaluation(request, console)

    def _evaluation(
        self,
        step: Step,
        datasets: Sequence[str],
        resize: str | None = None,
        scores: Sequence[str] | None = None,
        fit_dataset: str | None = None,
        measures: Measures | None = None,
    ) -> EvaluationRequest:
        return EvaluationRequest(
            datasets=datasets,
            checkpoints=[self.checkpoint(step.network)],
            out=self._out(step),
            data_root=self.data_root,
            scores=scores,
            fit_dataset=fit_dataset,
            running=Running(resize, self.device),
            measures=measures or Measures(),
            # An interrupted evaluation goes on, and one of other weights or another version must not stop the study.
            overwrite=True,
            command=self.command,
        )

    def _out(self, step: Step) -> Path:
        return (self.folder / step.result).parent
