"""Dreams for Stable-Baselines3, and agents that it trained as players here (extra: sb3).

`DreamVecEnv` is its kind of vector environment; `load` makes a policy of an agent's file, by the name
`genieredux.dreams.stable_baselines:load`. Knows no world but through the environment.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.checking import at_least
from genieredux.dreams.env import DreamVectorEnv
from genieredux.errors import UserError
from genieredux.policies import Actions, Generators, Seen

try:
    import stable_baselines3
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise UserError(f"this needs Stable-Baselines3 ({error}): pip install 'genieredux[sb3]'") from error


class DreamVecEnv(VecEnv):
    """Many dreams, stepped together, for an algorithm of Stable-Baselines3.

    repeat: frames for which an action is held; their rewards are summed up. A dream that ends begins anew in the same
    step, as both sides have it (what is left of the action goes into the new dream and earns nothing); its last frame
    is in infos[k]["terminal_observation"], and infos[k]["TimeLimit.truncated"] says that it was cut.
    """

    def __init__(self, dreams: DreamVectorEnv, repeat: int = 1) -> None:
        at_least("repeat", repeat, 1)
        self.dreams, self.repeat, self.render_mode = dreams, repeat, dreams.render_mode
        super().__init__(dreams.num_envs, dreams.single_observation_space, dreams.single_action_space)
        self._actions = np.zeros(dreams.num_envs, np.int64)

    def reset(self) -> NDArray[np.uint8]:
        """Begin all anew; with the seeds of the last call of `seed`, once."""
        seeds = list(self._seeds)
        self._reset_seeds()
        return self.dreams.reset(seed=None if all(seed is None for seed in seeds) else seeds)[0]

    def step_async(self, actions: np.ndarray) -> None:
        """Take these actions at the next `step_wait`."""
        self._actions = np.asarray(actions, np.int64)

    def step_wait(self) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Frames uint8 (N, S, S, 3), rewards, ends, and a dictionary for each dream."""
        earned, over = np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs, bool)
        said: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for _ in range(self.repeat):
            frames, rewards, ends, cut, infos = self.dreams.step(self._actions)
            earned += np.where(over, 0, rewards)
            known = infos.get("final_info", infos)
            names = [name for name in known if not name.startswith(("final_", "_"))]
            for row in np.flatnonzero(~over):
                said[row] = {name: known[name][row] for name in names}
                if ends[row] or cut[row]:
                    about = {"terminal_observation": infos["final_obs"][row], "TimeLimit.truncated": bool(cut[row])}
                    said[row] |= about
            over |= ends | cut
        return frames, earned, over, said

    def close(self) -> None:
        """Let the dreams go."""
        self.dreams.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """The frame of each dream, where they were made with render_mode rgb_array."""
        return self.dreams.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of all dreams, which have it in common."""
        return [getattr(self if attr_name == "render_mode" else self.dreams, attr_name)] * len(self._rows(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute; of all dreams, which have it in common."""
        if len(self._rows(indices)) != self.num_envs:
            raise ValueError(f"the dreams have {attr_name} in common: set it for all of them")
        setattr(self.dreams, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Dreams have no methods one by one."""
        raise NotImplementedError(f"{method_name}: a dream is no environment by itself here")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """They are not."""
        return [False] * len(self._rows(indices))

    def _rows(self, indices: int | Iterable[int] | None) -> list[int]:
        return list(self._get_indices(indices))


class TrainedAgent:
    """An agent of Stable-Baselines3 as a policy: draws from its preferences, each episode by its own seed, and holds
    an action for `repeat` frames."""

    plays_alone = False

    def __init__(self, agent: OnPolicyAlgorithm, name: str, repeat: int = 1) -> None:
        self.agent, self.name, self.repeat = agent, name, repeat
        self._generators = Generators()
        self._held = np.zeros(0, np.int64)
        self._left = np.zeros(0, np.int64)

    @torch.no_grad()
    def logits(self, seen: Seen) -> NDArray[np.float32]:
        """How much it prefers each action, (N, actions)."""
        frames, _ = self.agent.policy.obs_to_tensor(np.ascontiguousarray(seen.frames))
        preferences: Any = self.agent.policy.get_distribution(frames).distribution
        return preferences.logits.cpu().numpy()

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`."""
        generators = self._generators.of(seen)
        if len(self._left) != len(seen.frames):
            self._held, self._left = np.zeros((2, len(seen.frames)), np.int64)
        self._left[seen.begun] = 0
        if not self._left.all():
            logits = self.logits(seen).astype(np.float64)
            chances = np.exp(logits - logits.max(1, keepdims=True)).cumsum(1)
            for row in np.flatnonzero(self._left == 0):
                self._held[row] = int((chances[row] < generators[row].random() * chances[row, -1]).sum())
                self._left[row] = self.repeat
        self._left -= 1
        return self._held.copy()


def load(num_actions: int, checkpoint: str, algorithm: Literal["PPO", "A2C"] = "PPO", repeat: int = 1) -> TrainedAgent:
    """The agent in a file that `agent.save` wrote; repeat: frames for which it holds an action, as it was trained.
    Raises UserError where it is none, or of other actions.

    Such a file holds pickled code: open none from people you do not trust.
    """
    kind: Any = getattr(stable_baselines3, algorithm)
    if not Path(checkpoint).is_file():
        raise UserError(f"no agent at {checkpoint}; give the .zip that its training wrote")
    try:
        agent = kind.load(checkpoint, device="cpu")
    except (ValueError, KeyError, RuntimeError, AttributeError, AssertionError) as error:
        raise UserError(
            f"{checkpoint} is no agent of {algorithm} ({str(error).splitlines()[0]}); give its .zip"
        ) from error
    known = int(getattr(agent.action_space, "n", 0))
    if known != num_actions:
        raise UserError(f"{checkpoint} knows {known} actions, and here are {num_actions}; give another agent")
    return TrainedAgent(agent, Path(checkpoint).stem, repeat)
