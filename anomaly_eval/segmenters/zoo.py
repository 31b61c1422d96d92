"""The networks that ship with the project, each taken by its name wherever a checkpoint is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomaly_eval.errors import InputError, closest
from anomaly_eval.runtime.shipped import shipped_folder
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.network_cards import NetworkCard, read_network_card
from gmmseg.checkpoints import sha256_of_file
from gmmseg.safetensors_files import SUFFIX


@dataclass(frozen=True)
class ShippedNetwork:
    """A network of the zoo: its card, and the files beside the card."""

    card: NetworkCard
    folder: Path

    def checkpoint(self) -> Path:
        """Return the file with the weights; raises InputError where it is missing or not the one of the card."""
        path = self.folder / f"{self.card.name}{SUFFIX}"
        try:
            unchanged = sha256_of_file(path) == self.card.sha256
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); install gmmseg-anomaly anew.") from error
        if not unchanged:
            raise InputError(
                f"{path} is not the file whose sha256 the card of {self.card.name} names; install gmmseg-anomaly anew."
            )
        return path

    def statistics(self, resize: str | None) -> Path | None:
        """Return the statistics of scores for an input of this size, None being the network's own; None without any."""
        wanted = InputSize.parse(resize or self.card.input)
        files = (name for size, name in self.card.statistics.items() if InputSize.parse(size) == wanted)
        return next((self.folder / name for name in files), None)


def shipped_networks() -> list[ShippedNetwork]:
    """Return all networks of the zoo, by name."""
    folder = shipped_folder("networks")
    return [ShippedNetwork(read_network_card(path), folder) for path in sorted(folder.glob("*.yaml"))]


def named_network(name: str) -> ShippedNetwork:
    """Return a network by its name; raises InputError for an unknown one, with the one that may be meant."""
    networks = _by_name()
    if name not in networks:
        raise InputError(f"there is no shipped network {name!r}; {_remedy(name, list(networks))}.")
    return networks[name]


def network_instead_of(checkpoint: Path) -> ShippedNetwork | None:
    """Return the network whose name is given for a checkpoint; None where there is none, or a file is called so.

    A folder hides no network: an earlier run may have been called after it.
    """
    try:
        hidden = checkpoint.exists() and not checkpoint.is_dir()
    except OSError:  # whoever reads the file says why it cannot be looked at
        return None
    return None if hidden else _by_name().get(str(checkpoint))


def checkpoint_file(given: Path, option: str = "--ckpt") -> Path:
    """Return the file of a checkpoint, which may be given by the name of a shipped network.

    Raises InputError where there is neither, with the name that may be meant, and as `ShippedNetwork.checkpoint` does.
    """
    network = network_instead_of(given)
    if network is not None:
        return network.checkpoint()
    try:
        missing = not given.exists()
    except OSError:
        return given
    if missing:
        raise InputError(f"there is no checkpoint file {given}; {_remedy(str(given), list(_by_name()), option)}.")
    return given


def _by_name() -> dict[str, ShippedNetwork]:
    return {network.card.name: network for network in shipped_networks()}


def _remedy(given: str, names: Sequence[str], option: str | None = None) -> str:
    """Say what to do about a name that nothing has."""
    close = closest(given, names)
    guess = f"did you mean {close}? " if close else ""
    ways = [f"check {option}"] if option is not None else []
    ways += [f"choose a shipped network: {', '.join(names)}"] if names else []
    return guess + (", or ".join(ways) or "none ships with this version")
