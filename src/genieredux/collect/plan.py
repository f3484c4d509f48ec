"""Which episodes a collection consists of: a pure function of the configuration, before anything is played.

Episode k of a group (one game in one entry of the splits) depends on (seed, split, policy, game, k) alone. So
any number of workers plays the same episodes, and a second run knows which are still to be played.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genieredux.collect.config import CollectConfig
from genieredux.envs import GameFacts, Start
from genieredux.episodes.alignment import num_frames
from genieredux.errors import UserError

_PIXEL_BYTES = 0.33
"""Stored bytes a pixel, as CoinRun's and Airstriker's compress (docs/benchmarks.md); flat pictures need a fifth."""
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

    def labels(self, planned: Planned) -> dict[str, Any]:
        """What is stored with one of its episodes: the fields of `Episode` beside what was recorded."""
        return {
            "game": self.facts.game,
            "console": self.facts.console,
            "tags": self.facts.tags,
            "policy": self.variant,
            "split": self.split,
            "seed": planned.start.seed,
            "instance": planned.start.instance,
            "id": planned.id,
        }

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
            sessions = connector.sessions(split)
            if sessions == 0:
                continue
            groups.append(
                Group(
                    facts=facts,
                    game=game,
                    split=split.name,
                    variant=split.variant or connector.variant,
                    seed=cfg.seed,
                    start_level=split.start_level,
                    num_levels=connector.levels(split),
                    num_episodes=sessions,
                    num_frames=split.n_frames if sessions is None else None,
                    max_length=num_frames(amounts.n_steps_max),
                )
            )
    return groups


@dataclass(frozen=True)
class Amount:
    """What a plan comes to at the most, whatever of it is there already. gigabytes: of 10^9 bytes, on the disk."""

    games: int
    episodes: int
    frames: int
    gigabytes: float

    def __str__(self) -> str:
        return (
            f"{self.games:,} game{'s' * (self.games != 1)}, {self.episodes:,} episodes, at most {self.frames:,} "
            f"frames, about {_short(self.gigabytes)} GB"
        )


def amount(groups: Sequence[Group], image_size: int) -> Amount:
    """What the groups come to, every episode being of the longest. An amount in frames takes about that many."""
    episodes = frames = 0
    for group in groups:
        most = (group.num_frames or 0) + group.max_length
        episodes += -(-most // group.max_length) if group.num_episodes is None else group.num_episodes
        frames += most if group.num_episodes is None else group.num_episodes * group.max_length
    return Amount(len({group.game for group in groups}), episodes, frames, frames * image_size**2 * _PIXEL_BYTES / 1e9)


def check_amount(groups: Sequence[Group], image_size: int, max_gb: float) -> Amount:
    """What the groups come to. Raises `UserError` where that is more than `max_gb` gigabytes."""
    planned = amount(groups, image_size)
    if planned.gigabytes > max_gb:
        raise UserError(
            f"the plan is {planned}: more than collect.max_gb={max_gb:g}, so nothing is played; play less "
            "(config.connector.generator_config.n_sessions, n_instances, n_steps_max; config.connector.n_games), or "
            f"say collect.max_gb={math.ceil(planned.gigabytes)}"
        )
    return planned


def _short(gigabytes: float) -> str:
    return f"{gigabytes:,.0f}" if gigabytes >= 10 else f"{gigabytes:.2g}"
