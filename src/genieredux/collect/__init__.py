"""The job of collecting data: play games with a policy, store the episodes; reproducible, resumable, safe to
interrupt.
"""

from genieredux.collect.config import (
    AgentConfig,
    CollectConfig,
    ConnectorConfig,
    GeneratorConfig,
    SplitConfig,
)
from genieredux.collect.job import CollectSummary, GamesFailed, collect
from genieredux.collect.progress import DisplayReporter, SilentReporter, Standing

__all__ = [
    "AgentConfig",
    "CollectConfig",
    "CollectSummary",
    "ConnectorConfig",
    "DisplayReporter",
    "GamesFailed",
    "GeneratorConfig",
    "SilentReporter",
    "SplitConfig",
    "Standing",
    "collect",
]
