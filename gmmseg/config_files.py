"""Reading the config files of mmengine, for trainings and for networks alike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from gmmseg.errors import InputError, reason_of

if TYPE_CHECKING:
    from mmengine.config import Config

_INSTALL = "install it, or put the folder that holds it on PYTHONPATH"
_CUSTOM = re.compile(r"Failed to import custom modules from \{'imports': (\[[^\]]*\]|'[^']*')")


def read_config(source: str, given: str | None = None) -> Config:
    """Load a Python config file, which is executed, or `mmseg::NAME`.

    given: what the user called it, where that is something else. Raises InputError where there is none, and where it
    cannot be loaded.
    """
    from mmengine.config import Config
    from mmengine.hub import get_config

    given = source if given is None else given
    if "::" not in source and not Path(source).is_file():
        raise InputError(
            f"there is no config {given}; give the name of a shipped one, a .py file or mmseg::segformer/NAME.py."
        )
    try:
        if "::" in source:
            return get_config(source if source.endswith(".py") else f"{source}.py")
        return Config.fromfile(source)
    except FileNotFoundError as error:
        if "::" in source:
            raise InputError(f"there is no config {given} in that package; check the name.") from error
        missing = error.filename or str(error)
        raise InputError(f"the config {given} needs a file that is missing ({missing}); correct its path.") from error
    except ImportError as error:
        raise InputError(f"the config {given} imports what is not there ({_not_there(error)}); {_INSTALL}.") from error
    except (Exception, SystemExit) as error:  # a config is a Python program and fails in its own ways
        raise InputError(f"the config {given} cannot be loaded ({reason_of(error)}); correct it.") from error


def _not_there(error: ImportError) -> str:
    """Return what was to be imported; mmengine adds the whole search path of Python, line by line."""
    custom = _CUSTOM.search(str(error))
    return ", ".join(re.findall(r"'([^']+)'", custom[1])) if custom else reason_of(error)
