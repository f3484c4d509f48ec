"""The knobs of the reward. Imports no torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from genieredux.config import FilePath
from genieredux.settings import Range, check_values

TOP = 0.25
"""The share of a frame's tokens that counts (P25 A.3)."""


@dataclass(frozen=True)
class RewardConfig:
    """What the agent is rewarded for. The few to change: kind, episodic, masked_ends."""

    kind: str = "entropy"
    """entropy (the papers': two real frames, n_preds dreamed), next_entropy (of the next frame, the whole past known),
    unseen (how much of the frame this episode had not shown; needs a canvas world), round_trip and seed_variance
    (divided by motion), disagreement (of small heads), progress (what is learned from round to round),
    random_features and vae (the papers' baselines), rnd."""
    top: Annotated[float, Range(1e-6, 1)] = TOP
    """The share of a frame's places, the most uncertain ones, whose mean counts."""
    episodic: Literal["none", "cells", "nearest"] = "none"
    """A factor that falls where the same episode was before: cells (1 / sqrt of the visits of the cell), nearest
    (as Never Give Up: far from its ten nearest neighbours)."""
    masked_ends: Annotated[int, Range(0, 1000)] = 0
    """The last so many steps before a game ends, and before a life is lost, earn nothing: death and respawn are
    always surprising."""
    previous_fpath: FilePath | None = None
    """For progress: the world of the round before, whose error is compared; null: an older copy of a small head."""
    heads: Annotated[int, Range(2, 32)] = 5
    """For disagreement: how many."""
    width: Annotated[int, Range(4, 512)] = 32
    """Channels of the small networks that rewards learn (disagreement, progress, rnd, vae)."""
    learning_rate: Annotated[float, Range(1e-8, 1)] = 1e-3
    """Of those networks."""
    updates: Annotated[int, Range(1, 100_000)] = 60
    """Updates of those networks an epoch, of 64 steps each."""
    lag: Annotated[int, Range(1, 1000)] = 2
    """For progress without previous_fpath: epochs that the older copy is behind."""
    seeds: Annotated[int, Range(2, 64)] = 4
    """For seed_variance: how often the next frame is drawn."""

    def __post_init__(self) -> None:
        check_values(RewardConfig, vars(self), "reward")
