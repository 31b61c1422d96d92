"""What to do where registries and constructors of the stack below refuse settings of a config."""

from __future__ import annotations

import re
from importlib.util import find_spec

from gmmseg.errors import reason_of

_UNKNOWN = re.compile(r"([\w.]+) is not in the \S+?::([\w ]+) registry")
"""What a registry says of a name that it does not have."""


def what_to_do(error: Exception) -> str:
    """Return in brackets why a registry or a constructor failed, and what helps."""
    reason = reason_of(error)
    unknown = _UNKNOWN.search(reason)
    if unknown is not None:
        name, kind = unknown.groups()
        package = name.split(".")[0]
        if "." in name and find_spec(package) is None:
            return f"(it asks for {name}, and {package} is not installed); pip install {package}"
        return f"(there is no {kind} {name}); correct its name, or name the module that registers it in custom_imports"
    if isinstance(error, SyntaxError) and "Failed to format the config" in reason:
        return "(it holds what cannot be written down, such as a function); give plain values in its place"
    if isinstance(error, ImportError):
        return f"({reason}); install that package"
    if "BaseModule.__init__() got an unexpected keyword" in reason and find_spec("mmdet") is None:
        # What stands in mmsegmentation for the heads that it takes from there.
        return "(MaskFormer and Mask2Former need mmdet, which is not installed); pip install mmdet==3.3.0"
    return f"({reason}); correct these settings of the config"
