"""What lies between a street and its picture: grain of surfaces, haze, light, blur and noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_eval.scenes.camera import HEIGHT, WIDTH
from anomaly_eval.scenes.canvas import Canvas
from anomaly_eval.scenes.classes import Class
from anomaly_eval.scenes.colours import Colour
from anomaly_eval.scenes.ground import smooth_noise


def photograph(canvas: Canvas, haze: Colour, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return the canvas as a camera would see it, RGB, uint8 (HEIGHT, WIDTH, 3)."""
    surface = canvas.surface
    depth = surface[..., 1]
    # Patterns finer than a pixel average out in the distance.
    fading = np.minimum(1, 14 / np.maximum(depth, 1))
    fine = random.standard_normal((HEIGHT, WIDTH), np.float32)
    medium = smooth_noise(random, 2.2, 3.5) + 0.6 * smooth_noise(random, 8, 16)
    grain = surface[..., 2] * fine * fading + surface[..., 3] * medium * np.sqrt(fading)
    seen = canvas.picture + grain[..., None]
    seen = _add_haze(seen, surface, haze, random)
    seen *= _illumination(random)
    blurred = cv2.GaussianBlur(seen, (0, 0), random.uniform(0.35, 0.85))
    gamma = random.uniform(0.85, 1.25)
    table = (255 * (np.arange(512, dtype=np.float32) / 511) ** gamma).astype(np.float32)
    exposed = table[np.clip(blurred * (511 / 255), 0, 511).astype(np.int32)]
    noise = random.standard_normal((HEIGHT, WIDTH, 3), np.float32)
    strength = random.uniform(1, 6)
    exposed += noise * (strength * np.sqrt(0.3 + exposed * (0.7 / 128)))
    return np.clip(exposed + 0.5, 0, 255).astype(np.uint8)


def _add_haze(
    seen: NDArray[np.float32], surface: NDArray[np.float32], haze: Colour, random: np.random.Generator
) -> NDArray[np.float32]:
    density = np.float32(np.exp(random.uniform(np.log(4e-4), np.log(9e-3))))
    through = np.exp(-density * np.minimum(surface[..., 1], 400))
    through[surface[..., 0] == Class.SKY] = 1
    veil = haze.astype(np.float32)
    return np.asarray(veil + (seen - veil) * through[..., None], np.float32)


def _illumination(random: np.random.Generator) -> NDArray[np.float32]:
    """Return factors for brightness, colour of the light, clouds and the darker corners of a lens."""
    brightness = random.uniform(0.5, 1.15) if random.random() < 0.85 else random.uniform(0.3, 0.5)
    warmth = random.uniform(-0.08, 0.1)
    tone = np.array([1 + warmth, 1 + random.uniform(-0.03, 0.03), 1 - warmth], np.float32) * np.float32(brightness)
    rows = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :]
    corners = 1 - np.float32(random.uniform(0, 0.14)) * (rows**2 + columns**2)
    clouds = 1 + np.float32(random.uniform(0, 0.06)) * smooth_noise(random, 90, 150)
    return np.asarray((corners * clouds)[..., None] * tone, np.float32)
