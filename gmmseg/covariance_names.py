"""What is kept of the covariance of a Gaussian; importing this loads nothing heavy."""

from __future__ import annotations

from typing import Literal

Covariance = Literal["diagonal", "full"]
