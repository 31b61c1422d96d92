"""Opening an ONNX file: its hash, the files that hold its weights, and a session of onnxruntime.

A graph is data: nothing in it is executed as Python, and no library is loaded on its word.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.segmenters.network import first_line
from gmmseg.checkpoints import sha256_of_file
from gmmseg.denormals import flushed_denormals

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from onnxruntime import InferenceSession

_LARGEST = (1 << 31) - 1
"""Bytes of a file in the format of protobuf; larger networks keep their weights in files beside it."""
_FATAL = 4
"""The severity from which onnxruntime writes to standard error; what it raises is said in our words."""


def hash_of(path: Path) -> str:
    """Return the SHA-256 of an ONNX file; where weights lie in other files, one over the hashes of all.

    Raises InputError for what is no ONNX file, and for weights that are missing or lie outside of its folder.
    """
    try:
        content = read_regular(path, _LARGEST)
    except OSError as error:
        raise InputError(f"the ONNX file {path} cannot be read ({error.strerror}); check its name.") from error
    digest = hashlib.sha256(content).hexdigest()
    hashes = [f"{name} {_hash_of_data(path, name)}" for name in _files_of_weights(content, path)]
    return hashlib.sha256("\n".join([digest, *hashes]).encode()).hexdigest() if hashes else digest


def open_session(path: Path, device: torch.device) -> InferenceSession:
    """Return a session with as many threads as torch has; on CUDA where onnxruntime has it, else on the CPU.

    Raises InputError where onnxruntime cannot run the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise _without_extra(path) from error

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = torch.get_num_threads()
    options.use_deterministic_compute = True
    # Its threads would wait for the next image on the cores that scores are computed on.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        chosen = {"device_id": torch.cuda.current_device(), "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
        providers.insert(0, ("CUDAExecutionProvider", chosen))
    try:
        # It would let this thread flush denormal numbers for good.
        with flushed_denormals():
            return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime has an exception for each of its codes, without a common base
        if _is_out_of_memory(error):
            raise InputError(
                f"there is not enough memory to load {path}; export a smaller network, or use a larger machine."
            ) from error
        raise InputError(
            f"onnxruntime cannot run {path} ({_reason(error)}); export it anew, with operators of ONNX alone."
        ) from error


def run(session: InferenceSession, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the outputs of these names.

    Raises MemoryError where memory does not suffice, and RuntimeError for all else that onnxruntime objects to.
    """
    try:
        outputs: list[NDArray[Any]] = session.run(names, feeds)
    except Exception as error:  # onnxruntime has an exception for each of its codes, without a common base
        kind = MemoryError if _is_out_of_memory(error) else RuntimeError
        raise kind(_reason(error)) from error
    return outputs


def _is_out_of_memory(error: Exception) -> bool:
    texts = ("Failed to allocate memory", "bad_alloc", "bad allocation", "out of memory")
    return any(text in str(error) for text in texts)


def _reason(error: Exception) -> str:
    """Return what onnxruntime says, without its code, the name of the file and what it was doing."""
    said = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", first_line(error))
    for before in ("failed:", "Status Message: "):
        said = said.rpartition(before)[2]
    return said.strip().rstrip(".")


def _files_of_weights(content: bytes, path: Path) -> list[str]:
    """Return the names of the files that hold tensors of a graph, in order, as the graph writes them."""
    try:
        import onnx
    except ImportError as error:
        raise _without_extra(path) from error

    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf has its own, which are not the same in all its versions
        raise InputError(f"{path} is not an ONNX file or is damaged; export it, or copy it, anew.") from error
    if not model.graph.node:
        raise InputError(f"{path} is empty, or holds no network in ONNX; export it, or copy it, anew.")
    outside = [tensor for tensor in _tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL]
    return sorted({entry.value for tensor in outside for entry in tensor.external_data if entry.key == "location"})


def _tensors(message: Message) -> Iterator[Any]:
    """Yield all tensors of a graph, in whatever part."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(part)


def _hash_of_data(path: Path, name: str) -> str:
    shown = name[:200] if name.isprintable() else repr(name[:200])
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        raise InputError(
            f"{path} wants its weights from {shown}, outside of its folder, where nothing is read on its word; export "
            f"it with its weights beside it."
        )
    try:
        if (path.parent / name).is_file():
            return sha256_of_file(path.parent / name)
    except (OSError, ValueError):  # a name that no file can have, or a file that may not be read
        pass
    raise InputError(f"{path} keeps weights in {shown}, which cannot be read beside it; copy both files.")


def _without_extra(path: Path) -> InputError:
    return InputError(f"{path} needs onnx and onnxruntime; install them with `pip install onnx onnxruntime`.")
