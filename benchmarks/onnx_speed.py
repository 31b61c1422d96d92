"""How fast a network is in ONNX beside PyTorch, and how far their logits are apart, as ratios in one run.

    python benchmarks/onnx_speed.py                     CGNet with random weights at 1280 x 720
    python benchmarks/onnx_speed.py your.pth --config softmax_cgnet_cityscapes --size 1024x512

The network is exported by torch, with free sizes of its input. Both then run in turn as `eval` would run them, without
scores; the ratio is the median over the pairs. `--keep FILE.onnx` keeps the export, and beside it what `eval` asks for.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import warnings
from pathlib import Path
from typing import Any

import gmmseg.heads  # noqa: F401  isort: skip  (lets mmsegmentation import without compiled ops)
import numpy as np
import torch
import yaml
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.load import load_segmenter
from anomaly_eval.segmenters.protocol import NetworkSegmenter
from networks import pairs

CGNET = "mmseg::cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py"


class Coarse(nn.Module):
    """The logits of a network on its own grid."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Return them for a batch of normalised images."""
        logits: Tensor = self.model._forward(image)
        return logits


def random_cgnet(folder: Path) -> Path:
    """Write CGNet with random weights and return its file."""
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = get_config(CGNET).model
    text = Config({"model": model.to_dict()}, format_python_code=False).pretty_text
    path = folder / "cgnet.pth"
    torch.save({"meta": {"cfg": text}, "state_dict": MODELS.build(model).state_dict()}, path)
    return path


def export(segmenter: NetworkSegmenter, path: Path) -> None:
    """Write a network of mmsegmentation as ONNX, and what the file cannot say as YAML beside it."""
    model: Any = segmenter.network.model  # type: ignore[attr-defined]
    sides = {name: torch.export.Dim(name, min=64, max=8192) for name in ("height", "width")}
    torch.onnx.export(
        Coarse(model).eval(),
        (torch.zeros(1, 3, 256, 512),),
        path,
        dynamo=True,
        external_data=False,
        verbose=False,
        dynamic_shapes={"image": {2: sides["height"], 3: sides["width"]}},
    )
    preprocessor, facts = model.data_preprocessor, segmenter.network.facts
    mean, std = (getattr(preprocessor, name).flatten().tolist() for name in ("mean", "std"))
    # Images are loaded as BGR there.
    colours = "RGB" if preprocessor.channel_conversion else "BGR"
    said = {"mean": mean, "std": std, "colours": colours, "align_corners": facts.align_corners}
    names = {} if facts.class_names is None else {"classes": list(facts.class_names)}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(said | names), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("checkpoint", nargs="?", type=Path)
    parser.add_argument("--config")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--keep", type=Path, help="where the export stays")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    width, height = map(int, options.size.split("x"))
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = options.checkpoint or random_cgnet(Path(folder))
        original = load_segmenter(checkpoint, options.config, device="cpu")
        path = options.keep or Path(folder) / "network.onnx"
        export(original, path)
        exported = load_segmenter(Given(path), device="cpu")
    calls = (lambda: original(image), lambda: exported(image))
    difference = float((calls[0]().class_maps.values - calls[1]().class_maps.values).abs().max())
    seconds = pairs(calls, options.repeats)
    ratios = [onnx / torch_ for torch_, onnx in seconds]
    medians = [f"{statistics.median(times):.3f} s" for times in zip(*seconds, strict=True)]
    of_ratios = [f"{value:.2f}" for value in (statistics.median(ratios), min(ratios), max(ratios))]
    table = Table("network", "PyTorch", "ONNX", "ratio", "lowest", "highest", "largest difference of logits")
    table.add_row(checkpoint.name, *medians, *of_ratios, f"{difference:.0e}")
    Console().print(table)
    Console().print(f"{torch.get_num_threads()} threads, {original.describe().inference}, {options.size}")


if __name__ == "__main__":
    main()
