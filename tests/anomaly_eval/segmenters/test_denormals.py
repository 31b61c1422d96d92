"""Networks run without denormal numbers, say the same, and leave the caller's own code as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import anomaly_eval
import anomaly_eval.studies.mixtures.run
from anomaly_eval.cli.main import main
from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks
from tests.denormals import BITS, probed, survivors, two_threads


def test_networks_of_python_callers_flush_and_the_callers_do_not(tmp_path, data, checkpoint):
    with two_threads(), probed() as found:
        anomaly_eval.evaluate(
            checkpoint,
            "road_anomaly",
            data_root=data,
            scores=["msp", "sml"],
            fit_dataset=str(tmp_path / "training.yaml"),
            device="cpu",
            progress=False,
        )
    assert set(found["forward"]) == {0}


def test_callers_do_not_flush_after_a_network_that_fails(checkpoint):
    segmenter = load_segmenter(checkpoint, device="cpu")
    with two_threads(), probed() as found:
        # The last layer, after the probe.
        segmenter.network.classifier.register_forward_pre_hook(lambda *_: 1 / 0)
        with pytest.raises(InputError, match="cannot process"):
            segmenter(np.zeros((64, 64, 3), np.uint8))
    assert set(found["forward"]) == {0}


def test_mixtures_are_fitted_without_denormals(tmp_path, data, checkpoint, monkeypatch):
    fit, found = anomaly_eval.studies.mixtures.run.fit_mixtures, []

    def look(*arguments, **settings):
        found.append(survivors())
        return fit(*arguments, **settings)

    monkeypatch.setattr("anomaly_eval.studies.mixtures.run.fit_mixtures", look)
    words = ["--ckpt", checkpoint, "--dataset", tmp_path / "training.yaml", "--data-root", data]
    with two_threads():
        assert main(["fit-mixtures", *map(str, words), "--out", str(tmp_path / "out.pth"), "--device", "cpu"]) == 0
    assert found == [0]


def test_denormal_weights_change_nothing_that_can_be_seen(tmp_path):
    network = networks.build(networks.CGNET)
    for convolution in network.modules():
        if isinstance(convolution, torch.nn.Conv2d):
            convolution.weight.data.view(torch.int32).flatten()[::3] = BITS
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", networks.CGNET, network), device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)
    assert survivors() == 1
    with torch.inference_mode():
        expected = network._forward(segmenter.network.prepare(image))[0]
    assert expected.std() > 0.1
    # A sum that lies half-way between two floats may round to the other one.
    torch.testing.assert_close(segmenter(image).logits.values, expected, rtol=1e-6, atol=1e-6)
