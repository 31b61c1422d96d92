"""Small networks in ONNX: a convolution to features on a grid of a fourth, and one to five classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from torch.nn.functional import conv2d

CLASSES = 5
_RNG = np.random.default_rng(3)
BODY = _RNG.normal(0, 0.2, (8, 3, 4, 4)).astype(np.float32)
HEAD = _RNG.normal(0, 1, (CLASSES, 8, 1, 1)).astype(np.float32)


def features_of(inputs: Tensor) -> Tensor:
    """What the network makes of (n, 3, h, w), (n, 8, h / 4, w / 4)."""
    return conv2d(inputs.float(), torch.from_numpy(BODY), stride=4).relu()


def logits_of(inputs: Tensor) -> Tensor:
    """Its logits, (n, 5, h / 4, w / 4)."""
    return conv2d(features_of(inputs), torch.from_numpy(HEAD))


def save(
    path: Path,
    *,
    size: tuple[int | str, int | str] = ("h", "w"),
    batch: int | str = 1,
    layout: str = "NCHW",
    output_layout: str | None = None,
    dtype: int = TensorProto.FLOAT,
    ending: Sequence[tuple[str, dict[str, Any]]] = (),
    shape: Sequence[int | str | None] | None = None,
    output_shape: Sequence[int | str | None] = (None, None, None, None),
    output_type: int = TensorProto.FLOAT,
    outputs: Sequence[str] = ("out",),
    head: np.ndarray = HEAD,
    domain: str = "",
    data: str | None = None,
) -> Path:
    """Write the network.

    ending: operators after the logits, with their attributes. shape: of the input, in the place of what size, batch
    and layout say. outputs: of `out`, `features` and `logits`. data: the file of the weights, beside the network.
    """
    axes = (batch, 3, *size) if layout == "NCHW" else (batch, *size, 3)
    nodes = [helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT)]
    turned = layout == "NHWC"
    nodes.append(helper.make_node("Transpose", ["floats"], ["planes"], perm=(0, 3, 1, 2) if turned else (0, 1, 2, 3)))
    nodes.append(helper.make_node("Conv", ["planes", "body"], ["convolved"], strides=[4, 4]))
    nodes.append(helper.make_node("Relu", ["convolved"], ["features"]))
    nodes.append(helper.make_node("Conv", ["features", "head"], ["logits"], domain=domain))
    last = "logits"
    if (output_layout or layout) == "NHWC":
        ending = [*ending, ("Transpose", {"perm": (0, 2, 3, 1)})]
    for index, (operator, attributes) in enumerate([*ending, ("Identity", {})]):
        name = "out" if index == len(ending) else f"step{index}"
        nodes.append(helper.make_node(operator, [last], [name], **attributes))
        last = name
    shapes = {"out": output_shape, "features": (None, 8, None, None), "logits": (None, len(head), None, None)}
    types = {"out": output_type}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", dtype, shape or axes)],
        [helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), shapes[name]) for name in outputs],
        [numpy_helper.from_array(BODY, "body"), numpy_helper.from_array(head.astype(np.float32), "head")],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    outside = {"save_as_external_data": True, "location": data, "size_threshold": 0} if data else {}
    onnx.save_model(model, path, **outside)
    return path
