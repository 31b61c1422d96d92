"""The settings of a mixture: two presets, and no mistake passes silently."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from gmmseg.errors import InputError
from gmmseg.settings import PRESETS, MixtureSettings


def test_the_paper_is_the_default() -> None:
    paper = MixtureSettings.from_config({})
    assert paper == MixtureSettings.from_config({"preset": "paper"}) == MixtureSettings()
    # Section 3.3 and section 3.2 of the paper, in numbers.
    assert (paper.components, paper.dimensions, paper.sinkhorn_epsilon, paper.memory_size) == (5, 64, 0.05, 32_000)
    assert (paper.pixels_per_class_and_image, paper.em_loops, paper.class_density) == (100, 1, "max")
    assert paper.sinkhorn_iterations == 30 and paper.em_every == 1
    assert (paper.momentum_means, paper.momentum_deviations, paper.momentum_weights) == (0.999, 0.999, 0.999)
    assert not paper.normalise_classes and not paper.only_correct and paper.component_loss_weight == 0


def test_the_official_code_differs_where_it_is_known_to() -> None:
    official = MixtureSettings.from_config({"preset": "official"})
    expected = {
        "components": 5,
        "dimensions": 64,
        "projection": "conv_norm_relu",
        "normalisation": "layer_norm_l2",
        "class_density": "max",
        "normalise_classes": True,
        "component_loss_weight": 0.01,
        "assignment": "sinkhorn",
        "sinkhorn_epsilon": 0.05,
        "sinkhorn_iterations": 3,
        "sinkhorn_scaled": True,
        "hard_assignment": True,
        "em_every": 5,
        "momentum_means": 0.999,
        "momentum_deviations": 0.0,
        "unit_means": True,
        "variance_offset": 1e-2,
        "memory_size": 32_000,
        "memory_start": "random_directions",
        "pixels_per_class_and_image": None,
        "pixels_per_component": 20,
        "only_correct": True,
    }
    assert {name: getattr(official, name) for name in expected} == expected


def test_fields_of_a_config_lie_over_the_preset() -> None:
    given = MixtureSettings.from_config({"preset": "official", "components": 1, "momentum_means": 1})
    assert given == replace(PRESETS["official"], components=1, momentum_means=1)
    assert MixtureSettings.from_config({"memory_device": "cpu"}).memory_device == "cpu"
    with pytest.raises(FrozenInstanceError):
        given.components = 2  # type: ignore[misc]


def test_the_config_is_not_changed() -> None:
    config = {"preset": "official", "components": 3}
    MixtureSettings.from_config(config)
    assert config == {"preset": "official", "components": 3}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"preset": "papr"}, "no mixture preset 'papr'; the presets are paper, official"),
        ({"preset": ["paper"]}, "no mixture preset"),
        ({"component": 3}, "no field 'component'; did you mean 'components'"),
        ({"momentum_mean": 0.5}, "did you mean 'momentum_means'"),
        ({"zzz": 1}, "no field 'zzz'; the fields are components, dimensions"),
        ({"components": 0}, "components is 0; it must be at least 1"),
        ({"components": 2.0}, "components is 2.0; it must be of type int"),
        ({"components": True}, "components is True; it must be of type int"),
        ({"dimensions": "64"}, "dimensions is '64'; it must be of type int"),
        ({"objective": "both"}, "objective is 'both'; it must be one of 'generative', 'discriminative'"),
        ({"class_density": "mean"}, "class_density is 'mean'; it must be one of 'max', 'logsumexp'"),
        ({"normalisation": None}, "normalisation is None; it must be one of"),
        ({"normalise_classes": 1}, "normalise_classes is 1; it must be of type bool"),
        ({"momentum_means": 1.001}, "momentum_means is 1.001; it must be between 0 and 1"),
        ({"momentum_deviations": -0.1}, "momentum_deviations is -0.1; it must be between 0 and 1"),
        ({"momentum_weights": float("nan")}, "momentum_weights is nan; it must be between 0 and 1"),
        ({"sinkhorn_epsilon": 0}, "sinkhorn_epsilon is 0; it must be above 0"),
        ({"sinkhorn_iterations": 0}, "sinkhorn_iterations is 0; it must be at least 1"),
        ({"variance_floor": 0.0}, "variance_floor is 0.0; it must be above 0"),
        ({"variance_offset": -1e-3}, "variance_offset is -0.001; it must be 0 or above"),
        ({"component_loss_weight": -1}, "component_loss_weight is -1; it must be 0 or above"),
        ({"margin_loss_weight": -1}, "margin_loss_weight is -1; it must be 0 or above"),
        ({"margin_temperature": 0}, "margin_temperature is 0; it must be above 0"),
        ({"softmax_loss_weight": float("inf")}, "softmax_loss_weight is inf; it must be 0 or above, and finite"),
        ({"refit_at_end": True, "objective": "discriminative"}, "refit_at_end is EM"),
        ({"learned_temperature": 0}, "learned_temperature is 0; it must be above 0"),
        ({"preset": "official", "learned_temperature": 8.0}, "normalise_classes scales and shifts by itself"),
        ({"class_prior": "balanced"}, "class_prior is 'balanced'; it must be one of 'uniform', 'frequencies'"),
        ({"preset": "official", "class_prior": "frequencies"}, "normalise_classes scales and shifts by itself"),
        ({"reseed_after": -1}, "reseed_after is -1; it must be 0 or above"),
        ({"reseed_after": 1.5}, "reseed_after is 1.5; it must be of type int"),
        ({"memory_size": 0}, "memory_size is 0; it must be at least 1"),
        ({"memory_dtype": "int8"}, "memory_dtype is 'int8'; it must be one of"),
        ({"memory_device": 0}, "memory_device is 0; it must be of type str or None"),
        ({"memory_device": "gpu"}, "memory_device is 'gpu'; it must be cpu, cuda or None"),
        ({"pixels_per_class_and_image": 0}, "pixels_per_class_and_image is 0; it must be None or at least 1"),
        ({"pixels_per_component": 0}, "pixels_per_component is 0; it must be None or at least 1"),
        ({"pixels_per_component": "all"}, "pixels_per_component is 'all'; it must be of type int or None"),
        ({"em_every": 0}, "em_every is 0"),
        ({"preset": "official", "em_loops": 2}, "em_loops above 1 need batch_in_m_step"),
        ({"component_loss_weight": 0.01}, "component_loss_weight needs pixels_per_class_and_image=None"),
    ],
)
def test_mistakes_are_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as caught:
        MixtureSettings.from_config(config)
    assert str(caught.value).endswith((".", "?")) and "\n" not in str(caught.value)


def test_every_field_of_a_preset_can_be_given() -> None:
    for settings in PRESETS.values():
        values = {field.name: getattr(settings, field.name) for field in fields(settings)}
        assert MixtureSettings.from_config(values) == settings
