"""`genieredux generate`: compose the configuration, call the job, say what it made."""

from dataclasses import dataclass, field

from genieredux.cli.compose import compose_config
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.collect import CollectConfig, ConnectorConfig, collect
from genieredux.collect.backends.choice import BackendConfig, chosen
from genieredux.config import FilePath
from genieredux.episodes import Dataset, quality


@dataclass(frozen=True)
class Published:
    """What `generate` takes below `config.`, as the published commands write it."""

    connector: ConnectorConfig
    """What is played."""


@dataclass(frozen=True)
class GenerateCommand:
    """generate: play games and store the episodes."""

    config: Published
    root: FilePath = "datasets"
    """The folder of data sets."""
    seed: int = 0
    """Everything that is random follows from it: same seed, same versions, same bytes."""
    collect: BackendConfig = field(default_factory=BackendConfig)


def generate(words: list[str]) -> None:
    """Play games and store the episodes."""
    if wants_help(words):
        about = (
            "Play games and store the episodes: for example genieredux generate config=quickstart/airstriker root=data "
            "seed=1; the amounts are below config.connector.generator_config and in config.connector.splits"
        )
        schema = "genieredux.cli.generate:GenerateCommand"
        return say(manual("generate [config=NAME] [key=value ...]", about, schema, "generate"))
    command = compose_config("generate", GenerateCommand, words)
    connector = command.config.connector
    with chosen(command.collect, connector.generator_config.n_workers) as make_backend:
        job = CollectConfig(connector, command.root, command.seed, command.collect.max_gb)
        summary = collect(job, make_backend=make_backend)
    say(
        f"{summary.path}: {summary.episodes} new episodes, {summary.frames} new frames in {summary.seconds:.0f} s "
        f"({summary.frames_per_second:.0f} frames/s); {summary.total_episodes} episodes, "
        f"{summary.total_frames} frames in all"
    )
    for line in quality.brief(Dataset.open(summary.path)):
        say(line)
