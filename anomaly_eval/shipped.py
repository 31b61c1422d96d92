"""Where the data folders that ship with the project are."""

from pathlib import Path


def shipped_folder(name: str) -> Path:
    """Return the folder `datasets`, `configs` or `reports`, from the wheel or from the checkout.

    The wheel carries the folders inside this package, so that no top-level `datasets` is ever installed.
    """
    package = Path(__file__).parent
    installed = package / "_shipped" / name
    return installed if installed.is_dir() else package.parent / name
