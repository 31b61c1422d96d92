"""What all records share: immutable models, of which some spread their metrics into fields of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator


class Record(BaseModel):
    """Base of all records: immutable, no unknown fields, infinities and NaN survive JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    @classmethod
    def columns(cls) -> list[str]:
        """Return the names under which the record is written, in their order."""
        return list(cls.model_fields)


class StrictRecord(Record):
    """A record whose JSON any reader takes: infinities and NaN are strings in it, and in the records that it holds.

    Without quotes, as in files of earlier versions, they are read as well.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")


class MetricRecord(Record):
    """A record with a field `metrics`, by the keys of the registry, each written as a field of its own in its place.

    Of files from before a metric was there, it is missing.
    """

    @classmethod
    @abstractmethod
    def metric_keys(cls) -> list[str]:
        """Return which metrics there can be."""

    @classmethod
    def columns(cls) -> list[str]:
        """Return the names under which the record is written, in their order."""
        return [name for field in cls.model_fields for name in (cls.metric_keys() if field == "metrics" else [field])]

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        known = cls.metric_keys()
        if "metrics" in content:
            given = content["metrics"]
            if isinstance(given, Mapping) and (unknown := [key for key in given if key not in known]):
                raise ValueError(f"there is no metric {unknown[0]!r}")
            return content
        gathered = {name: value for name, value in content.items() if name not in known}
        return gathered | {"metrics": {key: content[key] for key in known if key in content}}

    @model_serializer(mode="wrap")
    def _spread(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        spread: dict[str, Any] = {}
        for name, value in write(self).items():
            spread |= value if name == "metrics" else {name: value}
        return spread
