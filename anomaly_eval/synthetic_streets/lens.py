"""What lies between a street and its picture: grain of surfaces, haze, light, blur and noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.synthetic_streets.camera import HEIGHT, WIDTH
from anomaly_eval.synthetic_streets.canvas import Canvas
from anomaly_eval.synthetic_streets.colours import Colour
from anomaly_eval.synthetic_streets.ground import smooth_noise


def photograph(canvas: Canvas, haze: Colour, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return the canvas as a camera would see it, RGB, uint8 (HEIGHT, WIDTH, 3)."""
    indices = canvas.indices.astype(np.int32)
    tables = np.array([(surface.depth, surface.fine, surface.medium) for surface in canvas.surfaces], np.float32).T
    depth, fine_strength, medium_strength = (np.take(table, indices) for table in tables)
    ground = canvas.camera.ground_depth()[:, None]
    depth = np.where(depth == 0, ground, depth)
    # Patterns finer than a pixel average out in the distance.
    fading = np.minimum(1, 14 / np.maximum(depth, 1))
    grain = random.standard_normal((HEIGHT, WIDTH), np.float32) * fine_strength * fading
    medium = smooth_noise(random, 2.2, 3.5) + 0.6 * smooth_noise(random, 8, 16)
    grain += medium * medium_strength * np.sqrt(fading)
    density = np.float32(np.exp(random.uniform(np.log(4e-4), np.log(9e-3))))
    # The sky has its haze already.
    through = np.where(indices == 0, 1, np.exp(-density * np.minimum(depth, 400))).astype(np.float32)
    tone, field = _illumination(random)
    blur, gamma, strength = random.uniform(0.35, 0.85), random.uniform(0.85, 1.25), random.uniform(1, 6)
    curve = (255 * (np.arange(1024, dtype=np.float32) / 1023) ** gamma).astype(np.float32)
    noise = random.standard_normal((3, HEIGHT, WIDTH), np.float32)
    planes = []
    # Plane by plane, as arithmetic over a last axis of three is several times slower.
    for plane, veil, factor, speckle in zip(
        cv2.split(canvas.layers)[:3], haze.tolist(), tone.tolist(), noise, strict=True
    ):
        seen = plane + grain
        seen = (np.float32(veil) + (seen - np.float32(veil)) * through) * field * np.float32(factor * 1023 / 255)
        seen = cv2.GaussianBlur(seen, (0, 0), blur)
        exposed = np.take(curve, seen.astype(np.int32), mode="clip")
        exposed += speckle * (np.float32(strength) * np.sqrt(0.3 + exposed * np.float32(0.7 / 128)))
        planes.append(cv2.convertScaleAbs(np.maximum(exposed, 0)))
    return np.asarray(cv2.merge(planes), np.uint8)


def _illumination(random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return factors (3,) for brightness and colour of the light, and (HEIGHT, WIDTH) for clouds and dark corners."""
    brightness = random.uniform(0.65, 1.2) if random.random() < 0.85 else random.uniform(0.4, 0.55)
    warmth = random.uniform(-0.08, 0.1)
    tone = np.array([1 + warmth, 1 + random.uniform(-0.03, 0.03), 1 - warmth], np.float32) * np.float32(brightness)
    rows = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :]
    corners = 1 - np.float32(random.uniform(0, 0.14)) * (rows**2 + columns**2)
    clouds = 1 + np.float32(random.uniform(0, 0.06)) * smooth_noise(random, 90, 150)
    return tone, np.asarray(corners * clouds, np.float32)
