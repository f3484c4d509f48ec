"""A policy that plays the recorded actions of a data set again: on another console setting, at another image size, or
films of a person's play on the real game.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genieredux.errors import UserError
from genieredux.policies.policy import Actions, Seen, stream_generator

_PURPOSE = 4


class RecordedPolicy:
    """Every episode plays one of the `recordings`, drawn with its seed; beyond a recording's end its last action is
    repeated. An episode whose seed is in `by_seed` plays that recording.

    recordings: int64 (T-1,) each, not empty.
    """

    name = "recorded"
    plays_alone = False  # the recordings lie where the command runs, and are read once

    def __init__(self, recordings: Sequence[NDArray[np.int64]], by_seed: dict[int, int] | None = None) -> None:
        if not recordings or not all(len(recording) for recording in recordings):
            raise UserError("there is no recorded action to play")
        self._recordings = [np.asarray(recording, dtype=np.int64) for recording in recordings]
        self._by_seed = by_seed or {}
        self._which: NDArray[np.int64] = np.zeros(0, np.int64)
        self._steps: NDArray[np.int64] = np.zeros(0, np.int64)

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`; frames are not looked at."""
        if len(self._which) != len(seen.frames):
            self._which, self._steps = np.zeros((2, len(seen.frames)), np.int64)
        for i in np.flatnonzero(seen.begun):
            self._which[i], self._steps[i] = self._chosen(int(seen.seeds[i])), 0
        recordings = [self._recordings[which] for which in self._which]
        actions = [one[min(step, len(one) - 1)] for one, step in zip(recordings, self._steps, strict=True)]
        self._steps += 1
        return np.array(actions, dtype=np.int64)

    def _chosen(self, seed: int) -> int:
        drawn = int(stream_generator(seed, _PURPOSE).integers(len(self._recordings)))
        return self._by_seed.get(seed, drawn)


def recorded(
    num_actions: int,
    action_names: tuple[str, ...],
    dataset: str,
    game: str | None = None,
    split: str | None = None,
    episode: str | None = None,
) -> RecordedPolicy:
    """The recordings of a data set.

    dataset: its folder. game, split, episode: only those of one game, of one split, of one id. Raises `UserError`
    where there is none, or their actions are not those of the game now played.
    """
    from genieredux.episodes import Dataset

    wanted = {"game": game, "split": split, "id": episode}
    data = Dataset.open(dataset).select(**{key: value for key, value in wanted.items() if value is not None})
    names = tuple(data.spec.action_names)
    if not names or not set(names) <= set(action_names or names) or (not action_names and len(names) > num_actions):
        raise UserError(
            f"connector.agent.options.dataset={dataset} was played with the actions {', '.join(names) or '(unknown)'}; "
            f"the game now has {', '.join(action_names) or num_actions}; set connector.action_names to those"
        )
    known = np.array([(action_names or names).index(name) for name in names])
    episodes = [(seed, data.actions(i)) for i, seed in enumerate(data.index["seed"].to_pylist())]
    played = [(seed, known[actions]) for seed, actions in episodes if len(actions) and (actions >= 0).all()]
    return RecordedPolicy([actions for _, actions in played], {seed: k for k, (seed, _) in enumerate(played)})
