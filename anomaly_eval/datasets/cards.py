"""Dataset cards: what a dataset is, where its files lie and what its mask values mean, one YAML file each."""

from __future__ import annotations

import hashlib
import re
import reprlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from anomaly_eval.datasets.layouts import check_relative, id_levels, parse_template
from anomaly_eval.datasets.test_settings import TestProtocol
from anomaly_eval.errors import InputError, closest
from anomaly_eval.metrics.labels import ANOMALY, INLIER, VOID
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.runtime.shipped import shipped_folder
from anomaly_eval.runtime.strict_yaml import Line, first_problem, one_line, parse_card

Task = Literal["anomaly", "closed_set"]

UNKNOWN = 254
"""What a lookup table gives for a mask value that the card does not name."""

_NAME = r"[a-z0-9_]+"
_VARIANT = r"[A-Za-z0-9_.-]+"
_LARGEST = 1 << 20
"""Bytes of a card's file; the longest that come with the project have some thousands."""


def _read_values(given: object) -> object:
    """Turn `[0, 2-5]` into the mask values that it stands for."""
    if not isinstance(given, list | tuple):
        raise ValueError("give a list of mask values, such as [0, 255] or [0-18]")
    return tuple(value for entry in given for value in _expand(entry))


def _expand(entry: object) -> list[int]:
    """Turn `7` into one mask value and `0-18` into all from 0 to 18."""
    span = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", entry) if isinstance(entry, str) else None
    if span:
        first, last = int(span[1]), int(span[2])
    elif isinstance(entry, int) and not isinstance(entry, bool):
        first = last = entry
    else:
        # Shortened: what aliases repeat within aliases takes a few lines to write and all memory to print.
        raise ValueError(f"{reprlib.repr(entry)[:60]} is neither a mask value nor a range such as 0-18")
    # Without counting up to it: a number with many digits would take all memory.
    if first < 0 or last > 255:
        raise ValueError("mask values lie between 0 and 255")
    if first > last:
        raise ValueError(f"{entry} runs backwards, give the lower value first")
    return list(range(first, last + 1))


def _read_class_ids(given: object) -> object:
    """Turn `{7: 0, 1-150: 0-149}` into one class id for each mask value."""
    if not isinstance(given, dict):
        return given
    pairs: list[tuple[int, int]] = []
    for key, entry in given.items():
        values, ids = _expand(key), _expand(entry)
        if len(values) != len(ids):
            raise ValueError(f"{key} are {len(values)} mask values, but {entry} are {len(ids)} class ids")
        pairs += zip(values, ids, strict=True)
    class_ids = dict(pairs)
    if len(class_ids) < len(pairs):
        raise ValueError("a mask value has two class ids")
    return class_ids


def _as_tuple(given: object) -> object:
    return (given,) if isinstance(given, str) else given


def _check_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"{name[:40]!r} may only have small letters, digits and _; the title is free")
    return name


def _check_no_nul(path: str) -> None:
    if "\0" in path:
        raise ValueError(f"{path!r} holds a NUL character, which no file name can have")
    one_line(path)


MaskValues = Annotated[tuple[int, ...], BeforeValidator(_read_values)]
Templates = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


