"""Mixtures fitted anew when training ends: to the features as they are then, of whole training images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmseg.registry import DATASETS
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.estimation import fit_mixtures
from gmmseg.full_covariance import fit_full_mixtures
from gmmseg.mixtures import FullClassMixtures
from gmmseg.reservoir import ClassReservoir
from gmmseg.sampling import draw_per_class_and_image, labels_at, nearest
from gmmseg.training.resuming import classifiers, unwrapped

_PIXELS = 100
"""Drawn from each class of each image where the settings of a mixture do not say how many."""
_NEWS = 10
"""Lines of progress."""


@HOOKS.register_module()
class RefitMixturesHook(Hook):  # type: ignore[misc]
    """After training, fits the mixtures whose settings say `refit_at_end` by batch EM (Eq. 8).

    dataset: the training images with the pipeline of validation, see `refit_dataset`. The first process does it, which
    is the one that exports the weights. Of each class as many pixels are kept as the memory of a component holds, drawn
    as in training.
    """

    priority = "LOW"

    def __init__(self, dataset: Mapping[str, Any], workers: int = 0, seed: int = 0) -> None:
        self.dataset, self.workers, self.seed = dataset, workers, seed

    def after_train(self, runner: Any) -> None:
        """Fit, unless training was stopped before its end. Raises InputError where the pixels cannot be fitted."""
        chosen = [module for module in classifiers(runner.model).values() if module.settings.refit_at_end]
        if not chosen or not is_main_process() or runner.iter < runner.max_iters:
            return
        dataset = DATASETS.build(dict(self.dataset))
        began = time.perf_counter()
        runner.logger.info(f"refitting the mixtures to {len(dataset)} training images")
        network = unwrapped(runner.model)
        reservoirs = [
            ClassReservoir(module.mixtures.classes, module.settings.memory_size, self.seed) for module in chosen
        ]
        loader = DataLoader(dataset, num_workers=self.workers, collate_fn=pseudo_collate)
        was_training = network.training
        network.eval()
        try:
            with torch.inference_mode(), _inputs_of(chosen) as inputs:
                for number, batch in enumerate(loader):
                    labels = _labels(network, batch)
                    for module, reservoir, features in zip(chosen, reservoirs, inputs, strict=True):
                        self._add(module, reservoir, features[-1], labels, number)
                        features.clear()
                    if (number + 1) % max(1, len(dataset) // _NEWS) == 0:
                        runner.logger.info(f"refitting: {number + 1} of {len(dataset)} images")
        finally:
            network.train(was_training)
        for module, reservoir in zip(chosen, reservoirs, strict=True):
            pixels, log_likelihood = _fit(module, reservoir, self.seed)
            runner.logger.info(
                f"refitted to {pixels} pixels, mean log-likelihood {log_likelihood:.4g}; "
                f"{time.perf_counter() - began:.0f} s in all"
            )

    def _add(
        self,
        module: GMMClassifier,
        reservoir: ClassReservoir,
        features: Tensor,
        labels: tuple[Tensor, int],
        number: int,
    ) -> None:
        embedded = module.embed(features)[0]
        size = (embedded.shape[1], embedded.shape[2])
        own = labels_at(labels[0].cpu()[None], size, module.mixtures.classes, labels[1])
        count = module.settings.pixels_per_class_and_image or _PIXELS
        drawn = draw_per_class_and_image(own, count, seed=self.seed, first_image=number)
        reservoir.add(embedded.flatten(1).T[drawn.to(embedded.device)], own.flatten()[drawn])


def refit_dataset(config: Config) -> dict[str, Any]:
    """Return the settings of the training images with the pipeline of validation: whole, and as they are.

    Raises InputError where the config has no such pipeline, or joins several datasets.
    """
    loader = config.get("val_dataloader") or config.get("test_dataloader") or {}
    pipeline = (loader.get("dataset") or {}).get("pipeline")
    dataset = config.train_dataloader.dataset
    if pipeline is None or "pipeline" not in dataset:
        raise InputError(
            "mixture.refit_at_end reads the training images with the pipeline of validation: the config needs both, in "
            "train_dataloader.dataset and val_dataloader.dataset; or set it to False, and use `fit-mixtures`."
        )
    return {**dataset, "pipeline": pipeline}


class _Reached(Exception):
    """The features are there; what the network would still compute is not needed."""


@contextmanager
def _inputs_of(modules: list[GMMClassifier]) -> Iterator[list[list[Tensor]]]:
    """Collect what enters the modules while the network runs, which ends there where it is one module."""
    seen: list[list[Tensor]] = [[] for _ in modules]

    def listener(own: list[Tensor]) -> Any:
        def listen(_: nn.Module, inputs: tuple[Tensor]) -> None:
            own.append(inputs[0])
            if len(modules) == 1:
                raise _Reached

        return listen

    handles = [module.register_forward_pre_hook(listener(own)) for module, own in zip(modules, seen, strict=True)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _labels(network: nn.Module, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
    """Run the network on a batch of one image; return its labels (H, W) at the size of the input, and what to ignore.

    Labels may be of the image's size before the pipeline resized it; what the network's own padding added has none.
    """
    model: Any = network
    data = model.data_preprocessor(dict(batch), False)
    sample = data["data_samples"][0]
    with suppress(_Reached):
        model(data["inputs"], data["data_samples"], mode="tensor")
    heads = model.decode_head
    head: Any = heads[-1] if isinstance(heads, nn.ModuleList) else heads
    ignored = int(head.ignore_index)
    labels = nearest(sample.gt_sem_seg.data[0].long(), tuple(sample.metainfo["img_shape"][:2]))
    height, width = data["inputs"].shape[-2:]
    padding = (0, width - labels.shape[1], 0, height - labels.shape[0])
    return nn.functional.pad(labels, padding, value=ignored), ignored


def _fit(module: GMMClassifier, reservoir: ClassReservoir, seed: int) -> tuple[int, float]:
    """Give the mixtures what the sample says; return how many pixels it has, and their mean log-likelihood."""
    mixtures, settings = module.mixtures, module.settings
    generator = torch.Generator().manual_seed(seed)
    try:
        features, labels = reservoir.result()
        if isinstance(mixtures, FullClassMixtures):
            floor = settings.covariance_floor * _mean_variance(features, labels)
            full, history = fit_full_mixtures(
                features,
                labels,
                mixtures.classes,
                mixtures.components,
                shrinkage=settings.covariance_shrinkage,
                variance_floor=floor,
                generator=generator,
            )
            mixtures.replace_full(full)
        else:
            diagonal, history = fit_mixtures(
                features,
                labels,
                mixtures.classes,
                mixtures.components,
                variance_floor=settings.variance_floor,
                generator=generator,
            )
            mixtures.replace(diagonal)
    except ValueError as error:
        raise InputError(
            f"the mixtures cannot be refitted at the end of training: {error}; keep them as they were learnt, with "
            f"--resume and mixture.refit_at_end=False."
        ) from error
    known = torch.bincount(labels, minlength=mixtures.classes) > 0
    mixtures.updates.copy_(torch.where(known[:, None].to(mixtures.updates.device), mixtures.updates.clamp(min=1), 0))
    return len(labels), history[-1]


def _mean_variance(features: Tensor, labels: Tensor) -> float:
    """Return the mean variance of the features (N, D) around the means of their classes `labels` (N,)."""
    total = 0.0
    for label in torch.unique(labels).tolist():
        own = features[labels == label].double()
        total += float((own - own.mean(dim=0)).square().sum())
    return total / max(features.numel(), 1)
