"""What metrics raise where the pixels or images they need are not there."""


class NothingToMeasureError(ValueError):
    """A set lacks what a metric is about, such as anomalies; nothing is wrong with what is there."""
