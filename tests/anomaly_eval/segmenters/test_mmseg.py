"""The segmenter against mmsegmentation's own inference, and checkpoints that do not fit."""

from __future__ import annotations

import copy

import cv2
import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks


def sliding(model, crop, stride):
    return networks.with_test_settings(model, mode="slide", crop_size=crop, stride=stride)


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 14, 3), dtype=np.uint8)
    return cv2.resize(coarse, (140, 90), interpolation=cv2.INTER_CUBIC)


def logits_of_mmseg(network, image):
    """What `inference_model` of mmsegmentation computes, from an RGB image; logits at the image's size."""
    sample = SegDataSample(metainfo=dict(ori_shape=image.shape[:2], img_shape=image.shape[:2]))
    data = {
        "inputs": [torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())],
        "data_samples": [sample],
    }
    with torch.inference_mode():
        return network.test_step(data)[0].seg_logits.data


@pytest.mark.parametrize(
    ("model", "batch"),
    [
        (networks.CGNET, 4),
        (networks.cascade(), 4),
        (networks.point_rend(), 4),
        (networks.padded(networks.CGNET), 4),
        (sliding(networks.CGNET, (48, 64), (32, 40)), 1),
        (sliding(networks.CGNET, (48, 64), (32, 40)), 4),
        (sliding(networks.cascade(), (64, 64), (40, 48)), 3),
        (sliding(networks.CGNET, (64, 512), (48, 500)), 2),
    ],
    ids=[
        "whole",
        "cascade",
        "point_rend",
        "padded",
        "slide",
        "slide batched",
        "slide cascade",
        "crop > image",
    ],
)
def test_logits_equal_mmsegmentations(tmp_path, image, model, batch):
    network = networks.build(model)
    path = networks.save(tmp_path / "net.pth", model, network)
    segmenter = load_segmenter(path, device="cpu", window_batch=batch)
    prediction = segmenter(image)
    assert prediction.size == (90, 140)
    expected = logits_of_mmseg(network, image)
    assert expected.std() > 0.1
    torch.testing.assert_close(prediction.logits.resized(), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("model", [networks.CGNET, networks.cascade()], ids=["single", "cascade"])
def test_features_are_the_input_of_the_last_classifier(tmp_path, image, model):
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", model), device="cpu")
    assert segmenter.provides == {"logits", "features", "classifier"}
    prediction = segmenter(image)
    head = (
        segmenter.network.model.decode_head[-1]
        if model["type"].startswith("Cascade")
        else segmenter.network.model.decode_head
    )
    with torch.inference_mode():
        logits = torch.nn.Conv2d.forward(head.conv_seg, prediction.features.values[None])[0]
    torch.testing.assert_close(logits, prediction.logits.values)


def test_a_head_without_classifier_provides_no_features(tmp_path, image):
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", networks.point_rend()), device="cpu")
    assert segmenter.provides == {"logits"}
    assert segmenter(image).features is None


def test_features_of_aligned_windows_are_averaged_cell_by_cell(tmp_path, image):
    image = np.ascontiguousarray(image[:64, :128])
    model = sliding(networks.CGNET, (64, 64), (64, 32))
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", model), device="cpu")
    stitched = segmenter(image).features.values
    whole = load_segmenter(networks.save(tmp_path / "whole.pth", networks.CGNET, segmenter.network.model), device="cpu")
    total, count = torch.zeros_like(stitched), torch.zeros(stitched.shape[1:])
    for left in (0, 32, 64):
        window = whole(np.ascontiguousarray(image[:, left : left + 64])).features.values
        total[:, :, left // 8 : left // 8 + 8] += window
        count[:, left // 8 : left // 8 + 8] += 1
    torch.testing.assert_close(stitched, total / count, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rule", ["0.5x", "45", "70x45"])
def test_resized_images_give_maps_for_the_image_itself(tmp_path, image, rule):
    network = networks.build(networks.CGNET)
    path = networks.save(tmp_path / "net.pth", networks.CGNET, network)
    segmenter = load_segmenter(path, device="cpu", input_size=InputSize.parse(rule))
    prediction = segmenter(image)
    assert prediction.size == (90, 140)
    assert segmenter.describe().resize == str(InputSize.parse(rule)) != "native"
    small = cv2.resize(image, (70, 45), interpolation=cv2.INTER_LINEAR)
    expected = load_segmenter(path, device="cpu")(small)
    torch.testing.assert_close(prediction.logits.values, expected.logits.values)


def test_windows_of_resized_images_are_those_of_mmsegmentation(tmp_path, image):
    """With align_corners, the average over windows is itself resized that way."""
    model = sliding(networks.cascade(), (32, 32), (16, 24))
    network = networks.build(model)
    path = networks.save(tmp_path / "net.pth", model, network)
    prediction = load_segmenter(path, device="cpu", input_size=InputSize.parse("70x45"))(image)
    small = cv2.resize(image, (70, 45), interpolation=cv2.INTER_LINEAR)
    expected = torch.nn.functional.interpolate(
        logits_of_mmseg(network, small)[None], size=(90, 140), mode="bilinear", align_corners=True
    )[0]
    torch.testing.assert_close(prediction.logits.resized(), expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize(
    "test_cfg",
    [
        dict(mode="slide"),
        dict(mode="slide", crop_size=(8, 8), stride=(0, 8)),
        dict(mode="slide", crop_size=(8, 8), stride=(9, 8)),
        dict(mode="tiles"),
    ],
)
def test_windows_that_cannot_cover_an_image_are_refused(tmp_path, test_cfg):
    model = copy.deepcopy(networks.CGNET) | dict(test_cfg=test_cfg)
    with pytest.raises(InputError, match="test_cfg"):
        load_segmenter(networks.save(tmp_path / "net.pth", model, networks.build(networks.CGNET)), device="cpu")


def test_without_test_settings_the_whole_image_runs(tmp_path, image):
    model = {key: value for key, value in networks.CGNET.items() if key != "test_cfg"}
    path = networks.save(tmp_path / "net.pth", model, networks.build(networks.CGNET))
    assert load_segmenter(path, device="cpu")(image).size == (90, 140)


def test_a_network_without_normalisation_is_refused(tmp_path):
    model = {key: value for key, value in networks.CGNET.items() if key != "data_preprocessor"}
    path = networks.save(tmp_path / "net.pth", model, networks.build(networks.CGNET))
    with pytest.raises(InputError, match="SegDataPreProcessor"):
        load_segmenter(path, device="cpu")


def test_a_network_that_fails_on_an_image_is_told(tmp_path, image):
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", networks.CGNET), device="cpu")
    segmenter.network.model.backbone.forward = lambda inputs: missing_operation()
    with pytest.raises(InputError, match=r"cannot process an input of 140x90 \(no such operation\)"):
        segmenter(image)


def missing_operation():
    raise NotImplementedError("no such operation")


def test_synchronised_batch_norm_runs_on_one_process(tmp_path, image):
    model = copy.deepcopy(networks.CGNET)
    network = networks.build(model)
    path = networks.save(tmp_path / "bn.pth", model, network)
    synchronised = copy.deepcopy(model)
    for part in ("backbone", "decode_head"):
        synchronised[part]["norm_cfg"] = dict(type="SyncBN", requires_grad=True)
    other = networks.save(tmp_path / "sync.pth", synchronised, network)
    first, second = load_segmenter(path, device="cpu")(image), load_segmenter(other, device="cpu")(image)
    assert torch.equal(first.logits.values, second.logits.values)


def test_a_missing_weight_is_named(tmp_path):
    network = networks.build(networks.CGNET)
    del network.decode_head.conv_seg
    path = networks.save(tmp_path / "holes.pth", networks.CGNET, network)
    with pytest.raises(InputError, match=r"holes\.pth does not fit .*conv_seg\.weight is missing"):
        load_segmenter(path, device="cpu")


def test_a_foreign_weight_is_named(tmp_path):
    network = networks.build(networks.CGNET)
    network.extra = torch.nn.Linear(2, 2)
    path = networks.save(tmp_path / "more.pth", networks.CGNET, network)
    with pytest.raises(InputError, match=r"extra\.weight is not part of the network"):
        load_segmenter(path, device="cpu")


def test_auxiliary_heads_do_not_matter(tmp_path, image):
    model = copy.deepcopy(networks.CGNET)
    model["auxiliary_head"] = dict(model["decode_head"], in_channels=32, channels=32)
    path = networks.save(tmp_path / "net.pth", model)
    assert load_segmenter(path, device="cpu")(image).size == (90, 140)
    plain = networks.save(tmp_path / "plain.pth", networks.CGNET, networks.build(model))
    assert load_segmenter(plain, device="cpu")(image).size == (90, 140)


def test_a_config_of_other_classes_is_told(tmp_path):
    path = networks.save(tmp_path / "net.pth", networks.CGNET)
    other = copy.deepcopy(networks.CGNET)
    other["decode_head"]["num_classes"] = 150
    config = tmp_path / "ade.py"
    config.write_text(f"model = {other!r}")
    with pytest.raises(InputError, match=r"trained for 5 classes, but the config \(.*ade\.py\) builds 150"):
        load_segmenter(path, str(config), device="cpu")


def test_class_names_that_do_not_match_are_told(tmp_path):
    path = networks.save(tmp_path / "net.pth", networks.CGNET, dataset_meta={"classes": ["road", "car"]})
    with pytest.raises(
        InputError, match="names 2 classes, but the network has 5; save it with the names of all, or of none"
    ):
        load_segmenter(path, device="cpu")


@pytest.mark.parametrize(
    ("noted", "named"),
    [
        (None, False),
        # As `networks export` and `fit-mixtures` wrote them once.
        ([f"class {index}" for index in range(5)], False),
        (["class A", *(f"class {index}" for index in range(1, 5))], True),
    ],
)
def test_numbers_that_stand_in_for_names_are_none(tmp_path, noted, named):
    path = networks.save(tmp_path / "net.pth", networks.CGNET, dataset_meta={"classes": noted})
    segmenter = load_segmenter(path, device="cpu")
    assert segmenter.classes == tuple(noted or (f"class {index}" for index in range(5)))
    assert segmenter.has_class_names == named
    (tmp_path / "net.safetensors").write_bytes(segmenter.network.exported())
    assert load_segmenter(tmp_path / "net.safetensors", device="cpu").has_class_names == named


def test_a_network_that_does_not_build_is_told(tmp_path):
    broken = copy.deepcopy(networks.CGNET)
    broken["backbone"]["num_blocks"] = "many"
    path = networks.save(tmp_path / "net.pth", broken, networks.build(networks.CGNET))
    with pytest.raises(InputError, match="does not build a network"):
        load_segmenter(path, device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_where_there_is_none(tmp_path):
    path = networks.save(tmp_path / "net.pth", networks.CGNET)
    with pytest.raises(InputError, match="--device cpu"):
        load_segmenter(path, device="cuda")
    assert load_segmenter(path, device="auto").describe().device == "cpu"


def test_the_description_says_what_ran(tmp_path):
    model = sliding(networks.CGNET, (48, 64), (32, 40))
    record = load_segmenter(networks.save(tmp_path / "net.pth", model), device="cpu").describe()
    assert record.checkpoint == "net.pth"
    assert record.classes == list(networks.CLASSES)
    assert record.inference == "slide, crop (48, 64), stride (32, 40)"
    assert (record.config, record.resize) == ("checkpoint meta", "native")
    assert len(record.checkpoint_sha256) == len(record.config_sha256) == 64


@pytest.mark.parametrize("text", ["0x", "0", "10x0", "half", "-2x", "1024*512", ""])
def test_sizes_that_make_no_sense(text):
    with pytest.raises(InputError, match="--resize"):
        InputSize.parse(text)


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("[x] can't allocate memory: 9")]
)
def test_too_little_memory_is_told_as_such(tmp_path, image, monkeypatch, error):
    segmenter = load_segmenter(
        networks.save(tmp_path / "net.pth", networks.CGNET, networks.build(networks.CGNET)), device="cpu"
    )

    def fail(*_):
        raise error

    monkeypatch.setattr(segmenter, "_infer", fail)
    with pytest.raises(
        InputError, match="not enough memory for a network input of 140x90; choose a smaller one with --resize"
    ):
        segmenter(image)
