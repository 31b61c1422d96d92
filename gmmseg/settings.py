"""The settings of a GMM classifier, and two presets: the paper's text and the official code, which differ."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gmmseg.covariance_names import Covariance
from gmmseg.density import ClassDensity
from gmmseg.errors import InputError, closest

Objective = Literal["generative", "discriminative"]
Projection = Literal["linear", "conv_norm", "conv_norm_relu", "none"]
Normalisation = Literal["none", "l2", "layer_norm", "layer_norm_l2"]
Assignment = Literal["sinkhorn", "vanilla"]
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
ClassPrior = Literal["uniform", "frequencies"]
Warmup = Literal["none", "deviations", "all"]
MemoryType = Literal["float32", "float16", "bfloat16"]
MemoryStart = Literal["empty", "random_directions"]


@dataclass(frozen=True)
class MixtureSettings:
    """What a GMM classifier is and how it learns; the defaults are the preset `paper` (section 3.3).

    Where the paper is silent the normalisation, epsilon and the first means are those of the official code. The rest is
    ours and said at its field: momentum is warmed up, as from random means and deviations of 1 a momentum of 0.999
    alone needs thousands of iterations; Sinkhorn goes on from its former potentials; variances have a lower floor.
    """

    components: int = 5
    """M, Gaussians a class; 1 is Gaussian discriminant analysis."""
    dimensions: int = 64
    """D, channels of the embedding."""
    objective: Objective = "generative"
    """`generative`: EM fits the mixtures, cross-entropy the features (Eq. 11). `discriminative`: cross-entropy fits
    all (Table 4)."""
    projection: Projection = "linear"
    """The 1x1 convolution, with batch normalisation, with ReLU after that; `none` fits the features themselves."""
    normalisation: Normalisation = "layer_norm_l2"
    """What is done to each pixel's embedding."""
    class_density: ClassDensity = "max"
    """The largest component stands for the class (winner-take-all), or the whole sum of Eq. 4."""
    covariance: Covariance = "diagonal"
    """`full`: a whole covariance matrix for each Gaussian, as in Eq. 4; the paper's experiments have diagonal ones "for
    computational efficiency" (section 4.1). EM then follows running averages over iterations instead of the memory."""
    covariance_shrinkage: float = 0.3
    """Share of the mean covariance of all Gaussians in each full one that is trained: rare classes have few pixels."""
    covariance_floor: float = 0.1
    """Added to the variances of a full covariance that is trained, in mean variances."""
    loss_stride: int = 1
    """Take the cross-entropy on every n-th row and column of the grid, from a place drawn in each iteration. Full
    covariances take a good part of a training step; EM still draws from all pixels."""
    normalise_classes: bool = False
    """A LayerNorm over the class log densities before the loss; it removes the density, so scores look before it."""
    learned_temperature: float | None = None
    """Divide the class log densities by a number that is learned, starting from this one, before the loss; None: not.
    Other than the LayerNorm it keeps their order over pixels, and thus the density as a score. Not in the paper."""
    class_prior: ClassPrior = "uniform"
    """p(c) of Eq. 3 in the posterior: the paper's, or the share of each class in the training pixels so far.

    It is added after the temperature. The density as a score stays before both."""
    component_loss_weight: float = 0.0
    """Weight of a cross-entropy over all C x M components with the E-step's component as target."""
    margin_loss_weight: float = 0.0
    """Weight of a second cross-entropy, of the log densities over `margin_temperature` plus the prior's logarithms."""
    margin_temperature: float = 20.0
    """Far above that of the posterior it asks for classes far apart in deviations: what lets a density reject."""
    softmax_loss_weight: float = 0.0
    """Weight of the cross-entropy of a linear classifier on the features, in training only. It keeps in them what no
    Gaussian needs to know a class by, and a density does to know that something is none."""
    refit_at_end: bool = False
    """Fit the mixtures anew when training ends: features have moved since running averages saw them, and saw crops."""

    assignment: Assignment = "sinkhorn"
    """The E-step: Eqs. 9 and 10, or Eq. 8."""
    sinkhorn_epsilon: float = 0.05
    sinkhorn_iterations: int = 30
    """Three are enough for equal shares on scaled log densities only."""
    sinkhorn_warm_start: bool = True
    """Go on from the potentials of the training iteration before: from nothing, equal shares need hundreds of steps."""
    sinkhorn_scaled: bool = False
    """Divide the log densities of each class by their largest magnitude first."""
    hard_assignment: bool = False
    """Give each pixel to one component in the M-step; the memory always does."""
    em_every: int = 1
    """Training iterations from one M-step to the next."""
    em_loops: int = 1
    """E- and M-steps in one iteration; more than one needs `batch_in_m_step`."""
    batch_in_m_step: bool = True
    """Sum up the batch with its responsibilities beside the memory, instead of entering it into the memory first."""
    momentum_means: float = 0.999
    momentum_deviations: float = 0.999
    momentum_weights: float = 0.999
    """Used with `vanilla` only: under Sinkhorn all components of a class weigh the same."""
    momentum_warmup: Warmup = "all"
    """What has a momentum of at most 1 - 1/t in a component's step t: the first replaces, the next ones average."""
    unit_means: bool = False
    """Means are directions of length one."""
    variance_offset: float = 0.0
    """Added to each variance."""
    variance_floor: float = 1e-3
    """Smallest variance. At the official 0.01 all deviations of L2-normalised features end there, and say nothing."""
    reseed_after: int = 200
    """A component without a pixel in this many M-steps with its class present starts anew from it; 0: never."""

    memory_size: int = 32_000
    """Pixels kept for each component, first in, first out."""
    memory_dtype: MemoryType = "float32"
    memory_device: str | None = None
    """Where the memory lies; None is beside the network."""
    memory_start: MemoryStart = "empty"
    pixels_per_class_and_image: int | None = 100
    """Pixels drawn for EM and memory from each class of each image; None: all labelled pixels take part in EM."""
    pixels_per_component: int | None = None
    """Pixels of all processes that enter the memory of a component in one iteration, at even distances; None: all."""
    only_correct: bool = False
    """Only pixels that are classified correctly enter the memory. M-steps concern all classes in the labels."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            _check(field.name, getattr(self, field.name), hints[field.name])
        for name in (
            "components",
            "dimensions",
            "sinkhorn_iterations",
            "em_every",
            "em_loops",
            "memory_size",
            "loss_stride",
        ):
            _require(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("momentum_means", "momentum_deviations", "momentum_weights"):
            _require(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "between 0 and 1")
        for name in ("sinkhorn_epsilon", "variance_floor", "covariance_floor", "margin_temperature"):
            _require(name, getattr(self, name), 0 < getattr(self, name) < math.inf, "above 0 and finite")
        shrinkage = self.covariance_shrinkage
        _require("covariance_shrinkage", shrinkage, 0 <= shrinkage <= 1, "between 0 and 1")
        for name in (
            "component_loss_weight",
            "margin_loss_weight",
            "softmax_loss_weight",
            "variance_offset",
            "reseed_after",
        ):
            _require(name, getattr(self, name), 0 <= getattr(self, name) < math.inf, "0 or above, and finite")
        temperature = self.learned_temperature
        _require("learned_temperature", temperature, temperature is None or 0 < temperature < math.inf, "above 0")
        if self.normalise_classes and (temperature is not None or self.class_prior != "uniform"):
            raise InputError(
                "normalise_classes scales and shifts by itself: no learned_temperature, uniform class_prior."
            )
        for name in ("pixels_per_class_and_image", "pixels_per_component"):
            value = getattr(self, name)
            _require(name, value, value is None or value >= 1, "None or at least 1")
        device = self.memory_device
        _require("memory_device", device, device is None or bool(_DEVICE.fullmatch(device)), "cpu, cuda or None")
        if self.covariance == "full" and self.objective == "discriminative":
            raise InputError("cross-entropy cannot fit full covariances, EM does: objective='generative'.")
        if self.refit_at_end and self.objective == "discriminative":
            raise InputError("refit_at_end is EM, which does not fit these mixtures: objective='generative'.")
        if self.component_loss_weight > 0 and self.objective == "discriminative":
            raise InputError("component_loss_weight needs the components that EM assigns: objective='generative'.")
        if self.component_loss_weight > 0 and self.pixels_per_class_and_image is not None:
            raise InputError("component_loss_weight needs pixels_per_class_and_image=None: all pixels have a target.")
        if self.loss_stride > 1 and (self.component_loss_weight > 0 or self.only_correct):
            raise InputError("component_loss_weight and only_correct look at all pixels: loss_stride=1.")
        if self.em_loops > 1 and not self.batch_in_m_step:
            raise InputError("the mixture's em_loops above 1 need batch_in_m_step: the memory alone does not change.")

    @classmethod
    def from_config(cls, settings: Mapping[str, Any]) -> MixtureSettings:
        """Read the `mixture` of a config: fields of this class, over the preset that `preset` names.

        Raises InputError for an unknown preset or field and for values of another type or out of range.
        """
        if not isinstance(settings, Mapping):
            raise InputError(f"the mixture is {settings!r}; give a dictionary of its fields: dict(preset='paper').")
        given = dict(settings)
        preset = given.pop("preset", "paper")
        if not isinstance(preset, str) or preset not in PRESETS:
            raise InputError(f"there is no mixture preset {preset!r}; the presets are {', '.join(PRESETS)}.")
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                close = closest(str(name), known)
                hint = f"did you mean {close!r}?" if close else f"the fields are {', '.join(known)}."
                raise InputError(f"a mixture has no field {name!r}; {hint}")
        return replace(PRESETS[preset], **given)


def _check(name: str, value: object, expected: Any) -> None:
    """Raise InputError where a value is not of its field's type."""
    choices = get_args(expected) if get_origin(expected) is Literal else None
    if choices is not None:
        if value not in choices:
            raise InputError(f"the mixture's {name} is {value!r}; it must be one of {', '.join(map(repr, choices))}.")
        return
    kinds = get_args(expected) or (expected,)
    # Whole numbers are numbers too, but booleans are not.
    fits = (isinstance(value, kinds) or (float in kinds and isinstance(value, int))) and (
        not isinstance(value, bool) or bool in kinds
    )
    if not fits:
        wanted = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise InputError(f"the mixture's {name} is {value!r}; it must be of type {wanted}.")


def _require(name: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise InputError(f"the mixture's {name} is {value!r}; it must be {wanted}.")


PRESETS: dict[str, MixtureSettings] = {
    "paper": MixtureSettings(),
    "official": MixtureSettings(
        projection="conv_norm_relu",
        normalise_classes=True,
        component_loss_weight=0.01,
        sinkhorn_scaled=True,
        sinkhorn_iterations=3,
        sinkhorn_warm_start=False,
        hard_assignment=True,
        em_every=5,
        batch_in_m_step=False,
        momentum_deviations=0.0,
        momentum_warmup="none",
        unit_means=True,
        variance_offset=1e-2,
        variance_floor=1e-2,
        reseed_after=0,
        memory_start="random_directions",
        pixels_per_class_and_image=None,
        pixels_per_component=20,
        only_correct=True,
    ),
}
