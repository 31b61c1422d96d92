"""A trained network with mixtures fitted after training in the place of its last layer (GMMSeg, Table 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord
from anomaly_eval.runtime.choices import FittedFeatures
from anomaly_eval.segmenters.capabilities import TakesMixtures
from gmmseg.classifier import GMMClassifier
from gmmseg.estimation import Mixtures
from gmmseg.full_covariance import FullMixtures
from gmmseg.mixtures import FullClassMixtures
from gmmseg.settings import MixtureSettings

if TYPE_CHECKING:
    from anomaly_eval.studies.mixtures.posterior import Posterior


@dataclass(frozen=True)
class MixturePlace:
    """Where mixtures are put into a network, and what they see there."""

    network: TakesMixtures
    features: FittedFeatures
    settings: MixtureSettings
    """Of the classifier that the network gets."""

    @classmethod
    def of(cls, network: TakesMixtures, features: FittedFeatures | None) -> MixturePlace:
        """Find the place in a network; None is the embedding of a GMM classifier, and the input of a convolution.

        Raises InputError where there is no last layer, or no such features.
        """
        classifier, name = network.classifier, network.facts.name
        if isinstance(classifier, GMMClassifier):
            features = features or "embedding"
            if features != "input":
                known = replace(
                    classifier.settings, objective="generative", normalise_classes=False, learned_temperature=None
                )
                known = known if features == "embedding" else replace(known, normalisation="none")
                return cls(network, features, known)
            dimensions = classifier.in_channels
        elif isinstance(classifier, torch.nn.Conv2d):
            if features not in (None, "input"):
                raise InputError(
                    f"the network {name} has no {features}, which GMM classifiers have; give --features input."
                )
            features, dimensions = "input", classifier.in_channels
        else:
            raise InputError(
                f"the last layer of {name} is missing, so no mixtures can be fitted in its place; choose another "
                f"network."
            )
        plain = MixtureSettings(dimensions=dimensions, projection="none", normalisation="none")
        return cls(network, features, plain)

    @torch.inference_mode()
    def see(self, features: Tensor) -> Tensor:
        """Turn the input of the last layer (channels, h, w) into what the mixtures see, (dimensions, h, w) float32."""
        classifier = self.network.classifier
        if self.features == "input" or not isinstance(classifier, GMMClassifier):
            return features
        batch = features[None]
        seen: Tensor = classifier.embed(batch) if self.features == "embedding" else classifier.projection(batch)
        return seen[0].float()


def checkpoint_with_mixtures(
    place: MixturePlace,
    mixtures: Mixtures | FullMixtures,
    known: Tensor,
    fit: FitRecord,
    posterior: Posterior | None = None,
) -> bytes:
    """Return a checkpoint of the same network, with its config, in which the mixtures classify.

    mixtures: over what `place.see` returns, (C, M, D). known: (C,) bool, classes that had a pixel. fit: what
    they were fitted on; `eval` puts it into its results. posterior: how logits follow from the densities; None leaves
    that to the settings of the place.
    """
    network = place.network
    components = mixtures.means.shape[1]
    full = isinstance(mixtures, FullMixtures)
    settings = replace(place.settings, components=components, covariance="full" if full else "diagonal")
    if posterior is not None:
        settings = replace(settings, learned_temperature=posterior.temperature, class_prior="frequencies")
    old = network.classifier
    in_channels, norm_cfg = settings.dimensions, None
    if isinstance(old, GMMClassifier):
        in_channels, norm_cfg = old.in_channels, old.norm_cfg
    classifier = GMMClassifier(in_channels, len(known), settings, norm_cfg=norm_cfg)
    if isinstance(mixtures, FullMixtures) and isinstance(classifier.mixtures, FullClassMixtures):
        classifier.mixtures.replace_full(mixtures)
    elif isinstance(mixtures, Mixtures):
        classifier.mixtures.replace(mixtures)
    classifier.mixtures.updates.copy_(known[:, None].expand(-1, components))
    state = classifier.state_dict()
    if isinstance(old, GMMClassifier):
        # The projection with its normalisation, and the shares of the classes, stay as they were learnt.
        kept = {name: value.cpu() for name, value in old.state_dict().items() if not name.startswith("mixtures.")}
        state |= {name: value for name, value in kept.items() if name in state}
    if posterior is not None:
        state["class_pixels"] = posterior.class_pixels
        state["log_temperature"] = torch.tensor(posterior.temperature).log()
    return network.with_mixtures(settings, state, fit)
