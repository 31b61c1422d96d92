"""`fit-mixtures`: mixtures in the place of a trained network's softmax."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import multivariate_normal, norm

from anomaly_eval.cli.main import main
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import Answer, Command, assert_refused, read


@pytest.fixture
def fit(tmp_path, data, checkpoint, command) -> Command:
    """Run `fit-mixtures` with sensible arguments and return what it answers."""

    def run(*arguments: str, **replaced: str) -> Answer:
        options = {
            "--ckpt": str(checkpoint),
            "--dataset": str(tmp_path / "training.yaml"),
            "--data-root": str(data),
            "--out": str(tmp_path / "mixtures.pth"),
            "--device": "cpu",
            "--components": "1",
        } | {f"--{name}": value for name, value in replaced.items()}
        return command("fit-mixtures", *(word for option in options.items() for word in option), *arguments)

    return run


def test_one_component_is_the_gaussian_of_each_class(tmp_path, fit, checkpoint, data):
    """With all pixels drawn, mean and deviation are those of the features of the class; scipy gives the density."""
    code, output, errors = fit(**{"pixels-per-image": "99999"})
    assert code == 0, errors
    softmax = load_segmenter(checkpoint, device="cpu")
    fitted = load_segmenter(tmp_path / "mixtures.pth", device="cpu")
    features, labels = [], []
    for index in range(3):
        image = np.asarray(Image.open(data / "training" / "images" / f"{index}.png"))
        label = np.asarray(Image.open(data / "training" / "labels_masks" / f"{index}.png"))
        maps = softmax(image).features.values
        step = image.shape[0] // maps.shape[1]
        # The pixel that lies nearest to the centre of a cell of the feature grid, rounded up.
        labels.append(label[step // 2 :: step, step // 2 :: step].ravel())
        features.append(maps.flatten(1).T.numpy())
    features, labels = np.concatenate(features), np.concatenate(labels)
    assert f"{len(labels)} pixels of 3 images" in output
    densities = fitted(image).log_density.values.flatten(1).numpy()
    pixels = maps.flatten(1).T.double().numpy()
    for label in range(5):
        own = features[labels == label].astype(np.float64)
        # Some features of a random network never vary; there the floor of the variance stands in.
        deviations = np.sqrt(np.maximum(own.var(axis=0), 1e-6))
        expected = norm(own.mean(axis=0), deviations).logpdf(pixels).sum(axis=1)
        np.testing.assert_allclose(densities[label], expected, rtol=1e-4, atol=1e-2)


def test_the_network_can_be_evaluated_and_absent_classes_are_told(tmp_path, fit, data, capsys):
    for path in (data / "training" / "labels_masks").iterdir():
        label = np.array(Image.open(path))
        label[label == 3] = 255
        Image.fromarray(label).save(path)
    code, output, errors = fit(components="2")
    assert code == 0, errors
    assert "never predict: vegetation" in output
    fitted = load_segmenter(tmp_path / "mixtures.pth", device="cpu")
    image = np.asarray(Image.open(data / "training" / "images" / "0.png"))
    assert 3 not in fitted(image).logits.values.argmax(dim=0)
    arguments = ["--ckpt", tmp_path / "mixtures.pth", "--dataset", "road_anomaly", "--data-root", data]
    assert main(["eval", *map(str, arguments), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    results = read(tmp_path)
    assert "gmmseg_logsumexp" in {row.method for row in results.rows}
    fit_record = results.provenance.fits["gmmseg"]
    assert results.provenance.fits == dict.fromkeys([row.method for row in results.rows], fit_record)
    assert (fit_record.n_images, fit_record.expected_images) == (3, 3)
    assert "2 Gaussians a class" in fit_record.notes[0] and "native" in fit_record.notes[1]
    assert "fitted on training" in (tmp_path / "out" / "results.md").read_text()
    assert not any("--resize" in warning for warning in results.warnings)
    again = [*map(str, arguments), "--out", str(tmp_path / "out"), "--overwrite", "--device", "cpu"]
    assert main(["eval", *again, "--resize", "0.5x", "--scores", "gmmseg", "msp"]) == 0
    told = [warning for warning in read(tmp_path).warnings if "--resize" in warning]
    assert told == [
        "the mixtures behind gmmseg, msp were fitted at input native, whole, and the network runs at input 0.5x, "
        "whole; give the same --resize"
    ]


def test_the_same_seed_gives_the_same_file(tmp_path, fit):
    contents = []
    for seed in ("0", "0", "1"):
        assert fit("--overwrite", components="3", seed=seed)[0] == 0
        contents.append(torch.load(tmp_path / "mixtures.pth", weights_only=True)["state_dict"])
    means = [content["decode_head.conv_seg.mixtures.means"] for content in contents]
    assert torch.equal(means[0], means[1]) and not torch.equal(means[0], means[2])


def test_what_cannot_be_fitted_is_refused(tmp_path, fit, data):
    assert_refused(fit(dataset="road_anomaly"), "road_anomaly", "no class labels")
    assert fit()[0] == 0
    assert_refused(fit(), "mixtures.pth exists already", "--overwrite")
    again = str(tmp_path / "again.pth")
    assert_refused(fit(features="embedding", out=again), "net.pth has no embedding", "give --features input")
    assert_refused(fit(shrinkage="0.5", out=again), "--shrinkage", "--covariance full")
    for path in (data / "training" / "labels_masks").iterdir():
        Image.fromarray(np.full((64, 96), 255, np.uint8)).save(path)
    assert_refused(fit(out=str(tmp_path / "void.pth")), "no labelled pixel")
    assert not (tmp_path / "void.pth").exists() and not (tmp_path / "again.pth").exists()


def test_more_gaussians_than_pixels_are_refused(fit):
    assert_refused(fit("--pixels-per-image", "2", components="7"), "7 Gaussians", "sky 6", "--components")


def test_a_cascade_gets_its_mixtures_in_the_last_head(tmp_path, fit):
    model = copy.deepcopy(networks.cascade())
    checkpoint = networks.save(tmp_path / "cascade.pth", model)
    assert fit(ckpt=str(checkpoint))[0] == 0
    fitted = load_segmenter(tmp_path / "mixtures.pth", device="cpu")
    assert type(fitted.network.classifier).__name__ == "GMMClassifier"
    assert isinstance(fitted.network.model.decode_head[0].conv_seg, torch.nn.Conv2d)


@pytest.mark.parametrize("features", ["input", "projection", "embedding"])
def test_a_gmm_classifier_gets_new_mixtures_on_what_it_sees(tmp_path, fit, data, features):
    """One Gaussian of each class with its whole covariance, beside scipy's; the projection stays as it was."""
    model = copy.deepcopy(networks.CGNET)
    mixture = dict(dimensions=6, components=2, normalisation="layer_norm_l2", class_prior="frequencies")
    model["decode_head"] |= dict(type="GMMSegHead", architecture="FCNHead", mixture=mixture)
    checkpoint = networks.save(tmp_path / "gmmseg.pth", model)
    options = {"covariance": "full", "shrinkage": "0.5", "variance-floor": "0.01", "features": features}
    code, _, errors = fit(ckpt=str(checkpoint), **options, **{"pixels-per-image": "99999"})
    assert code == 0, errors
    before, after = (load_segmenter(tmp_path / name, device="cpu") for name in ("gmmseg.pth", "mixtures.pth"))
    seen, labels = [], []
    for index in range(3):
        image = np.asarray(Image.open(data / "training" / "images" / f"{index}.png"))
        label = np.asarray(Image.open(data / "training" / "labels_masks" / f"{index}.png"))
        maps = before(image).features.values[None]
        step = image.shape[0] // maps.shape[2]
        labels.append(label[step // 2 :: step, step // 2 :: step].ravel())
        with torch.inference_mode():
            see = {"projection": before.network.classifier.projection, "embedding": before.network.classifier.embed}
            seen.append(see.get(features, lambda maps: maps)(maps)[0].flatten(1).T.double().numpy())
    pixels, labels = np.concatenate(seen), np.concatenate(labels)
    own = [np.cov(pixels[labels == label].T, bias=True) for label in range(5)]
    tied = sum(np.mean(labels == label) * covariance for label, covariance in enumerate(own))
    prediction = after(image)
    densities = prediction.log_density.values.flatten(1).numpy()
    for label in range(5):
        covariance = 0.5 * own[label] + 0.5 * tied + 0.01 * np.eye(pixels.shape[1])
        expected = multivariate_normal(pixels[labels == label].mean(axis=0), covariance).logpdf(seen[-1])
        np.testing.assert_allclose(densities[label], expected, rtol=1e-4, atol=1e-2)
    assert f"full covariance, shrinkage 0.5{'' if features == 'input' else f', of the {features},'}" in str(
        after.fits["log_density"].notes
    )
    kept = {"input": "uniform", "projection": "frequencies", "embedding": "frequencies"}
    assert after.network.classifier.settings.class_prior == kept[features]


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_a_calibrated_posterior_has_the_shares_and_the_best_temperature(tmp_path, fit, data, covariance):
    """Grid search finds no temperature with a smaller loss; the density stays what it is without."""
    for path in (data / "training" / "labels_masks").iterdir():
        label = np.array(Image.open(path))
        label[: len(label) // 2] = 2
        Image.fromarray(label).save(path)
    options = {"covariance": covariance, "variance-floor": "0.5", "pixels-per-image": "99999"}
    assert fit(**options)[0] == 0
    plain = load_segmenter(tmp_path / "mixtures.pth", device="cpu")
    assert fit("--calibrated", "--overwrite", **options)[0] == 0
    fitted = load_segmenter(tmp_path / "mixtures.pth", device="cpu")
    densities, logits, labels = [], [], []
    for index in range(3):
        image = np.asarray(Image.open(data / "training" / "images" / f"{index}.png"))
        label = np.asarray(Image.open(data / "training" / "labels_masks" / f"{index}.png"))
        prediction = fitted(image)
        step = image.shape[0] // prediction.logits.values.shape[1]
        labels.append(torch.from_numpy(label[step // 2 :: step, step // 2 :: step].ravel()).long())
        densities.append(prediction.log_density.values.flatten(1).T)
        logits.append(prediction.logits.values.flatten(1).T)
        torch.testing.assert_close(densities[-1], plain(image).logits.values.flatten(1).T, rtol=1e-4, atol=1e-3)
    density, logit, label = torch.cat(densities).double(), torch.cat(logits).double(), torch.cat(labels)
    shares = torch.bincount(label, minlength=5) / len(label)
    (note,) = [note for note in fitted.fits["log_density"].notes if "temperature" in note]
    temperature = float(note.rsplit(" ", 1)[1])
    # One pixel more of each class keeps a class without any finite.
    smoothed = (shares * len(label) + 1) / (len(label) + 5)
    torch.testing.assert_close(logit, density / temperature + smoothed.log(), rtol=1e-3, atol=1e-3)

    def loss(value: float) -> float:
        return float(torch.nn.functional.cross_entropy(density / value + shares.double().log(), label))

    assert all(loss(temperature) <= loss(temperature * factor) + 1e-9 for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0))


@pytest.mark.parametrize(
    "mixture", [dict(objective="discriminative"), dict(projection="conv_norm", normalisation="none")]
)
def test_any_gmm_classifier_can_be_refitted(tmp_path, fit, mixture):
    """Also one that cross-entropy fitted, and one whose projection has another normalisation than batches."""
    model = copy.deepcopy(networks.CGNET)
    head = dict(type="GMMSegHead", architecture="FCNHead", norm_cfg=dict(type="GN", num_groups=2))
    model["decode_head"] |= head | dict(mixture=dict(dimensions=6, components=2) | mixture)
    checkpoint = networks.save(tmp_path / "gmmseg.pth", model)
    code, _, errors = fit("--covariance", "full", "--variance-floor", "0.01", ckpt=str(checkpoint))
    assert code == 0, errors
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    before, after = (load_segmenter(tmp_path / name, device="cpu") for name in ("gmmseg.pth", "mixtures.pth"))
    maps = before(image).features.values[None]
    with torch.inference_mode():
        assert torch.equal(before.network.classifier.embed(maps), after.network.classifier.embed(maps))
    assert torch.isfinite(after(image).log_density.values).all()


def test_a_covariance_that_is_none_is_told(fit, monkeypatch):
    def singular(*_, **__):
        raise ValueError("a covariance is not positive definite")

    monkeypatch.setattr("anomaly_eval.studies.mixtures.run.fit_full_mixtures", singular)
    assert_refused(fit("--covariance", "full"), "not positive definite", "raise --variance-floor or --shrinkage")
