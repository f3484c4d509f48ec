"""What heads are trained from, and how long. Knows no model and imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from genieredux.checking import above, at_least
from genieredux.config import FilePath


@dataclass(frozen=True, kw_only=True)
class HeadsJob:
    """Heads of a world: what a step earns and whether it ends the episode. The few you will want to change: steps,
    dreamed."""

    world: FilePath = "coinrun"
    """The world's file, or the name of one that ships; it is left as it is."""
    dataset: FilePath
    """The folder of a data set of the same game, with rewards and ends."""
    out: FilePath
    """The file to write: the world with its heads."""
    run_name: str = "heads"
    """The run's folder is checkpoints_dpath/outcome_heads/run_name."""
    checkpoints_dpath: FilePath = "checkpoints"
    """The folder of all runs."""
    steps: int = 1500
    """Updates."""
    batch_size: int = 64
    """Transitions of an update: half as they come, half of every outcome alike."""
    learning_rate: float = 1e-3
    """The highest."""
    width: int = 32
    """Channels of the network's first layer."""
    dreamed: int = 1500
    """So many transitions are drawn by the world too, and are half of what is learned from, so that the heads know what
    they will look at (0: true frames alone)."""
    horizon: int = 4
    """Frames that the world dreams before such a transition, at the most."""
    seed: int = 0
    """Of everything that is drawn."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "width", "horizon"):
            at_least(name, getattr(self, name), 1)
        at_least("dreamed", self.dreamed, 0)
        at_least("seed", self.seed, 0)
        above("learning_rate", self.learning_rate, 0)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.checkpoints_dpath) / "outcome_heads" / self.run_name


@dataclass(frozen=True, kw_only=True)
class HeadsEval:
    """Measuring the heads of a world on episodes that it did not learn from."""

    world: FilePath
    """The world's file, with heads."""
    dataset: FilePath
    """The folder of a data set, of which the test splits serve."""
    frames: int = 20_000
    """True frames that are looked at, at the most: whole episodes."""
    dreamed: int = 1000
    """Transitions that the world draws, looked at besides."""
    horizon: int = 4
    """Frames that the world dreams before such a transition, at the most."""
    seed: int = 0
    """Of their choice."""

    def __post_init__(self) -> None:
        for name in ("frames", "horizon"):
            at_least(name, getattr(self, name), 1)
        at_least("dreamed", self.dreamed, 0)
        at_least("seed", self.seed, 0)
