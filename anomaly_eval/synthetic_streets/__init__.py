"""Synthetic streets: drawn road scenes with the 19 classes of Cityscapes, exact labels, and anomalies on the road.

Their numbers say nothing about real images. `scene.draw_scene` is pure; `writing.write_streets` is the only part that
touches files.
"""
