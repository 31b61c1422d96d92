"""Networks of the Hugging Face hub: from the user's cache, and from the hub what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import logging

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.huggingface.folder import CONFIG, INDEX, PROCESSORS, WEIGHTS, NetworkFolder

PREFIX = "hf:"


def folder_of(name: str) -> NetworkFolder:
    """Return the folder of a network that is called ORG/NAME on the hub; only its files that count are fetched.

    Raises InputError where there is no such network, and where neither cache nor hub have it.
    """
    repository = _Repository(name)
    config = repository.first((CONFIG,))
    if config is None:
        raise InputError(f"{PREFIX}{name} has no {CONFIG}; choose a network of transformers.")
    # All files of one commit, even where the hub has a newer one by now.
    repository.revision = config.parent.name
    folder = NetworkFolder(config.parent, name)
    repository.first(PROCESSORS)
    weights = repository.first(WEIGHTS)
    if weights is not None and weights.name.endswith(INDEX):
        for shard in folder.shards(weights.name):
            repository.first((shard,))
    return folder


class _Repository:
    """Fetches files of one repository."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.revision: str | None = None

    def first(self, names: tuple[str, ...]) -> Path | None:
        """Return the first of these files that is in the cache, else the first that the hub has; None without any."""
        cached = (self._cached(name) for name in names)
        return next((path for path in cached if path is not None), None) or next(
            (path for name in names if (path := self._fetched(name)) is not None), None
        )

    def _cached(self, name: str) -> Path | None:
        try:
            return Path(hf_hub_download(self.name, name, revision=self.revision, local_files_only=True))
        except LocalEntryNotFoundError:
            return None
        except HFValidationError as error:
            raise InputError(f"{PREFIX}{self.name} is no name on the hub; write {PREFIX}ORG/NAME.") from error

    def _fetched(self, name: str) -> Path | None:
        title = f"{PREFIX}{self.name}"
        try:
            with _patience():
                return Path(hf_hub_download(self.name, name, revision=self.revision))
        except GatedRepoError as error:
            raise InputError(
                f"{title} is gated; ask for access at https://huggingface.co/{self.name}, and log in with `hf auth "
                f"login`."
            ) from error
        except RepositoryNotFoundError as error:
            raise InputError(
                f"the hub has no {title}, or does not show it to you; check the name, or log in with `hf auth login`."
            ) from error
        except LocalEntryNotFoundError as error:
            raise _not_reached(title, name) from error
        except EntryNotFoundError:
            return None
        except Exception as error:  # of the network, of the hub and of the disk, of many kinds
            raise _not_reached(title, name) from error


@contextmanager
def _patience() -> Iterator[None]:
    """Keep from the terminal how often the hub was asked in vain; downloads show their progress."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _not_reached(title: str, name: str) -> InputError:
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    return InputError(
        f"{name} of {title} is not in the cache, and {why}; fetch it once where there is a connection (`hf download "
        f"{title.removeprefix(PREFIX)}`), or give the folder with its files."
    )
