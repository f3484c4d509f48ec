"""The page of one or many evaluated runs: what a run's folder says (folder.py, results.py, words.py), how runs differ
(paired.py, notes.py), and each part of the page as values that the template lays out. Nothing here measures a world.
"""

from genieredux.report.worlds.folder import RESULTS, Run, read_run
from genieredux.report.worlds.page import Compared, compare_runs, write
from genieredux.report.worlds.words import PageWords, training_curves

__all__ = ["RESULTS", "Compared", "PageWords", "Run", "compare_runs", "read_run", "training_curves", "write"]
