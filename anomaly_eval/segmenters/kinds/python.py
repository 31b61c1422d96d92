"""Functions in Python files that build networks."""

from __future__ import annotations

from pathlib import Path

import torch

from anomaly_eval.segmenters.given import Given, python_function
from anomaly_eval.segmenters.network import Network, NetworkKind


class PythonFunctions(NetworkKind):
    """FILE.py:FUNCTION, which runs, as the user named it."""

    title = "functions that build networks of PyTorch (FILE.py:FUNCTION; the file is run)"
    takes = frozenset({"weights", "mean", "std", "colours"})

    def recognises(self, given: Path) -> bool:
        """Whether a Python file is named, whether or not with a function."""
        return python_function(given) is not None

    def load(self, given: Given, device: torch.device) -> Network:
        """Run the file and its function."""
        from anomaly_eval.segmenters.python.build import network_of
        from anomaly_eval.segmenters.python.files import build_from_file

        path, function = python_function(given.path) or (given.path, "")
        built, source = build_from_file(path, function, given.weights, device)
        return network_of(built, source, given, device)
