"""Where the data folders that ship with the project are."""

from pathlib import Path


def shipped_folder(name: str) -> Path:
    """Return the folder `datasets`, `configs` or `reports`, from the wheel or from the checkout.

    The wheel carries the folders inside this package, so that no top-level `datasets` is ever installed.
    """
    package = Path(__file__).parent
    installed = package / "_shipped" / name
    return installed if installed.is_dir() else package.parent / name


def config_source(name: str) -> str:
    """Return the file of a shipped config of this name, else the name: a file of the user's, or `mmseg::NAME`."""
    shipped = shipped_folder("configs") / f"{name}.py"
    return str(shipped) if shipped.is_file() and "/" not in name else name
