"""mmengine's Runner, with checkpoints that are written whole and read without running them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from gmmseg.checkpoints import load_checkpoint
from gmmseg.errors import InputError, reason_of
from gmmseg.training.advice import what_to_do
from gmmseg.training.checkpoints import finish, partial_name, read_training_checkpoint
from gmmseg.training.initialisation import load_what_fits, pretrained_sources
from gmmseg.training.resuming import unwrapped

_NO_NEWS = (
    "The prefix is not set in metric class",
    '"FileClient" will be',
    '"HardDiskBackend" is the alias',
    "Exp name: ",
    # Notes in checkpoints are plain, those of a data set may be arrays; whether it is the same is told before.
    "The dataset metainfo from the resumed checkpoint is different",
)


class TrainingRunner(Runner):  # type: ignore[misc]
    """The Runner of the `train` command; raises InputError for checkpoints and weights that cannot be used."""

    @property
    def network(self) -> nn.Module:
        """The model without the wrapper of several processes."""
        return unwrapped(self.model)

    def build_logger(self, *arguments: Any, **settings: Any) -> Any:
        """Build mmengine's logger; until `open_console`, hundreds of lines on what is built go to its file only."""
        self.logger = super().build_logger(*arguments, **settings)
        self._console_levels = {handler: handler.level for handler in _console(self.logger)}
        for handler in self._console_levels:
            handler.setLevel(max(handler.level, logging.WARNING))
            handler.addFilter(_is_news)
        return self.logger

    def open_console(self) -> None:
        """Show the log on the console too, once all is built."""
        for handler, level in self._console_levels.items():
            handler.setLevel(level)

    def dump_config(self) -> None:
        """Write nothing: the config in the work dir is the user's, without what was inserted for this run."""

    def save_checkpoint(self, out_dir: str, filename: str, *arguments: Any, **settings: Any) -> None:
        """Write a checkpoint under another name first, so that an interruption leaves none in parts."""
        if "://" in out_dir:
            super().save_checkpoint(out_dir, filename, *arguments, **settings)
            return
        partial = partial_name(filename)
        super().save_checkpoint(out_dir, partial, *arguments, **settings)
        if is_main_process():
            finish(Path(out_dir, partial), Path(out_dir, filename))

    def load_checkpoint(self, filename: str, *arguments: Any, **settings: Any) -> dict[str, Any]:
        """Load everything of a training that is resumed, else the weights that fit."""
        if self._resume:
            content = read_training_checkpoint(Path(filename))
        elif "://" in filename:
            content = _download(filename)
        else:
            checkpoint = load_checkpoint(Path(filename))
            content = {"state_dict": dict(checkpoint.weights), "meta": dict(checkpoint.meta)}
        self.call_hook("after_load_checkpoint", checkpoint=content)
        if self._resume:
            self.network.load_state_dict(content["state_dict"])
        else:
            report = load_what_fits(self.network, content.get("state_dict", content), filename)
            self.logger.info(f"weights from {filename}")
            for line in report.lines():
                self.logger.info(line)
        self._has_loaded = True
        return content

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedules; raises InputError for settings that they do not take."""
        try:
            return super().build_param_scheduler(scheduler)
        except Exception as error:  # schedules check what they are given by whatever comes to hand
            raise InputError(f"the param_scheduler of the config cannot be built {what_to_do(error)}.") from error

    def _init_model_weights(self) -> None:
        sources = pretrained_sources(self.cfg.model)
        try:
            super()._init_model_weights()
        except (OSError, ImportError, KeyError) as error:
            if not sources:
                raise
            options = " ".join(f"{name}=None" for name in sources)
            raise InputError(
                f"the pretrained weights {next(iter(sources.values()))} that the config names cannot be loaded "
                f"({reason_of(error)}); start from a file with --init-from, or from random weights with --cfg-options "
                f"{options}."
            ) from error


def _download(address: str) -> Any:
    try:
        return CheckpointLoader.load_checkpoint(address, map_location="cpu", logger="silent")
    except (OSError, ImportError, KeyError) as error:
        raise InputError(
            f"the weights {address} that the config's load_from names cannot be loaded ({reason_of(error)}); download "
            f"them yourself and give the file with --init-from."
        ) from error


def _console(logger: logging.Logger) -> list[logging.Handler]:
    return [handler for handler in logger.handlers if not isinstance(handler, logging.FileHandler)]


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line is more than mmengine's warnings about itself."""
    return not record.getMessage().startswith(_NO_NEWS)
