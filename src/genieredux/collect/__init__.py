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
from genieredux.collect.progress import PlainReporter, Reporter, SilentReporter, Standing, TerminalReporter

__all__ = [
    "AgentConfig",
    "CollectConfig",
    "CollectSummary",
    "ConnectorConfig",
    "GamesFailed",
    "GeneratorConfig",
    "PlainReporter",
    "Reporter",
    "SilentReporter",
    "SplitConfig",
    "Standing",
    "TerminalReporter",
    "collect",
]
