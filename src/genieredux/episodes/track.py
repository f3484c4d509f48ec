"""Recording an episode while it is played. Knows no game and no file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genieredux.episodes.schema import Episode

_FIRST_ROOM = 64  # frames; a track doubles its room when it is full
_NOT_SAID = float("nan")


class Track:
    """Records one episode while it is played, one call per environment step.

    `Track(frame, info)` takes the first frame. `step(action, reward, frame, info)`: the action was taken at
    the latest frame and led to `frame`. `end_unseen(reward)`: the last action ended the episode and the game
    never showed where it led (Procgen): the action is dropped and its reward is added to the last kept
    action, so that the episode's return stays true (it is lost only where no action was kept). Frames are
    copied, since environments reuse their buffers. A frame that lacks an info key repeats its last value; a key that
    appears later is NaN before.
    """

    def __init__(self, frame: np.ndarray, info: Mapping[str, float] | None = None) -> None:
        self._frames = np.empty((_FIRST_ROOM, *frame.shape), dtype=np.uint8)
        self._frames[0] = frame
        self._actions: list[int] = []
        self._rewards: list[float] = []
        self._info = {key: [value] for key, value in (info or {}).items()}

    def __len__(self) -> int:
        """Frames recorded so far."""
        return len(self._actions) + 1

    def step(self, action: int, reward: float, frame: np.ndarray, info: Mapping[str, float] | None = None) -> None:
        """`action`, taken at the latest frame, earned `reward` and led to `frame` uint8 (H, W, 3)."""
        length = len(self)
        if length == len(self._frames):
            self._frames = np.concatenate([self._frames, np.empty_like(self._frames)])
        self._frames[length] = frame
        self._actions.append(int(action))
        self._rewards.append(float(reward))
        said = info or {}
        for key, values in self._info.items():
            values.append(said[key] if key in said else values[-1])
        for key in said.keys() - self._info.keys():
            self._info[key] = [_NOT_SAID] * length + [said[key]]

    def end_unseen(self, reward: float) -> None:
        """The last action ended the episode and showed no frame: drop it, keep its reward."""
        if self._rewards:
            self._rewards[-1] += float(reward)

    def episode(self, terminated: bool, truncated: bool, **labels: Any) -> Episode:
        """Everything so far as an episode; `labels` are its other fields. The frames are the track's own memory, not a
        copy. Info values keep the dtype numpy gives a list of them.
        """
        return Episode(
            frames=self._frames[: len(self)],
            actions=np.array(self._actions, dtype=np.int64),
            rewards=np.array(self._rewards, dtype=np.float32),
            terminated=terminated,
            truncated=truncated,
            info={key: np.array(values) for key, values in sorted(self._info.items())},
            **labels,
        )
