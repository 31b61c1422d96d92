"""Data sets: cards, layouts, samples and their images."""
