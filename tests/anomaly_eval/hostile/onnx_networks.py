"""Rows of the table: networks in ONNX."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.anomaly_eval.hostile.bench import Bench, Row
from tests.anomaly_eval.hostile.checkpoints import Trap
from tests.anomaly_eval.segmenters.kinds.onnx_files import save

NETWORK = "net.onnx"


def evaluated(bench: Bench) -> list[str]:
    """Evaluate the network in ONNX."""
    return bench.eval(ckpt=bench.folder / NETWORK, mean="0 0 0", std="1 1 1")


def holding(content: bytes) -> Callable[[Bench], list[str]]:
    """Return how a row puts this into the place of the network."""

    def prepare(bench: Bench) -> list[str]:
        (bench.folder / NETWORK).write_bytes(content)
        return evaluated(bench)

    return prepare


def truncated(bench: Bench) -> list[str]:
    """Cut the file in the middle."""
    path = save(bench.folder / NETWORK)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return evaluated(bench)


def pipe(bench: Bench) -> list[str]:
    """Put a pipe in the place of the network."""
    os.mkfifo(bench.folder / NETWORK)
    return evaluated(bench)


def weights_in(location: str, make: Callable[[Path], object] = lambda path: None) -> Callable[[Bench], list[str]]:
    """Return how a row writes another place of the weights into the network."""

    def prepare(bench: Bench) -> list[str]:
        path = save(bench.folder / NETWORK, data="weights")
        model: Any = onnx.load_model(path, load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                entry.value = location if entry.key == "location" else entry.value
        path.write_bytes(model.SerializeToString())
        make(bench.folder / location)
        return evaluated(bench)

    return prepare


def own_operators(bench: Bench) -> list[str]:
    """Use an operator that only a library of one's own has."""
    save(bench.folder / NETWORK, domain="of.mine")
    return evaluated(bench)


def huge(bench: Bench) -> list[str]:
    """Ask for 10^17 numbers."""
    path = save(bench.folder / NETWORK)
    model: Any = onnx.load_model(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array([10**17]), "count"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["count"], ["many"]))
    model.graph.node.append(helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", ["out", "sum"], ["more"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, (None,) * 4))
    path.write_bytes(model.SerializeToString())
    return evaluated(bench)


def with_settings(text: str) -> Callable[[Bench], list[str]]:
    """Return how a row puts settings beside the network."""

    def prepare(bench: Bench) -> list[str]:
        save(bench.folder / NETWORK).with_suffix(".yaml").write_text(text)
        return evaluated(bench)

    return prepare


OUTSIDE = "`outside of its folder, where nothing is read on its word`"
MISSING = "`which cannot be read beside it; copy both files`"

ROWS = [
    Row(
        "an ONNX file that is truncated, or a page of HTML or a pickle",
        2,
        "`is not an ONNX file or is damaged`",
        (truncated, holding(b"<!DOCTYPE html><html></html>"), holding(pickle.dumps(Trap()))),
        NETWORK,
    ),
    Row("an empty ONNX file", 2, "`is empty, or holds no network`", holding(b""), NETWORK),
    Row("a pipe in place of an ONNX file", 2, "`it is a pipe or a device rather than a file`", pipe, NETWORK),
    Row(
        "an ONNX file without the file of its weights, or with a pipe or an address in memory in its place",
        2,
        MISSING,
        (weights_in("missing"), weights_in("pipe", os.mkfifo), weights_in("*/_ORT_MEM_ADDR_/*")),
        NETWORK,
    ),
    Row(
        "an ONNX file with .. or an absolute path as file of its weights",
        2,
        OUTSIDE,
        (weights_in("../secret"), weights_in("/etc/passwd"), weights_in("C:\\secret")),
        NETWORK,
    ),
    Row(
        "an ONNX file with operators of a library of its own",
        2,
        "`with operators of ONNX alone`; no library is loaded",
        own_operators,
        NETWORK,
    ),
    Row("an ONNX file that asks for more memory than there is", 2, "`there is not enough memory`", huge, NETWORK),
    Row(
        "settings beside an ONNX file with a Python object (YAML tag), or a key twice",
        2,
        "`the file of settings`",
        (
            with_settings("classes: !!python/object/apply:os.system [exit]"),
            with_settings("colours: RGB\ncolours: BGR"),
        ),
        "net.yaml",
    ),
]
