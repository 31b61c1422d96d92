"""Predictions in the files that the servers of benchmarks take, one file a server."""
