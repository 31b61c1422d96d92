"""Calibration of networks on a closed-set dataset: the command `calibrate`."""
