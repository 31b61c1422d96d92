"""What an ablation study consists of, as its plan file says it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from anomaly_eval.errors import nearest
from anomaly_eval.reports.published_tables import published_numbers, read_published_table
from anomaly_eval.runtime.strict_yaml import Line
from anomaly_eval.scores import SCORES, FittedScore
from anomaly_eval.segmenters.input_size import size_text
from anomaly_eval.studies.ablation.mixture_fields import check_mixture_fields

_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_OPTION = re.compile(r"[A-Za-z_][\w.]*=.*")
_LENGTH = "train_cfg.max_iters"


class _Part(BaseModel):
    """Base of all parts of a plan: immutable, and a misspelt field is told with the one that was meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, given: Any) -> Any:
        if isinstance(given, dict) and cls.model_config.get("extra") == "forbid":
            for name in given:
                if name not in cls.model_fields:
                    raise ValueError(f"there is no field {str(name)[:100]!r}; {nearest(str(name), cls.model_fields)}")
        return given


def _check_options(options: tuple[str, ...]) -> tuple[str, ...]:
    for option in options:
        if not _OPTION.fullmatch(option):
            raise ValueError(f"the option {option[:100]!r} is not understood; write dotted.name=value")
        if option.startswith(f"{_LENGTH}="):
            raise ValueError(f"{_LENGTH} is set by the plan's `iterations`, the same for all; leave the option out")
    return options


Options = Annotated[tuple[Line, ...], AfterValidator(_check_options)]
"""Of a config, as `train --cfg-options` takes them."""


