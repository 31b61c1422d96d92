"""From a dataset card and a data root to samples: pairs of an image and its mask."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.datasets import misplaced
from anomaly_eval.datasets.cards import UNKNOWN, DatasetCard, Layout, load_card
from anomaly_eval.datasets.images import read_image, read_mask
from anomaly_eval.datasets.label_remedies import in_a_copy, listed_values, unranked
from anomaly_eval.datasets.layouts import CONTROL, Pairing, fill_template, pair_files
from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import ANOMALY, INLIER
from gmmseg import image_files

DATA_VARIABLE = "GMMSEG_ANOMALY_DATA"
"""Environment variable that names the data root."""

Progress = Callable[[int, int], None]
"""Called with the number of samples that are done and the number of all."""


@dataclass(frozen=True)
class Sample:
    """One image with its mask."""

    id: str
    image: Path
    label: Path
    label_table: bytes
    """Label of each of the 256 mask values, UNKNOWN for those that the card does not name."""
    card: Path | None = None
    """File of the card that the label table is of."""

    def read_image(self) -> NDArray[np.uint8]:
        """Return the image as RGB, shape (height, width, 3); raises InputError if it cannot be read."""
        return read_image(self.image)

    def read_label(self) -> NDArray[np.uint8]:
        """Return the label, shape (height, width): INLIER, ANOMALY or VOID, or class ids and VOID.

        Raises InputError for a mask that cannot be read or holds a value that the card does not name.
        """
        mask = read_mask(self.label)
        if mask.dtype != np.uint8:
            if mask.min() < 0 or mask.max() > 255:
                raise self._unknown_values(mask)
            mask = mask.astype(np.uint8)
        label = np.take(np.frombuffer(self.label_table, dtype=np.uint8), mask)
        if (label == UNKNOWN).any():
            raise self._unknown_values(mask[label == UNKNOWN])
        return label

    def _unknown_values(self, values: NDArray[np.integer]) -> InputError:
        allowed = [value for value, label in enumerate(self.label_table) if label != UNKNOWN]
        unknown = [value for value in np.unique(values).tolist() if value not in allowed]
        is_in_reach = unknown[0] >= 0 and unknown[-1] <= 255
        remedy = (
            f"correct the mask, or name the value under `labels` {in_a_copy(self.card)}"
            if is_in_reach
            else "give the mask that holds these, as values from 0 to 255 are all that a card can name"
        )
        return InputError(
            f"the mask {self.label} holds the value{'s' * (len(unknown) > 1)} {listed_values(unknown)}, but its "
            f"dataset card knows only {listed_values(allowed, 40)}; {remedy}."
        )


@dataclass(frozen=True)
class SampleSet:
    """The samples of one variant of a dataset, in natural order of their ids."""

    card: DatasetCard
    variant: str
    layout: str
    samples: tuple[Sample, ...]
    problems: tuple[str, ...] = ()
    """Files without partner and ids with two files, each in one sentence; empty in what `find_samples` returns."""

    @property
    def spec(self) -> str:
        """How the set is written on the command line."""
        return self.card.spec(self.variant)

    @property
    def title(self) -> str:
        """What tables call the set: the card's title, and what tells the variant from the others."""
        return self.card.title_of(self.variant)

    @property
    def expected_images(self) -> int | None:
        """How many images the complete set has, if that is known."""
        return self.card.variants[self.variant].images

    def wrong_labels(self, error: ValueError) -> InputError:
        """Return the sentence for labels that metrics refuse; reads those of an anomaly dataset again."""
        if self.card.task == "anomaly":
            (layout,) = (layout for layout in self.card.layouts if layout.name == self.layout)
            return InputError(
                f"{self.spec}: {error}: {unranked(self.card, layout, [one.label for one in self.samples])}."
            )
        return InputError(f"{self.spec}: {error}; check its labels in {self.samples[0].label.parent}.")

    def check_masks(self) -> None:
        """Raise InputError where no mask of an anomaly dataset holds an anomaly, or none an inlier.

        Reads masks until both are found, mostly one or two; what cannot be read is told when it has its turn.
        """
        found: set[str] = set()
        kinds = {"anomaly": ANOMALY, "inlier": INLIER}
        for sample in self.samples:
            try:
                label = sample.read_label()
            except InputError:
                return
            found |= {name for name, value in kinds.items() if (label == value).any()}
            if len(found) == len(kinds):
                return
        lacking = next(name for name in kinds if name not in found)
        raise self.wrong_labels(ValueError(f"there is no {lacking} pixel at all, so nothing can be ranked"))

    @property
    def complete(self) -> bool:
        """Whether exactly as many images were found as the card expects."""
        return self.expected_images is None or len(self.samples) == self.expected_images

    @property
    def shortfall(self) -> str | None:
        """Say that the images are not those of the whole set; None where they are."""
        if self.complete:
            return None
        found = f"{len(self.samples)} images found instead of {self.expected_images}"
        return f"{self.spec}: {found}; its numbers are not those of the whole set"

    def files_sha256(self, progress: Progress | None = None) -> str:
        """Return the hash over the sorted (id, image bytes, label bytes) of all samples."""
        total = hashlib.sha256()
        for done, sample in enumerate(sorted(self.samples, key=lambda sample: sample.id), start=1):
            # The bytes that the file system holds, whatever the language of the machine is.
            id = sample.id.encode("utf-8", "surrogateescape")
            for content in (id, _read_bytes(sample.image), _read_bytes(sample.label)):
                total.update(hashlib.sha256(content).digest())
            if progress is not None:
                progress(done, len(self.samples))
        return total.hexdigest()


