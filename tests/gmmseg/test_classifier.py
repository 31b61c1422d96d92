"""The classifier as a layer: logits, gradients, learning, and what is saved."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from gmmseg.classifier import GMMClassifier
from gmmseg.errors import InputError
from gmmseg.settings import MixtureSettings
from tests.gmmseg.classifiers import CHANNELS, CLASSES, batch, classifier, cross_entropy, reference_density, train


@pytest.mark.parametrize("normalisation", ["none", "l2", "layer_norm", "layer_norm_l2"])
def test_the_embedding_by_hand(normalisation: str) -> None:
    model = classifier(normalisation=normalisation)
    features, _ = batch()
    with torch.no_grad():
        if model.layer_norm is not None:
            model.layer_norm.weight.copy_(torch.tensor([1.0, 2.0, 0.5, 1.5]))
    projected = features.permute(0, 2, 3, 1) @ model.projection.weight.flatten(1).t() + model.projection.bias
    if "layer_norm" in normalisation:
        spread = projected.var(dim=-1, keepdim=True, unbiased=False)
        projected = (projected - projected.mean(dim=-1, keepdim=True)) / (spread + 1e-5).sqrt()
        projected = projected * torch.tensor([1.0, 2.0, 0.5, 1.5])
    if normalisation.endswith("l2"):
        projected = projected / projected.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(model.embed(features), projected.permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5)


def test_the_official_projection_is_convolution_batch_norm_relu() -> None:
    model = classifier(projection="conv_norm_relu", normalisation="none")
    kinds = [type(layer).__name__ for layer in model.projection.children()]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert float(model.embed(batch()[0]).detach().min()) == 0


@pytest.mark.parametrize("kind", ["max", "logsumexp"])
def test_logits_of_the_paper_are_log_densities(kind: str) -> None:
    model = classifier(class_density=kind)
    train(model, 4)
    model.eval()
    features, _ = batch(9)
    logits = model(features)
    joint = reference_density(model, model.embed(features))
    expected = joint.amax(dim=2) if kind == "max" else joint.logsumexp(dim=2)
    assert logits.dtype == torch.float32 and model._seen is None
    torch.testing.assert_close(logits.double(), expected, rtol=1e-5, atol=1e-4)


def test_normalised_classes_are_a_layer_norm_of_the_log_densities() -> None:
    model = classifier(normalise_classes=True)
    train(model, 4)
    model.eval()
    assert model.class_norm is not None
    with torch.no_grad():
        model.class_norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        model.class_norm.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    features, _ = batch(9)
    density = reference_density(model, model.embed(features)).amax(dim=2)
    centred = density - density.mean(dim=1, keepdim=True)
    normalised = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
    shape = (1, 3, 1, 1)
    expected = normalised * torch.tensor([1.0, 2.0, 3.0]).reshape(shape) + torch.tensor([0.1, 0.2, 0.3]).reshape(shape)
    torch.testing.assert_close(model(features).double(), expected, rtol=1e-4, atol=1e-4)


def test_a_learned_temperature_divides_the_log_densities_and_learns() -> None:
    model = classifier(learned_temperature=4.0)
    train(model, 4)
    features, labels = batch(9)
    logits = model.eval()(features)
    density = reference_density(model, model.embed(features)).amax(dim=2)
    torch.testing.assert_close(logits.double(), density / 4, rtol=1e-5, atol=1e-4)
    assert not model.gives_densities
    assert model.report()["temperature"] == pytest.approx(4)
    cross_entropy(logits, labels).backward()
    assert model.log_temperature is not None and model.log_temperature.grad is not None
    # d/dlog T of the cross-entropy of z/T is the mean of (z_label - E z)/T.
    with torch.no_grad():
        expected = (logits.gather(1, labels[:, None, ::2, ::2].clamp(max=2))[:, 0]) - (logits.softmax(1) * logits).sum(
            1
        )
        expected = expected[labels[:, ::2, ::2] != 255].mean()
    torch.testing.assert_close(model.log_temperature.grad, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("objective", ["generative", "discriminative"])
def test_the_prior_is_the_share_of_each_class_in_all_training_pixels(objective: str) -> None:
    model = classifier(class_prior="frequencies", learned_temperature=2.0, objective=objective)
    train(model, 3, classes=(0, 0, 0, 1))
    counts = torch.zeros(CLASSES, dtype=torch.float64)
    for step in range(3):
        labels = batch(step, (0, 0, 0, 1))[1][:, 1::2, 1::2]
        counts += torch.bincount(labels[labels != 255], minlength=CLASSES)
    assert model.class_pixels is not None and float(counts[2]) == 0
    torch.testing.assert_close(model.class_pixels, counts)
    features, _ = batch(9)
    model.eval()
    shares = (counts + 1) / (counts + 1).sum()
    density = model.mixtures.class_log_density(model.mixtures(model.embed(features)))
    torch.testing.assert_close(model(features), density / 2 + shares.log().float()[:, None, None])
    assert not model.gives_densities
    # What is learnt is kept with the weights.
    other = classifier(seed=1, class_prior="frequencies", learned_temperature=2.0, objective=objective).eval()
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(features), model(features))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_leaves_only_the_projection_in_low_precision(dtype: torch.dtype) -> None:
    model = classifier()
    train(model, 3)
    model.train()
    features, labels = batch(5)
    with torch.autocast("cpu", dtype=dtype):
        logits = model(features)
        embedded = model.embed(features)
        assert logits.dtype == embedded.dtype == torch.float32
        model.learn(labels)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(2, 6, 8))
    assert all(bool(torch.isfinite(value).all()) for value in model.mixtures.snapshot())


def test_training_separates_the_classes_and_raises_the_log_likelihood() -> None:
    model = classifier(momentum_warmup="all", sinkhorn_epsilon=1.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    losses, likelihoods = [], []
    model.train()
    for step in range(40):
        features, labels = batch(step)
        loss = cross_entropy(model(features), labels) + sum(model.learn(labels).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        likelihoods.append(model.report()["em_log_likelihood"])
    assert losses[-1] < 0.5 * losses[0] and likelihoods[-1] > likelihoods[0] + 3
    model.eval()
    features, labels = batch(100)
    correct = model(features).argmax(dim=1) == labels[:, ::2, ::2]
    assert float(correct[:, 1:].float().mean()) > 0.95


def test_generative_mixtures_are_no_parameters() -> None:
    model = classifier(preset="official")
    names = {name for name, _ in model.named_parameters()}
    assert not any(name.startswith("mixtures") for name in names)
    features, labels = batch()
    model.train()
    (cross_entropy(model(features), labels) + sum(model.learn(labels).values())).backward()
    assert all(value.grad is not None for value in model.parameters())


@pytest.mark.parametrize("preset", ["paper", "official"])
def test_learning_in_place_leaves_the_gradients_of_the_forward(preset: str) -> None:
    gradients = []
    for learns in (False, True):
        model = classifier(preset=preset, component_loss_weight=0.0)
        train(model, 2)
        # Every iteration has an M-step, or the test would prove nothing.
        model.iteration.zero_()
        features, labels = batch(7)
        features.requires_grad_()
        loss = cross_entropy(model(features), labels)
        before = model.mixtures.means.clone()
        if learns:
            model.learn(labels)
            assert not torch.equal(before, model.mixtures.means)
        loss.backward()
        gradients.append([features.grad, *(value.grad for value in model.parameters())])
    for one, other in zip(*gradients, strict=True):
        assert one is not None and other is not None and torch.equal(one, other)


def test_discriminative_mixtures_learn_by_gradients_alone() -> None:
    model = classifier(objective="discriminative")
    assert model.em is None and model.training_state() == {}
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    before = {name: value.clone() for name, value in model.mixtures.state_dict().items()}
    model.train()
    losses = []
    for step in range(20):
        features, labels = batch(step)
        loss = cross_entropy(model(features), labels)
        assert model.learn(labels) == {}
        optimiser.zero_grad()
        loss.backward()
        for parameter in (model.mixtures.means, model.mixtures.log_deviations):
            assert parameter.grad is not None and float(parameter.grad.abs().max()) > 0
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    after = model.mixtures.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in ("weights", "updates"))
    assert not torch.equal(after["means"], before["means"])
    assert not torch.equal(after["log_deviations"], before["log_deviations"])
    assert set(model.report()) == {"deviation_min", "deviation_max"}
    assert bool((model.live_per_class() == 1).all())


def test_one_component_is_gaussian_discriminant_analysis() -> None:
    model = classifier(components=1, momentum_means=0.0, momentum_deviations=0.0, pixels_per_class_and_image=None)
    model.train()
    features, labels = batch()
    model(features)
    model.learn(labels)
    embedded = model.embed(features).detach().permute(0, 2, 3, 1)
    for label in range(CLASSES):
        own = embedded[labels[:, ::2, ::2] == label].double()
        torch.testing.assert_close(model.mixtures.means[label, 0].double(), own.mean(dim=0), rtol=1e-4, atol=1e-5)
        variance = own.var(dim=0, unbiased=False).clamp(min=model.settings.variance_floor)
        torch.testing.assert_close(model.mixtures.deviations[label, 0].double() ** 2, variance, rtol=1e-4, atol=1e-6)


def test_a_class_absent_for_the_whole_run_is_never_predicted() -> None:
    model = classifier(momentum_warmup="all")
    train(model, 10, classes=(0, 2))
    model.eval()
    generator = torch.Generator().manual_seed(3)
    features = 5 * torch.randn(1, CHANNELS, 50, 50, generator=generator)
    logits = model(features)
    assert bool(torch.isfinite(logits).all())
    assert not bool((logits.argmax(dim=1) == 1).any())
    assert torch.equal(logits[:, 1], logits[:, [0, 2]].amin(dim=1) - 1)
    assert model.report()["live_components"] == 1.0


def test_the_state_dict_has_no_memory_and_loads_strictly() -> None:
    model, other = classifier(0, preset="official"), classifier(1, preset="official")
    train(model, 6)
    state = model.state_dict()
    assert {name for name in state if not name.startswith(("projection", "layer_norm", "class_norm"))} == {
        "iteration",
        "mixtures.means",
        "mixtures.log_deviations",
        "mixtures.weights",
        "mixtures.updates",
    }
    assert sum(value.numel() for value in state.values()) < 400
    other.load_state_dict(state, strict=True)
    model.eval()
    other.eval()
    assert torch.equal(model(batch(8)[0]), other(batch(8)[0]))


@pytest.mark.parametrize("preset", ["paper", "official"])
@pytest.mark.parametrize("memory_dtype", ["float32", "float16"])
def test_training_resumes_to_the_bit(preset: str, memory_dtype: str) -> None:
    model, other = (classifier(seed, preset=preset, memory_dtype=memory_dtype) for seed in (0, 1))
    train(model, 7)
    other.load_state_dict(model.state_dict())
    other.load_training_state(model.training_state())
    train(model, 8, start=7)
    train(other, 8, start=7)
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    report, again = model.report(), other.report()
    assert {**report, "em_seconds": 0} == {**again, "em_seconds": 0}


def test_a_deep_copy_learns_on_its_own() -> None:
    model = classifier()
    train(model, 3)
    other = copy.deepcopy(model)
    assert other.em is not None and other.em.mixtures is other.mixtures
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(other, 3, start=3)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    train(model, 3, start=3)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())


def test_a_half_precision_memory_gives_nearly_the_same_mixtures() -> None:
    models = [classifier(memory_dtype=dtype) for dtype in ("float32", "float16")]
    for model in models:
        train(model, 6)
    torch.testing.assert_close(models[0].mixtures.means, models[1].mixtures.means, rtol=0, atol=2e-3)
    assert not torch.equal(models[0].mixtures.means, models[1].mixtures.means)


def test_bad_training_input_is_named() -> None:
    model = classifier()
    model.train()
    features, labels = batch()
    features[1, 2, 3, 4] = torch.nan
    model(features)
    with pytest.raises(InputError, match="NaN or infinite values in training iteration 0"):
        model.learn(labels)
    features, labels = batch()
    labels[0, 5, 5] = 7
    model(features)
    with pytest.raises(InputError, match="the value 7, but the network has 3 classes and ignores 255"):
        model.learn(labels)
    with pytest.raises(InputError, match=r"64 dimensions.*only 8 channels"):
        GMMClassifier(CHANNELS, CLASSES, MixtureSettings())


def test_learning_without_a_forward_or_in_eval_mode_does_nothing() -> None:
    model = classifier()
    features, labels = batch()
    assert model.learn(labels) == {}
    model.eval()
    model(features)
    assert model.learn(labels) == {} and int(model.iteration) == 0
    model.train()
    model(features)
    model.learn(labels)
    # What was seen is used once.
    assert model.learn(labels) == {} and int(model.iteration) == 1


def test_the_report_says_what_is_in_the_mixtures() -> None:
    model = classifier(memory_size=40)
    fresh = model.report()
    assert fresh["deviation_min"] == fresh["deviation_max"] == 1 and fresh["live_components"] == 0
    train(model, 5)
    report = model.report()
    assert report["deviation_min"] == pytest.approx(float(model.mixtures.deviations.min()))
    assert report["deviation_max"] == pytest.approx(float(model.mixtures.deviations.max()))
    assert report["memory_fill"] > 0.5 and report["em_seconds"] > 0 and report["live_components"] == 1
    assert model.report()["em_seconds"] == 0


def test_dropout_acts_in_training_only() -> None:
    model = classifier(dropout=0.5)
    assert isinstance(model.dropout, nn.Dropout2d)
    features, _ = batch()
    model.train()
    assert not torch.equal(model.embed(features), model.embed(features))
    model.eval()
    assert torch.equal(model.embed(features), model.embed(features))
