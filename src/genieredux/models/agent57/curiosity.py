"""Curiosity: how new a frame is in its episode, times how new it is in the whole life (NGU, section 2).

    r_i = r_episodic * min(max(alpha, 1), L)        (equation 1)

Knows no game and no optimiser.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genieredux.models.agent57.networks import Distilled
from genieredux.models.agent57.running import RunningMoments
from genieredux.models.agent57.settings import AgentConfig

PIXEL_LIMIT = 5.0
"""Normalised pixels are clipped to it (Burda et al. 2018)."""
ERROR_WINDOW = 20_000
"""Frames after which old errors of the predictor fade: it learns, so its first errors say nothing of later ones."""
DISTANCE_WINDOW = 10_000
"""Distances after which old ones fade: the embedding they were measured in is learned too."""


class LifeLong(nn.Module):
    """Novelty over the whole life: how badly a network predicts what a random one says of a frame (RND)."""

    def __init__(self, config: AgentConfig) -> None:
        super().__init__()
        sizes = config.torso, config.image_size
        self.target = Distilled(*sizes, (config.rnd_features,), leaky=True).requires_grad_(False)
        self.predictor = Distilled(*sizes, (config.rnd_features, config.rnd_features), leaky=True)
        self.pixels = RunningMoments((1, config.image_size, config.image_size), math.inf)
        self.errors = RunningMoments((), ERROR_WINDOW)
        self.limit = config.lifelong_limit

    def normalised(self, frames: Tensor) -> Tensor:
        """uint8 (B, 1, S, S) -> float: mean 0, deviation 1 at every pixel, clipped."""
        deviation = (self.pixels.var + 1e-8).sqrt()
        return ((frames.float() - self.pixels.mean) / deviation).clamp(-PIXEL_LIMIT, PIXEL_LIMIT)

    def error(self, frames: Tensor) -> Tensor:
        """Mean squared error of the prediction, (B,)."""
        pictures = self.normalised(frames)
        with torch.no_grad():
            truth = self.target(pictures)
        return (self.predictor(pictures) - truth).square().mean(-1)

    def factor(self, error: Tensor) -> Tensor:
        """min(max(alpha, 1), L) with alpha = 1 + (error - mean) / deviation."""
        alpha = 1 + (error - self.errors.mean) / (self.errors.var.sqrt() + 1e-8)
        return alpha.clamp(1, self.limit)


def episodic_bonus(squared: NDArray[np.float64], mean: float, config: AgentConfig) -> float:
    """1 / (sqrt(sum of K) + c) over the nearest neighbours (NGU, equation 2 and algorithm 1).

    squared: their squared distances (k,). mean: the running mean d_m^2 of such distances. Where an episode has fewer
    than k frames yet, their kernels stand for all k. 0 where there is none, or the frame is too much like them.
    """
    if not len(squared):
        return 0.0
    distances = np.maximum(squared / max(mean, 1e-12) - config.cluster_distance, 0)
    kernels = config.kernel_epsilon / (distances + config.kernel_epsilon)
    similarity = math.sqrt(kernels.mean() * config.neighbours) + config.similarity_constant
    return 0.0 if similarity > config.max_similarity else 1 / similarity


class EpisodicMemories:
    """Novelty within an episode, for N streams: a memory of embeddings each, and one mean distance for all.

    frozen: the mean stays what it is, so that what an episode is depends on nothing that was played before.
    """

    def __init__(self, config: AgentConfig, streams: int, mean: float = 0.0, frozen: bool = False) -> None:
        self.config, self.frozen = config, frozen
        self.mean, self.count = mean, float(DISTANCE_WINDOW if mean else 0)
        self.memories = [Memory(config.memory) for _ in range(streams)]

    def forget(self, stream: int) -> None:
        """An episode begins."""
        self.memories[stream] = Memory(self.config.memory)

    def bonus(self, stream: int, embedding: NDArray[np.float32]) -> float:
        """How new an embedding (D,) is in its stream's episode; then it is remembered, the oldest forgotten."""
        memory = self.memories[stream]
        squared = memory.nearest(embedding, self.config.neighbours)
        if len(squared) and not self.frozen:
            share = len(squared) / (min(self.count, DISTANCE_WINDOW) + len(squared))
            self.mean += share * (float(squared.mean()) - self.mean)
            self.count += len(squared)
        memory.add(embedding)
        return episodic_bonus(squared, self.mean, self.config)


class Memory:
    """The last `capacity` embeddings of an episode, in one array that grows as it is needed."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.added = capacity, 0
        self._rows = np.zeros((0, 0), np.float32)

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, embedding: NDArray[np.float32]) -> None:
        """Remember one (D,), in the place of the oldest where it is full."""
        if self.added == len(self._rows) < self.capacity:
            grown = np.zeros((min(self.capacity, max(64, 2 * self.added)), len(embedding)), np.float32)
            grown[: self.added] = self._rows if self.added else 0
            self._rows = grown
        self._rows[self.added % self.capacity] = embedding
        self.added += 1

    def nearest(self, embedding: NDArray[np.float32], k: int) -> NDArray[np.float64]:
        """The squared Euclidean distances of the k nearest, or of all where there are fewer, ascending."""
        there = len(self)
        if not there:
            return np.zeros(0)
        apart = self._rows[:there] - embedding
        squared = np.einsum("md,md->m", apart, apart, dtype=np.float64)
        return np.sort(np.partition(squared, k - 1)[:k] if there > k else squared)

    def state(self) -> dict[str, Any]:
        """What `restored` needs."""
        return {"added": self.added, "rows": self._rows[: len(self)].copy()}

    @classmethod
    def restored(cls, capacity: int, state: Mapping[str, Any]) -> "Memory":
        """As it was when `state` was called."""
        memory = cls(capacity)
        memory.added, memory._rows = int(state["added"]), np.array(state["rows"], np.float32)
        return memory
