"""The evaluation harness of gmmseg-anomaly. Importing it loads nothing heavy."""
