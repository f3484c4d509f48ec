"""One execution and its folder: configuration, log, media, what it ran on.

Knows no model, no game and no data set.
"""

from genieredux.runs.environment import describe_environment
from genieredux.runs.folder import RunFolder

__all__ = ["RunFolder", "describe_environment"]
