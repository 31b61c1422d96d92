"""Network cards: what a shipped network is, what it may be used for, and what it reached, one YAML file each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.safe_read import read_regular
from anomaly_eval.runtime.strict_yaml import Line, first_problem, parse_card
from anomaly_eval.segmenters.input_size import size_text

_LARGEST = 1 << 20


Size = Annotated[str, BeforeValidator(size_text)]
"""A size of the network's input, written as --resize takes it."""
Percent = Annotated[float, Field(ge=0, le=100)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors$")]


class _Part(BaseModel):
    """Base of all parts of a card: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Measured(_Part):
    """What all measurements say of their images."""

    dataset: Line
    images: PositiveInt
    input: Size | None = None
    """None is the size that the network brings with it."""
    note: Line | None = None


class ClosedSetResult(_Measured):
    """How well the network tells the known classes on one dataset."""

    mean_iou: Percent


class AnomalyResult(_Measured):
    """What the scores of the network reached on one dataset."""

    scores: dict[str, tuple[Percent, Percent, Percent]] = Field(min_length=1)
    """AUROC, AP and FPR95 in percent, by the name of the score."""


class UsualThreshold(_Measured):
    """From which value of a score pixels count as unknown where nobody says otherwise, and what it does on images."""

    score: Line
    threshold: FiniteFloat
    false_positives: Percent
    """Of the pixels of known classes."""
    median: FiniteFloat
    """Of the score at those pixels, where colours begin."""


class NetworkCard(_Part):
    """A network: where it comes from, how it is run, what it may be used for, and what it reached."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: Line
    config: Line
    """Name of the shipped config of its training."""
    input: Size
    """The size at which images enter it where nobody says otherwise."""
    trained_on: Line
    """The dataset, with its split."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the file with the weights."""
    statistics: dict[Size, FileName] = Field(default_factory=dict)
    """Files with the statistics of scores, by the size of the input that they were fitted at."""
    licence: str
    recipe: str
    closed_set: tuple[ClosedSetResult, ...] = ()
    anomaly: tuple[AnomalyResult, ...] = ()
    thresholds: tuple[UsualThreshold, ...] = ()


def read_network_card(path: Path) -> NetworkCard:
    """Read one card; raises InputError for one that is missing or wrong, or not called like its network."""
    try:
        content = read_regular(path, _LARGEST)
    except OSError as error:
        raise InputError(f"the network card {path} cannot be read ({error.strerror}); check the path.") from error
    try:
        card = NetworkCard.model_validate(parse_card(content, path, "network card"))
    except ValidationError as error:
        raise InputError(f"the network card {path} is wrong: {first_problem(error)}; correct it.") from error
    if card.name != path.stem:
        raise InputError(f"the network card {path} is of {card.name!r}; call the file {card.name}.yaml.")
    return card