class _Part(BaseModel):
    """Base of all parts of a card: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelValues(_Part):
    """What the values in a mask mean; a value that is not listed is an error."""

    inlier: MaskValues = ()
    """Values of pixels that are no anomalies; in a closed-set dataset, values that are the class id itself."""
    anomaly: MaskValues = ()
    void: MaskValues = ()
    class_ids: Annotated[dict[int, int], BeforeValidator(_read_class_ids)] = Field(default_factory=dict)
    """Mask value to class id, for closed-set masks that hold other numbers than class ids; `1-150: 0-149` is short."""

    @model_validator(mode="after")
    def _check(self) -> LabelValues:
        values = [*self.inlier, *self.anomaly, *self.void, *self.class_ids]
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            raise ValueError(f"the mask value {repeated[0]} has two meanings")
        return self

    def table(self, task: Task) -> bytes:
        """Return 256 bytes: the label of each mask value, UNKNOWN for values that are not listed."""
        table = bytearray([UNKNOWN] * 256)
        for value in self.inlier:
            table[value] = INLIER if task == "anomaly" else value
        for value in self.anomaly:
            table[value] = ANOMALY
        for value in self.void:
            table[value] = VOID
        for value, class_id in self.class_ids.items():
            table[value] = class_id
        return bytes(table)


class Layout(_Part):
    """One way in which the files of a dataset lie on disk; the templates are explained in `layouts.py`."""

    name: Line
    images: Templates
    masks: Templates
    unlabelled_images: Literal["error", "ignore"] = "error"
    """Whether an image without mask is an error, or expected, as in sets whose test masks are hidden."""
    variants: tuple[str, ...] = ()
    """Variants that lie on disk in this way; all of them if empty."""
    labels: LabelValues | None = None
    """Meaning of the mask values, where it differs from that of the card."""

    @field_validator("images", "masks")
    @classmethod
    def _check_templates(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            _check_no_nul(template)
            parse_template(template)
        return templates

    @model_validator(mode="after")
    def _check_levels(self) -> Layout:
        images, masks = ({id_levels(template) for template in templates} for templates in (self.images, self.masks))
        if images.isdisjoint(masks):
            raise ValueError(
                f"ids of images span {min(images)} and those of masks {min(masks)} levels of the path, so that none "
                f"are the same; write both alike, such as {{id:*/*}}"
            )
        return self


class Variant(_Part):
    """One split or version of a dataset."""

    images: PositiveInt | None = None
    """How many images the complete set has; None if that is not known."""
    anomaly_percent: float | None = Field(default=None, gt=0, le=100)
    """Share of anomaly pixels among all pixels of the complete set, void included, in percent."""
    only_ids: tuple[str, ...] = ()
    """Shell patterns of the ids that belong to this variant; all that are not excluded if empty."""
    exclude_ids: tuple[str, ...] = ()
    """Shell patterns of ids that are on disk but do not belong to this variant."""
    title_note: Line | None = None
    """What stands in parentheses after the card's title; without it the variant's name, unless it is the default."""
    note: str | None = None


class DatasetCard(_Part):
    """A dataset: its names, its files, its label values, and what a reader must know of it."""

    name: Annotated[str, AfterValidator(_check_name)]
    aliases: tuple[str, ...] = ()
    title: Line
    task: Task
    variants: dict[str, Annotated[Variant, BeforeValidator(lambda given: {} if given is None else given)]]
    default_variant: str
    size: tuple[PositiveInt, PositiveInt] | None = None
    """Width and height in pixels of every image; None if they vary or are not known."""
    folders: tuple[str, ...] = ()
    """Names of the dataset's folder under the data root, tried after the card's own name."""
    classes: tuple[Line, ...] | None = None
    """Class names by id, of a closed-set dataset."""
    protocol: TestProtocol | None = None
    """How a closed-set dataset is tested; without it, with the network's own test settings."""
    track: Literal["anomaly", "obstacle"] | None = None
    """Of an anomaly dataset, the track of SegmentMeIfYouCan whose component sizes suit it."""
    labels: LabelValues
    layouts: tuple[Layout, ...] = Field(min_length=1)
    licence: str | None = None
    url: Line | None = None
    how_to_get: str | None = None
    citation: str | None = None
    notes: str | None = None
    _sha256: str = PrivateAttr(default="")
    _path: Path | None = PrivateAttr(default=None)

    @property
    def path(self) -> Path | None:
        """The card's file; None for a card that was made otherwise."""
        return self._path

    @property
    def sha256(self) -> str:
        """Hash of the bytes of the card's file."""
        return self._sha256

    @property
    def search_folders(self) -> tuple[str, ...]:
        """Folder names to try under the data root, in order."""
        return tuple(dict.fromkeys((self.name, *self.folders)))

    def spec(self, variant: str) -> str:
        """Return how a variant is written on the command line: `name`, or `name:variant` if not the default."""
        return self.name if variant == self.default_variant else f"{self.name}:{variant}"

    def title_of(self, variant: str) -> str:
        """Return what tables call a variant: the title, and in parentheses what tells it from the other variants."""
        note = self.variants[variant].title_note or (None if variant == self.default_variant else variant)
        return self.title if note is None else f"{self.title} ({note})"

    def layouts_of(self, variant: str) -> list[Layout]:
        """Return the layouts in which a variant may lie on disk, in order."""
        return [layout for layout in self.layouts if not layout.variants or variant in layout.variants]

    def label_table(self, layout: Layout) -> bytes:
        """Return 256 bytes: the label of each mask value in a layout, UNKNOWN for values that are not listed."""
        return (layout.labels or self.labels).table(self.task)

    @field_validator("folders")
    @classmethod
    def _check_folders(cls, folders: tuple[str, ...]) -> tuple[str, ...]:
        for folder in folders:
            _check_no_nul(folder)
            check_relative(folder)
            if set(folder) & set("{}*"):
                raise ValueError(f"the folder {folder!r} must be a plain name")
        return folders

    @model_validator(mode="after")
    def _check(self) -> DatasetCard:
        if self.default_variant not in self.variants:
            raise ValueError(
                f"default_variant {self.default_variant!r} is not among the variants {', '.join(self.variants)}"
            )
        for variant in self.variants:
            if not re.fullmatch(_VARIANT, variant) or set(variant) == {"."}:
                raise ValueError(f"the variant {variant!r} may only have letters, digits, _, - and .")
        for variant in (variant for layout in self.layouts for variant in layout.variants):
            if variant not in self.variants:
                raise ValueError(
                    f"a layout is for the variant {variant!r}, which is not among the variants "
                    f"{', '.join(self.variants)}"
                )
        for variant in self.variants:
            if not self.layouts_of(variant):
                raise ValueError(f"no layout is for the variant {variant!r}")
        names = [layout.name for layout in self.layouts]
        if len(set(names)) < len(names):
            raise ValueError("two layouts have the same name")
        for labels in [self.labels, *(layout.labels for layout in self.layouts if layout.labels)]:
            self._check_labels(labels)
        return self

    def _check_labels(self, labels: LabelValues) -> None:
        if self.task == "anomaly":
            if not labels.inlier or not labels.anomaly:
                raise ValueError("labels of an anomaly dataset need inlier and anomaly values")
            if labels.class_ids or self.classes or self.protocol is not None:
                raise ValueError("classes, class_ids and protocol belong to task: closed_set")
            return
        if not self.classes or len(self.classes) >= UNKNOWN:
            raise ValueError(f"a closed-set dataset needs classes, fewer than {UNKNOWN}")
        ids = {*labels.inlier, *labels.class_ids.values()}
        if self.track is not None:
            raise ValueError("track belongs to task: anomaly")
        if labels.anomaly or not ids or not ids <= set(range(len(self.classes))):
            raise ValueError(f"labels of a closed-set dataset must be class ids from 0 to {len(self.classes) - 1}")


