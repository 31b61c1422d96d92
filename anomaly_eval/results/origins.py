"""Where numbers come from: a network and what its scores learnt from, or score maps from files."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from anomaly_eval.results.record import Record

_INPUT = "input "
SHIPPED_STATISTICS = "these statistics ship with the network"
"""What the notes of a fit say of those."""


class FitRecord(Record):
    """What the fitted scores learned from."""

    dataset: str
    n_images: int
    expected_images: int | None
    files_sha256: str
    notes: list[str]
    """What a reader must know, e.g. classes that had no pixel."""

    @property
    def input_note(self) -> str | None:
        """At which input the network was that was fitted, as `ModelRecord.input_note`; None where nobody noted it."""
        return next((note for note in self.notes if note.startswith(_INPUT)), None)


MeanOf = Literal["probabilities", "scores"]

_OF_MEANS = frozenset({"tta", "averaging", "mean_of", "members"})


class ModelRecord(Record):
    """Which network, with which weights, at which resolution."""

    checkpoint: str
    checkpoint_sha256: str
    config: str
    """Where the config came from: the checkpoint's own meta, a file, or a name."""
    config_sha256: str
    imports: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each module of `--import`, by the name that was given; not of what these import themselves."""
    classes: list[str]
    dropped_classes: list[str] = Field(default_factory=list)
    """Outputs of the network that `--known-classes` leaves out."""
    class_names_from: str | None = None
    """Where their names were read; `nowhere` where nobody noted any, so that their order could not be checked.

    None in results of earlier versions, which did not say.
    """
    inference: str
    """`whole` or `slide`, with crop and stride."""
    resize: str
    """`native`, or what the images were resized to before the network."""
    own_resize: bool = False
    """Whether that is the size that the network brought with it, as nobody asked for another."""
    device: str
    notes: list[str] = Field(default_factory=list)
    """What was taken for granted of the network: what is made of pixels, whether it gives probabilities, and others."""

    tta: str | None = None
    """The views of each image that were averaged, as `--tta` names them; None is the image as it is."""
    averaging: str | None = None
    """Which score was averaged how over views, in words."""
    mean_of: MeanOf | None = None
    """What of the `members` was averaged; None of a network alone, and in files of earlier versions."""
    members: list[ModelRecord] = Field(default_factory=list)
    """The networks that were averaged; the other fields are then of all of them. Empty for a network alone."""

    @model_serializer(mode="wrap")
    def _without_means(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what a network alone has not, so that files of it are those of earlier versions to the byte."""
        content: dict[str, Any] = write(self)
        return {name: value for name, value in content.items() if name not in _OF_MEANS or value}

    @property
    def asked_size(self) -> str:
        """`resize`, of which `1x` and `native` are two words for the images' own size."""
        return "native" if self.resize == "1x" else self.resize

    @property
    def input_note(self) -> str:
        """What the notes of a fit say of the network's input."""
        return f"{_INPUT}{self.resize}, {self.inference}"

    @property
    def resolution(self) -> str:
        """`resize`, and where it comes from, in words."""
        return f"{self.resize} (the network's own)" if self.own_resize else self.resize


class MapFolderRecord(Record):
    """A folder that score maps were read from."""

    folder: str
    methods: list[str]
    n_files: int
    suffixes: list[str]
    """Of the files: `.tif`, `.npy` and others."""
    precision: str
    """The number type of the files; for maps that `eval --save-scores` wrote, what their values were rounded to."""
    maps_sha256: str
    """Hash over the sorted (dataset, id, hash of the file) of all maps."""
    model: ModelRecord | None = None
    """The network behind the maps, where `eval --save-scores` wrote them; else nobody knows."""


class MapsRecord(Record):
    """Score maps from files, in the place of a network."""

    folders: list[MapFolderRecord]


Origin: TypeAlias = ModelRecord | MapsRecord
"""What the numbers are of: a network, or score maps."""


def networks_behind(origin: Origin) -> list[ModelRecord]:
    """Return the networks that numbers are of; none of score maps of which nobody knows it."""
    if isinstance(origin, ModelRecord):
        return [origin]
    return [folder.model for folder in origin.folders if folder.model is not None]


def is_mean_of_networks(origin: Origin) -> bool:
    """Whether the numbers are of several networks together; the mean over views of one network is none."""
    return any(model.members for model in networks_behind(origin))
