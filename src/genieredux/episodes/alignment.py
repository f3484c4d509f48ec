"""The one place where frames and actions are aligned: T frames, T-1 actions, `actions[k]` leads from
`frames[k]` to `frames[k+1]`.

Whoever records an episode goes through `track.Track`; whoever cuts a window out of one goes through
`window_slices`. Nothing else in the program may add or subtract one from an action index. This file knows no
file and no game.
"""

from genieredux.errors import UserError


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
