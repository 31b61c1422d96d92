"""What a config with its options makes: found out before hours are spent on its training."""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gmmseg.heads  # noqa: F401  isort: skip  (lets mmsegmentation import without compiled ops)
import mmseg.models  # noqa: F401
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.shipped import config_source
from anomaly_eval.scores import SCORES
from anomaly_eval.segmenters.linear_classifier import linear_classifier
from anomaly_eval.studies.ablation.plan import AblationPlan
from anomaly_eval.studies.ablation.steps import Step
from gmmseg.classifier import GMMClassifier
from gmmseg.training.config import load_config
from gmmseg.training.initialisation import pretrained_sources

_DENSITIES = frozenset({"log_density", "log_density_logsumexp"})
_OF_REFITS = _DENSITIES | {"logits", "features"}
_READABLE = {
    "features": "features",
    "classifier": "a linear last layer",
    "log_density": "class log densities",
    "log_density_logsumexp": "class log densities",
}
_OPERATIONS = "mmcv.ops"
_CHECKPOINTS = 10
"""How many there are of a training: what an interruption costs at most is a tenth of it."""


@dataclass(frozen=True)
class NetworkSetup:
    """How a network is trained: its config and all options; and what it will give: fields of `Prediction`, classes.

    `config_sha256` is of the content of the config with the options in it, whatever files that came from.
    batch_size: images of one iteration, which one process trains on.
    """

    config: str
    options: tuple[str, ...]
    config_sha256: str
    provides: frozenset[str]
    classes: int
    iterations: int
    batch_size: int
    pretrained: tuple[str, ...]
    """Files or addresses of the weights that its parts start from."""
    training_data: dict[str, Any]
    """Its `train_dataloader.dataset`."""
    calls_operations: bool
    """Whether a part of it may call compiled operations of mmcv."""


def set_up_network(name: str, plan: AblationPlan, iterations: int | None) -> NetworkSetup:
    """Load the config of a network that is trained, merge all options into it, and build the network once.

    iterations: None is what the config says. Raises InputError where the config or an option is wrong, in the words of
    `train`, or where the network cannot be built.
    """
    planned = plan.networks[name]
    try:
        source = config_source(planned.config or "")
        length = [] if iterations is None else length_options(load_config(source), iterations)
        options = [*length, *plan.options, *planned.options]
        config = load_config(source, options)
        # Before the network is built, as constructors may change what they are given.
        config_sha256 = hashlib.sha256(repr(config.to_dict()).encode("utf-8", "surrogateescape")).hexdigest()
        network = _built(config)
    except InputError as error:
        raise InputError(f"the network {name} cannot be trained: {error}") from error
    heads = network.decode_head
    head = heads[-1] if hasattr(heads, "__getitem__") else heads
    classifier = getattr(head, "conv_seg", None)
    provides = {"logits"} | ({"features"} if classifier is not None else set())
    provides |= {"classifier"} if linear_classifier(classifier) is not None else set()
    if isinstance(classifier, GMMClassifier):
        provides |= _DENSITIES
    return NetworkSetup(
        source,
        tuple(options),
        config_sha256,
        frozenset(provides),
        int(head.num_classes),
        int(config.train_cfg.max_iters),
        int(config.train_dataloader.batch_size),
        tuple(dict.fromkeys(pretrained_sources(config.model).values())),
        config.train_dataloader.dataset.to_dict(),
        calls_operations(network),
    )


def length_options(config: Config, iterations: int) -> list[str]:
    """Return the options that make a training so long, with its schedule: what ended with the training still does."""
    old = config.train_cfg.max_iters
    schedulers = config.get("param_scheduler") or []
    options = [f"train_cfg.max_iters={iterations}", f"train_cfg.val_interval={iterations}"]
    if isinstance(schedulers, Mapping):
        options += [f"param_scheduler.end={iterations}"] if schedulers.get("end") == old else []
    else:
        ends = [index for index, scheduler in enumerate(schedulers) if scheduler.get("end") == old]
        options += [f"param_scheduler.{index}.end={iterations}" for index in ends]
    return [*options, f"default_hooks.checkpoint.interval={max(1, iterations // _CHECKPOINTS)}"]


def check_scores(plan: AblationPlan, networks: Sequence[str], setups: Mapping[str, NetworkSetup]) -> None:
    """Refuse rows that ask for a score which their network cannot give; refits give what every GMM classifier does."""
    for row in plan.rows:
        if row.network not in networks:
            continue
        refit = plan.networks[row.network].refit is not None
        for score in row.scores:
            source = SCORES[score].source
            needed = _READABLE.get(source, source)
            if source not in (_OF_REFITS if refit else setups[row.network].provides):
                other = "softmax" if source == "classifier" else "GMMSeg"
                raise InputError(
                    f"the row {row.name!r} asks for the score {score}, which needs {needed}, and "
                    f"the network {row.network} gives none; leave the score out, or name a {other} network."
                )


def check_refits(plan: AblationPlan, steps: Sequence[Step], setups: Mapping[str, NetworkSetup]) -> None:
    """Refuse refits that look for what their network has not; a refit has what every GMM classifier has."""
    for step in steps:
        source = plan.networks[step.network].refit
        if step.kind != "refit" or source is None or source not in setups:
            continue
        if "features" not in setups[source].provides:
            raise InputError(
                f"the refit {step.network} cannot be made: the last layer of the network {source} is missing; refit "
                f"another network."
            )
        features = plan.networks[step.network].mixture_fields.get("features")
        if features not in (None, "input") and not setups[source].provides >= _DENSITIES:
            raise InputError(
                f"the refit {step.network} is of the {features}, which only GMMSeg networks have, and the network "
                f"{source} is none; give it features: input, or refit a GMMSeg network."
            )


def calls_operations(network: nn.Module) -> bool:
    """Whether a part of a network may call compiled operations of mmcv.

    It is one of `mmcv.ops`, or is defined, outside of mmcv, where something of these is imported.
    """
    homes = {type(part).__module__ for part in network.modules()}
    if any(home.startswith(_OPERATIONS) for home in homes):
        return True
    # mmcv itself imports operations that it offers to others beside its plain layers.
    used = (vars(sys.modules[home]).values() for home in homes if home in sys.modules and not home.startswith("mmcv."))
    return any(str(getattr(name, "__module__", "")).startswith(_OPERATIONS) for values in used for name in values)


def _built(config: Config) -> Any:
    init_default_scope("mmseg")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = MODELS.build(config.model)
    except InputError:
        raise
    except Exception as error:  # the zoo's constructors fail in their own ways
        reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")[:300]
        raise InputError(f"its config builds no network ({reason}).") from error
    if not hasattr(network, "decode_head"):
        raise InputError(f"its config builds a {type(network).__name__}; only networks with a decode head can be used.")
    return network
