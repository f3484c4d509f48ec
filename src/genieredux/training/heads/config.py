"""What heads are trained from, and how long. Knows no model and imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from genieredux.config import FilePath
from genieredux.runs.places import inside
from genieredux.settings import Range, Seed, Width, check_values

Count = Annotated[int, Range(1, 1_000_000_000)]
Dreamed = Annotated[int, Range(0, 10_000_000)]
Horizon = Annotated[int, Range(1, 1024)]


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
    steps: Count = 1500
    """Updates."""
    batch_size: Annotated[int, Range(1, 65_536)] = 64
    """Transitions of an update: half as they come, half of every outcome alike."""
    learning_rate: Annotated[float, Range(1e-9, 1)] = 1e-3
    """The highest."""
    width: Width = 32
    """Channels of the network's first layer."""
    dreamed: Dreamed = 1500
    """So many transitions are drawn by the world too, and are half of what is learned from, so that the heads know what
    they will look at (0: true frames alone)."""
    horizon: Horizon = 4
    """Frames that the world dreams before such a transition, at the most."""
    seed: Seed = 0
    """Of everything that is drawn."""

    def __post_init__(self) -> None:
        check_values(HeadsJob, vars(self), "")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return inside(Path(self.checkpoints_dpath) / "outcome_heads", self.run_name, "run_name")


@dataclass(frozen=True, kw_only=True)
class HeadsEval:
    """Measuring the heads of a world on episodes that it did not learn from."""

    world: FilePath
    """The world's file, with heads."""
    dataset: FilePath
    """The folder of a data set, of which the test splits serve."""
    frames: Count = 20_000
    """True frames that are looked at, at the most: whole episodes."""
    dreamed: Dreamed = 1000
    """Transitions that the world draws, looked at besides."""
    horizon: Horizon = 4
    """Frames that the world dreams before such a transition, at the most."""
    seed: Seed = 0
    """Of their choice."""

    def __post_init__(self) -> None:
        check_values(HeadsEval, vars(self), "")
