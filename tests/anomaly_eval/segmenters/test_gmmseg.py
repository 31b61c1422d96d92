"""Networks with a GMM classifier: what they say of class densities, against the definition."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from anomaly_eval.errors import InputError
from anomaly_eval.scores import choose_scores, score_maps
from anomaly_eval.segmenters.load import load_segmenter
from gmmseg.classifier import GMMClassifier
from tests.anomaly_eval import networks

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)


def generative(model=networks.CGNET, **mixture):
    """The model with a GMM classifier in its last head."""
    model = copy.deepcopy(model)
    head = model["decode_head"]
    head = head[-1] if isinstance(head, list) else head
    settings = {"dimensions": 12, "components": 3} | mixture
    head |= {"type": "GMMSegHead", "architecture": head["type"], "mixture": settings}
    return model


def trained(model):
    """A network whose mixtures are spread out and all known, as after training."""
    network = networks.build(model)
    for module in network.modules():
        if isinstance(module, GMMClassifier):
            generator = torch.Generator().manual_seed(0)
            module.mixtures.log_deviations.uniform_(-2.5, -1, generator=generator)
            module.mixtures.weights.uniform_(0.1, 1, generator=generator)
            module.mixtures.weights /= module.mixtures.weights.sum(dim=1, keepdim=True)
            module.mixtures.updates.fill_(1)
            if module.class_norm is not None:
                torch.nn.init.uniform_(module.class_norm.weight, 0.5, 2, generator=generator)
    return network


def reference(segmenter):
    """log p(x|c) as max and as whole sum over the components, by torch.distributions in float64, on the coarse grid."""
    classifier = segmenter.network.classifier
    mixtures = classifier.mixtures
    seen = {}
    handle = mixtures.register_forward_pre_hook(lambda module, arguments: seen.update(x=arguments[0]))
    prediction = segmenter(IMAGE)
    handle.remove()
    x = seen["x"][0].permute(1, 2, 0).double()
    each = Independent(Normal(mixtures.means.double(), mixtures.deviations.double()), 1)
    components = each.log_prob(x[:, :, None, None]) + mixtures.weights.double().log()
    whole = MixtureSameFamily(Categorical(probs=mixtures.weights.double()), each).log_prob(x[:, :, None])
    return prediction, components.amax(dim=3).permute(2, 0, 1), whole.permute(2, 0, 1)


@pytest.mark.parametrize(
    "mixture",
    [
        {},
        {"class_density": "logsumexp"},
        {"preset": "official"},
        {"learned_temperature": 8.0, "class_prior": "frequencies"},
    ],
)
@pytest.mark.parametrize("model", [networks.CGNET, networks.cascade()])
def test_densities_are_those_of_the_definition_whatever_the_logits_are(tmp_path, model, mixture):
    model = generative(model, **mixture)
    path = networks.save(tmp_path / "net.pth", model, trained(model))
    segmenter = load_segmenter(path, device="cpu")
    assert segmenter.provides == {"logits", "features", "log_density", "log_density_logsumexp"}
    prediction, largest, whole = reference(segmenter)
    torch.testing.assert_close(prediction.log_density.values.double(), largest, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(prediction.log_density_logsumexp.values.double(), whole, atol=1e-4, rtol=1e-5)
    logits = prediction.logits.values
    if not mixture:
        assert prediction.logits is prediction.log_density
    elif "preset" in mixture:
        norm = segmenter.network.classifier.class_norm
        expected = torch.nn.functional.layer_norm(
            largest.movedim(0, -1).float(), norm.normalized_shape, norm.weight, norm.bias, norm.eps
        )
        torch.testing.assert_close(logits, expected.movedim(-1, 0).detach(), atol=1e-4, rtol=1e-4)
    elif "learned_temperature" in mixture:
        expected = largest / 8 - np.log(len(largest))
        torch.testing.assert_close(logits.double(), expected, atol=1e-4, rtol=1e-5)
    else:
        torch.testing.assert_close(logits.double(), whole, atol=1e-4, rtol=1e-5)


def test_only_what_is_asked_for_is_given(tmp_path):
    model = generative(learned_temperature=8.0)
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", model, trained(model)), device="cpu")
    found, few, logits = (
        segmenter(IMAGE),
        segmenter.with_outputs(["log_density"])(IMAGE),
        segmenter.with_outputs(())(IMAGE),
    )
    assert few.features is None and few.log_density_logsumexp is None
    assert torch.equal(few.log_density.values, found.log_density.values)
    assert segmenter.with_outputs(()).provides == {"logits"} and logits.log_density is None
    assert torch.equal(logits.logits.values, found.logits.values)


def test_sliding_windows_average_log_densities(tmp_path):
    model = generative(preset="official")
    network = trained(model)
    whole = load_segmenter(networks.save(tmp_path / "whole.pth", model, network), device="cpu")
    model["test_cfg"] = dict(mode="slide", crop_size=(48, 80), stride=(48, 80))
    slide = load_segmenter(networks.save(tmp_path / "slide.pth", model, network), device="cpu")
    one, other = whole(IMAGE), slide(IMAGE)
    torch.testing.assert_close(one.log_density.resized(), other.log_density.resized(), atol=1e-4, rtol=1e-5)


def test_scores_of_densities(tmp_path):
    model = generative()
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", model, trained(model)), device="cpu")
    scores = choose_scores(["gmmseg", "gmmseg_logsumexp", "gmmseg_normalised"], segmenter.provides)
    prediction = segmenter(IMAGE)
    maps = score_maps(prediction, scores)

    def resized(values):
        return torch.nn.functional.interpolate(values[None], size=IMAGE.shape[:2], mode="bilinear")[0]

    largest, whole = prediction.log_density.values, prediction.log_density_logsumexp.values
    normalised = (largest - largest.mean(0)) / (largest.var(0, unbiased=False) + 1e-5).sqrt()
    expected = {"gmmseg": largest, "gmmseg_logsumexp": whole, "gmmseg_normalised": normalised}
    for name, values in expected.items():
        torch.testing.assert_close(maps[name], -resized(values).amax(dim=0), atol=1e-4, rtol=1e-5)


def test_a_softmax_network_has_no_density(tmp_path):
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", networks.CGNET), device="cpu")
    with pytest.raises(InputError, match="needs class log densities"):
        choose_scores(["gmmseg_logsumexp"], segmenter.provides)


def test_mixtures_of_other_classes_or_components_are_refused(tmp_path):
    model = generative()
    network = trained(model)
    for change, words in (({"components": 4}, r"mixtures\.means has shape"), ({"dimensions": 8}, "has shape")):
        other = generative(**change)
        with pytest.raises(InputError, match=words):
            load_segmenter(networks.save(tmp_path / "net.pth", other, network), device="cpu")
    fewer = generative()
    fewer["decode_head"]["num_classes"] = 4
    with pytest.raises(InputError, match="trained for 5 classes"):
        load_segmenter(networks.save(tmp_path / "net.pth", fewer, network), device="cpu")


def test_a_checkpoint_cannot_name_code_as_architecture(tmp_path):
    model = generative()
    path = networks.save(tmp_path / "net.pth", model, trained(model))
    content = torch.load(path, weights_only=True)
    content["meta"]["cfg"] = content["meta"]["cfg"].replace("architecture='FCNHead'", "architecture='os.system'")
    torch.save(content, path)
    with pytest.raises(InputError, match="no decode head"):
        load_segmenter(path, device="cpu")
