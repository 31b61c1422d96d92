"""The 19 classes of Cityscapes by their train ids, and what stands for anomalies while a scene is painted."""

from __future__ import annotations

from enum import IntEnum


class Class(IntEnum):
    """Train ids of Cityscapes; ANOMALY never leaves this package."""

    ROAD = 0
    SIDEWALK = 1
    BUILDING = 2
    WALL = 3
    FENCE = 4
    POLE = 5
    TRAFFIC_LIGHT = 6
    TRAFFIC_SIGN = 7
    VEGETATION = 8
    TERRAIN = 9
    SKY = 10
    PERSON = 11
    RIDER = 12
    CAR = 13
    TRUCK = 14
    BUS = 15
    TRAIN = 16
    MOTORCYCLE = 17
    BICYCLE = 18
    ANOMALY = 100
