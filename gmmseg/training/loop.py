"""The training loop: mmengine's by iterations, but for how it goes on after an interruption."""

from __future__ import annotations

from typing import Any

from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop


@LOOPS.register_module()
class ResumableTrainLoop(IterBasedTrainLoop):  # type: ignore[misc]
    """Trusts the sampler to start where training goes on.

    mmengine's own loop starts from the first image and loads all former batches again only to throw them away.
    """

    def run(self) -> Any:
        """Train, validate, and return the model."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        try:
            while self._iter < self._max_iters and not self.stop_training:
                self.runner.model.train()
                self.run_iter(next(self.dataloader_iterator))
                self._decide_current_val_interval()
                if self._validates_now():
                    self.runner.val_loop.run()
        finally:
            # Workers end now; left to the garbage collection, they would keep the process waiting for seconds.
            self.dataloader_iterator: Any = None
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def _validates_now(self) -> bool:
        if self.runner.val_loop is None or self._iter < self.val_begin:
            return False
        return bool(self._iter % self.val_interval == 0 or self._iter == self._max_iters)
