"""The data report: what a data set holds, how good it is, and how it looks, as one HTML file and one of numbers.

Reads a finished data set and the catalogue of games; plays nothing.
"""

from genieredux.report.data.job import DataReportConfig, ReportSummary, write_data_report

__all__ = ["DataReportConfig", "ReportSummary", "write_data_report"]
