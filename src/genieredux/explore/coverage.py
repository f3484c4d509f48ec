"""How much of a game was seen: cells of the picture as Go-Explore counts them, positions where the game declares them,
and the curve of both over the steps.

Knows rollouts. Cells of different levels are different places; in a scrolling game whoever walks right makes new cells,
so the furthest position stands beside them where it is known.
"""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from genieredux.explore.rollout import Piece, Rollout

GRID = (11, 8)
"""Width and height of a cell's picture (Ecoffet et al. 2021)."""
LEVELS = 8
"""Shades of grey of a cell's picture."""
TILE = 1.0
"""Side of the square that counts as one position, in the game's own units (tiles in Procgen)."""
_AXES = (("x", "y"), ("player_x", "player_y"), ("xpos", "ypos"))


def cells_of(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames uint8 (F, H, W, 3) as uint8 (F, 8, 11): grey, reduced by area, in eight shades."""
    cells = np.empty((len(frames), GRID[1], GRID[0]), np.uint8)
    for k, frame in enumerate(frames):
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        cells[k] = cv2.resize(grey, GRID, interpolation=cv2.INTER_AREA) // (256 // LEVELS)
    return cells


def places_of(rollout: Rollout, piece: Piece) -> list[tuple[int, int]]:
    """The tile (x, y) of every step of a piece; [] where the game tells no positions."""
    axes = next((pair for pair in _AXES if all(name in rollout.info for name in pair)), None)
    if axes is None:
        return []
    rows = slice(piece.first, piece.last + 1)
    x, y = (rollout.info[name][rows, piece.env].astype(float) // TILE for name in axes)
    return [(int(a), int(b)) for a, b in zip(x, y, strict=True)]


@dataclass
class Coverage:
    """What was seen so far. cells, positions: distinct ones over all levels. furthest: the largest x of each level's
    episodes. curve: (steps, cells, positions) after every rollout."""

    cells: set[bytes] = field(default_factory=set)
    positions: set[tuple[int, int, int]] = field(default_factory=set)
    furthest: list[float] = field(default_factory=list)
    steps: int = 0
    episodes: int = 0
    returns: list[float] = field(default_factory=list)
    curve: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, rollout: Rollout) -> None:
        """Count a rollout in."""
        steps, envs = rollout.shape
        axes = next((pair for pair in _AXES if all(name in rollout.info for name in pair)), None)
        for piece in rollout.pieces():
            level = int(rollout.levels[piece.first, piece.env])
            prefix = level.to_bytes(8, "little", signed=True)
            self.cells |= {prefix + cell.tobytes() for cell in cells_of(rollout.film(piece))}
            rows = slice(piece.first, piece.last + 1)
            self.episodes += piece.begins
            self.returns.append(float(rollout.rewards[rows, piece.env].sum()))
            if axes:
                self.positions |= {(level, x, y) for x, y in places_of(rollout, piece)}
                self.furthest.append(float(rollout.info[axes[0]][rows, piece.env].astype(float).max()))
        self.steps += steps * envs
        self.curve.append((self.steps, len(self.cells), len(self.positions)))

    def numbers(self) -> dict[str, float]:
        """For a log or a table: cells, cells of an episode, the mean return of the game; positions and the mean
        furthest x where they are known."""
        episodes = max(self.episodes, 1)
        numbers = {
            "cells": float(len(self.cells)),
            "cells_an_episode": len(self.cells) / episodes,
            "game_return": float(np.mean(self.returns)) if self.returns else 0.0,
        }
        if self.furthest:
            numbers |= {"positions": float(len(self.positions)), "furthest_x": float(np.mean(self.furthest))}
        return numbers

    def area(self) -> float:
        """The mean height of the curve, the area under it by its length: in positions where they are known, else in
        cells."""
        if not self.curve:
            return 0.0
        steps, cells, positions = np.array([(0, 0, 0), *self.curve], float).T
        heights = positions if self.positions else cells
        return float(((heights[1:] + heights[:-1]) / 2 * np.diff(steps)).sum() / steps[-1])

    def state(self) -> dict[str, Any]:
        """Plain values and a tensor-free record that `restore` takes: counts and curve; the sets as hexadecimal."""
        return {
            "cells": sorted(cell.hex() for cell in self.cells),
            "positions": [list(place) for place in sorted(self.positions)],
            "furthest": self.furthest,
            "steps": self.steps,
            "episodes": self.episodes,
            "returns": self.returns,
            "curve": [list(point) for point in self.curve],
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Coverage":
        """From `state()`."""
        return cls(
            {bytes.fromhex(cell) for cell in state["cells"]},
            {(int(a), int(b), int(c)) for a, b, c in state["positions"]},
            [float(x) for x in state["furthest"]],
            int(state["steps"]),
            int(state["episodes"]),
            [float(x) for x in state["returns"]],
            [(int(a), int(b), int(c)) for a, b, c in state["curve"]],
        )