def resolve_data_root(given: Path | None) -> Path:
    """Return the folder with the datasets: the argument, else $GMMSEG_ANOMALY_DATA, else ./datasets.

    Raises InputError if it is no folder.
    """
    variable = os.environ.get(DATA_VARIABLE)
    if given is not None:
        root, origin = given, "--data-root"
    elif variable:
        root, origin = Path(variable), DATA_VARIABLE
    else:
        root, origin = Path("datasets"), f"the default, as neither --data-root nor {DATA_VARIABLE} is set"
    try:
        root = root.expanduser()
        is_folder = root.is_dir()
    except (OSError, RuntimeError) as error:  # the home folder of an unknown user is a RuntimeError
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"the data root {root} ({origin}) cannot be opened ({reason}); give the folder that holds the datasets "
            f"with --data-root or {DATA_VARIABLE}."
        ) from error
    if not is_folder:
        raise InputError(
            f"the data root {root} ({origin}) is no folder; give the folder that holds the datasets with --data-root "
            f"or {DATA_VARIABLE}."
        )
    return root


def find_samples(card: DatasetCard, variant: str, data_root: Path) -> SampleSet:
    """Return the samples of a variant; fewer than the card expects are no error.

    Raises InputError if there are none, or for the first image without mask, mask without image, or id with two files.
    """
    found = scan_samples(card, variant, data_root)
    if found.problems:
        raise InputError(found.problems[0])
    return found


def scan_samples(card: DatasetCard, variant: str, data_root: Path) -> SampleSet:
    """Return the samples of a variant together with all problems of pairing; raises InputError if nothing is there."""
    found = locate_samples(card, variant, data_root)
    if found is not None:
        return found
    places = dict.fromkeys(fill_template(layout.images[0], card.name, variant) for layout in card.layouts_of(variant))
    also = f" (also in {', '.join(card.search_folders[1:])})" if card.search_folders[1:] else ""
    nothing = f"nothing of {card.spec(variant)} was found under {data_root}: looked for {', '.join(places)}{also}"
    near = misplaced.advice(data_root, card.search_folders, partial(_first_image, card, variant))
    if near is not None:
        raise InputError(f"{nothing}; {_printable(near)}.")
    left_out = locate_samples(_with_all_ids(card, variant), variant, data_root)
    if left_out is not None and left_out.samples:
        raise InputError(
            f"{nothing}; {_printable(left_out.samples[0].image)} is there, but no id such as its "
            f"{left_out.samples[0].id} is among the only_ids of {card.spec(variant)}: correct these "
            f"{in_a_copy(card.path)}, or add the images that are meant."
        )
    others = [locate_samples(card, other, data_root) for other in card.variants if other != variant]
    there = [data_root / folder for folder in card.search_folders if _holds_files(data_root / folder)]
    if there and not any(others):
        raise InputError(
            f"{nothing}; {_printable(there[0])} is there, but no file in it is called so: rename its files, or "
            f"describe how they lie as a layout {in_a_copy(card.path)}."
        )
    raise InputError(
        f"{nothing}; "
        + "".join(f"{_advice(other, variant, data_root)}; " for other in others if other)
        + f"set the folder that holds the datasets with --data-root or {DATA_VARIABLE}"
        + f"{_origin(card)}."
    )


def _with_all_ids(card: DatasetCard, variant: str) -> DatasetCard:
    unlimited = card.variants[variant].model_copy(update={"only_ids": ()})
    return card.model_copy(update={"variants": card.variants | {variant: unlimited}})


def _holds_files(folder: Path) -> bool:
    return any(names for _, _, names in os.walk(folder))


def _first_image(card: DatasetCard, variant: str, data_root: Path, folders: Sequence[str]) -> Path | None:
    """Return an image of a dataset that lies in one of `folders`, or None; what cannot be opened is passed over."""
    try:
        found = locate_samples(card, variant, data_root, folders)
    except (InputError, OSError, ValueError):
        return None
    return found.samples[0].image if found is not None and found.samples else None


def _origin(card: DatasetCard) -> str:
    """Say where the dataset comes from, as far as the card does."""
    if card.url is not None and card.url.startswith(("http://", "https://")):
        return f", or get the dataset from {card.url}"
    how = " ".join((card.how_to_get or "").split()).rstrip(".")
    return f", or make it: {how}" if how else ""


