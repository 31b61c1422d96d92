"""Train a small CGNet on drawn road scenes: a checkpoint to evaluate where there is none to download.

The training takes about half a minute on two CPU cores.

    python -m examples.first_run --out demo
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import gmmseg  # noqa: F401  (before mmseg: it makes mmseg importable without mmcv's compiled operations)
from anomaly_eval.shipped import shipped_folder
from examples.drawn_scenes import CLASSES, PALETTE, SET_STRIDE, SIZE, VOID, Image, write_dataset

BATCH = 8


def read_image(path: Path, flags: int) -> Image:
    """Return the pixels of an image file."""
    pixels = cv2.imread(str(path), flags)
    if pixels is None:
        raise OSError(f"cannot read {path}")
    return np.asarray(pixels, np.uint8)


def read_dataset(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all images (number, BGR, height, width) and labels (number, height, width) of a written set."""
    names = sorted(path.name for path in (folder / "images").glob("scene_*.png"))
    images = [read_image(folder / "images" / name, cv2.IMREAD_COLOR) for name in names]
    labels = [read_image(folder / "labels_masks" / name, cv2.IMREAD_UNCHANGED) for name in names]
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.from_numpy(np.stack(labels)).long()


def build_model(seed: int) -> tuple[Any, str]:
    """Return mmseg's untrained network and the text of its config."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    init_default_scope("mmseg")
    config = Config.fromfile(shipped_folder("configs") / "drawn_cgnet.py")
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        # mmseg's own losses are still built in the old way.
        warnings.filterwarnings("ignore", message="``build_loss`` would be deprecated")
        model = MODELS.build(config.model)
    return model, str(config.pretty_text)


def batches(count: int, iterations: int, seed: int) -> Iterator[torch.Tensor]:
    """Yield the indices of each batch; every pass over the images has its own order."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(iterations):
        if len(order) < min(BATCH, count):
            order = torch.randperm(count, generator=generator)
        yield order[:BATCH]
        order = order[BATCH:]


def train(model: Any, folder: Path, iterations: int, seed: int) -> list[float]:
    """Train the network on a written set and return the loss of each iteration."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    images, labels = read_dataset(folder)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=6e-3, total_steps=max(iterations, 2))
    losses = []
    model.train()
    for number, chosen in enumerate(batches(len(images), iterations, seed), start=1):
        flipped = number % 2 == 0
        samples = []
        for index in chosen:
            truth = labels[index].flip(-1) if flipped else labels[index]
            samples.append(SegDataSample(gt_sem_seg=PixelData(data=truth[None])))
        inputs = [images[index].flip(-1) if flipped else images[index] for index in chosen]
        data = model.data_preprocessor(dict(inputs=inputs, data_samples=samples), training=True)
        loss = sum(value for name, value in model.loss(**data).items() if "loss" in name)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if number % 50 == 0 or number == iterations:
            print(f"iteration {number}/{iterations}: loss {np.mean(losses[-50:]):.3f}")
    return losses


def pixel_accuracy(model: Any, folder: Path) -> float:
    """Return the share of labelled pixels of a written set that the network classifies correctly."""
    images, labels = read_dataset(folder)
    model.eval()
    right = total = 0
    with torch.no_grad():
        for image, truth in zip(images, labels, strict=True):
            data = model.data_preprocessor(dict(inputs=[image]), training=False)
            logits = model.encode_decode(data["inputs"], [dict(img_shape=tuple(truth.shape))])
            labelled = truth != VOID
            right += int((logits.argmax(1)[0] == truth)[labelled].sum())
            total += int(labelled.sum())
    return right / total


def save_checkpoint(model: Any, config_text: str, path: Path) -> None:
    """Write the weights, the class names and the config as mmengine's own checkpoints hold them."""
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=PALETTE), cfg=config_text)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the three sets, train on one of them, and report what was reached."""
    parser = argparse.ArgumentParser(description="Draw small road scenes and train a small network on them.")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for data/ and drawn.pth")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same scenes")
    parser.add_argument("--train-images", type=int, default=160)
    parser.add_argument("--test-images", type=int, default=12)
    parser.add_argument("--iterations", type=int, default=200)
    options = parser.parse_args(argv)

    data, first = options.out / "data", options.seed * 3 * SET_STRIDE
    counts = {"drawn_train": options.train_images, "drawn_val": 12, "drawn": options.test_images}
    for number, (name, count) in enumerate(counts.items()):
        start = first + number * SET_STRIDE
        write_dataset(data / name, range(start, start + count), SIZE, anomalies=name == "drawn")
        print(f"drew {count} scenes: {data / name}")

    started = time.perf_counter()
    model, config_text = build_model(options.seed)
    train(model, data / "drawn_train", options.iterations, options.seed)
    print(f"trained for {time.perf_counter() - started:.0f} s")
    print(f"pixel accuracy on scenes not trained on: {100 * pixel_accuracy(model, data / 'drawn_val'):.1f} %")
    save_checkpoint(model, config_text, options.out / "drawn.pth")
    print(f"wrote {options.out / 'drawn.pth'}")


if __name__ == "__main__":
    main()
