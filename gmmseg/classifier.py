"""The GMM classifier: takes the place of the last 1x1 convolution of a segmentation network (section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine import dist
from torch import Tensor, nn
from torch.nn import functional

from gmmseg.errors import InputError
from gmmseg.mixtures import ClassMixtures, FullClassMixtures
from gmmseg.online import OnlineEM
from gmmseg.online_full import OnlineFullEM
from gmmseg.sampling import IGNORED, labels_at, nearest
from gmmseg.settings import MixtureSettings


@dataclass
class _Seen:
    """What a training forward leaves for the loss."""

    features: Tensor
    joint: Tensor
    log_density: Tensor
    softmax: Tensor | None


class GMMClassifier(nn.Module):
    """dropout, 1x1 projection to D dimensions, normalisation, class log densities.

    Maps features (B, in_channels, h, w) to logits (B, C, h, w) float32: log p(x | c), whose softmax is the posterior
    under the uniform prior. With `learned_temperature` they are divided by it, with `class_prior` the log shares of the
    classes are added, with `normalise_classes` they go through a LayerNorm. In training mode `learn` must follow each
    forward; it fits the mixtures. `norm_cfg` is the batch normalisation of the projections that have one.

    Raises InputError where D is larger than the number of input channels: the covariance would be singular.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        settings: MixtureSettings,
        *,
        dropout: float = 0.1,
        norm_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if settings.dimensions > in_channels:
            raise InputError(
                f"the mixture has {settings.dimensions} dimensions, but the features before it only {in_channels} "
                f"channels, so its covariance would be singular; set mixture.dimensions to {in_channels} or less."
            )
        self.settings, self.in_channels, self.norm_cfg = settings, in_channels, norm_cfg
        self.dropout = nn.Dropout2d(dropout) if dropout > 0 else nn.Identity()
        self.projection = _projection(in_channels, settings, norm_cfg)
        self.layer_norm = (
            nn.LayerNorm(settings.dimensions) if settings.normalisation in ("layer_norm", "layer_norm_l2") else None
        )
        trainable = settings.objective == "discriminative"
        shape = (classes, settings.components, settings.dimensions, settings.class_density)
        self.mixtures = (
            FullClassMixtures(*shape)
            if settings.covariance == "full"
            else ClassMixtures(
                *shape, trainable=trainable, variance_floor=settings.variance_floor if trainable else 1e-12
            )
        )
        self.softmax = nn.Conv2d(in_channels, classes, 1) if settings.softmax_loss_weight > 0 else None
        self.class_norm = nn.LayerNorm(classes) if settings.normalise_classes else None
        start = settings.learned_temperature
        # A logarithm, so that whatever an optimiser does the temperature is above 0.
        self.log_temperature = None if start is None else nn.Parameter(torch.tensor(math.log(start)))
        # Exact for longer than any training, which float32 is not.
        counts = torch.zeros(classes, dtype=torch.float64) if settings.class_prior == "frequencies" else None
        self.register_buffer("class_pixels", counts)
        self.class_pixels: Tensor | None
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))
        self.iteration: Tensor
        self.em: OnlineEM | None = None
        if isinstance(self.mixtures, FullClassMixtures):
            self.em = OnlineFullEM(self.mixtures, settings)
        elif not trainable:
            self.em = OnlineEM(self.mixtures, settings)
        self._seen: _Seen | None = None
        self._corner = (0, 0)
        """Where the grid of the loss begins in the last training forward."""

    @property
    def gives_densities(self) -> bool:
        """Whether the logits are the class log densities with the largest component for each class."""
        changed = (self.class_norm, self.log_temperature, self.class_pixels)
        return all(step is None for step in changed) and self.settings.class_density == "max"

    def embed(self, features: Tensor) -> Tensor:
        """Return the embedding x of the mixtures, (B, D, h, w) float32."""
        embedded: Tensor = self.projection(self.dropout(features))
        with torch.autocast(features.device.type, enabled=False):
            # Both normalisations take a third of the time where a pixel's channels lie side by side.
            pixels = embedded.float().movedim(1, -1).contiguous()
            if self.layer_norm is not None:
                pixels = self.layer_norm(pixels)
            if self.settings.normalisation in ("l2", "layer_norm_l2"):
                # Where all channels are equal the norm is 0, and a smaller epsilon would let the gradient explode.
                pixels = functional.normalize(pixels, dim=-1, eps=1e-3)
        return pixels.movedim(-1, 1).contiguous()

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits, (B, C, h, w) float32."""
        embedded = self.embed(features)
        looked_at = embedded
        if self.training and self.settings.loss_stride > 1:
            top, left = torch.randint(self.settings.loss_stride, (2,)).tolist()
            self._corner = (min(top, embedded.shape[2] - 1), min(left, embedded.shape[3] - 1))
            looked_at = self._thin(embedded).contiguous()
        joint = self.mixtures(looked_at)
        log_density = self.mixtures.class_log_density(joint)
        if self.training:
            softmax = None if self.softmax is None else self.softmax(features)
            self._seen = _Seen(embedded, joint, log_density, softmax)
        return self.normalise(log_density)

    def labels_of_loss(self, labels: Tensor) -> Tensor:
        """Return the labels (B, ..., H, W) of the pixels whose logits the last training forward gave."""
        if self._seen is None or self.settings.loss_stride == 1:
            return labels
        return self._thin(nearest(labels, (self._seen.features.shape[2], self._seen.features.shape[3])))

    def _thin(self, maps: Tensor) -> Tensor:
        """Return every `loss_stride`-th row and column of maps (..., h, w)."""
        stride = self.settings.loss_stride
        return maps[..., self._corner[0] :: stride, self._corner[1] :: stride]

    def normalise(self, log_density: Tensor) -> Tensor:
        """Turn class log densities (B, C, h, w) into the logits of the network: the same, unless settings say more."""
        if self.log_temperature is not None:
            log_density = log_density * (-self.log_temperature).exp()
        log_density = self._with_prior(log_density)
        return log_density if self.class_norm is None else _over_channels(self.class_norm, log_density)

    def _with_prior(self, log_density: Tensor) -> Tensor:
        if self.class_pixels is None:
            return log_density
        # One pixel more, so that a class without any stays finite.
        shares = (self.class_pixels + 1) / (self.class_pixels + 1).sum()
        return log_density + shares.log().float()[:, None, None]

    def learn(self, labels: Tensor, ignore_index: int = 255) -> dict[str, Tensor]:
        """Fit the mixtures to the batch of the last forward; return losses beside the cross-entropy of the logits.

        labels: (B, H, W) integers at any size. Raises InputError for labels outside the classes and for features that
        are not finite. Gradients of the last forward stay valid.
        """
        seen, self._seen = self._seen, None
        if seen is None:
            return {}
        size = (seen.features.shape[2], seen.features.shape[3])
        labels = labels_at(labels.long(), size, self.mixtures.classes, ignore_index)
        # Before the counts of the prior change, as those of the logits.
        losses = self._further_losses(seen, labels)
        if self.class_pixels is not None:
            found = torch.bincount(labels[labels >= 0], minlength=self.mixtures.classes).double()
            dist.all_reduce(found)
            # Not in place: gradients of the last forward hold the former counts.
            self.class_pixels = self.class_pixels + found
        if self.em is None:
            return losses
        correct = torch.ones_like(labels, dtype=torch.bool)
        if self.settings.only_correct:
            correct = self.normalise(seen.log_density.detach()).argmax(dim=1) == labels
        targets = self.em.step(seen.features.detach(), labels, correct, int(self.iteration))
        self.iteration += 1
        # The settings see to it that all pixels have a target where the loss has a weight.
        if self.settings.component_loss_weight > 0 and targets is not None:
            loss = _mean_cross_entropy(seen.joint.flatten(1, 2), targets)
            losses["loss_component"] = self.settings.component_loss_weight * loss
        return losses

    def _further_losses(self, seen: _Seen, labels: Tensor) -> dict[str, Tensor]:
        """Return the losses of class log densities at a high temperature, and of the linear classifier."""
        settings = self.settings
        losses: dict[str, Tensor] = {}
        if settings.margin_loss_weight > 0:
            logits = self._with_prior(seen.log_density / settings.margin_temperature)
            losses["loss_margin"] = settings.margin_loss_weight * _mean_cross_entropy(logits, self._thin(labels))
        if seen.softmax is not None:
            losses["loss_softmax"] = settings.softmax_loss_weight * _mean_cross_entropy(seen.softmax.float(), labels)
        return losses

    def report(self) -> dict[str, float]:
        """Return what is worth watching while training; the seconds are counted anew after each report."""
        learnt = self.mixtures.updates > 0
        deviations = self.mixtures.deviations.detach()[learnt if bool(learnt.any()) else ~learnt]
        values = {"deviation_min": float(deviations.min()), "deviation_max": float(deviations.max())}
        if self.log_temperature is not None:
            values["temperature"] = math.exp(float(self.log_temperature.detach()))
        if self.em is not None:
            live, known = self.live_per_class(), self.mixtures.known.cpu()
            shares = live[known] if bool(known.any()) else live
            values |= {
                "em_log_likelihood": self.em.log_likelihood,
                "live_components": float(shares.mean()),
                "live_components_min": float(shares.min()),
                "memory_fill": float(self.em.memory.fill.double().mean() / self.em.memory.size),
                "reseeded": float(self.em.reseeded),
                "em_seconds": self.em.seconds,
            }
            self.em.seconds = 0.0
        return values

    def live_per_class(self) -> Tensor:
        """Return the share of live components of each class, (C,) on the CPU."""
        if self.em is None:
            return torch.ones(self.mixtures.classes)
        return self.em.live().float().mean(dim=1)

    def training_state(self) -> dict[str, Tensor]:
        """Return what exact resuming needs beyond `state_dict`: the memory and its counters."""
        return {} if self.em is None else self.em.training_state()

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Take what `training_state` returned. Raises InputError where it does not fit."""
        if self.em is not None:
            self.em.load_training_state(state)


