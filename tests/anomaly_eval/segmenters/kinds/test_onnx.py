"""Networks in ONNX: their maps beside the obvious computation, whatever the layout, type and ending of the export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from onnx import TensorProto

from anomaly_eval.datasets.test_settings import SlidingWindow, TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.scores import choose_scores, score_maps
from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from tests.anomaly_eval.commands import Command, assert_refused, read, rows
from tests.anomaly_eval.segmenters.kinds.onnx_files import HEAD, features_of, logits_of, save

MEAN, STD = (120.0, 110.0, 100.0), (60.0, 61.0, 62.0)
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
SOFTMAX = ("Softmax", {"axis": 1})


def load(path: Path, size: str | None = None, **given: Any) -> NetworkSegmenter:
    given = {"mean": MEAN, "std": STD} | given
    return load_segmenter(Given(path, **given), device="cpu", input_size=InputSize.parse(size) if size else None)


def normalised(image: np.ndarray = IMAGE) -> torch.Tensor:
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def settings(path: Path, **fields: object) -> Path:
    path.with_suffix(".yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    return path


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("output_layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("size", [("h", "w"), (64, 96)])
@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_logits(tmp_path: Path, layout: str, output_layout: str, size: tuple[Any, Any], dtype: int) -> None:
    path = save(tmp_path / "net.onnx", layout=layout, output_layout=output_layout, size=size, dtype=dtype)
    segmenter = load(path)
    inputs = normalised().half() if dtype == TensorProto.FLOAT16 else normalised()
    assert segmenter.provides == {"logits"}
    torch.testing.assert_close(segmenter(IMAGE).class_maps.values, logits_of(inputs)[0], atol=1e-4, rtol=1e-5)
    assert str(segmenter.input_size) == ("native" if size == ("h", "w") else "96x64")
    assert segmenter.input_size.of_network == (size == (64, 96))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_pixels_of_8_bits_enter_as_they_are(tmp_path: Path, layout: str) -> None:
    path = save(tmp_path / "net.onnx", dtype=TensorProto.UINT8, layout=layout)
    segmenter = load(path, mean=None, std=None, colours="BGR")
    pixels = torch.from_numpy(IMAGE[..., ::-1].copy()).permute(2, 0, 1)[None]
    torch.testing.assert_close(segmenter(IMAGE).class_maps.values, logits_of(pixels)[0], atol=1e-3, rtol=1e-5)
    assert "uint8" in segmenter.describe().config and "BGR, mean 0 0 0, std 1 1 1" in segmenter.describe().config


@pytest.mark.parametrize(
    ("ending", "said"),
    [([SOFTMAX], "probabilities from out"), ([("LogSoftmax", {"axis": 1})], "log probabilities from out")],
)
def test_probabilities_are_recognised(tmp_path: Path, ending: list[Any], said: str) -> None:
    segmenter = load(save(tmp_path / "net.onnx", ending=ending))
    assert segmenter.provides == {"probabilities"} and said in segmenter.describe().config
    prediction = segmenter(IMAGE)
    found = prediction.class_maps.values
    torch.testing.assert_close(found, logits_of(normalised())[0].softmax(0), atol=1e-5, rtol=1e-4)
    msp = score_maps(prediction, choose_scores(["msp"], segmenter.provides))["msp"]
    expected = -torch.nn.functional.interpolate(found[None], IMAGE.shape[:2], mode="bilinear")[0].amax(0)
    torch.testing.assert_close(msp, expected, atol=1e-5, rtol=1e-4)


def test_sigmoids_are_logits_only_where_the_user_says_so(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", ending=[("Sigmoid", {})])
    with pytest.raises(InputError, match=r"between 0 and 1 that do not sum to 1.*write `gives: logits`"):
        load(path)
    assert load(settings(path, gives="logits")).provides == {"logits"}


def test_the_yaml_file_says_it_and_options_go_before_it(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", outputs=["out", "logits", "features"])
    names = ["sky", "building", "road", "vegetation", "car"]
    said = {"mean": list(MEAN), "std": list(STD), "output": "out", "features": "features", "classes": names}
    settings(path, **said, colours="BGR", align_corners=True)
    segmenter = load(path, mean=None, std=None)
    assert segmenter.classes == tuple(names) and segmenter.has_class_names
    assert segmenter.provides == {"logits", "features"}
    prediction = segmenter(IMAGE)
    inputs = normalised(IMAGE[..., ::-1])
    assert prediction.features is not None
    torch.testing.assert_close(prediction.features.values, features_of(inputs)[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(prediction.class_maps.values, logits_of(inputs)[0], atol=1e-4, rtol=1e-5)
    assert prediction.class_maps.align_corners
    assert segmenter.with_outputs([])(IMAGE).features is None
    mixed = load(path, mean=None, std=(1.0, 2.0, 3.0), colours="RGB")
    assert "RGB, mean 120 110 100, std 1 2 3; logits from out; features" in mixed.describe().config
    assert mixed.describe().config_sha256 != segmenter.describe().config_sha256


@pytest.mark.parametrize("batch", [1, "n"])
def test_windows_run_one_by_one_or_together_with_the_same_result(tmp_path: Path, batch: int | str) -> None:
    path = save(tmp_path / "net.onnx", batch=batch, size=(32, 32))
    settings(path, slide={"crop": [32, 32], "stride": [32, 32]})
    segmenter = load(path)
    assert segmenter.describe().inference == "slide, crop (32, 32), stride (32, 32)"
    assert segmenter.describe().resize == "native"
    # Windows of strides that the grid divides, without overlap: each cell is of one window.
    maps = segmenter(IMAGE).class_maps.values
    for top in (0, 32):
        for left in (0, 32, 64):
            window = normalised(IMAGE[top : top + 32, left : left + 32])
            expected = torch.nn.functional.interpolate(logits_of(window), (32, 32), mode="bilinear")[0]
            torch.testing.assert_close(maps[:, top : top + 32, left : left + 32], expected, atol=1e-3, rtol=1e-4)


def test_a_fixed_size_is_the_networks_own(tmp_path: Path) -> None:
    segmenter = load(save(tmp_path / "net.onnx", size=(48, 80)))
    resized = cv2.resize(IMAGE, (80, 48), interpolation=cv2.INTER_LINEAR)
    maps = segmenter(IMAGE).class_maps
    torch.testing.assert_close(maps.values, logits_of(normalised(resized))[0], atol=1e-4, rtol=1e-5)
    assert maps.size == (64, 96) and segmenter.describe().resolution == "80x48 (the network's own)"
    assert segmenter.with_protocol(None)(IMAGE).class_maps.size == (64, 96)
    with pytest.raises(InputError, match=r"exported for inputs of 80x48 alone, not of 48x32; leave --resize out"):
        load(tmp_path / "net.onnx", "48x32")(IMAGE)
    windows = TestProtocol(slide=SlidingWindow(crop=(32, 32), stride=(32, 32)))
    with pytest.raises(InputError, match=r"alone, not of 32x32; .*--protocol network"):
        segmenter.with_protocol(windows)(IMAGE)


def test_one_fixed_side_is_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", size=(48, "w"))
    with pytest.raises(InputError, match=r"for inputs of ANYx48 alone, not of 96x64; use --resize WIDTHxHEIGHT"):
        load(path)(IMAGE)
    assert load(path, "96x48")(IMAGE).class_maps.values.shape == (5, 12, 24)


def test_the_hash_covers_weights_in_other_files(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", data="net.onnx_data")
    torch.testing.assert_close(load(path)(IMAGE).class_maps.values, logits_of(normalised())[0], atol=1e-4, rtol=1e-5)
    before = load(path).describe().checkpoint_sha256
    data = bytearray((tmp_path / "net.onnx_data").read_bytes())
    data[:4] = np.float32(0.5).tobytes()
    (tmp_path / "net.onnx_data").write_bytes(data)
    assert load(path).describe().checkpoint_sha256 != before


def test_maps_have_the_same_bits_each_time(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx")
    first = load(path)(IMAGE).class_maps.values
    assert all(torch.equal(load(path)(IMAGE).class_maps.values, first) for _ in range(3))


def test_denormal_numbers_are_as_before_for_others(tmp_path: Path) -> None:
    load(save(tmp_path / "net.onnx"))(IMAGE)
    assert sys.float_info.min / 2 > 0


ARGMAX = ("ArgMax", {"axis": 1})
POOL = ("GlobalAveragePool", {})


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (dict(ending=[POOL, ("Flatten", {})], output_shape=(1, 5)), "as a classifier does; use a network"),
        (dict(ending=[POOL], output_shape=(1, 5, 1, 1)), "as a classifier does; use a network"),
        (dict(ending=[POOL]), "as a classifier does; use a network"),
        (dict(ending=[ARGMAX], output_type=TensorProto.INT64), "gives numbers of classes (int64)"),
        (
            dict(
                ending=[("ArgMax", {"axis": 1, "keepdims": 0})],
                output_shape=(1, "h", "w"),
                output_type=TensorProto.INT64,
            ),
            "gives numbers of classes (int64)",
        ),
        (dict(ending=[ARGMAX, ("Cast", {"to": TensorProto.FLOAT})]), "gives a single channel"),
        (dict(head=np.full_like(HEAD, np.nan)), "gives NaN or infinite values; check its weights"),
        (dict(shape=(1, 1, 64, 96)), "(1, 1, 64, 96), which is not that of colour images"),
        (dict(shape=(1, 4, "h", "w")), "which does not say where the three channels are"),
        (dict(shape=(1, 3, 64, 3)), "write `layout: NCHW` or `layout: NHWC` into"),
        (dict(shape=("n", "c", "h", "w")), "write `layout: NCHW` or `layout: NHWC` into"),
        (dict(batch=2), "takes 2 images at once; export it for one"),
        (dict(dtype=TensorProto.INT32), "takes tensor(int32); export a network that takes float32"),
        (dict(outputs=["out", "features"]), "several outputs (out, features); write the name"),
        (dict(domain="of.mine"), "with operators of ONNX alone"),
        (dict(ending=[("DepthToSpace", {"blocksize": 2})]), "onnxruntime cannot run"),
        (dict(size=(2, 2)), "(1, 5, 1, 1): one answer for the whole image"),
        (dict(ending=[("Transpose", {"perm": (0, 2, 1, 3)})]), "no two axes of which cover it"),
    ],
)
def test_other_networks_are_refused_in_a_sentence(tmp_path: Path, made: dict[str, Any], sentence: str) -> None:
    path = save(tmp_path / "net.onnx", **made)
    with pytest.raises(InputError) as refused:
        load(path)(IMAGE)
    text = str(refused.value)
    assert sentence in text and str(path) in text and text.endswith(".") and "\n" not in text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"means": [1, 2, 3]}, "means: no field is called so"),
        ({"mean": [1, 2]}, "mean: it has 2 values; give one for each of the three channels"),
        ({"std": [1, 0, 1]}, "std: it must be positive"),
        ({"std": [1, float("nan"), 1]}, "std.1: Input should be a finite number"),
        ({"classes": ["road", "sky"]}, "names 2 classes, but"),
        ({"classes": ["road\n"] * 5}, "holds a line break"),
        ({"output": "logit"}, "has no output 'logit'"),
        ({"features": "feature"}, "has no output 'feature'"),
        ({"layout": "HWC"}, "Input should be 'NCHW' or 'NHWC'"),
        ({"layout": "NHWC"}, "which is not that of colour images"),
        ({"slide": {"crop": [32, 32], "stride": [64, 64]}}, "leave gaps"),
        ([1, 2], "has no fields"),
    ],
)
def test_other_settings_are_refused_in_a_sentence(tmp_path: Path, fields: Any, sentence: str) -> None:
    path = save(tmp_path / "net.onnx", size=(64, 96))
    path.with_suffix(".yaml").write_text(yaml.safe_dump(fields))
    with pytest.raises(InputError) as refused:
        load(path)
    assert sentence in str(refused.value) and str(tmp_path / "net.") in str(refused.value)


def test_what_is_made_of_pixels_has_to_be_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --mean and --std in the 0 to 255 of pixels"):
        load(save(tmp_path / "net.onnx"), mean=None, std=None)
    with pytest.raises(InputError, match="takes pixels of 8 bits as they are; leave mean and std out"):
        load(save(tmp_path / "net.onnx", dtype=TensorProto.UINT8))


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: Any, package: str) -> None:
    path = save(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"net\.onnx needs .*`pip install onnx onnxruntime`"):
        load(path)


def test_the_cpu_is_refused_where_cuda_was_asked_for(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    path = save(tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"--device cuda: .* runs on the CPU alone here.*onnxruntime-gpu"):
        load_segmenter(Given(path, mean=MEAN, std=STD), device="cuda")
    assert load_segmenter(Given(path, mean=MEAN, std=STD), device="auto").device.type == "cpu"


@pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning", "ignore::DeprecationWarning")
def test_what_torch_exports_is_the_network_itself(tmp_path: Path) -> None:
    """A CGNet, with batch normalisation, dilated and grouped convolutions, global pooling and bilinear resizing."""
    from tests.anomaly_eval import networks

    original = load_segmenter(networks.save(tmp_path / "net.pth", networks.CGNET), device="cpu")

    class Coarse(torch.nn.Module):
        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model._forward(image)
            return logits

    path = tmp_path / "net.onnx"
    free = {"image": {2: torch.export.Dim("height", min=32), 3: torch.export.Dim("width", min=32)}}
    example = torch.zeros(1, 3, 64, 96)
    torch.onnx.export(
        Coarse(original.network.model).eval(),  # type: ignore[attr-defined]
        (example,),
        path,
        dynamo=True,
        dynamic_shapes=free,
        verbose=False,
    )
    preprocessor = networks.PREPROCESSOR
    exported = load(path, mean=tuple(preprocessor["mean"]), std=tuple(preprocessor["std"]))
    for image in (IMAGE, IMAGE[:40, :72]):
        found, expected = (segmenter(image).class_maps.values for segmenter in (exported, original))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_whole_evaluation(tmp_path: Path, evaluate: Command) -> None:
    path = save(tmp_path / "net.onnx", ending=[SOFTMAX])
    words = ["--mean", "120", "110", "100", "--std", "60", "61", "62", "--scores", "msp", "entropy"]
    code, _, errors = evaluate(*words, ckpt=str(path))
    assert code == 0, errors
    model = read(tmp_path).provenance.model
    assert model.checkpoint == "net.onnx" and model.config.endswith("probabilities from out")
    assert {row["method"] for row in rows(tmp_path / "out")} == {"msp", "entropy"}
    assert "onnxruntime" in read(tmp_path).provenance.versions


def test_bad_files_are_refused_by_the_command(tmp_path: Path, evaluate: Command) -> None:
    path = save(tmp_path / "net.onnx")
    words = ["--mean", "0", "--std", "1", "1", "1"]
    assert_refused(evaluate(*words, ckpt=str(path)), "--mean has 1 values")
    words = ["--mean", "0", "0", "0", "--std", "1", "1", "1"]
    assert_refused(
        evaluate(*words, ckpt=str(path), scores="max_logit", resize="0.02x"), "input of 2x1 (Invalid", "--resize"
    )
    assert_refused(evaluate(*words, ckpt=str(path), config="softmax_cgnet_camvid"), "--config says nothing about")
    save(path, head=np.concatenate([HEAD, HEAD]))
    training = dict(dataset=str(tmp_path / "training.yaml"), ckpt=str(path))
    assert_refused(evaluate(*words, **training), "has 5 classes, the network 10")
    assert not (tmp_path / "out").exists()
