"""The page of one or many evaluated runs: what a run's folder says (run.py), how runs differ (paired.py, notes.py), and
each part of the page as plain values that the template lays out. Nothing here measures a world.
"""
