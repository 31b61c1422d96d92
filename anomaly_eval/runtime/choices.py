"""Words that options choose from, which the command line must know before anything heavy is imported."""

from __future__ import annotations

from typing import Literal

DeviceName = Literal["auto", "cpu", "cuda"]
"""Where the network runs."""

ProtocolChoice = Literal["card", "network"]
"""Whose test settings count on closed-set datasets: those of the dataset's card, or the network's own."""

ComponentChoice = Literal["card", "anomaly", "obstacle"]
"""Which track's component sizes count: that of each dataset's card, or one for all."""

Precision = Literal["float32", "float16"]
"""What values are rounded to: float32 keeps every bit of a score, float16 three digits, up to 65504."""

Colours = Literal["RGB", "BGR"]
"""The order of the channels that a network takes."""

FittedFeatures = Literal["input", "projection", "embedding"]
"""What mixtures are fitted to: the input of the last layer or, of a GMM classifier, its projection or embedding."""
