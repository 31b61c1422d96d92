"""The one exception that users meet, and what its sentences are made of, shared with the models."""

from gmmseg.errors import InputError, closest

__all__ = ["InputError", "closest"]
