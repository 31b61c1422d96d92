"""Online (Sinkhorn) EM: fits the mixtures while the features are trained (section 3.2 and 3.3)."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from mmengine import dist
from torch import Tensor

from gmmseg.assignment import harden, responsibilities, scale_by_class, sinkhorn_plan, sinkhorn_potentials
from gmmseg.errors import InputError
from gmmseg.estimation import Mixtures, Moments, m_step, momentum_update, own_log_joint, weighted_moments
from gmmseg.gathering import gather_counts, gather_pixels
from gmmseg.memory import FeatureMemory
from gmmseg.mixtures import ClassMixtures
from gmmseg.sampling import IGNORED, draw_per_class_and_image, hash_seeds, spaced_per_component
from gmmseg.settings import MixtureSettings


class OnlineEM:
    """Learns the mixtures from each training batch and a memory of former ones; keeps no gradient."""

    def __init__(self, mixtures: ClassMixtures, settings: MixtureSettings) -> None:
        self.mixtures, self.settings = mixtures, settings
        self.memory = FeatureMemory(
            mixtures.classes,
            mixtures.components,
            mixtures.dimensions,
            settings.memory_size,
            dtype=getattr(torch, settings.memory_dtype),
            device=torch.device(settings.memory_device) if settings.memory_device else None,
        )
        self.idle = torch.zeros(mixtures.classes, mixtures.components, dtype=torch.int64)
        """(C, M), on the CPU: M-steps with its class in the labels since the E-step gave a component a pixel."""
        self.potentials: Tensor | None = None
        """(C, M) float64: those of the last Sinkhorn, for the next one to go on from; None before the first."""
        self.reseeded = 0
        self.log_likelihood = float("nan")
        """Mean log p(x | c) over the pixels of the last E-step, nats a pixel."""
        self.seconds = 0.0
        """Wall time spent here since the last report."""

    @torch.no_grad()
    def step(self, features: Tensor, labels: Tensor, correct: Tensor, iteration: int) -> Tensor | None:
        """Learn from a batch: features (B, D, h, w), labels (B, h, w) int64 with IGNORED, correct (B, h, w) bool.

        Returns the component of every labelled pixel, (B, h, w) int64 in [0, C M) or IGNORED, where all of them took
        part in the E-step, else None. Raises InputError for features that are not finite.
        """
        began = time.perf_counter()
        if not torch.isfinite(features.sum()):
            raise InputError(
                f"the features hold NaN or infinite values in training iteration {iteration}; start anew with a lower "
                f"learning rate, or check the images."
            )
        if self.settings.memory_start == "random_directions" and not bool(self.memory.fill.any()):
            self.memory.fill_with_directions(features.device, hash_seeds(iteration))
        pixels = features.float().permute(0, 2, 3, 1).flatten(0, 2)
        if self.settings.pixels_per_class_and_image is not None:
            targets = None
            chosen = draw_per_class_and_image(
                labels,
                self.settings.pixels_per_class_and_image,
                seed=iteration,
                first_image=dist.get_rank() * len(labels),
            )
            self._learn_from_sample(pixels[chosen], labels.flatten()[chosen], correct.flatten()[chosen], iteration)
        else:
            targets = self._learn_from_all(pixels, labels, correct.flatten(), iteration)
        for buffer in self.mixtures.buffers():
            # All ranks have computed the same; this holds also where their devices round differently.
            dist.broadcast(buffer, 0)
        self.seconds += time.perf_counter() - began
        return targets

    def training_state(self) -> dict[str, Tensor]:
        """Return what exact resuming needs beyond the state dict of the mixtures."""
        counters = {"idle": self.idle.clone(), "reseeded": torch.tensor(self.reseeded)}
        if self.potentials is not None:
            counters["potentials"] = self.potentials.to("cpu", copy=True)
        return {f"memory.{name}": value for name, value in self.memory.state().items()} | counters

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Take what `training_state` returned. Raises InputError where it does not fit."""
        if "idle" not in state or state["idle"].shape != self.idle.shape:
            raise InputError("the memory in the checkpoint is of other mixtures; resume with the config it came from.")
        prefix = "memory."
        memory = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        self.memory.load_state(memory, self.mixtures.means.device)
        self.idle, self.reseeded = state["idle"].clone(), int(state["reseeded"])
        potentials = state.get("potentials")
        self.potentials = None if potentials is None else potentials.to(self.mixtures.means.device, copy=True)

    def live(self) -> Tensor:
        """Return (C, M) bool: components that learnt, and got a pixel lately."""
        patience = self.settings.reseed_after or 200
        return (self.mixtures.updates.cpu() > 0) & (self.idle < patience)

    def _learn_from_sample(self, pixels: Tensor, labels: Tensor, correct: Tensor, iteration: int) -> None:
        """Pixels drawn in advance, gathered over all processes, take part in EM and then enter the memory."""
        pixels, labels, correct = gather_pixels(pixels, labels, correct.long())
        if len(labels) == 0:
            return
        components = self._em(pixels, labels, iteration)
        entering = components.masked_fill(correct == 0, IGNORED) if self.settings.only_correct else components
        kept = spaced_per_component(entering, self.settings.pixels_per_component, self._count(entering)[None], rank=0)
        self.memory.push(pixels[kept], entering[kept])
        if not self.settings.batch_in_m_step and self._is_due(iteration):
            used = self._count(components) > 0
            self._m_step(self.memory.moments(pixels.device), pixels, components, used, iteration)

    def _learn_from_all(self, pixels: Tensor, labels: Tensor, correct: Tensor, iteration: int) -> Tensor:
        """All labelled pixels of this process are assigned; some of each component are gathered into the memory."""
        targets = torch.full_like(labels, IGNORED).flatten()
        labelled = torch.nonzero(labels.flatten() >= 0).flatten()
        own = labels.flatten()[labelled]
        if len(labelled):
            targets[labelled] = self._component(own, self._assign(pixels[labelled], own))
        entering = targets.masked_fill(~correct, IGNORED) if self.settings.only_correct else targets
        assigned, counts = gather_counts(torch.stack([self._count(targets), self._count(entering)])).unbind(dim=1)
        kept = spaced_per_component(entering, self.settings.pixels_per_component, counts, rank=dist.get_rank())
        pixels, components, _ = gather_pixels(pixels[kept], entering[kept], entering[kept])
        used = assigned.sum(dim=0) > 0
        with_batch = self.settings.batch_in_m_step and len(components) > 0
        if with_batch:
            components = self._em(pixels, components // self.mixtures.components, iteration, used)
        self.memory.push(pixels, components)
        # Also where no pixel of a class is correct: else what is never right would never be learnt.
        if not with_batch and self._is_due(iteration) and bool(used.any()):
            self._m_step(self.memory.moments(pixels.device), pixels, components, used, iteration)
        return targets.reshape(labels.shape)

    def _em(self, pixels: Tensor, labels: Tensor, iteration: int, used: Tensor | None = None) -> Tensor:
        """Run the E-step, and with `batch_in_m_step` the loops of EM over batch and memory; return the components.

        used: (C M,) bool, components that have pixels, where there are more pixels than these.
        """
        assignment = self._assign(pixels, labels)
        if self.settings.batch_in_m_step and self._is_due(iteration):
            remembered = self.memory.moments(pixels.device)
            for loop in range(self.settings.em_loops):
                if loop > 0:
                    assignment = self._assign(pixels, labels)
                batch = weighted_moments(pixels, assignment, labels, self.mixtures.classes)
                components = self._component(labels, assignment)
                given = self._count(components) > 0 if used is None else used
                self._m_step(remembered.plus(batch), pixels, components, given, iteration)
        return self._component(labels, assignment)

    def _assign(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return responsibilities (N, M) of the components of each pixel's class, and note the log-likelihood."""
        settings, classes = self.settings, self.mixtures.classes
        joint = self._own_log_joint(pixels, labels)
        self.log_likelihood = float(joint.logsumexp(dim=1).mean())
        if settings.assignment == "vanilla":
            assignment = responsibilities(joint)
        else:
            # Not the joint: weights have no part in Eq. 10, and would change what densities are scaled by.
            density = joint - self.mixtures.weights.log()[labels]
            density = scale_by_class(density, labels, classes) if settings.sinkhorn_scaled else density
            start = self.potentials if settings.sinkhorn_warm_start else None
            if start is None and settings.sinkhorn_warm_start:
                # Zeros are a start too: the pixels come first, whatever their densities add up to.
                start = torch.zeros_like(self.mixtures.weights, dtype=torch.float64)
            self.potentials = sinkhorn_potentials(
                density,
                labels,
                classes,
                epsilon=settings.sinkhorn_epsilon,
                iterations=settings.sinkhorn_iterations,
                start=start,
            )
            assignment = sinkhorn_plan(density, labels, self.potentials, epsilon=settings.sinkhorn_epsilon)
        return harden(assignment) if settings.hard_assignment else assignment

    def _own_log_joint(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return log pi + log p of the components of each pixel's class, (N, M) float32."""
        return own_log_joint(pixels, labels, self.mixtures.snapshot())

    def _component(self, labels: Tensor, assignment: Tensor) -> Tensor:
        """Return the component of each pixel, (N,) in [0, C M): the most responsible one of its class."""
        return labels * self.mixtures.components + assignment.argmax(dim=1)

    def _count(self, components: Tensor) -> Tensor:
        """Return how many of `components`, negative ones aside, are each of them, (C M,) int64."""
        return torch.bincount(components[components >= 0], minlength=self.idle.numel())

    def _is_due(self, iteration: int) -> bool:
        return iteration % self.settings.em_every == 0

    def _m_step(self, moments: Moments, pixels: Tensor, components: Tensor, used: Tensor, iteration: int) -> None:
        """Update the mixtures of the classes in the labels by momentum, and revive components that died.

        used: (C M,) bool, components that the E-step gave a pixel of any process; a class in the labels has some.
        """
        settings, mixtures = self.settings, self.mixtures
        old = mixtures.snapshot()
        new = m_step(
            moments,
            variance_offset=settings.variance_offset,
            variance_floor=settings.variance_floor,
            unit_means=settings.unit_means,
        )
        used = used.reshape(self.idle.shape)
        present = used.any(dim=1)
        # A mass that is all rounding describes nothing.
        learns = present[:, None] & (moments.mass > 1e-3)
        warmup = settings.momentum_warmup
        means = self._blend(old.means, new.means, settings.momentum_means, learns, warmup == "all")
        if settings.unit_means:
            means = torch.where(learns[..., None], torch.nn.functional.normalize(means, dim=2), means)
        variances = self._blend(
            old.deviations.square(),
            new.deviations.square(),
            settings.momentum_deviations,
            learns,
            warmup != "none",
        )
        weights = self._blend_weights(old.weights, new.weights, learns)
        mixtures.updates += learns
        mixtures.replace(Mixtures(means, variances.sqrt(), weights))
        self.idle = torch.where(used.cpu(), 0, self.idle + present.cpu()[:, None].long())
        self._revive(pixels, components, iteration)

    def _blend_weights(self, old: Tensor, new: Tensor, learns: Tensor) -> Tensor:
        """Return the weights (C, M) of the components: under Sinkhorn the old ones, which are equal."""
        if self.settings.assignment != "vanilla":
            return old
        # A component without pixels learns nothing but this: that its share is zero.
        among = learns.any(dim=1, keepdim=True).expand_as(learns)
        warmup = self.settings.momentum_warmup == "all"
        blended = self._blend(old[..., None], new[..., None], self.settings.momentum_weights, among, warmup)
        weights = blended[..., 0].clamp(min=1e-6)
        return weights / weights.sum(dim=1, keepdim=True)

    def _blend(self, old: Tensor, new: Tensor, momentum: float, learns: Tensor, warmup: bool) -> Tensor:
        """Apply the momentum update (C, M, …) where a component learns; float64."""
        tau = torch.full_like(old[..., :1], momentum, dtype=torch.float64)
        if warmup:
            steps = self.mixtures.updates[..., None].double()
            tau = torch.minimum(tau, steps / (steps + 1))
        return torch.where(learns[..., None], momentum_update(old.double(), new, tau), old.double())

    def _revive(self, pixels: Tensor, components: Tensor, iteration: int) -> None:
        """Start components anew at a pixel of their class when they had none for too long."""
        patience = self.settings.reseed_after
        dead = self.idle >= patience
        if patience == 0 or not bool(dead.any()):
            return
        old = self.mixtures.snapshot()
        means, deviations, labels = old.means.clone(), old.deviations.clone(), components // self.mixtures.components
        for label, component in torch.nonzero(dead).tolist():
            candidates = torch.nonzero(labels == label).flatten()
            if len(candidates) == 0:
                continue
            generator = torch.Generator().manual_seed(hash_seeds(iteration, label, component))
            means[label, component] = pixels[candidates[int(torch.randint(len(candidates), (1,), generator=generator))]]
            deviations[label, component] = old.deviations[label].mean(dim=0)
            self.idle[label, component] = 0
            self.mixtures.updates[label, component] = 1
        revived = dead & (self.idle == 0)
        weights = old.weights
        if self.settings.assignment == "vanilla":
            # Its weight died with it.
            weights = weights.masked_fill(revived.to(weights.device), 1 / self.mixtures.components)
            weights = weights / weights.sum(dim=1, keepdim=True)
        self.mixtures.replace(Mixtures(means, deviations, weights))
        self.memory.clear(revived.flatten())
        self.reseeded += int(revived.sum())
