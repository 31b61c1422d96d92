"""One training, from the words of the command to the weights file."""

from __future__ import annotations

import copy
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import mmseg.datasets
import mmseg.engine
import mmseg.evaluation
import mmseg.models  # noqa: F401
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import gmmseg.heads
import gmmseg.training.bfloat16
import gmmseg.training.class_uniform
import gmmseg.training.loop
import gmmseg.training.seeding
import gmmseg.training.watching
import gmmseg.transforms  # noqa: F401
from gmmseg.denormals import flushed_denormals
from gmmseg.errors import InputError, reason_of
from gmmseg.training import checkpoints, config, data, identity, launch, resuming
from gmmseg.training.advice import what_to_do
from gmmseg.training.interrupting import Interrupted, NotedSignals, StopHook
from gmmseg.training.request import TrainingRequest
from gmmseg.training.runner import TrainingRunner

DEFAULT_SEED = 0


def run_training(request: TrainingRequest, say: Callable[[str], None] = print) -> Path:
    """Train as requested and return the exported weights, which `eval` runs.

    Raises InputError for whatever the user can mend, before anything is written wherever possible, and Interrupted.
    """
    if request.resume and request.init_from is not None:
        raise InputError("--resume goes on with the weights of the interrupted training; leave --init-from out.")
    work_dir = request.out or Path("work_dirs", _name(request.config))
    with NotedSignals() as signals:
        try:
            with flushed_denormals(), launch.processes(request.launcher), checkpoints.weights_only(), _quiet():
                return _run(request, work_dir, signals, say)
        except KeyboardInterrupt as stop:
            newest = checkpoints.newest_checkpoint(work_dir) if work_dir.is_dir() else None
            remedy = f"go on from {newest.name} with --resume" if newest else "no checkpoint was written yet"
            raise Interrupted(f"stopped; {remedy}.", signals.code) from stop


def _run(request: TrainingRequest, work_dir: Path, signals: NotedSignals, say: Callable[[str], None]) -> Path:
    init_default_scope("mmseg")
    settings = config.load_config(request.config, request.options)
    if request.data_root is not None:
        data.replace_data_root(settings, request.data_root)
    given = copy.deepcopy(settings)
    resumed = _start_weights(settings, request, work_dir)
    try:
        config.fit_to_machine(settings, distributed=request.launcher != "none")
        files = data.check_datasets(settings)
        asked = identity.describe_training(given, files)
        beginning = _begin(given, request, resumed, asked)
        config.arrange(settings, seed=beginning.seed, start=beginning.samples)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # settings of another kind than expected
        raise InputError(
            f"the config {request.config} cannot be understood ({reason_of(error)}); correct it."
        ) from error
    settings.work_dir, settings.launcher = str(work_dir), request.launcher
    existed = work_dir.exists()
    runner = _build(settings, request, work_dir)
    if launch.is_first_process(request.launcher):
        given.dump(work_dir / f"{_name(request.config)}.py")
        if request.resume:
            say(f"going on from {resumed}")
            for line in beginning.news(settings.train_dataloader.batch_size * runner.world_size):
                say(line)
    batch_size = settings.train_dataloader.batch_size
    text = Config(checkpoints.plain(given.to_dict())).pretty_text
    runner.register_hook(resuming.TrainingStateHook(text, asked, batch_size, beginning.samples))
    runner.register_hook(StopHook(signals), priority="LOWEST")
    try:
        _train(runner)
    except InputError:
        if launch.is_first_process(request.launcher) and not existed and runner.iter == 0:
            shutil.rmtree(work_dir)  # so that the same command, mended, finds the place free
        raise
    path = work_dir / checkpoints.EXPORTED
    if launch.is_first_process(request.launcher):
        _export(runner, path)
        say(f"Weights: {path}")
    return path


def _name(source: str) -> str:
    return Path(source.split("::")[-1]).stem


def _start_weights(settings: Config, request: TrainingRequest, work_dir: Path) -> Path | None:
    """Decide where the first weights come from; return the checkpoint to resume from, if any."""
    if request.resume:
        newest = checkpoints.newest_checkpoint(work_dir)
        if newest is None:
            raise InputError(f"there is no checkpoint in {work_dir} to resume from; start anew with --overwrite.")
        config.start_from(settings, newest, resume=True)
        return newest
    if launch.is_first_process(request.launcher) and work_dir.exists():
        _check_folder(work_dir, request.overwrite)
    if request.init_from is not None:
        if not request.init_from.is_file():
            raise InputError(f"there is no checkpoint file {request.init_from}; check --init-from.")
        if request.init_from.resolve().parent == work_dir.resolve():
            raise InputError(
                f"the weights {request.init_from} lie in the folder that this training would write anew; choose "
                f"another --out, or copy them first."
            )
        config.start_from(settings, request.init_from, resume=False)
    settings.resume = False
    return None