def load_card(reference: str) -> tuple[DatasetCard, str]:
    """Return the card and the variant that NAME, ALIAS or FILE.yaml stand for, each with :VARIANT or without.

    Raises InputError for an unknown name or variant, and for a card file that is missing or wrong.
    """
    name, variant = _split_reference(reference)
    card = _read_card(Path(name)) if _is_file_name(name) else _shipped_card(name)
    if variant is not None and variant not in card.variants:
        raise InputError(f"{card.name} has no variant {variant!r}; choose from {', '.join(card.variants)}.")
    return card, variant or card.default_variant


def shipped_title(spec: str) -> str | None:
    """Return what tables call the dataset of this `DatasetCard.spec`; None where no card that ships has it."""
    titles = (
        card.title_of(variant) for card in shipped_cards() for variant in card.variants if card.spec(variant) == spec
    )
    return next(titles, None)


def shipped_cards() -> list[DatasetCard]:
    """Return the cards that come with the project, sorted by name."""
    return list(_load_shipped_cards())


@lru_cache(maxsize=1)
def _load_shipped_cards() -> tuple[DatasetCard, ...]:
    cards = [_read_card(path) for path in shipped_folder("datasets").glob("*.yaml")]
    return tuple(sorted(cards, key=lambda card: card.name))


def _split_reference(reference: str) -> tuple[str, str | None]:
    if _is_file_name(reference) or ":" not in reference:
        return reference, None
    name, _, variant = reference.rpartition(":")
    return name, variant


def _is_file_name(name: str) -> bool:
    return name.lower().endswith((".yaml", ".yml"))


def _shipped_card(name: str) -> DatasetCard:
    cards = {known: card for card in shipped_cards() for known in (card.name, *card.aliases)}
    if name in cards:
        return cards[name]
    close = closest(name, cards)
    guess = f"did you mean {close}? " if close else ""
    raise InputError(
        f"there is no dataset {name!r}; {guess}choose from {', '.join(sorted(cards))}, or give a card file (.yaml)."
    )


def _read_card(path: Path) -> DatasetCard:
    try:
        content = read_regular(path.expanduser(), _LARGEST)
    except (OSError, RuntimeError) as error:  # the home folder of an unknown user is a RuntimeError
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the dataset card {path} cannot be read ({reason}); check the path.") from error
    fields = parse_card(content, path)
    if not isinstance(fields, dict):
        raise InputError(f"the dataset card {path} has no fields; start from a card that comes with the project.")
    try:
        card = DatasetCard.model_validate(fields)
    except ValidationError as error:
        raise InputError(f"the dataset card {path} is wrong: {first_problem(error)}; correct it.") from error
    card._path = path
    card._sha256 = hashlib.sha256(content).hexdigest()
    return card