def _projection(in_channels: int, settings: MixtureSettings, norm_cfg: Mapping[str, Any] | None) -> nn.Module:
    if settings.projection == "none":
        if settings.dimensions != in_channels:
            raise InputError(
                f"without projection the mixture's dimensions must be the {in_channels} channels of the features, not "
                f"{settings.dimensions}."
            )
        return nn.Identity()
    if settings.projection == "linear":
        projection = nn.Conv2d(in_channels, settings.dimensions, 1)
        nn.init.normal_(projection.weight, std=0.01)
        if projection.bias is not None:
            nn.init.zeros_(projection.bias)
        return projection
    from mmcv.cnn import ConvModule

    activation = {"type": "ReLU"} if settings.projection == "conv_norm_relu" else None
    module: nn.Module = ConvModule(
        in_channels, settings.dimensions, 1, norm_cfg=dict(norm_cfg or {"type": "BN"}), act_cfg=activation
    )
    return module


def _mean_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over the pixels (B, h, w) that have a target; 0, not NaN, where none has."""
    total = functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
    return total / (targets != IGNORED).sum().clamp(min=1)


def _over_channels(norm: nn.LayerNorm, maps: Tensor) -> Tensor:
    """Apply a LayerNorm over the channels of (B, C, h, w)."""
    normalised: Tensor = norm(maps.movedim(1, -1)).movedim(-1, 1)
    return normalised.contiguous()
