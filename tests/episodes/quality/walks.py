"""Episodes of a square that walks: what every measure of quality must say of them is known."""

import numpy as np

from genieredux.episodes import Episode

SIDE = 32
NAMES = ("STAY", "RIGHT", "LEFT", "DEAD")
STEPS = np.array([0, 1, -1, 0])


def walk(length, seed, moves=STEPS, clock=True):
    """A bright square walks over noise as its actions say (the last does nothing); a clock changes every frame."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, len(NAMES), length - 1)
    places = 12 + np.concatenate([[0], np.cumsum(moves[actions])])
    frames = np.zeros((length, SIDE, SIDE, 3), np.uint8)
    frames[:] = rng.integers(0, 30, (SIDE, SIDE, 3))
    for frame, place in zip(frames, places % (SIDE - 4), strict=True):
        frame[10:14, place : place + 4] = 220
    if clock:
        ticks = np.arange(length) * 7
        frames[:, 24:, 24:, 0] = (ticks % 251)[:, None, None]
        frames[:, 24:, 24:, 1] = (ticks // 251 * 9)[:, None, None]
    return frames, actions.astype(np.int64)


def episode(frames, actions, game="Walk", **facts):
    values = {"rewards": np.zeros(len(actions), np.float32), "terminated": False, "truncated": True, **facts}
    return Episode(frames=frames, actions=actions, game=game, **values)
