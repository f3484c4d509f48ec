"""Pages made from folders of results: worlds (worlds/) and data sets (data/), each a file that needs no other.

The jobs write numbers and know no page; whoever runs them calls `write` on the folder that they left.
"""

from genieredux.report.data import DataReportConfig, ReportSummary, write_data_report
from genieredux.report.worlds import Compared, PageWords, compare_runs, training_curves, write

__all__ = [
    "Compared",
    "DataReportConfig",
    "PageWords",
    "ReportSummary",
    "compare_runs",
    "training_curves",
    "write",
    "write_data_report",
]
