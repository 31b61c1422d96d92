"""Grids of images and score maps: the command `grid`."""
