"""The network and the data of the tests of commands, for the examples that run on them."""

from tests.anomaly_eval.conftest import checkpoint, data, drawn_once, saved_once

__all__ = ["checkpoint", "data", "drawn_once", "saved_once"]
