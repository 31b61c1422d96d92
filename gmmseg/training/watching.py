"""What is seen of a training while it runs: the mixtures in every log, and a loss that is no number."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import Tensor

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.training.resuming import classifiers


@HOOKS.register_module()
class MixtureLogHook(Hook):  # type: ignore[misc]
    """Puts what the GMM classifiers report into mmengine's message hub, for log, TensorBoard and W&B alike.

    interval: iterations between reports, that of the logger. `em_share` is the share of EM in the time of the training
    steps since the last report, loading excluded. Live components of each class follow validation and training.
    """

    priority = "ABOVE_NORMAL"

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self._seconds = self._began = 0.0

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Stop the clock, and report in every `interval` iterations."""
        self._seconds += time.perf_counter() - self._began
        if not self.every_n_train_iters(runner, self.interval):
            return
        found = classifiers(runner.model)
        for name, module in found.items():
            values = module.report()
            values["em_share"] = values.pop("em_seconds", 0.0) / max(self._seconds, 1e-9)
            # One classifier is the rule, and needs no name.
            group = "mixture" if len(found) == 1 else f"mixture.{name}"
            for key, value in values.items():
                runner.message_hub.update_scalar(f"train/{group}/{key}", value)
        self._seconds = 0.0

    def before_val(self, runner: Any) -> None:
        """Log the live components."""
        self._log_live(runner)

    def after_train(self, runner: Any) -> None:
        """Log the live components, unless validation just did."""
        if runner.val_loop is None:
            self._log_live(runner)

    def _log_live(self, runner: Any) -> None:
        names = (getattr(runner.train_dataloader.dataset, "metainfo", None) or {}).get("classes") or ()
        for module in classifiers(runner.model).values():
            runner.logger.info(f"live components: {live_line(module, names)}")


def live_line(classifier: GMMClassifier, names: Sequence[str]) -> str:
    """Return, for each number of live components, the classes that have as many: names of few, the count of many."""
    components = classifier.settings.components
    live = (classifier.live_per_class() * components).round().int().tolist()
    groups: dict[int, list[str]] = defaultdict(list)
    for index, count in enumerate(live):
        groups[count].append(names[index] if index < len(names) else str(index))
    parts = []
    for count, members in sorted(groups.items(), reverse=True):
        who = f"{len(members)} classes" if count == components or len(members) > 12 else ", ".join(members)
        parts.append(f"{count} of {components} in {who}")
    return "; ".join(parts)


@HOOKS.register_module()
class FiniteLossHook(Hook):  # type: ignore[misc]
    """Stops a training whose loss is no number, before a checkpoint of it replaces a good one."""

    priority = "VERY_HIGH"

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Raise InputError that names the iteration."""
        loss = (outputs or {}).get("loss")
        value = float(loss.detach()) if isinstance(loss, Tensor) else 0.0
        if not math.isfinite(value):
            raise InputError(
                f"the loss is {value} in training iteration {runner.iter + 1}; start anew with a lower learning rate "
                f"(--cfg-options optim_wrapper.optimizer.lr=...), or with clipped gradients "
                "(optim_wrapper.clip_grad.max_norm=1)."
            )
