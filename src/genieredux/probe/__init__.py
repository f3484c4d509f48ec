"""Annotating games by playing them: what the buttons do and along which axis the player moves.

From saved states each button is pressed against no button, in branches that are alike in all else, and the pictures
are compared. Knows no model and no data set.
"""

from genieredux.probe.agreement import Agreement, agreement
from genieredux.probe.finding import Finding
from genieredux.probe.isolate import probe
from genieredux.probe.play import ProbeConfig, annotate
from genieredux.probe.strip import write_strip

__all__ = ["Agreement", "Finding", "ProbeConfig", "agreement", "annotate", "probe", "write_strip"]
