"""Which episodes a collection consists of: a pure function of the configuration, before anything is played.

Episode k of a group (one game in one entry of the splits) depends on (seed, split, policy, game, k) alone. So
any number of workers plays the same episodes, and a second run knows which are still to be played.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genieredux.collect.config import CollectConfig
from genieredux.envs import GameFacts, Start
from genieredux.episodes.alignment import num_frames

_SEED_BITS = 62  # fits a signed 64-bit column


@dataclass(frozen=True)
class Planned:
    """One episode to play: its id in the data set, its level, and the seed of everything random in it."""

    id: str
    number: int
    start: Start


@dataclass(frozen=True)
class Group:
    """All episodes of one game in one entry of the splits.

    num_episodes: how many there are; None = as many as `num_frames` takes. max_length: frames of the longest possible
    episode.
    """

    facts: GameFacts
    game: str
    split: str
    variant: str
    seed: int
    start_level: int
    num_levels: int
    num_episodes: int | None
    num_frames: int | None
    max_length: int

    def episodes(self) -> Iterator[Planned]:
        """The episodes in order: every level once, in a shuffled order, before any is played again."""
        order = np.random.default_rng(self._entropy("levels")).permutation(self.num_levels)
        number = 0
        while self.num_episodes is None or number < self.num_episodes:
            level = self.start_level + int(order[number % self.num_levels])
            seed = self._entropy(f"episode {number}") & ((1 << _SEED_BITS) - 1)
            yield Planned(self._id(number), number, Start(level, seed))
            number += 1

    def _entropy(self, purpose: str) -> int:
        key = "\n".join((str(self.seed), self.facts.game, self.split, self.variant, purpose))
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "little")

    def _id(self, number: int) -> str:
        words = f"{self.facts.game}-{self.split}-{self.variant}-s{self.seed}"
        return f"{re.sub(r'[^A-Za-z0-9._=+-]+', '_', words).lstrip('._=+-')[:150]}-{number:06d}"


def plan_groups(cfg: CollectConfig, games: dict[str, GameFacts]) -> list[Group]:
    """The groups in the order they are played: game by game, split by split. `games`: configured name -> facts."""
    connector, amounts = cfg.connector, cfg.connector.generator_config
    groups = []
    for game, facts in games.items():
        for split in connector.splits:
            levels = split.n_instances or amounts.n_instances
            sessions = connector.sessions(split)
            if not sessions:
                continue
            groups.append(
                Group(
                    facts=facts,
                    game=game,
                    split=split.name,
                    variant=split.variant or connector.variant,
                    seed=cfg.seed,
                    start_level=split.start_level,
                    num_levels=levels,
                    num_episodes=None if split.n_frames else levels * sessions,
                    num_frames=split.n_frames,
                    max_length=num_frames(amounts.n_steps_max),
                )
            )
    return groups
