"""TorchScript files: programs in a language of tensors, run only where they leave files alone."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path

import torch

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.network import Network, first_line
from anomaly_eval.segmenters.python.build import network_of
from anomaly_eval.segmenters.python.modules import Source
from gmmseg.checkpoints import sha256_of_file

# `torch.save` and `torch.from_file` are all that reaches files; a name may also be built of escaped characters.
_REACHES_FILES = re.compile(r"\b(?:save|from_file)\b|getattr\s*\([^)]*\\")

_LARGEST_PROGRAM = 1 << 26


def load_torchscript(given: Given, device: torch.device) -> Network:
    """Load a file of `torch.jit.save`; features of its layers are out of reach.

    Raises InputError for a damaged one, one that would unpack to more than its size, and one that reaches for files.
    """
    path = given.path
    try:
        _refuse_reaching(path)
        with warnings.catch_warnings():
            # That it is deprecated is the business of whoever saved the file.
            warnings.simplefilter("ignore")
            module = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]
    except InputError:
        raise
    except Exception as error:  # a damaged archive leads its readers to errors of many kinds
        raise InputError(
            f"{path} is no TorchScript of this version of PyTorch, or is damaged ({first_line(error)}); save it anew."
        ) from error
    digest = sha256_of_file(path)
    return network_of(module, Source(path.name, "TorchScript", digest, sha256=digest), given, device)


def _refuse_reaching(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        # torch.jit.save compresses the program, and nothing else.
        program = {entry for entry in archive.infolist() if "/code/" in entry.filename}
        weights = sum(entry.file_size for entry in archive.infolist() if entry not in program)
        if weights > path.stat().st_size or sum(entry.file_size for entry in program) > _LARGEST_PROGRAM:
            raise InputError(f"{path} would unpack to far more than its own size; save it anew with torch.jit.save.")
    # What PyTorch itself reads: it takes CODE/NAME.PY for code/NAME.py, and may see other entries than zipfile.
    reader = torch._C.PyTorchFileReader(str(path))
    for name in reader.get_all_records():
        if name.lower().startswith("code/") and name.lower().endswith(".py"):
            found = _REACHES_FILES.search(reader.get_record(name).decode("utf-8", "replace"))
            if found is not None:
                raise InputError(
                    f"{path} holds a program that may read or write files ({found[0][:40]!r}), so it is not run; "
                    f"script the network without it."
                )
