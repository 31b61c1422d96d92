"""One HTML page of a run: its tables, curves, and a browser over its images."""

from anomaly_eval.reports.page.store import PageStore
from anomaly_eval.reports.page.write import write_page

__all__ = ["PageStore", "write_page"]
