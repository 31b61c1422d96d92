"""Files of TorchScript."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch

from anomaly_eval.segmenters.given import Given
from anomaly_eval.segmenters.network import Network, NetworkKind


class TorchScriptFiles(NetworkKind):
    """What `torch.jit.save` writes: weights, and a program in a language that knows nothing but tensors."""

    title = "TorchScript (.pt, .ts)"
    takes = frozenset({"mean", "std", "colours"})

    def recognises(self, given: Path) -> bool:
        """Whether it is an archive with a program in it, whatever it is called."""
        try:
            if not given.is_file() or not zipfile.is_zipfile(given):
                return False
            with zipfile.ZipFile(given) as archive:
                names = archive.namelist()
        except (OSError, zipfile.BadZipFile, ValueError):
            return False
        return any("/code/" in name for name in names) and any(name.endswith("/constants.pkl") for name in names)

    def load(self, given: Given, device: torch.device) -> Network:
        """Look at the program, then load it."""
        from anomaly_eval.segmenters.python.torchscript import load_torchscript

        return load_torchscript(given, device)
