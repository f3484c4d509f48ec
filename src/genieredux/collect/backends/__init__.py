"""What plays: the workers of a collection on the backends of runs/backends, and which of them a configuration means
(`choice`).
"""

from genieredux.collect.backends.local import LocalBackend
from genieredux.runs.backends import Backend

__all__ = ["Backend", "LocalBackend"]