class PlannedDatasets(_Part):
    """Where the networks are evaluated and fitted; each as `--dataset` takes it."""

    anomaly: tuple[Line, ...] = ()
    """Where rows have scores."""
    closed_set: Line | None = None
    """For mean IoU and calibration; that of a network goes before it."""
    fit: Line | None = None
    """For the statistics of scores that learn, and for refits."""

    @field_validator("anomaly")
    @classmethod
    def _check_anomaly(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        _refuse_repeated("anomaly dataset", names)
        return names


class PlannedNetwork(_Part):
    """One network: a `config` to train, with options, or the `refit` of another one's mixtures after training.

    A refit may also have the fields of `fit-mixtures`: components, covariance, shrinkage and others.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    config: Line | None = None
    options: Options = ()
    refit: Line | None = None
    closed_set: Line | None = None
    """Its closed-set dataset where it is not that of the plan."""
    resize: Annotated[Line | None, BeforeValidator(size_text)] = None
    """Of the images that a refit learns from, as `fit-mixtures --resize`."""

    @property
    def mixture_fields(self) -> dict[str, Any]:
        """What is given for the mixtures of a refit."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _check(self) -> PlannedNetwork:
        if (self.config is None) == (self.refit is None):
            raise ValueError("give either config, for a network to train, or refit, for mixtures fitted after training")
        if self.refit is None:
            if self.resize is not None:
                raise ValueError("resize is for a refit; a config's training has the sizes of its own pipeline")
            for name in self.mixture_fields:
                raise ValueError(f"there is no field {name[:100]!r}; {nearest(name, PlannedNetwork.model_fields)}")
            return self
        if self.options:
            raise ValueError("options are those of a config to train; a refit has the fields of fit-mixtures")
        check_mixture_fields(self.mixture_fields)
        return self


class PlannedRow(_Part):
    """Lines of the table: scores of one network, or without an anomaly dataset its classes alone."""

    name: Line = Field(min_length=1)
    network: Line
    scores: tuple[Line, ...] = ()
    published: Line | None = None
    """The row of the published table that it is to be compared with."""

    @field_validator("scores")
    @classmethod
    def _check_scores(cls, scores: tuple[str, ...]) -> tuple[str, ...]:
        for score in scores:
            if score not in SCORES:
                raise ValueError(f"there is no score {score!r}; {nearest(score, SCORES)}")
        _refuse_repeated("score", scores)
        return scores


class PlannedSection(_Part):
    """Rows that are ranked among themselves."""

    title: Line = Field(min_length=1)
    rows: tuple[PlannedRow, ...] = Field(min_length=1)


class PlannedPublished(_Part):
    """The table of the paper that stands beside the measured rows."""

    table: int
    missing: dict[Line, Line] = {}
    """Its rows that the plan does not measure, or not on all datasets, each with the reason."""

    @model_validator(mode="after")
    def _check(self) -> PlannedPublished:
        known = published_numbers()
        if self.table not in known:
            raise ValueError(f"table {self.table} is not among the published ones, {', '.join(map(str, known))}")
        self.check_row(*self.missing)
        return self

    def check_row(self, *names: str) -> None:
        """Raise ValueError for names that no row of the table has."""
        rows = read_published_table(self.table).rows
        for name in names:
            if name not in rows:
                raise ValueError(f"table {self.table} has no row {name[:100]!r}; {nearest(name, rows)}")


class AblationPlan(_Part):
    """A whole study. `options` are for all trainings, and those of a network go before them."""

    title: Line = Field(min_length=1)
    iterations: PositiveInt | None = None
    """Of each training; None is what its config says."""
    options: Options = ()
    resize: Annotated[Line | None, BeforeValidator(size_text)] = None
    """As `eval --resize`, for the anomaly datasets and the statistics of scores that learn."""
    resize_closed_set: Annotated[Line | None, BeforeValidator(size_text)] = None
    """The same for the closed-set dataset; None is the images' own size."""
    resamples: int = Field(default=0, ge=0, le=100_000)
    """As `eval --bootstrap`."""
    datasets: PlannedDatasets
    networks: dict[str, PlannedNetwork] = Field(min_length=1)
    sections: tuple[PlannedSection, ...] = Field(min_length=1)
    published: PlannedPublished | None = None

    @property
    def rows(self) -> tuple[PlannedRow, ...]:
        """All rows, in the order of the table."""
        return tuple(row for section in self.sections for row in section.rows)

    def scores_of(self, network: str) -> tuple[str, ...]:
        """Return all scores that any row asks of a network, so that one evaluation serves all rows."""
        return tuple(dict.fromkeys(score for row in self.rows if row.network == network for score in row.scores))

    def closed_set_of(self, network: str) -> str | None:
        """Return the dataset for mean IoU and calibration of a network, None where there is none."""
        return self.networks[network].closed_set or self.datasets.closed_set

    def trained(self, network: str) -> str:
        """Return the trained network that a network comes from through refits: itself, where it is no refit."""
        while (source := self.networks[network].refit) is not None:
            network = source
        return network

    def learns(self, network: str) -> bool:
        """Whether a score of a network learns statistics."""
        return any(issubclass(SCORES[score], FittedScore) for score in self.scores_of(network))

    @field_validator("networks")
    @classmethod
    def _check_networks(cls, networks: dict[str, PlannedNetwork]) -> dict[str, PlannedNetwork]:
        for name in networks:
            if not _FOLDER.fullmatch(name):
                raise ValueError(
                    f"the network name {name[:100]!r} cannot be a folder's; use letters, digits, - and _, at most 80"
                )
        _refuse_repeated("network (but for upper and lower case)", [name.casefold() for name in networks])
        seen: dict[str, str] = {}
        for name, network in networks.items():
            other = seen.setdefault(network.model_dump_json(), name)
            if other != name:
                raise ValueError(f"the networks {other} and {name} are the same; let rows share one")
            _check_refit(name, networks)
        return networks

    @model_validator(mode="after")
    def _check(self) -> AblationPlan:
        _refuse_repeated("row", [row.name for row in self.rows])
        _refuse_repeated("section", [section.title for section in self.sections])
        for row in self.rows:
            if row.network not in self.networks:
                hint = nearest(row.network, self.networks)
                raise ValueError(f"the row {row.name!r} is of an unknown network {row.network!r}; {hint}")
            self._check_measured(row)
            if row.published is not None:
                if self.published is None:
                    raise ValueError(f"the row {row.name!r} has a published row, of no table; name one in published")
                self.published.check_row(row.published)
            if self.datasets.fit is None and self.learns(row.network):
                raise ValueError(f"scores of the row {row.name!r} learn statistics; name a dataset in datasets.fit")
        for name, network in self.networks.items():
            if network.refit and self.datasets.fit is None and "dataset" not in network.mixture_fields:
                raise ValueError(f"the refit {name} has no dataset to fit on; name one in datasets.fit")
        for section in self.sections:
            # None is one, too.
            if len(found := dict.fromkeys(self.closed_set_of(row.network) for row in section.rows)) > 1:
                names = " and ".join(str(name) for name in found)
                raise ValueError(f"rows of {section.title!r} are ranked though they are of {names}; divide the section")
        return self

    def _check_measured(self, row: PlannedRow) -> None:
        """Raise ValueError where nothing would be measured of a row, or nothing of its scores."""
        if row.scores and not self.datasets.anomaly:
            raise ValueError(f"the row {row.name!r} has scores, and datasets.anomaly nothing to measure them on")
        if not row.scores and self.datasets.anomaly:
            raise ValueError(f"the row {row.name!r} has no scores for the anomaly datasets; name one")
        if not row.scores and self.closed_set_of(row.network) is None:
            raise ValueError(f"there is nothing to measure the row {row.name!r} on; name a dataset")


def _check_refit(name: str, networks: dict[str, PlannedNetwork]) -> None:
    """Refuse a refit of an unknown network, and one that leads back to itself."""
    seen = [name]
    while (source := networks[seen[-1]].refit) is not None:
        if source not in networks:
            raise ValueError(f"{seen[-1]} is the refit of an unknown network {source!r}; {nearest(source, networks)}")
        if source in seen:
            raise ValueError(f"the refits {' of '.join([*seen, source])} go in a circle; refit a trained network")
        seen.append(source)


def _refuse_repeated(what: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"the {what} {twice[0]!r} is there twice; give each a name of its own")
