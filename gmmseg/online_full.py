"""Online EM for whole covariance matrices: from running moments, as no queue of pixels spans enough of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gmmseg.errors import InputError
from gmmseg.full_covariance import FullMixtures, full_log_density
from gmmseg.gathering import gather_pixels
from gmmseg.mixtures import FullClassMixtures
from gmmseg.online import OnlineEM
from gmmseg.settings import MixtureSettings


class OnlineFullEM(OnlineEM):
    """Learns mixtures of Gaussians with whole covariances (Eq. 4 as it stands) from the pixels drawn in each batch.

    Means and covariances are running averages over iterations with the momenta of the settings. Nothing enters the
    memory, nothing is reseeded, and of the variances only `covariance_floor` counts. A covariance is regularised when
    it is used, not where it is kept.
    """

    mixtures: FullClassMixtures

    def __init__(self, mixtures: FullClassMixtures, settings: MixtureSettings) -> None:
        super().__init__(mixtures, settings)
        self.covariances: Tensor | None = None
        """(C, M, D, D) float64, before regularisation; None before the first step."""

    def training_state(self) -> dict[str, Tensor]:
        """Return what exact resuming needs beyond the state dict of the mixtures."""
        own = {} if self.covariances is None else {"covariances": self.covariances.to("cpu", copy=True)}
        return super().training_state() | own

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Take what `training_state` returned. Raises InputError where it does not fit."""
        super().load_training_state(state)
        kept = state.get("covariances")
        self.covariances = None if kept is None else kept.to(self.mixtures.means.device, copy=True)

    def _learn_from_sample(self, pixels: Tensor, labels: Tensor, correct: Tensor, iteration: int) -> None:
        """Pixels drawn in advance, gathered over all processes, take part in EM."""
        pixels, labels, _ = gather_pixels(pixels, labels, correct.long())
        if len(labels) == 0:
            return
        for _ in range(self.settings.em_loops):
            assignment = self._assign(pixels, labels)
            if not self._is_due(iteration):
                return
            self._update(pixels.double(), labels, assignment.double(), iteration)

    def _learn_from_all(self, pixels: Tensor, labels: Tensor, correct: Tensor, iteration: int) -> Tensor:
        raise InputError(
            "full covariances learn from drawn pixels: set the mixture's pixels_per_class_and_image to a number."
        )

    def _own_log_joint(self, pixels: Tensor, labels: Tensor) -> Tensor:
        mixtures = self.mixtures
        log_weights = mixtures.weights.log()
        joint = pixels.new_empty(len(pixels), mixtures.components)
        for label in torch.unique(labels).tolist():
            own = labels == label
            joint[own] = full_log_density(
                pixels[own], mixtures.means[label], mixtures.whitening[label], log_weights[label]
            ).to(joint.dtype)
        return joint

    def _update(self, pixels: Tensor, labels: Tensor, assignment: Tensor, iteration: int) -> None:
        """Move the mixtures of the classes present towards pixels (N, D) with responsibilities (N, M), all float64."""
        mixtures, settings = self.mixtures, self.settings
        used = (self._count(self._component(labels, assignment)) > 0).reshape(self.idle.shape).cpu()
        self.idle = torch.where(used, 0, self.idle + used.any(dim=1, keepdim=True).long())
        present = [(label, labels == label) for label in torch.unique(labels).tolist()]
        mass = torch.zeros_like(mixtures.weights, dtype=torch.float64).index_add_(0, labels, assignment)
        shares = assignment / mass.clamp(min=1e-3)[labels]
        learns, warmup = mass > 1e-3, settings.momentum_warmup
        found = torch.zeros_like(mixtures.means, dtype=torch.float64)
        for label, own in present:
            found[label] = shares[own].T @ pixels[own]
        means = self._blend(mixtures.means, found, settings.momentum_means, learns, warmup == "all")
        before = self._kept_covariances()
        spreads = torch.zeros_like(before)
        for label, own in present:
            apart = pixels[own] - means[label][:, None]
            spreads[label] = (shares[own].T[..., None] * apart).transpose(1, 2) @ apart
        covariances = self._blend(
            before.flatten(2), spreads.flatten(2), settings.momentum_deviations, learns, warmup != "none"
        ).reshape(before.shape)
        weights = self._blend_weights(mixtures.weights, mass / mass.sum(dim=1, keepdim=True).clamp(min=1e-3), learns)
        mixtures.updates += learns
        self.covariances = covariances
        regularised = regularise(
            covariances, mixtures.updates > 0, settings.covariance_shrinkage, settings.covariance_floor
        )
        try:
            mixtures.replace_full(FullMixtures(means, regularised, weights))
        except ValueError as error:
            raise InputError(
                f"in training iteration {iteration} the features have no spread that a covariance could describe; "
                f"start anew with a lower learning rate, or check the images."
            ) from error

    def _kept_covariances(self) -> Tensor:
        """Return the running covariances; those of mixtures that were loaded without them are what these describe."""
        if self.covariances is not None:
            return self.covariances.to(self.mixtures.means.device)
        factors = torch.linalg.inv(self.mixtures.whitening.double())
        described: Tensor = factors @ factors.transpose(2, 3)
        return described


def regularise(covariances: Tensor, learnt: Tensor, shrinkage: float, floor: float) -> Tensor:
    """Return covariances (C, M, D, D) mixed with their mean over the learnt components, and with a floor.

    shrinkage: share of the mean covariance, in [0, 1]; floor: added to the diagonal, in mean variances. learnt: (C, M)
    bool; where it is false the mean covariance stands in.
    """
    mean = covariances[learnt].mean(dim=0)
    identity = torch.eye(mean.shape[0], dtype=mean.dtype, device=mean.device)
    mixed = (1 - shrinkage) * torch.where(learnt[..., None, None], covariances, mean) + shrinkage * mean
    floored: Tensor = mixed + floor * mean.diagonal().mean() * identity
    return floored