def _begin(
    given: Config, request: TrainingRequest, resumed: Path | None, asked: Mapping[str, Any]
) -> resuming.Beginning:
    """Decide the seed and the place in the order of samples."""
    if resumed is not None:
        return resuming.check_resumable(resumed, asked, request.seed)
    seeds = (request.seed, (given.get("randomness") or {}).get("seed"), DEFAULT_SEED)
    return resuming.Beginning(next(seed for seed in seeds if seed is not None))


def _check_folder(work_dir: Path, overwrite: bool) -> None:
    if not work_dir.is_dir():
        raise InputError(f"{work_dir} is no folder; choose another --out.")
    if not overwrite and any(work_dir.iterdir()):
        raise InputError(
            f"the folder {work_dir} is not empty; go on with --resume, start anew with --overwrite, or choose another "
            f"--out."
        )


def _build(settings: Config, request: TrainingRequest, work_dir: Path) -> TrainingRunner:
    """Build the Runner and all that it trains with; leave no new folder behind where that fails."""
    existed = work_dir.exists()
    if launch.is_first_process(request.launcher):
        work_dir.mkdir(parents=True, exist_ok=True)
        checkpoints.remove_partial_files(work_dir)
    try:
        runner = TrainingRunner.from_cfg(settings)
        # The loops build their parts when they are first asked for.
        _ = runner.train_loop, runner.val_loop if settings.get("val_cfg") else None
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    except Exception as error:
        if launch.is_first_process(request.launcher) and not existed:
            shutil.rmtree(work_dir)
        if isinstance(error, InputError | torch.OutOfMemoryError):
            raise
        # What registries and constructors raise for wrong settings.
        raise InputError(f"the training of the config {request.config} cannot be built {what_to_do(error)}.") from error
    if launch.is_first_process(request.launcher) and not request.resume:
        # Not before all is built: a mistake must not cost an earlier training.
        checkpoints.remove_training_files(work_dir)
    runner.open_console()
    return runner  # type: ignore[no-any-return]


def _train(runner: TrainingRunner) -> None:
    began = runner.iter
    try:
        runner.train()
    except InputError as error:
        raise InputError(_own_sentence(error)) from error
    except UnpicklingError as error:
        raise InputError(
            "the weights that the config names hold Python objects that would have to be executed to load them, which "
            "is refused; start from others with --init-from."
        ) from error
    except torch.OutOfMemoryError as error:
        raise InputError(
            "the memory of the GPU does not suffice; lower train_dataloader.batch_size or put the memory of the "
            "mixtures elsewhere (mixture.memory_device=cpu), both also with --resume, or start anew with smaller crops."
        ) from error
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        if runner.iter > max(began, 0):
            raise
        # What a network says to sizes that do not fit it, or to a batch of one image.
        raise InputError(
            f"the first training step failed ({reason_of(error)}); check batch size, crop and the sizes of the config."
        ) from error


def _own_sentence(error: InputError) -> str:
    """Return the sentence of an error that a worker process of the data loader passed on in a whole traceback."""
    return str(error).strip().splitlines()[-1].split("InputError: ")[-1]


def _export(runner: TrainingRunner, path: Path) -> None:
    """Write weights, class names and config: no optimiser, no memory."""
    dataset_meta = getattr(runner.train_dataloader.dataset, "metainfo", None)
    meta = dict(seed=runner.seed, iter=runner.iter, dataset_meta=dataset_meta)
    weights = {name: value.cpu() for name, value in runner.network.state_dict().items()}
    content: dict[str, Any] = dict(meta=meta, state_dict=weights)
    # Averages of weights (EMAHook) take the place of the weights here, and the config is added.
    runner.call_hook("before_save_checkpoint", checkpoint=content)
    checkpoints.write_whole(dict(meta=content["meta"], state_dict=content["state_dict"]), path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out warnings of the stack below that a user can do nothing about."""
    with warnings.catch_warnings():
        for message in (
            "The draw is False",
            "``build_loss`` would be deprecated",
            "Default ``avg_non_ignore`` is False",
            "`reduce_zero_label` will be deprecated",
            "'pin_memory' argument is set as true but no accelerator",
        ):
            warnings.filterwarnings("ignore", message=message)
        yield
