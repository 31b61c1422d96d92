"""Networks that are handed over from Python, one or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_eval import Evaluation, evaluate
from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval.commands import TRAINING_CARD
from tests.anomaly_eval.segmenters.python.nets import write


class Net(nn.Module):
    def __init__(self, seed: int = 3) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body, self.norm, self.head = nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 5, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.body(images)).relu())


class Mine:
    """The whole of what a segmenter of one's own needs."""

    classes = ("sky", "building", "road", "vegetation", "car")

    def __call__(self, image: np.ndarray) -> dict[str, Any]:
        with torch.no_grad():
            net = Net().eval()
            features = net.norm(net.body(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)).relu()
            return {"logits": net.head(features)[0], "features": features[0]}


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Any:
    """Evaluate on small drawn images."""

    def run(network: Any, datasets: Any = "road_anomaly", **options: Any) -> Evaluation:
        return evaluate(network, datasets, data_root=data, progress=False, **options)

    return run


def test_modules_functions_and_segmenters_give_the_same_numbers(tmp_path: Path, run: Any) -> None:
    card = str(tmp_path / "training.yaml")
    options: dict[str, Any] = dict(scores=["msp", "sml", "mahalanobis"], fit_dataset=card)
    net = Net()
    net.body.eval()
    found = run(net, ["road_anomaly", card], **options)
    assert net.training and net.norm.training and not net.body.training
    function = run(Mine(), ["road_anomaly", card], **options)
    file = write(tmp_path, "def build():\n    return Wrapped()\n", before=FILE)
    segmenter = run(load_segmenter(Path(f"{file}:build"), device="cpu"), ["road_anomaly", card], **options)
    for other in (function, segmenter):
        np.testing.assert_allclose(other.table["auroc"], found.table["auroc"], atol=1e-3)
        np.testing.assert_allclose(other.closed_set["miou"], found.closed_set["miou"], atol=1e-3)
    assert found.results.provenance.model.checkpoint == "Net"
    model = function.results.provenance.model
    assert (model.checkpoint, model.checkpoint_sha256, model.classes) == ("Mine", "", list(Mine.classes))


FILE = """
import torch
from tests.anomaly_eval.test_networks_from_python import Net

def Wrapped():
    return Net()
"""


def test_several_networks_give_one_table(tmp_path: Path, run: Any, checkpoint: Path) -> None:
    card = str(tmp_path / "training.yaml")
    networks = {"first": Net(), "other one": Net(4), "file": checkpoint}
    together = run(networks, ["road_anomaly", card], scores=["msp"], out=tmp_path / "out", device="cpu")
    methods = [method for _, method in together.table.index]
    assert methods == ["first/msp", "other one/msp", "file/msp"]
    assert list(together.closed_set.index) == [(name, "training") for name in networks]
    assert together.classes.loc[("other one", "training", "car"), "n_label_pixels"] > 0
    assert set(together.figures("road_anomaly")) >= {"roc"}
    for name, folder in {"first": "first", "other one": "other_one", "file": "file"}.items():
        kept = Evaluation.load(tmp_path / "out" / folder)
        assert kept.results == together.runs[name].results
        assert kept.table["auroc"].iloc[0] == together.table.loc[("road_anomaly", f"{name}/msp"), "auroc"]


def test_lists_are_named_after_what_is_in_them(tmp_path: Path, run: Any, checkpoint: Path) -> None:
    found = run([Mine(), checkpoint], scores=["msp"], device="cpu")
    assert list(found.runs) == ["Mine", "net"]
    one = run([(Net(), {"classes": list(Mine.classes)})], scores=["msp"])
    assert [method for _, method in one.table.index] == ["msp"] and list(one.runs) == ["Net"]
    for networks, sentence in [
        ([Net(), Net(4)], "two of the networks are called 'Net'; give a mapping"),
        ([], "there is no network to evaluate"),
        ({"": Net()}, "a network cannot be called ''"),
        ({1: Net(), "1": Net(4)}, "two of the networks have the same name in words"),
    ]:
        with pytest.raises(InputError, match=sentence):
            run(networks)
    with pytest.raises(InputError, match="config gives 1 values for 2 networks"):
        run([checkpoint, Mine()], config=["a.py"])
    with pytest.raises(InputError, match=r"there is no statistics file b\.safetensors"):
        run({"a": checkpoint, "b": checkpoint}, statistics=[checkpoint, "b.safetensors"])
    with pytest.raises(InputError, match="give a mapping from names to networks"):
        run([Net(), Mine()], names=["one", "two"])


@pytest.mark.parametrize(
    ("network", "options", "sentence"),
    [
        (3, {}, "int gives a int in the place of a network"),
        (Net, {}, "Net gives the class Net itself in the place of a network"),
        (Mine(), {"statistics": "stats.safetensors"}, "statistics is bound to a network by its weights.*fit_dataset"),
        (Mine(), {"thresholds": "thresholds.json"}, "thresholds is bound to a network .* give operating_points"),
        (Mine(), {"journal": True, "out": "out"}, "journal is bound to a network by its weights.*leave it out"),
        (Mine(), {"mean": [1.0, 2.0, 3.0], "std": [1.0, 1.0, 1.0]}, "so mean says nothing about it"),
        (Net(), {"mean": [1.0]}, "--mean has 1 values"),
        (Net(), {"config": "a.py"}, "--config says nothing about Net"),
        (Net(), {"model": "a.py:build"}, "give one of them"),
        (Net(), {"score_maps": ["maps"]}, "exclude each other"),
        ((Net(), {"clases": []}), {}, "Net has 'clases'"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(run: Any, network: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        run(network, **options)


def test_a_segmenter_is_run_as_it_is(tmp_path: Path, run: Any, checkpoint: Path) -> None:
    segmenter = load_segmenter(checkpoint, device="cpu")
    with pytest.raises(InputError, match="a segmenter is run as it is, so --resize says nothing to it"):
        run(segmenter, resize="0.5x")
    kept = run(segmenter, scores=["msp"], out=tmp_path / "kept")
    assert kept.results.provenance.model == segmenter.describe()
    assert kept.table.equals(run(checkpoint, scores=["msp"], device="cpu").table)


def test_an_interrupted_run_of_a_module_goes_on(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    class Failing(Net):
        def forward(self, images: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            if calls == 4:
                raise KeyboardInterrupt
            return super().forward(images)

    with pytest.raises(KeyboardInterrupt):
        run(Failing(), scores=["msp"], out=tmp_path / "out")
    before = calls
    found = run(Failing(), scores=["msp"], out=tmp_path / "out")
    # One of them is the first run on noise.
    assert calls - before < 1 + 4
    assert found.table.equals(run(Net(), scores=["msp"]).table)


def test_the_card_of_the_tests_has_the_classes_of_the_segmenter() -> None:
    assert f"[{', '.join(Mine.classes)}]" in TRAINING_CARD
