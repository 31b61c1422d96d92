"""What mmengine trains is read: settings beside the model, classes named in full, settings of heads."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.configs import find_config, for_inference
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.registered import with_registered_names
from gmmseg.checkpoints import load_checkpoint
from tests.anomaly_eval import networks

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
NEW_STYLE = """
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.backbones.cgnet import CGNet
from mmseg.models import FCNHead
from torch.nn import SyncBatchNorm

norm = dict(type=SyncBatchNorm, requires_grad=True)
data_preprocessor = dict(
    type=SegDataPreProcessor, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True,
    pad_val=0, seg_pad_val=255)
model = dict(
    type=EncoderDecoder,
    backbone=dict(type=CGNet, norm_cfg=norm, num_channels=(8, 16, 16), num_blocks=(1, 1), reductions=(8, 8)),
    decode_head=dict(type=FCNHead, in_channels=32, in_index=2, channels=32, num_convs=0, concat_input=False,
                     dropout_ratio=0.1, num_classes=5, norm_cfg=norm),
    test_cfg=dict(mode='whole'))
"""


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """The network of all these configs."""
    return networks.build(networks.CGNET)


@pytest.fixture(scope="module")
def expected(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    """Its logits."""
    path = networks.save(tmp_path_factory.mktemp("plain") / "net.pth", networks.CGNET, network)
    return load_segmenter(path, device="cpu")(IMAGE).logits.values


def beside() -> dict[str, Any]:
    """A config with its preprocessor beside the model."""
    model = copy.deepcopy(networks.CGNET)
    return {"data_preprocessor": model.pop("data_preprocessor"), "model": model}


def pretty(config: Config) -> str:
    """Return what mmengine puts into checkpoints."""
    text: str = config.pretty_text
    return text


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("kind", ["beside", "new style", "dictionary", "object"])
def test_the_network_is_the_same(
    tmp_path: Path, network: torch.nn.Module, expected: torch.Tensor, kind: str, inside: bool
) -> None:
    file = tmp_path / "own.py"
    file.write_text(NEW_STYLE if kind == "new style" else "".join(f"{k} = {v!r}\n" for k, v in beside().items()))
    config = Config.fromfile(file)
    noted: Any = {"dictionary": ConfigDict(beside()), "object": config}.get(kind, pretty(config))
    meta = {"cfg": noted} if inside else {}
    torch.save({"state_dict": network.state_dict(), "meta": meta}, tmp_path / "net.pth")
    found = load_segmenter(tmp_path / "net.pth", None if inside else str(file), device="cpu")
    assert torch.equal(found(IMAGE).logits.values, expected)


def test_the_preprocessor_of_the_model_goes_first(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(f"data_preprocessor = dict(type='SegDataPreProcessor', mean=[9.0])\nmodel = {networks.CGNET!r}")
    torch.save({"w": torch.ones(1)}, tmp_path / "net.pth")
    found = find_config(load_checkpoint(tmp_path / "net.pth"), str(file))
    assert found.model["data_preprocessor"] == networks.PREPROCESSOR


def test_new_and_old_style_have_one_hash(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(NEW_STYLE)
    old = copy.deepcopy(networks.CGNET)
    for part in ("backbone", "decode_head"):
        old[part]["norm_cfg"] = {"type": "SyncBN", "requires_grad": True}
    (tmp_path / "old.py").write_text(f"model = {old!r}")
    torch.save({"w": torch.ones(1)}, tmp_path / "net.pth")
    checkpoint = load_checkpoint(tmp_path / "net.pth")
    new, old_style = (find_config(checkpoint, str(tmp_path / name)) for name in ("new.py", "old.py"))
    assert new.sha256 == old_style.sha256


@pytest.mark.parametrize(
    "kind", ["os.system", "subprocess.run", "torch.load", "mmseg.apis.init_model", "antigravity.x"]
)
def test_what_is_not_registered_has_no_other_name(tmp_path: Path, kind: str) -> None:
    assert with_registered_names({"type": kind}) == {"type": kind}
    meta = {"cfg": {"model": {"type": "EncoderDecoder", "backbone": {"type": kind}}}}
    torch.save({"meta": meta, "state_dict": {"w": torch.ones(1)}}, tmp_path / "net.pth")
    with pytest.raises(InputError, match="is no module of mmsegmentation"):
        find_config(load_checkpoint(tmp_path / "net.pth"), None)


def test_a_misspelt_module_is_told_with_the_closest(tmp_path: Path) -> None:
    meta = {"cfg": {"model": {"type": "EncoderDecoder", "backbone": {"type": "MixVisionTransfomer"}}}}
    torch.save({"meta": meta, "state_dict": {"w": torch.ones(1)}}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"did you mean MixVisionTransformer\?"):
        find_config(load_checkpoint(tmp_path / "net.pth"), None)


@pytest.mark.parametrize("value", [{1, 2}, torch.ones(2), np.ones(2), object, b"x"])
def test_dictionaries_of_more_than_plain_values(tmp_path: Path, value: object) -> None:
    meta = {"cfg": {"model": {"type": "EncoderDecoder", "backbone": value}}}
    torch.save({"meta": meta, "state_dict": {"w": torch.ones(1)}}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"net\.pth.*--config"):
        find_config(load_checkpoint(tmp_path / "net.pth"), None)


def test_dictionaries_that_multiply_are_not_written_out(tmp_path: Path) -> None:
    multiplied: Any = {"a": 1}
    for _ in range(40):
        multiplied = [multiplied, multiplied]
    torch.save(
        {"meta": {"cfg": {"model": {"x": multiplied}}}, "state_dict": {"w": torch.ones(1)}}, tmp_path / "net.pth"
    )
    with pytest.raises(InputError, match="too long or nested too deeply"):
        find_config(load_checkpoint(tmp_path / "net.pth"), None)


def test_the_training_settings_of_a_head_stay_whole() -> None:
    settings = {"assigner": {"type": "A", "init_cfg": 1}, "sampler": {"type": "S"}, "num_points": 3}
    model = {"train_cfg": {}, "decode_head": {"train_cfg": settings, "sampler": 1, "loss_decode": 2}}
    assert for_inference(model) == {"train_cfg": {}, "decode_head": {"train_cfg": settings}}


@pytest.mark.parametrize(
    "name",
    [
        "mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py",
        "mmseg::maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py",
    ],
)
def test_mask_classifiers_of_mmsegmentation(tmp_path: Path, name: str) -> None:
    """Where mmdetection is there, they are built, from a file and from a checkpoint; else they say what is missing."""
    from mmengine.hub import get_config

    config = get_config(name)
    text = pretty(config)
    if find_spec("mmdet") is None:
        torch.save({"meta": {"cfg": text}, "state_dict": {"w": torch.ones(1)}}, tmp_path / "net.pth")
        with pytest.raises(InputError, match=r"of mmdet, which is not there; pip install mmdet"):
            load_segmenter(tmp_path / "net.pth", device="cpu")
        with pytest.raises(InputError, match=r"of mmdet, which is not there; pip install mmdet"):
            load_segmenter(tmp_path / "net.pth", name, device="cpu")
        return
    model = copy.deepcopy(config.model)
    model.backbone.init_cfg = None
    weights = networks.build(model).state_dict()
    torch.save({"meta": {"cfg": text}, "state_dict": weights}, tmp_path / "net.pth")
    for given in (None, name):
        found = load_segmenter(tmp_path / "net.pth", given, device="cpu")(IMAGE)
        assert found.logits.values.shape[0] == len(load_segmenter(tmp_path / "net.pth", given, device="cpu").classes)
