"""Where the data folders that ship with the project are."""

from pathlib import Path

from anomaly_eval.errors import InputError, closest


def shipped_folder(name: str) -> Path:
    """Return the folder `configs`, `datasets`, `networks` or `reports`, from the wheel or from the checkout.

    The wheel carries the folders inside our package, so that no top-level `datasets` is ever installed.
    """
    package = Path(__file__).parents[1]
    installed = package / "_shipped" / name
    return installed if installed.is_dir() else package.parent / name


def config_source(name: str) -> str:
    """Return the file of a shipped config of this name, else the name: a file of the user's, or `mmseg::NAME`.

    Raises InputError where it is none of these.
    """
    shipped = shipped_folder("configs") / f"{name}.py"
    if shipped.is_file() and "/" not in name:
        return str(shipped)
    if "::" not in name and not Path(name).is_file():
        known = [path.stem for path in shipped_folder("configs").glob("*.py")]
        close = closest(name, known)
        hint = f"did you mean the shipped {close}? Else " if close else ""
        raise InputError(
            f"there is no config {name}; {hint}give the name of a shipped one, a .py file or a name such as "
            f"mmseg::fcn/NAME.py."
        )
    return name
