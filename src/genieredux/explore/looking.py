"""How an agent is looked at: episodes on levels that it does not learn from, what they earn, how much of the game they
cover, and a film of one. While it trains, and in `auto_explore eval`.
"""

from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np

from genieredux.collect.player import Player, endless
from genieredux.envs import EnvConfig, GameVectorEnv, make
from genieredux.explore.coverage import Coverage
from genieredux.explore.network import ActorCritic
from genieredux.explore.policy import AutoExplorePolicy
from genieredux.explore.rewards import Reward
from genieredux.explore.rollout import Rollout
from genieredux.pictures import heat
from genieredux.policies.wrappers import WithTemperature
from genieredux.training.assembled import Sample
from genieredux.training.loop.learner import Check

FIRST_TEST_LEVEL = 100_000
_ENLARGED = 2


@dataclass(frozen=True)
class Looked:
    """One episode of each environment. reward: the mean a step of what was rated. returns: (N,), its sums. coverage: of
    all of them. film: uint8 (T, H, W, 3), the first episode, enlarged, beside it a bar as high as the reward."""

    rollout: Rollout
    rewards: np.ndarray
    coverage: Coverage
    film: np.ndarray

    @property
    def returns(self) -> np.ndarray:
        """float (N,): what each episode earned by the reward."""
        return np.nansum(self.rewards, 0)


class Looker:
    """Plays whole episodes with an agent. The environments stay open between looks."""

    def __init__(self, env: EnvConfig, num_envs: int, seed: int, temperature: float, film_steps: int) -> None:
        self._config, self._count, self._seed = env, num_envs, seed
        self._temperature, self._film_steps = temperature, film_steps
        self._env: GameVectorEnv | None = None

    def look(self, net: ActorCritic, reward: Reward) -> Check:
        """Numbers and a film. The best agent is that of the highest return; where the reward itself changes, that of
        the most cells."""
        looked = self.play(net, reward)
        numbers = looked.coverage.numbers()
        intrinsic = float(looked.returns.mean())
        best = numbers["cells"] if reward.learns else intrinsic
        return Check({"loss": -best, "return": intrinsic, **numbers}, Sample(pictures={"episode": looked.film}))

    def play(self, net: ActorCritic, reward: Reward, number: int = 0) -> Looked:
        """One episode in each environment, those of `number`."""
        if self._env is None:
            self._env = make(self._config, self._count, self._seed)
        policy = WithTemperature(AutoExplorePolicy(net), net.num_actions, self._temperature)
        plan = endless(self._config, int(np.random.default_rng((self._seed, number, 0x7E57)).integers(2**62)))
        limit = self._config.max_episode_steps
        with closing(Player(self._env, policy).steps(islice(plan, self._count))) as steps:
            rollout = Rollout.of(islice(steps, limit))
        rewards = reward.rate(rollout)
        coverage = Coverage()
        coverage.add(rollout)
        return Looked(rollout, rewards, coverage, self._film(rollout, rewards))

    def close(self) -> None:
        """End the games."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def _film(self, rollout: Rollout, rewards: np.ndarray) -> np.ndarray:
        ended = np.flatnonzero(rollout.ended[:, 0])
        count = min(self._film_steps, int(ended[0]) + 1 if len(ended) else len(rewards))
        frames = rollout.frames[:count, 0].repeat(_ENLARGED, 1).repeat(_ENLARGED, 2)
        values = np.nan_to_num(rewards[:count, 0])
        side = frames.shape[1]
        bars = np.zeros((count, side, max(6, side // 12), 3), np.uint8)
        height = (values / max(values.max(initial=0.0), 1e-9) * side).astype(int)
        colours = heat(values[:, None, None], 1, max(float(values.max(initial=0.0)), 1e-9))[:, 0, 0]
        for bar, tall, colour in zip(bars, height, colours, strict=True):
            bar[side - tall :] = colour
        return np.concatenate([frames, bars], 2)
