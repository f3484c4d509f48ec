"""True clips of Procgen games, and what metrics must rank below them."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from genieredux.envs import EnvConfig, make


def procgen_clips(game: str, clips: int, frames: int, seed: int = 0) -> Tensor:
    """Levels seed, seed + 1, ... under held random actions: float32 (B, T, 3, 64, 64) in [0, 1]."""
    pytest.importorskip("procgen")
    rng = np.random.default_rng(seed)
    env = make(EnvConfig("procgen", game, num_workers=1, start_level=seed, num_levels=10_000), clips, seed=seed)
    played = [env.reset(seed=seed)[0]]
    held = rng.integers(len(env.action_names), size=clips)
    for step in range(frames - 1):
        if step % 4 == 3:
            held = rng.integers(len(env.action_names), size=clips)
        played.append(env.step(held)[0])
    env.close()
    return torch.from_numpy(np.stack(played, 1)).movedim(-1, 2).float() / 255


@dataclass(frozen=True)
class Ladder:
    """Clips (B, T, C, H, W) that are ever further from `truth`."""

    truth: Tensor
    noisy: Tensor
    other_clips: Tensor  # every clip in another one's place
    other_order: Tensor  # every clip's frames in another order
    other_tiles: Tensor  # every frame's 8x8 tiles in other places
    other_game: Tensor

    @classmethod
    def play(cls, clips: int, frames: int) -> "Ladder":
        truth = procgen_clips("coinrun", clips, frames)
        generator = torch.Generator().manual_seed(0)
        noise = 0.02 * torch.randn(truth.shape, generator=generator)
        tiles = truth.unflatten(-1, (8, 8)).unflatten(-3, (8, 8)).transpose(-3, -2).flatten(3, 4)  # (B, T, C, 64, 8, 8)
        mixed = tiles[:, :, :, torch.randperm(64, generator=generator)].unflatten(3, (8, 8)).transpose(-3, -2)
        return cls(
            truth=truth,
            noisy=((truth + noise).clamp(0, 1) * 255).round() / 255,
            other_clips=truth.roll(1, 0),
            other_order=truth[:, torch.randperm(frames, generator=generator)],
            other_tiles=mixed.flatten(-2).flatten(-3, -2),
            other_game=procgen_clips("bigfish", clips, frames),
        )
