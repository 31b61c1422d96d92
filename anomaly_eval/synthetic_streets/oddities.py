"""The shapes of things that no class of Cityscapes covers; each is about a metre in a unit of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anomaly_eval.synthetic_streets.brush import Brush
from anomaly_eval.synthetic_streets.colours import LEAVES, METAL, WOOD, grey, near, paint

Oddity = Callable[[Brush, np.random.Generator], None]

_FUR = ((150, 110, 70), (60, 46, 38), (200, 180, 150), (110, 104, 98), (232, 228, 220), (36, 34, 34))


def paint_beast(brush: Brush, random: np.random.Generator) -> None:
    """Paint an animal on four legs: dog, sheep, deer, cow or horse by its proportions."""
    fur, legs = near(random, _FUR, 8), random.uniform(0.3, 0.6)
    length, deep, neck = random.uniform(0.6, 0.9), random.uniform(0.16, 0.28), random.uniform(0.05, 0.4)
    for place in (-0.82, -0.68, 0.62, 0.78):
        step = random.uniform(-0.08, 0.08)
        brush.bar((place * length * 0.9, legs), (place * length * 0.9 + step, 0), 0.09, fur * random.uniform(0.7, 0.9))
    brush.disc(0, legs + deep * 0.8, length, fur, deep / length * 1.15)
    chest, head = (length * 0.75, legs + deep), (length * 1.08, legs + deep * 1.3 + neck)
    brush.bar(chest, head, deep * 0.9, fur)
    brush.disc(head[0] + 0.04, head[1], 0.13, fur, 0.9)
    brush.polygon(
        [(head[0], head[1] + 0.08), (head[0] + 0.3, head[1] - 0.04), (head[0] + 0.02, head[1] - 0.1)], fur * 0.9
    )
    for ear in (-0.05, 0.04):
        brush.polygon(
            [
                (head[0] + ear, head[1] + 0.08),
                (head[0] + ear - 0.03, head[1] + 0.25),
                (head[0] + ear + 0.06, head[1] + 0.1),
            ],
            fur * 0.75,
        )
    brush.path(
        [(-length * 0.95, legs + deep), (-length * 1.15, legs + deep * random.uniform(0.2, 1.8))], 0.06, fur * 0.8
    )
    if random.random() < 0.4:
        spot = np.clip(fur * random.choice([0.4, 1.7]), 10, 240)
        for x in random.uniform(-0.5, 0.5, 3).tolist():
            brush.disc(x * length, legs + deep * random.uniform(0.7, 1.1), 0.13, spot, 0.7)


def paint_goose(brush: Brush, random: np.random.Generator) -> None:
    """Paint a large bird that stands."""
    plumage, beak = near(random, ((230, 228, 220), (120, 104, 88), (60, 60, 62))), np.array([220.0, 140, 50])
    for x in (-0.06, 0.08):
        brush.bar((x, 0.3), (x, 0), 0.04, beak)
        brush.box(x - 0.02, 0, x + 0.12, 0.04, beak)
    brush.disc(0, 0.48, 0.42, plumage, 0.6)
    brush.polygon([(-0.3, 0.5), (-0.62, 0.66), (-0.3, 0.36)], plumage * 0.85)
    brush.disc(-0.06, 0.5, 0.27, plumage * 0.78, 0.5)
    brush.path([(0.3, 0.56), (0.4, 0.8), (0.38, 1.02)], 0.1, plumage)
    brush.disc(0.41, 1.05, 0.09, plumage)
    brush.polygon([(0.48, 1.08), (0.64, 1.02), (0.48, 1.0)], beak)


def paint_crate(brush: Brush, random: np.random.Generator) -> None:
    """Paint a crate of boards with a second side in view."""
    wood = near(random, WOOD)
    wide, tall, deep = random.uniform(0.4, 0.6), random.uniform(0.5, 1.0), random.uniform(0.15, 0.4)
    brush.polygon([(wide, 0), (wide + deep, 0.1), (wide + deep, tall + 0.1), (wide, tall)], wood * 0.65)
    brush.polygon([(-wide, tall), (-wide + deep, tall + 0.1), (wide + deep, tall + 0.1), (wide, tall)], wood * 1.2)
    brush.box(-wide, 0, wide, tall, wood * 0.5)
    for low in np.linspace(0, tall, 5)[:-1].tolist():
        brush.box(-wide, low + 0.012, wide, low + tall / 4 - 0.012, wood * random.uniform(0.85, 1.1))
    for x in (-wide, wide - 0.09):
        brush.box(x, 0, x + 0.09, tall, wood * 1.15)
    if random.random() < 0.6:
        brush.bar((-wide + 0.05, 0.05), (wide - 0.05, tall - 0.05), 0.08, wood * 1.15)


def paint_cone(brush: Brush, random: np.random.Generator) -> None:
    """Paint a traffic cone, standing or fallen over."""
    body = np.array([225.0, 90, 40]) if random.random() < 0.6 else paint(random)
    stripe = grey(random, 200, 240, 4)
    tilt = random.random() < 0.25
    turn = np.array([[0.12, 1.0], [-1.0, 0.12]]) if tilt else np.eye(2)
    lift = (0.0, 0.3) if tilt else (0.0, 0.0)
    shapes = [([(-0.36, 0), (-0.36, 0.08), (0.36, 0.08), (0.36, 0)], body * 0.7)]
    shapes.append(([(-0.27, 0.08), (-0.05, 1.0), (0.05, 1.0), (0.27, 0.08)], body))
    for low in (0.3, 0.62):
        a, b = 0.27 - low * 0.235, 0.27 - (low + 0.17) * 0.235
        shapes.append(([(-a, low), (-b, low + 0.17), (b, low + 0.17), (a, low)], stripe))
    for points, colour in shapes:
        brush.polygon(np.array(points) @ turn + lift, colour)


def paint_tyre(brush: Brush, random: np.random.Generator) -> None:
    """Paint tyres that stand, lie, or are piled up."""
    rubber = grey(random, 22, 70, 5)
    if random.random() < 0.4:
        brush.disc(0.08, 0.5, 0.5, rubber * 0.7)
        brush.disc(0, 0.5, 0.5, rubber)
        brush.disc(0, 0.5, 0.34, rubber * 1.5)
        brush.disc(0, 0.5, 0.27, grey(random, 70, 160))
        return
    for layer in range(int(random.integers(1, 5))):
        low = layer * 0.24
        shift = random.uniform(-0.06, 0.06)
        brush.disc(shift, low + 0.14, 0.56, rubber * 0.75, 0.3)
        brush.box(shift - 0.56, low + 0.12, shift + 0.56, low + 0.24, rubber)
        brush.disc(shift, low + 0.25, 0.56, rubber * 1.35, 0.28)
        brush.disc(shift, low + 0.25, 0.3, rubber * 0.4, 0.26)


def paint_sofa(brush: Brush, random: np.random.Generator) -> None:
    """Paint a sofa or an armchair with cushions."""
    cloth, half = paint(random), random.uniform(0.5, 1.1)
    for x in (-half + 0.1, half - 0.16):
        brush.box(x, 0, x + 0.07, 0.12, near(random, WOOD) * 0.6)
    brush.polygon([(-half, 0.3), (-half * 0.96, 0.86), (half * 0.96, 0.86), (half, 0.3)], cloth * 0.9)
    brush.box(-half, 0.1, half, 0.4, cloth)
    seats = max(int(half * 2.2), 1)
    for index in range(seats):
        left = -half + 0.16 + index * (2 * half - 0.32) / seats
        right = left + (2 * half - 0.32) / seats
        brush.box(left + 0.02, 0.36, right - 0.02, 0.5, cloth * 1.18)
        brush.box(left + 0.03, 0.5, right - 0.03, 0.8, cloth * 1.05)
    for x in (-half, half - 0.18):
        brush.box(x, 0.1, x + 0.18, 0.6, cloth * 0.8)
        brush.disc(x + 0.09, 0.6, 0.1, cloth * 1.1, 0.6)


def paint_debris(brush: Brush, random: np.random.Generator) -> None:
    """Paint a heap of rubble, boards and shards."""
    tone = grey(random, 60, 180, 25)
    for _ in range(int(random.integers(8, 18))):
        x = random.uniform(-0.85, 0.85)
        y = random.uniform(0, 0.5) * (1 - abs(x))
        corners = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(3, 7))))
        size = random.uniform(0.1, 0.3)
        shard = np.stack([np.cos(corners), np.sin(corners) * 0.7], 1) * size + (x, y + 0.1)
        brush.polygon(np.maximum(shard, (-9, 0)), tone * random.uniform(0.55, 1.3))
    for _ in range(int(random.integers(1, 5))):
        x, angle, length = random.uniform(-0.6, 0.4), random.uniform(0.1, 1.2), random.uniform(0.4, 0.9)
        brush.bar((x, 0.08), (x + length * np.cos(angle), 0.08 + length * np.sin(angle)), 0.07, near(random, WOOD))


def paint_cargo(brush: Brush, random: np.random.Generator) -> None:
    """Paint what fell off a truck: a pallet with cartons and sacks on it and beside it."""
    wood, carton = near(random, WOOD), near(random, ((170, 130, 90), (190, 160, 120), (140, 110, 80)))
    brush.box(-0.7, 0.12, 0.7, 0.18, wood)
    for x in (-0.7, -0.08, 0.55):
        brush.box(x, 0, x + 0.15, 0.12, wood * 0.6)
    for _ in range(int(random.integers(2, 6))):
        x, y, size = random.uniform(-0.6, 0.3), float(random.choice([0.18, 0.5])), random.uniform(0.25, 0.4)
        colour = carton * random.uniform(0.8, 1.15)
        brush.box(x, y, x + size, y + size * 0.8, colour)
        brush.box(x, y + size * 0.34, x + size, y + size * 0.42, colour * 1.3)
        brush.polygon(
            [
                (x + size, y),
                (x + size + 0.1, y + 0.06),
                (x + size + 0.1, y + size * 0.8 + 0.06),
                (x + size, y + size * 0.8),
            ],
            colour * 0.7,
        )
    for _ in range(int(random.integers(0, 4))):
        x, sack = random.choice([-1, 1]) * random.uniform(0.6, 1.1), near(random, ((200, 190, 160), (150, 140, 120)))
        brush.disc(x, 0.16, 0.3, sack, 0.55)
        brush.disc(x + 0.05, 0.2, 0.16, sack * 1.15, 0.5)


def paint_barrel(brush: Brush, random: np.random.Generator) -> None:
    """Paint a drum of steel, standing or lying."""
    steel, rim = paint(random), grey(random, 60, 160)
    if random.random() < 0.6:
        brush.box(-0.32, 0.04, 0.32, 0.95, steel)
        brush.box(-0.32, 0.04, -0.18, 0.95, steel * 0.7)
        brush.box(0.02, 0.04, 0.12, 0.95, steel * 1.25)
        brush.disc(0, 0.95, 0.32, steel * 1.15, 0.25)
        for low in (0.06, 0.34, 0.64):
            brush.box(-0.34, low, 0.34, low + 0.05, rim)
        return
    brush.box(-0.45, 0, 0.45, 0.64, steel)
    brush.box(-0.45, 0.42, 0.45, 0.5, steel * 1.25)
    for x in (-0.2, 0.12):
        brush.box(x, 0, x + 0.05, 0.64, rim)
    brush.disc(0.45, 0.32, 0.14, steel * 0.7, 2.25)
    brush.disc(-0.45, 0.32, 0.1, steel, 3.2)


def paint_suitcase(brush: Brush, random: np.random.Generator) -> None:
    """Paint a suitcase with its handle."""
    shell, metal = paint(random), near(random, METAL)
    for x in (-0.14, 0.14):
        brush.bar((x, 0.9), (x, 1.25), 0.03, metal)
    brush.bar((-0.15, 1.25), (0.15, 1.25), 0.06, metal * 0.7)
    brush.box(-0.34, 0.08, 0.34, 0.95, shell)
    brush.polygon([(0.34, 0.08), (0.48, 0.14), (0.48, 0.98), (0.34, 0.95)], shell * 0.65)
    for x in (-0.22, -0.07, 0.08, 0.22):
        brush.box(x, 0.12, x + 0.05, 0.91, shell * 0.8)
    for x in (-0.27, 0.27):
        brush.disc(x, 0.06, 0.06, grey(random, 20, 60))


def paint_ball(brush: Brush, random: np.random.Generator) -> None:
    """Paint a large ball with panels."""
    first, second = paint(random), paint(random)
    brush.disc(0, 0.5, 0.5, first)
    for angle in np.arange(5) * 2 * np.pi / 5 + random.uniform(0, 1):
        brush.disc(0.3 * np.cos(angle), 0.5 + 0.3 * np.sin(angle), 0.13, second)
    brush.disc(-0.14, 0.68, 0.1, np.clip(first * 1.5 + 20, 0, 245))


def paint_trolley(brush: Brush, random: np.random.Generator) -> None:
    """Paint a shopping trolley, often full."""
    metal = near(random, METAL)
    if random.random() < 0.6:
        for x in (-0.3, -0.05, 0.18):
            brush.disc(x, 0.8, 0.17, paint(random), 1.1)
    brush.polygon([(-0.42, 0.45), (-0.5, 0.85), (0.5, 0.78), (0.42, 0.42)], metal * 0.7)
    for low in np.linspace(0.02, 0.34, 4).tolist():
        brush.bar((-0.45, 0.48 + low), (0.46, 0.44 + low), 0.035, metal * 1.25)
    for x in np.linspace(-0.42, 0.42, 7).tolist():
        brush.bar((x, 0.46), (x * 1.12, 0.82), 0.03, metal * 1.25)
    brush.path([(-0.42, 0.45), (-0.3, 0.15), (0.4, 0.15)], 0.05, metal)
    brush.path([(-0.5, 0.84), (-0.66, 0.98)], 0.07, paint(random))
    for x in (-0.3, 0.38):
        brush.disc(x, 0.08, 0.08, grey(random, 20, 60))


def paint_mattress(brush: Brush, random: np.random.Generator) -> None:
    """Paint a mattress that leans or is folded."""
    cloth = grey(random, 130, 235, 20)
    lean = random.uniform(-0.35, 0.35)
    outline = np.array([(-0.9, 0), (-0.9 + lean, 1.0), (0.8 + lean, random.uniform(0.7, 1.05)), (0.95, 0)])
    brush.polygon(outline + np.array([0.12, 0.06]), cloth * 0.65)
    brush.polygon(outline, cloth)
    for share in (0.2, 0.4, 0.6, 0.8):
        low, high = outline[0] + (outline[3] - outline[0]) * share, outline[1] + (outline[2] - outline[1]) * share
        brush.bar((low[0], low[1]), (high[0], high[1]), 0.03, cloth * 0.82)


def paint_bathtub(brush: Brush, random: np.random.Generator) -> None:
    """Paint a bathtub on feet."""
    enamel = grey(random, 170, 240, 10) if random.random() < 0.7 else paint(random)
    for x in (-0.5, 0.5):
        brush.polygon([(x - 0.06, 0), (x - 0.1, 0.16), (x + 0.1, 0.16), (x + 0.06, 0)], grey(random, 60, 150))
    brush.polygon([(-0.72, 0.14), (-0.92, 0.62), (0.92, 0.62), (0.72, 0.14)], enamel)
    brush.polygon([(-0.72, 0.14), (-0.78, 0.3), (0.78, 0.3), (0.72, 0.14)], enamel * 0.75)
    brush.disc(0, 0.62, 0.95, enamel * 1.08, 0.1)
    brush.disc(0, 0.62, 0.82, enamel * 0.55, 0.08)
    brush.path([(0.6, 0.66), (0.6, 0.88), (0.46, 0.88)], 0.06, grey(random, 120, 200))


def paint_potted_palm(brush: Brush, random: np.random.Generator) -> None:
    """Paint an uprooted pot plant that lies on its side."""
    pot, leaf = near(random, ((170, 90, 60), (110, 110, 112), (190, 170, 140))), near(random, LEAVES)
    brush.polygon([(-0.7, 0.02), (-0.74, 0.5), (-0.2, 0.42), (-0.2, 0.1)], pot)
    brush.box(-0.26, 0.05, -0.16, 0.48, pot * 1.15)
    for angle in np.linspace(-0.3, 0.9, 7).tolist():
        tip = (0.3 + 0.7 * np.cos(angle), 0.3 + 0.7 * np.sin(angle))
        brush.bar((-0.16, 0.27), (0.3, 0.3 + 0.3 * angle), 0.05, leaf * 0.8)
        brush.bar((0.3, 0.3 + 0.3 * angle), tip, 0.09, leaf * random.uniform(0.8, 1.2))


ODDITIES: dict[str, tuple[Oddity, float, float]] = {
    "beast": (paint_beast, 0.6, 1.7),
    "goose": (paint_goose, 0.6, 1.0),
    "crate": (paint_crate, 0.6, 1.4),
    "cone": (paint_cone, 0.45, 0.9),
    "tyre": (paint_tyre, 0.6, 1.0),
    "sofa": (paint_sofa, 0.9, 1.2),
    "debris": (paint_debris, 0.4, 1.6),
    "cargo": (paint_cargo, 0.7, 1.5),
    "barrel": (paint_barrel, 0.8, 1.1),
    "suitcase": (paint_suitcase, 0.5, 0.9),
    "ball": (paint_ball, 0.3, 0.9),
    "trolley": (paint_trolley, 0.9, 1.2),
    "mattress": (paint_mattress, 0.8, 1.2),
    "bathtub": (paint_bathtub, 0.8, 1.2),
    "potted_palm": (paint_potted_palm, 0.6, 1.3),
}
"""Each kind with its smallest and largest size: metres of the unit that its shape is written in."""
