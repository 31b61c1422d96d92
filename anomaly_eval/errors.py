"""The one exception that users meet, shared with the models."""

from gmmseg.errors import InputError

__all__ = ["InputError"]
