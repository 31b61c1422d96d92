"""The config of a training: loading it, and setting in it what makes a training reproducible and resumable."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction
from mmseg.registry import OPTIMIZERS

from gmmseg.config_files import read_config
from gmmseg.errors import InputError, reason_of
from gmmseg.training.data import decode_heads, label_values
from gmmseg.training.identity import set_endless
from gmmseg.training.initialisation import without_pretrained
from gmmseg.training.plain_config import plain_config
from gmmseg.training.refitting import refit_dataset
from gmmseg.training.weighted_loss import with_weighted_losses

_OF_EPOCHS = frozenset({"type", "by_epoch", "max_epochs"})
_OF_AMP = frozenset({"loss_scale", "dtype", "use_fsdp"})
_SHUFFLING = {"InfiniteSampler", "DefaultSampler", "ResumableSampler"}


def load_config(source: str, options: Sequence[str] = ()) -> Config:
    """Load a Python config file, which is executed, or `mmseg::NAME`, and merge options `dotted.name=value` into it.

    Raises InputError where that fails or the result is not the config of a training by iterations.
    """
    config = plain_config(read_config(source))
    if options:
        parser = argparse.ArgumentParser()
        parser.add_argument("--cfg-options", nargs="+", action=DictAction)
        try:
            parsed = parser.parse_args(["--cfg-options", *options]).cfg_options
            config.merge_from_dict(parsed)
        except (Exception, SystemExit) as error:  # mmengine checks options by assertions, and argparse exits
            raise InputError(
                f"--cfg-options {' '.join(options)} does not fit the config ({reason_of(error)}); give name=value "
                f"pairs such as train_cfg.max_iters=200."
            ) from error
    _check_complete(config, source)
    return config


def _check_complete(config: Config, source: str) -> None:
    for name in ("model", "train_dataloader", "train_cfg", "optim_wrapper"):
        if not isinstance(config.get(name), Mapping):
            raise InputError(f"the config {source} has no `{name}`; give one for training, with schedule and dataset.")
    if "max_iters" not in config.train_cfg:
        raise InputError(
            f"the config {source} does not count iterations; give it train_cfg=dict(type='IterBasedTrainLoop', "
            f"max_iters=...)."
        )
    if config.train_cfg.get("type", "IterBasedTrainLoop") not in ("IterBasedTrainLoop", "ResumableTrainLoop"):
        raise InputError(f"the loop {config.train_cfg.type} cannot be resumed exactly; use IterBasedTrainLoop.")


def fit_to_machine(config: Config, *, distributed: bool) -> None:
    """Replace what needs a GPU where there is none, and drop options of mixed precision where none is asked for.

    Raises InputError for mixed precision without a GPU.
    """
    if config.optim_wrapper.get("type", "OptimWrapper") in ("OptimWrapper", "BFloat16OptimWrapper"):
        # What options that replace the type of a wrapper leave over.
        for name in _OF_AMP & config.optim_wrapper.keys():
            del config.optim_wrapper[name]
    if torch.cuda.is_available():
        return
    if config.optim_wrapper.get("type") == "AmpOptimWrapper":
        raise InputError(
            "the config trains in mixed precision (AmpOptimWrapper), which needs a GPU; on a CPU give --cfg-options "
            "optim_wrapper.type=BFloat16OptimWrapper, or OptimWrapper for float32."
        )
    config.model = _without_sync(config.model)
    if config.get("sync_bn"):
        config.sync_bn = None
    if distributed:
        config.model_wrapper_cfg = dict(
            type="MMDistributedDataParallel",
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=config.get("find_unused_parameters", False),
        )


def arrange(config: Config, *, seed: int, start: int) -> None:
    """Insert sampler, loop and hooks of this package into any config, in place.

    start: samples trained on before. Raises InputError for samplers whose order cannot be resumed.
    """
    config.randomness = {**(config.get("randomness") or {}), "seed": seed, "diff_rank_seed": False}
    config.setdefault("default_scope", "mmseg")
    config.setdefault("log_processor", dict(by_epoch=False))
    if isinstance(config.get("visualizer"), dict):
        # A fixed name would be one visualiser for all trainings of a process.
        config.visualizer.pop("name", None)
    settings = {name: value for name, value in config.train_cfg.items() if name not in _OF_EPOCHS}
    if not isinstance(settings.get("max_iters"), int) or settings["max_iters"] < 1:
        raise InputError(f"train_cfg.max_iters is {settings.get('max_iters')!r}; it must be a number of at least 1.")
    kind = (config.optim_wrapper.get("optimizer") or {}).get("type")
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
        raise InputError(f"there is no optimizer {kind}; correct optim_wrapper.optimizer.type.")
    config.train_cfg = dict(type="ResumableTrainLoop", **settings)
    set_endless(config)
    for name in ("train_dataloader", "val_dataloader"):
        loader = config.get(name)
        if loader is not None:
            # An endless pass has no second one to keep workers for, and kept ones delay the end of the process.
            loader.persistent_workers = False
    mixtures = [head.get("mixture") for head in decode_heads(config)]
    if any(isinstance(mixture, Mapping) and mixture.get("refit_at_end") for mixture in mixtures):
        refit = dict(type="RefitMixturesHook", dataset=refit_dataset(config), seed=seed)
        config.custom_hooks = [*(config.get("custom_hooks") or []), refit]
    config.model = with_weighted_losses(config.model)
    _arrange_samples(config, seed, start)
    _arrange_validation(config)
    _arrange_hooks(config)


def start_from(config: Config, checkpoint: Path, *, resume: bool) -> None:
    """Let the Runner take its first weights from a checkpoint and from nothing else."""
    config.load_from, config.resume = str(checkpoint), resume
    config.model = without_pretrained(config.model)


def _arrange_samples(config: Config, seed: int, start: int) -> None:
    loader = config.train_dataloader
    batch_size = loader.get("batch_size")
    if loader.get("batch_sampler") is not None or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError("train_dataloader needs a batch_size of at least 1, and no batch_sampler of its own.")
    given = loader.get("sampler") or dict(type="ResumableSampler")
    if given.get("type") in _SHUFFLING:
        sampler = dict(type="ResumableSampler", shuffle=given.get("shuffle", True))
    elif given.get("type") == "ClassUniformSampler":
        # Options of the sampler that it replaces.
        sampler = {name: value for name, value in given.items() if name not in ("shuffle", "round_up")}
    else:
        raise InputError(
            f"the order of the sampler {given.get('type')} cannot be resumed exactly; use InfiniteSampler or "
            f"ClassUniformSampler."
        )
    loader.sampler = dict(sampler, batch_size=batch_size, start=start)
    classes, ignored = label_values(config, "train")
    loader.dataset = dict(
        type="SeededSamples", dataset=loader.dataset, seed=seed, classes=classes, ignore_indices=list(ignored)
    )


def _arrange_validation(config: Config) -> None:
    loader = config.get("val_dataloader")
    if loader and isinstance(loader.get("dataset"), Mapping):
        classes, ignored = label_values(config, "val")
        loader.dataset = dict(type="CheckedSamples", dataset=loader.dataset, classes=classes, ignored=list(ignored))


def _arrange_hooks(config: Config) -> None:
    hooks = config.get("default_hooks") or {}
    # Two, because a training checkpoint of many classes holds gigabytes of memory.
    checkpoint = {"type": "CheckpointHook", "by_epoch": False, "max_keep_ckpts": 2, **(hooks.get("checkpoint") or {})}
    if checkpoint["type"] == "CheckpointHook":
        checkpoint["type"] = "SafeCheckpointHook"
    logger = {"type": "LoggerHook", "log_metric_by_epoch": False, **(hooks.get("logger") or {})}
    config.default_hooks = {**hooks, "checkpoint": checkpoint, "logger": logger}
    accumulated = config.optim_wrapper.get("accumulative_counts", 1)
    if checkpoint.get("interval", -1) > 0 and checkpoint["interval"] % accumulated:
        raise InputError(
            f"checkpoints every {checkpoint['interval']} iterations would lose gradients accumulated over "
            f"{accumulated}; set default_hooks.checkpoint.interval to a multiple of {accumulated}."
        )
    own = [
        dict(type="SeedStepsHook"),
        dict(type="FiniteLossHook"),
        dict(type="MixtureLogHook", interval=logger.get("interval", 10)),
    ]
    config.custom_hooks = [*(config.get("custom_hooks") or []), *own]


def _without_sync(settings: Any) -> Any:
    """Return nested settings with batch normalisation of one process in the place of that over all."""
    if isinstance(settings, Mapping):
        plain = {name: _without_sync(value) for name, value in settings.items()}
        return {**plain, "type": "BN"} if plain.get("type") in ("SyncBN", "MMSyncBN") else plain
    return type(settings)(map(_without_sync, settings)) if isinstance(settings, list | tuple) else settings