def locate_samples(
    card: DatasetCard, variant: str, data_root: Path, folders: Sequence[str] | None = None
) -> SampleSet | None:
    """Return what `scan_samples` returns, or None if nothing is there; `folders` are looked for in place of the card's.

    Of all layouts and folders the one with the most pairs counts; among equals the first.
    """
    places = list(_places(card, variant, data_root, card.search_folders if folders is None else folders))
    if not places:
        return None
    return _sample_set(card, variant, data_root, max(places, key=lambda place: len(place.pairing.pairs)))


def check_same_size(sample: Sample, image: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
    """Raise InputError unless the image and the label of a sample have the same height and width."""
    image_files.check_same_size(sample.image, _size(image), sample.label, _size(label))


@dataclass(frozen=True)
class _Place:
    """A layout in a folder where something was found."""

    layout: Layout
    folder: str
    pairing: Pairing


def _places(card: DatasetCard, variant: str, data_root: Path, folders: Sequence[str]) -> Iterator[_Place]:
    only, exclude = card.variants[variant].only_ids, card.variants[variant].exclude_ids
    for layout in card.layouts_of(variant):
        for folder in folders:
            try:
                pairing = pair_files(data_root, layout.images, layout.masks, folder, variant, exclude, only)
            except OSError as error:
                place = _printable(error.filename or data_root / folder)
                raise InputError(f"{place} cannot be opened ({error.strerror}); check its permissions.") from error
            # Images alone say nothing where most images have no mask anyway.
            if pairing.masks or (pairing.images and layout.unlabelled_images == "error"):
                yield _Place(layout, folder, pairing)


def _sample_set(card: DatasetCard, variant: str, data_root: Path, place: _Place) -> SampleSet:
    layout, pairing = place.layout, place.pairing
    table = card.label_table(layout)

    def expected(templates: tuple[str, ...], id: str) -> str:
        places = [str(data_root / fill_template(text, place.folder, variant, id)) for text in templates[:2]]
        return " or ".join(f"{one} with the suffix of a picture" if one.endswith(".*") else one for one in places)

    claimed = pairing.pairs if layout.unlabelled_images == "ignore" else pairing.images
    files = [*((id, pairing.images[id]) for id in claimed), *pairing.masks.items()]
    # Neither tables nor terminals can hold such a name.
    problems = [f"the name of {path} {reason}; rename it." for id, path in files if (reason := _unfit_name(id, path))]
    problems += [
        f"the mask {pairing.masks[id]} has no image; expected {expected(layout.images, id)}: add the image, or remove "
        f"the mask."
        for id in pairing.masks_alone
    ]
    if layout.unlabelled_images == "error":
        problems += [
            f"the image {pairing.images[id]} has no mask; expected {expected(layout.masks, id)}: add the mask, or "
            f"remove the image."
            for id in pairing.images_alone
        ]
    apart = f", or, if they are two images, let ids span their folders, as in {{id:*/*}}, {in_a_copy(card.path)}"
    problems += [
        f"{one} and {other} claim the same id; remove one of them{apart if one.name == other.name else ''}."
        for one, other in pairing.duplicates
    ]
    found = (Sample(id, pairing.images[id], pairing.masks[id], table, card.path) for id in pairing.pairs)
    samples = tuple(one for one in found if not _unfit_name(one.id, one.image) and not _unfit_name(one.id, one.label))
    return SampleSet(card, variant, layout.name, samples, tuple(map(_printable, problems)))


def _advice(other: SampleSet, variant: str, data_root: Path) -> str:
    """Say what to do with the files of another variant than the wanted one."""
    (layout,) = (layout for layout in other.card.layouts if layout.name == other.layout)
    if not other.samples or any("{variant}" in template for template in (*layout.images, *layout.masks)):
        return f"there is {other.spec}"
    # Nothing in these paths says which variant the files are, so they may well be the wanted one.
    wanted, sample = other.card.layouts_of(variant)[0], other.samples[0]
    moves = " and ".join(
        f"{file.parent.relative_to(data_root).as_posix()} to "
        f"{PurePosixPath(fill_template(templates[0], other.card.name, variant)).parent}"
        for file, templates in ((sample.image, wanted.images), (sample.label, wanted.masks))
    )
    return f"there is {other.spec}, evaluate that, or, if its files are {variant}, move {moves}"


def _unfit_name(id: str, path: Path) -> str:
    """Say why no table can hold the name of a file, or its id, which may hold those of folders; empty for most."""
    # Bytes that are not UTF-8 come as surrogates, which UTF-8 cannot encode.
    if any("\ud800" <= character <= "\udfff" for character in str(path)):
        return "is not UTF-8"
    return "holds a control character" if CONTROL.search(id + path.name) else ""


def _printable(text: object) -> str:
    """Write bytes that are not UTF-8 as \\udcff and control characters as \\x1b, which all terminals can show."""
    written = str(text).encode("utf-8", "backslashreplace").decode()
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], written)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the file.") from error


def _size(array: NDArray[np.uint8]) -> tuple[int, int]:
    return array.shape[1], array.shape[0]


def find_dataset(reference: str, data_root: Path | None) -> SampleSet:
    """Return the samples of a dataset named on the command line: NAME, ALIAS or card file, with or without :VARIANT."""
    card, variant = load_card(reference)
    return find_samples(card, variant, resolve_data_root(data_root))
