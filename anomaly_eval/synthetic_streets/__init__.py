"""Synthetic streets: drawn road scenes with the 19 classes of Cityscapes, exact labels, and anomalies on the road.

Their numbers say nothing about real images. `draw_scene` is pure; `write_streets` is the only part that touches files.
"""

from anomaly_eval.synthetic_streets.scene import Scene, draw_scene

__all__ = ["Scene", "draw_scene"]
