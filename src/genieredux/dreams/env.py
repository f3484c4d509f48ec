"""Worlds as environments: `DreamVectorEnv`, many dreams of one world at once, and `DreamEnv`, one alone.

Observations are the frames that the world draws; actions are the world's. A dream begins at a prompt, drawn by the
seed, and goes on for ever unless `max_steps` cuts it. A world predicts neither rewards nor ends, so rewards are 0 and
nothing terminates; how unsure the world was is in the infos. Knows a world through its protocol alone.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from genieredux.checking import at_least
from genieredux.dreams.session import Prompt, check_prompts
from genieredux.errors import UserError
from genieredux.frames import to_bytes, to_float
from genieredux.models.sampling import Sampling
from genieredux.models.world.file import load_world, shipped_world
from genieredux.models.world.protocol import Dream, DreamStep, World

Frames = NDArray[np.uint8]
Infos = dict[str, Any]


class DreamVectorEnv(VectorEnv[Frames, NDArray[np.int64], NDArray[Any]]):
    """N dreams of one world, advanced in one call.

    Observations uint8 (N, S, S, 3); actions int64 (N,). infos: `entropy` float32 (N,), the mean over a frame's tokens
    in nats, and `prompt` int64 (N,), where each dream began. A dream that reaches max_steps is truncated and begins
    anew in the same step (autoreset SAME_STEP): its last frame is in infos["final_obs"].
    """

    metadata = {  # noqa: RUF012  # Gymnasium declares it as it is
        "render_modes": ["rgb_array"],
        "render_fps": 15,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        world: World,
        prompts: Sequence[tuple[np.ndarray, np.ndarray]],
        num_envs: int = 1,
        *,
        max_steps: int | None = None,
        sampling: Sampling | None = None,
        render_mode: str | None = None,
    ) -> None:
        """prompts: frames uint8 (P, S, S, 3) and actions int64 (P - 1,) each; the last frames of longer ones serve.
        Raises UserError for prompts that are none of this world."""
        at_least("num_envs", num_envs, 1)
        at_least("max_steps", max_steps, 1)
        self._world, self._prompts = world, _equally_long(check_prompts(world, prompts))
        self._max_steps, self._sampling = max_steps, sampling
        self.num_envs, self.render_mode = num_envs, render_mode
        size = world.image_size
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.single_action_space = gymnasium.spaces.Discrete(len(world.action_names))
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._dream: Dream | None = None
        self._rngs = [np.random.default_rng() for _ in range(num_envs)]
        self._frames = np.zeros((num_envs, size, size, 3), np.uint8)
        self._steps = np.zeros(num_envs, np.int64)
        self._begun = np.zeros(num_envs, np.int64)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, Infos]:
        """Begin all dreams anew, or those of options["reset_mask"], bool (N,). seed: of the first, the others count on;
        or one each. The same seed begins at the same prompt and draws the same noise."""
        asked = None if options is None else options.get("reset_mask")
        mask = np.ones(self.num_envs, bool) if asked is None else np.asarray(asked, bool)
        if mask.shape != (self.num_envs,) or not mask.any():
            raise UserError(f"reset_mask is of shape {mask.shape}; it marks one or more of {self.num_envs} dreams")
        if seed is not None:
            seeds = [seed + k for k in range(self.num_envs)] if isinstance(seed, int) else list(seed)
            if len(seeds) != self.num_envs:
                raise UserError(f"{len(seeds)} seeds for {self.num_envs} dreams; give one, or one each")
            for row in np.flatnonzero(mask):
                self._rngs[row] = np.random.default_rng(seeds[row])
        if self._dream is None and not mask.all():
            raise UserError("some dreams were never begun: reset them all first")
        self._begin(mask)
        return self._frames.copy(), {"prompt": self._begun.copy()}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Frames, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Infos]:
        """Take an action (N,) in every dream."""
        if self._dream is None:
            raise gymnasium.error.ResetNeeded("call reset before step")
        step = self._dream.step(torch.as_tensor(np.asarray(actions, np.int64)))
        self._frames = to_bytes(step.frames)
        self._steps += 1
        nothing = np.zeros(self.num_envs, bool)
        cut = nothing if self._max_steps is None else self._steps >= self._max_steps
        infos: Infos = {"entropy": _mean_entropy(step), "prompt": self._begun.copy()}
        if cut.any():
            final = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(cut):
                final[row] = self._frames[row].copy()
            infos |= {"final_obs": final, "_final_obs": cut.copy()}
            self._begin(cut)
            infos["prompt"] = self._begun.copy()
        return self._frames.copy(), np.zeros(self.num_envs), nothing, cut.copy(), infos

    def render(self) -> tuple[Frames, ...] | None:
        """The frames of all dreams, where render_mode is rgb_array."""
        return tuple(self._frames.copy()) if self.render_mode == "rgb_array" else None

    def _begin(self, mask: NDArray[np.bool_]) -> None:
        """Begin the dreams that mask marks at prompts and with noise of their generators."""
        rows = np.flatnonzero(mask)
        self._begun[rows] = [int(self._rngs[row].integers(len(self._prompts))) for row in rows]
        seeds = [int(self._rngs[row].integers(1 << 40)) for row in rows]
        chosen = [self._prompts[self._begun[row]] for row in rows]
        frames = torch.stack([to_float(prompt.frames) for prompt in chosen])
        actions = torch.from_numpy(np.stack([np.asarray(prompt.actions, np.int64) for prompt in chosen]))
        if mask.all():
            self._dream = self._world.dream(frames, actions, seeds, self._sampling)
        else:
            assert self._dream is not None
            self._dream.restart(torch.from_numpy(mask), frames, actions, seeds)
        self._frames[rows] = [prompt.frames[-1] for prompt in chosen]
        self._steps[rows] = 0


class DreamEnv(gymnasium.Env[Frames, np.int64]):
    """One dream as an environment: `gymnasium.make("genieredux:genieredux/Dream-v0")`.

    Observations uint8 (S, S, 3), actions of the world; reward 0 and never terminated. It is cut where it is made with
    max_episode_steps. info: `entropy`, the mean over the frame's tokens in nats; `prompt`, where the dream began.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012

    def __init__(
        self,
        world: str | World | None = None,
        prompts: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
        sampling: Sampling | None = None,
        render_mode: str | None = None,
    ) -> None:
        """world: a world, or the file of one with its prompts; None: the world that ships with the package. prompts:
        where a dream may begin; None: those in the file. Raises UserError where there are none."""
        held: Sequence[tuple[np.ndarray, np.ndarray]] = ()
        if world is None or isinstance(world, str):
            world, held = load_world(world or shipped_world())
        self._dreams = DreamVectorEnv(
            world, held if prompts is None else prompts, sampling=sampling, render_mode=render_mode
        )
        self.render_mode = render_mode
        self.observation_space = self._dreams.single_observation_space
        self.action_space = self._dreams.single_action_space
        self.action_names = tuple(world.action_names)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frames, Infos]:
        """Begin anew; without a seed at another prompt and with other noise than before."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(1 << 40))
        frames, infos = self._dreams.reset(seed=seed)
        return frames[0], {"prompt": int(infos["prompt"][0])}

    def step(self, action: np.int64) -> tuple[Frames, float, bool, bool, Infos]:
        """Take an action."""
        frames, _, _, _, infos = self._dreams.step(np.array([action], np.int64))
        return frames[0], 0.0, False, False, {"entropy": float(infos["entropy"][0]), "prompt": int(infos["prompt"][0])}

    def render(self) -> Frames | None:
        """The present frame, where render_mode is rgb_array."""
        frames = self._dreams.render()
        return None if frames is None else frames[0]


def _mean_entropy(step: DreamStep) -> NDArray[np.float32]:
    return step.entropy.float().mean((1, 2)).cpu().numpy()


def _equally_long(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The last frames of each, as many as the shortest has."""
    given = min(len(prompt.frames) for prompt in prompts)
    return [Prompt(prompt.frames[-given:], prompt.actions[len(prompt.actions) - given + 1 :]) for prompt in prompts]
