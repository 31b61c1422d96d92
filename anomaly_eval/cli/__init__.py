"""The command `gmmseg-anomaly`: words to calls, one file a group of commands."""
