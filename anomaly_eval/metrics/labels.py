"""What the values of an anomaly label mean, once a dataset card has translated them."""

INLIER = 0
ANOMALY = 1
VOID = 255
