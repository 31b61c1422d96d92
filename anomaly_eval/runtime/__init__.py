"""Output folders, locks, safe reading, progress and the clock: nothing here knows of images."""
