"""A GMMSeg config differs from its softmax twin in the classifier alone, and that from mmsegmentation's in nothing."""

from __future__ import annotations

import re

import pytest

from tests.configs.loading import DEMO, SOFTMAX, differences, heads, load, load_from_zoo, plain

# mmsegmentation's own configs of the same networks.
ZOO = {
    "deeplabv3plus_r101_ade20k": "deeplabv3plus/deeplabv3plus_r101-d8_4xb4-160k_ade20k-512x512.py",
    "ocrnet_hr48_ade20k": "ocrnet/ocrnet_hr48_4xb4-160k_ade20k-512x512.py",
    "upernet_swin-b_ade20k": "swin/swin-base-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py",
    "segformer_mit-b5_ade20k": "segformer/segformer_mit-b5_8xb2-160k_ade20k-512x512.py",
    "deeplabv3plus_r101_cityscapes": "deeplabv3plus/deeplabv3plus_r101-d8_4xb2-80k_cityscapes-512x1024.py",
    "deeplabv3plus_r18_cityscapes": "deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024.py",
    "fcn_r101_cityscapes": "fcn/fcn_r101-d8_4xb2-80k_cityscapes-512x1024.py",
    "ocrnet_hr48_cityscapes": "ocrnet/ocrnet_hr48_4xb2-80k_cityscapes-512x1024.py",
    "segformer_mit-b5_cityscapes": "segformer/segformer_mit-b5_8xb1-160k_cityscapes-1024x1024.py",
    "segformer_mit-b0_cityscapes": "segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py",
    "cgnet_cityscapes": "cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py",
}
# The total batch is the paper's, and how it is shared out among processes and workers is ours.
SHARING = {"train_dataloader.batch_size", "train_dataloader.num_workers", "auto_scale_lr"}
# mmsegmentation repeats outside of the model what it holds.
REPEATED = {"data_preprocessor.size", "checkpoint", "checkpoint_file"}
CROP = {
    "crop_size.0",
    "crop_size.1",
    "model.data_preprocessor.size.0",
    "model.data_preprocessor.size.1",
    "train_pipeline.3.crop_size.0",
    "train_pipeline.3.crop_size.1",
    "train_dataloader.dataset.pipeline.3.crop_size.0",
    "train_dataloader.dataset.pipeline.3.crop_size.1",
}
WINDOWS = re.compile(r"model\.test_cfg\.(mode|crop_size|stride)(\.\d)?")


@pytest.mark.parametrize("name", [*SOFTMAX, DEMO])
def test_a_gmmseg_config_is_its_softmax_twin_but_for_the_classifier(name: str) -> None:
    softmax, gmmseg = load(f"softmax_{name}"), load(f"gmmseg_{name}")
    last = "model.decode_head" if len(heads(softmax)) == 1 else f"model.decode_head.{len(heads(softmax)) - 1}"
    found = {path for path in differences(plain(softmax), plain(gmmseg)) if not path.startswith("custom_imports")}
    assert found == {f"{last}.{key}" for key in ("type", "architecture", "mixture")}
    head = heads(gmmseg)[-1]
    assert head.type == "GMMSegHead"
    assert head.architecture == heads(softmax)[-1].type
    short = dict(memory_size=1000, momentum_means=0.96, momentum_deviations=0.96)
    ours = dict(learned_temperature=20.0, class_prior="frequencies", pixels_per_class_and_image=20, memory_size=2000)
    own = {DEMO: {}, "cgnet_camvid": dict(projection="conv_norm", normalisation="none")}
    assert head.mixture == dict(preset="paper") | (short | ours | own[name] if name in own else {})
    assert {*softmax.get("custom_imports", {}).get("imports", []), "gmmseg.heads"} == set(gmmseg.custom_imports.imports)


@pytest.mark.parametrize("name", SOFTMAX)
def test_one_option_chooses_the_official_preset(name: str) -> None:
    config = load(f"gmmseg_{name}")
    before = plain(config)
    path = "model.decode_head.mixture.preset" if len(heads(config)) == 1 else "model.decode_head.1.mixture.preset"
    config.merge_from_dict({path: "official"})
    assert differences(before, plain(config)) == {path}
    assert heads(config)[-1].mixture.preset == "official"


@pytest.mark.parametrize("name", ZOO)
def test_a_softmax_config_is_the_zoos_but_for_what_the_paper_says(name: str) -> None:
    ours, zoo = load(f"softmax_{name}"), load_from_zoo(ZOO[name])
    found = differences(plain(ours), plain(zoo)) - SHARING - REPEATED
    if name == "cgnet_cityscapes":
        assert found == {"model.decode_head.loss_decode.class_weight"}
    elif name.endswith("_ade20k"):
        assert found == set()
    else:
        windows = {path for path in found if WINDOWS.fullmatch(path)}
        assert windows
        shorter = set()
        if name.startswith("segformer"):
            # mmsegmentation trains it for 160k iterations.
            shorter = {"param_scheduler.1.end", "train_cfg.max_iters", "train_cfg.val_interval"}
            shorter |= {"default_hooks.checkpoint.interval"}
        assert found - windows - CROP == shorter


@pytest.mark.parametrize("network", ["deeplabv3plus_r101", "ocrnet_hr48", "upernet_swin-b", "segformer_mit-b5"])
def test_coco_stuff_differs_from_ade20k_in_dataset_classes_and_iterations_alone(network: str) -> None:
    ade, coco = load(f"softmax_{network}_ade20k"), load(f"softmax_{network}_cocostuff10k")
    found = differences(plain(ade), plain(coco))
    dataset = re.compile(r"dataset_type|data_root|(train|val|test)_dataloader\.dataset\..+")
    classes = re.compile(r"model\.(decode_head(\.\d)?|auxiliary_head)\.num_classes")
    length = re.compile(
        r"param_scheduler\.\d\.end|train_cfg\.(max_iters|val_interval)|default_hooks\.checkpoint\.interval"
    )
    assert {path for path in found if not any(kind.fullmatch(path) for kind in (dataset, classes, length))} == set()
    assert coco.train_dataloader.dataset.pipeline == ade.train_dataloader.dataset.pipeline


def test_coco_stuffs_dataset_is_mmsegmentations() -> None:
    ours = load("softmax_segformer_mit-b5_cocostuff10k")
    # The one config of this dataset there that crops as the paper does.
    zoo = load_from_zoo("deeplabv3/deeplabv3_r101-d8_4xb4-40k_coco-stuff10k-512x512.py")
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        assert plain(ours[loader].dataset) == plain(zoo[loader].dataset)
