"""Mixtures fitted to a trained network: the command `fit-mixtures`."""
