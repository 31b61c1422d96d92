"""What belongs on a street, by depth: street furniture, trees, vehicles and people, each with a seed of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anomaly_eval.synthetic_streets.canvas import Canvas
from anomaly_eval.synthetic_streets.furniture import paint_pole, paint_sign, paint_traffic_light
from anomaly_eval.synthetic_streets.people import paint_bicycle, paint_motorcycle, paint_person
from anomaly_eval.synthetic_streets.plants import paint_bush, paint_tree
from anomaly_eval.synthetic_streets.profiles import (
    paint_bus_profile,
    paint_car_profile,
    paint_train_profile,
    paint_truck_profile,
)
from anomaly_eval.synthetic_streets.street import CROSSING_WIDTH, Side, Street
from anomaly_eval.synthetic_streets.thing import Paint, Thing, plan_thing
from anomaly_eval.synthetic_streets.vehicles import paint_bus, paint_car, paint_train, paint_truck


class _Planner:
    """Collects things and keeps them from standing in each other."""

    def __init__(self, street: Street, nearest: float, random: np.random.Generator) -> None:
        self.street, self.nearest, self.random = street, nearest, random
        self.things: list[Thing] = []
        self._taken: list[tuple[float, float, float, float]] = []

    def add(self, depth: float, paint: Paint) -> None:
        self.things.append(plan_thing(depth, paint, self.random))

    def add_if_free(self, x: float, z: float, half: float, length: float, paint: Paint) -> None:
        """Add a thing unless another one already stands there."""
        left, right, front, back = x - half, x + half, z - 0.3, z + length + 0.3
        if z < self.nearest * 1.02:
            return
        if any(left < r and right > l and front < b and back > f for l, r, f, b in self._taken):  # noqa: E741
            return
        self._taken.append((left, right, front, back))
        self.add(z, paint)

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)


def plan_things(street: Street, nearest: float, random: np.random.Generator) -> list[Thing]:
    """Return all that stands and moves between the fronts of a street."""
    planner = _Planner(street, nearest, random)
    _plan_crossing(planner)
    _plan_lanes(planner)
    for side in street.sides:
        _plan_parking(planner, side)
        _plan_sidewalk(planner, side)
        _plan_furniture(planner, side)
    _plan_road_users(planner)
    return planner.things


def _plan_lanes(planner: _Planner) -> None:
    random, street = planner.random, planner.street
    if street.rails is not None and planner.chance(0.75):
        x, z, way = street.rails, random.uniform(8, 38), -1
        planner.add_if_free(x, z, 1.3, 36, lambda canvas, own: paint_train(canvas, x, z, way, own))
    traffic = random.uniform(0.3, 1.0)
    for middle, way in street.lanes:
        z = random.uniform(7, 18) if abs(middle) < 1.8 else random.uniform(4, 14)
        while z < min(street.end - 12, 80):
            step = random.uniform(9, 24)
            if planner.chance(traffic):
                _plan_vehicle(planner, middle + random.uniform(-0.3, 0.3), z, way)
            z += step


def _plan_vehicle(planner: _Planner, x: float, z: float, way: int) -> None:
    kind = planner.random.random()
    if kind < 0.62:
        planner.add_if_free(x, z, 1.0, 5, lambda canvas, own: paint_car(canvas, x, z, way, own))
    elif kind < 0.76:
        planner.add_if_free(x, z, 1.3, 12, lambda canvas, own: paint_truck(canvas, x, z, way, own))
    elif kind < 0.9:
        planner.add_if_free(x, z, 1.3, 13, lambda canvas, own: paint_bus(canvas, x, z, way, own))
    else:
        planner.add_if_free(x, z, 0.5, 2, lambda canvas, own: paint_motorcycle(canvas, x, z, own, rider=True))


def _plan_parking(planner: _Planner, side: Side) -> None:
    if not side.parking:
        return
    random, x = planner.random, side.kerb - side.sign * 1.15
    crossing = planner.street.crossing
    z = random.uniform(4, 9)
    while z < min(planner.street.end - 8, 70):
        in_crossing = crossing is not None and crossing - 7 < z < crossing + CROSSING_WIDTH + 1
        if planner.chance(0.65) and not in_crossing:
            way = side.sign if planner.chance(0.9) else -side.sign
            place, depth, kind = x + random.uniform(-0.15, 0.15), z, random.random()
            if kind < 0.85:
                planner.add_if_free(place, depth, 1.0, 5, _car_at(place, depth, way))
            elif kind < 0.93:
                planner.add_if_free(place, depth, 1.2, 10, _truck_at(place, depth, way))
            else:
                for shift in (0.0, 0.9, 1.8):
                    planner.add_if_free(place, depth + shift, 0.9, 0.2, _two_wheeler_at(place, depth + shift, shift))
        z += random.uniform(5.4, 7.5)


def _car_at(x: float, z: float, way: int) -> Paint:
    return lambda canvas, random: paint_car(canvas, x, z, way, random)


def _truck_at(x: float, z: float, way: int) -> Paint:
    return lambda canvas, random: paint_truck(canvas, x, z, way, random)


def _two_wheeler_at(x: float, z: float, choice: float) -> Paint:
    kind = paint_motorcycle if choice < 0.5 else paint_bicycle
    return lambda canvas, random: kind(canvas, x, z, random)


def _person_at(x: float, z: float) -> Paint:
    return lambda canvas, random: paint_person(canvas, x, z, random)


def _plan_sidewalk(planner: _Planner, side: Side) -> None:
    random = planner.random
    edges = sorted((side.kerb + side.sign * 0.4, side.verge))
    count = random.poisson(random.choice([1.0, 3.0, 8.0]))
    for _ in range(int(count)):
        x, z = random.uniform(edges[0], edges[1]), 4 * np.exp(random.uniform(0, 2.5))
        planner.add_if_free(x, float(z), 0.35, 0.4, _person_at(x, float(z)))
        if planner.chance(0.3):
            beside = x + random.uniform(0.5, 0.8)
            planner.add_if_free(beside, float(z) + 0.1, 0.2, 0.1, _person_at(beside, float(z) + 0.1))
    for paint, share in ((paint_bicycle, 0.32), (paint_motorcycle, 0.2)):
        if planner.chance(share):
            x, z = random.uniform(edges[0], edges[1]), random.uniform(5, 22)
            for place in range(int(random.integers(1, 5))):
                shift = place * random.uniform(0.5, 0.9)
                planner.add_if_free(x, z + shift, 0.8, 0.05, _painted_at(paint, x, z + shift))


def _painted_at(paint: Callable[[Canvas, float, float, np.random.Generator], None], x: float, z: float) -> Paint:
    return lambda canvas, random: paint(canvas, x, z, random)


def _plan_furniture(planner: _Planner, side: Side) -> None:
    random = planner.random
    x = side.kerb + side.sign * random.uniform(0.3, 0.6)
    spacing = random.uniform(14, 32)
    for z in np.arange(random.uniform(5, 20), planner.street.end, spacing).tolist():
        planner.add_if_free(x, z, 0.1, 0.1, _painted_at(paint_pole, x, z))
    for _ in range(int(random.poisson(1.3))):
        z = float(5 * np.exp(random.uniform(0, 2.2)))
        planner.add_if_free(x, z, 0.1, 0.1, _painted_at(paint_sign, x, z))
    crossing = planner.street.crossing
    if crossing is not None and planner.chance(0.7):
        for z in (crossing - 2, crossing + CROSSING_WIDTH + 1):
            planner.add_if_free(x, z, 0.1, 0.1, _painted_at(paint_traffic_light, x, z))
    elif planner.chance(0.22):
        z = random.uniform(9, 30)
        planner.add_if_free(x, z, 0.1, 0.1, _painted_at(paint_traffic_light, x, z))
    if planner.chance(0.35):
        row = (side.verge + side.front) / 2 if side.verge != side.front else side.kerb + side.sign * 0.9
        for z in np.arange(random.uniform(5, 12), planner.street.end, random.uniform(7, 16)).tolist():
            plant = paint_tree if planner.chance(0.85) else paint_bush
            planner.add_if_free(row, z, 0.25, 0.2, _painted_at(plant, row, z))


def _plan_crossing(planner: _Planner) -> None:
    random, street = planner.random, planner.street
    if street.crossing is None:
        if planner.chance(0.22):
            z, x = street.end * random.uniform(0.82, 0.9), random.uniform(-10, 40)
            bank = random.uniform(1.5, 4)
            facing = 1 if x > 15 else -1
            planner.add(z, lambda canvas, own: paint_train_profile(canvas, x, z, facing, own, bank))
        return
    left, right = street.left.kerb - 12, street.right.kerb + 12
    for lane, facing in ((CROSSING_WIDTH * 0.25, 1), (CROSSING_WIDTH * 0.75, -1)):
        x = random.uniform(left, right)
        while x < right and planner.chance(0.6):
            _plan_profile(planner, x, street.crossing + lane, facing)
            x += random.uniform(7, 16)


def _plan_profile(planner: _Planner, x: float, z: float, facing: int) -> None:
    kind = planner.random.random()
    if kind < 0.45:
        planner.add_if_free(x, z, 2.3, 1.8, lambda canvas, own: paint_car_profile(canvas, x, z, facing, own))
    elif kind < 0.6:
        planner.add_if_free(x, z, 5.5, 2, lambda canvas, own: paint_truck_profile(canvas, x, z, facing, own))
    elif kind < 0.75:
        planner.add_if_free(x, z, 6, 2, lambda canvas, own: paint_bus_profile(canvas, x, z, facing, own))
    elif kind < 0.87:
        planner.add_if_free(x, z, 0.9, 0.4, lambda canvas, own: paint_motorcycle(canvas, x, z, own, rider=True))
    else:
        planner.add_if_free(x, z, 12, 2, lambda canvas, own: paint_train_profile(canvas, x, z, facing, own))


def _plan_road_users(planner: _Planner) -> None:
    """Plan people on bicycles and motorcycles, and people who cross the road."""
    random, street = planner.random, planner.street
    for paint, share in ((paint_bicycle, 0.5), (paint_motorcycle, 0.3)):
        while planner.chance(share):
            side = street.sides[int(random.integers(2))]
            x = side.kerb - side.sign * (random.uniform(0.5, 1.2) + 2.2 * side.parking)
            z = float(5 * np.exp(random.uniform(0, 1.6)))
            planner.add_if_free(x, z, 0.5, 1.0, _ridden_at(paint, x, z))
    if planner.chance(0.4):
        z = random.uniform(7, 30)
        for _ in range(int(random.integers(1, 5))):
            x, place = random.uniform(street.left.kerb, street.right.kerb), z + random.uniform(-1, 1)
            planner.add_if_free(x, place, 0.35, 0.3, _person_at(x, place))


def _ridden_at(paint: Callable[..., None], x: float, z: float) -> Paint:
    return lambda canvas, random: paint(canvas, x, z, random, rider=True)
