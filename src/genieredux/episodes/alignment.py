"""The one place where frames and actions are aligned: T frames, T-1 actions, `actions[k]` leads from
`frames[k]` to `frames[k+1]`.

Whoever records an episode goes through `Track`; whoever cuts a window out of one goes through
`window_slices`. Nothing else in the program may add or subtract one from an action index. This file knows no
file and no game.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genieredux.errors import UserError

_FIRST_ROOM = 64  # frames; a track doubles its room when it is full


def num_actions(num_frames: int) -> int:
    """How many actions lie between `num_frames` consecutive frames."""
    return max(num_frames - 1, 0)


def num_frames(num_actions: int) -> int:
    """How many frames `num_actions` consecutive actions lie between."""
    return num_actions + 1


def check_alignment(frames: int, actions: int, where: str) -> None:
    """Raises UserError unless `actions` steps lie between `frames` frames."""
    if frames < 1 or actions != num_actions(frames):
        raise UserError(f"{where}: {actions} for {frames} frames, T frames have T-1 of them and T is at least 1")


def window_slices(start: int, frames: int) -> tuple[slice, slice]:
    """Where `frames` consecutive frames from frame `start`, and the actions between them, lie in an episode's
    arrays.
    """
    return slice(start, start + frames), slice(start, start + num_actions(frames))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What was played, aligned. frames uint8 (T, H, W, 3), actions int64 (T-1,), rewards float32 (T-1,),
    info: name -> (T,).
    """

    frames: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    info: dict[str, np.ndarray]


class Track:
    """Records one episode while it is played, one call per environment step.

    `Track(frame, info)` takes the first frame. `step(action, reward, frame, info)`: the action was taken at
    the latest frame and led to `frame`. `end_unseen(reward)`: the last action ended the episode and the game
    never showed where it led (Procgen): the action is dropped and its reward is added to the last kept
    action, so that the episode's return stays true (it is lost only where no action was kept). Frames are
    copied, since environments reuse their buffers. Info keys are those of the first frame; a later frame that
    lacks one repeats the last value, a later new key is ignored.
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
        for key, values in self._info.items():
            values.append(info[key] if info is not None and key in info else values[-1])

    def end_unseen(self, reward: float) -> None:
        """The last action ended the episode and showed no frame: drop it, keep its reward."""
        if self._rewards:
            self._rewards[-1] += float(reward)

    def trajectory(self) -> Trajectory:
        """Everything so far as arrays; the frames are the track's own memory, not a copy. Info values keep the dtype
        numpy gives a list of them.
        """
        return Trajectory(
            frames=self._frames[: len(self)],
            actions=np.array(self._actions, dtype=np.int64),
            rewards=np.array(self._rewards, dtype=np.float32),
            info={key: np.array(values) for key, values in self._info.items()},
        )
