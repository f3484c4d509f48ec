"""The vector environment contract: what every adapter promises, and which episode each environment plays
next.

It knows no game. `starts` is what makes collection reproducible: whoever drives the environment may assign to
each environment the level and the seed of its next episode, so that an episode depends on those and on the
actions alone, never on how many environments run beside it.
"""

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from genieredux.envs.config import EnvConfig
from genieredux.envs.game import Start


class GameVectorEnv(VectorEnv[NDArray[np.uint8], NDArray[np.int64], NDArray[Any]]):
    """N environments of one game, stepped together, in Gymnasium's vector API with same-step autoreset.

    Observations are uint8 (N, S, S, 3). When an episode ends, the observation returned is the first frame of
    the next one, and `info["final_obs"]` (N, S, S, 3), valid where `info["_final_obs"]`, holds the last frame
    if the game shows it; `info["final_info"]` holds the ground truth at that end, valid where
    `info["_final_info"]`. A game that shows no last frame (Procgen) leaves `_final_obs` False: the last
    action then leads nowhere visible.

    `info["broken"]` (N,) bool, present after every `step`: the environment died, its episode is lost and
    flagged truncated without a last frame, and the same start has begun anew. Every other array in `info`,
    each (N,), is ground truth about the frame that was returned; `info["_name"]`, where there is one, says which
    environments have a `name`.
    """

    action_names: tuple[str, ...]
    game: str
    console: str

    def __init__(self, cfg: EnvConfig, num_envs: int, seed: int) -> None:
        self.cfg = cfg
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}
        self._parked = np.zeros(num_envs, dtype=bool)
        self._seed_starts(seed)

    def _declare(self, game: str, console: str, action_names: tuple[str, ...]) -> None:
        """Set the names and spaces, once the adapter knows them."""
        self.game, self.console, self.action_names = game, console, action_names
        size = self.cfg.image_size
        self.single_observation_space = Box(0, 255, (size, size, 3), np.uint8)
        self.single_action_space = Discrete(len(action_names))
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    @property
    def starts(self) -> tuple[Start, ...]:
        """What each environment is playing now."""
        return tuple(self._current)

    def assign(self, index: int, start: Start) -> None:
        """The next episode of environment `index` (after this one ends, or at `reset`) will be `start`."""
        self._upcoming[index] = start

    def park(self, index: int) -> None:
        """Environment `index` is no longer needed before the next `reset`: it may rest and repeat its last
        frame.
        """
        self._parked[index] = True

    def _seed_starts(self, seed: int) -> None:
        self._generators = [np.random.default_rng((seed, index)) for index in range(self.num_envs)]
        self._upcoming = [self._draw(index) for index in range(self.num_envs)]
        self._current = list(self._upcoming)

    def _draw(self, index: int) -> Start:
        """A start for an environment to which nobody assigned one."""
        return Start(*self.cfg.draw(self._generators[index]))

    def _begin(self, index: int) -> None:
        """Environment `index` has begun its upcoming episode."""
        self._current[index] = self._upcoming[index]
        self._upcoming[index] = self._draw(index)

    def _prepare_reset(self, seed: int | list[int | None] | None, options: dict[str, Any] | None) -> None:
        """Common beginning of `reset`: an int seed redraws the starts that `assign` did not fix since."""
        if options:
            raise ValueError(f"these environments reset all together and take no options; got {sorted(options)}")
        if isinstance(seed, list):
            raise TypeError("give one int seed; per-episode seeds are assigned with assign(index, Start(...))")
        if seed is not None:
            self._seed_starts(seed)
        self._parked[:] = False
