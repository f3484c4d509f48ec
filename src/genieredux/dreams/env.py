"""Worlds as environments: `DreamVectorEnv`, many dreams of one world at once, and `DreamEnv`, one alone.

Observations are the frames that the world draws; actions are the world's. A dream begins at a prompt, drawn by the
seed, and goes on until it ends (outcomes.py: heads in the world's file, or a function) or is cut. Where nobody says
what a step earns, rewards are 0 and nothing terminates; how unsure the world was is in the infos. Knows a world through
its protocol alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from genieredux.checking import at_least
from genieredux.dreams.outcomes import Judge, Outcomes, Transitions
from genieredux.dreams.session import Prompt, check_prompts
from genieredux.envs.actions import as_indices
from genieredux.errors import UserError
from genieredux.frames import to_bytes, to_float
from genieredux.models.sampling import Sampling
from genieredux.models.world.file import Companions, companions, find_world, open_world
from genieredux.models.world.protocol import Dream, DreamStep, World

Frames = NDArray[np.uint8]
Infos = dict[str, Any]
GivenPrompts = Sequence[tuple[np.ndarray, np.ndarray]]


class DreamVectorEnv(VectorEnv[Frames, NDArray[np.int64], NDArray[Any]]):
    """N dreams of one world, advanced in one call: `gymnasium.make_vec("genieredux:genieredux/Dream-v0", 8)`.

    Observations uint8 (N, S, S, 3); actions int64 (N,). infos, each (N,): `entropy` float32, the mean over a frame's
    tokens in nats; `prompt` int64, where each dream began; with heads `expected_reward` and `end_chance`, float32. A
    dream that ends, or is cut after max_steps, begins anew in the same step (autoreset SAME_STEP): its last frame is in
    infos["final_obs"], and what was known of it in infos["final_info"].
    """

    metadata = {  # noqa: RUF012  # Gymnasium declares it as it is
        "render_modes": ["rgb_array"],
        "render_fps": 15,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        world: str | Path | World | None = None,
        prompts: GivenPrompts | None = None,
        num_envs: int = 1,
        *,
        max_steps: int | None = None,
        max_episode_steps: int | None = None,
        sampling: Sampling | None = None,
        heads: bool = True,
        reward: Judge | None = None,
        ends: Judge | None = None,
        render_mode: str | None = None,
    ) -> None:
        """world: a world, or what `find_world` finds (None: the one that ships). prompts: where dreams may
        begin, frames uint8 (P, S, S, 3) and actions int64 (P - 1,) each, of which the last frames of longer ones serve;
        None: those in the file. max_steps (or Gymnasium's name for it, max_episode_steps): a dream is cut after them.
        heads: whether those in the file say what a step earns and when a dream ends. reward, ends: functions of one's
        own that say it instead. Raises UserError for prompts that are none of this world's."""
        at_least("num_envs", num_envs, 1)
        cut_after = max_episode_steps if max_steps is None else max_steps
        at_least("max_steps", cut_after, 1)
        if world is None or isinstance(world, str | Path):
            opened = open_world(find_world(world))
            world, beside = opened.world, Companions(opened.prompts, opened.heads)
        else:
            beside = companions(world)
        given = beside.prompts if prompts is None else prompts
        self._world, self._prompts = world, _equally_long(check_prompts(world, given))
        self._outcomes = Outcomes(beside.heads if heads else None, reward, ends)
        self._max_steps, self._sampling = cut_after, sampling
        self.num_envs, self.render_mode = num_envs, render_mode
        self.action_names = tuple(world.action_names)
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
        or one each (None: that dream's numbers go on). The same seed begins at the same prompt and draws the same
        noise. options["prompt"]: where they begin, one number or one each, instead of at a prompt that is drawn."""
        options = options or {}
        mask = np.asarray(options.get("reset_mask", np.ones(self.num_envs, bool)), bool)
        if mask.shape != (self.num_envs,) or not mask.any():
            raise UserError(f"reset_mask is of shape {mask.shape}; it marks one or more of {self.num_envs} dreams")
        if self._dream is None and not mask.all():
            raise UserError("some dreams were never begun: reset them all first")
        if seed is not None:
            seeds = [seed + k for k in range(self.num_envs)] if isinstance(seed, int | np.integer) else list(seed)
            if len(seeds) != self.num_envs:
                raise UserError(f"{len(seeds)} seeds for {self.num_envs} dreams; give one, or one each")
            for row in np.flatnonzero(mask):
                if seeds[row] is not None:
                    self._rngs[row] = np.random.default_rng(seeds[row])
        self._begin(mask, options.get("prompt"))
        return self._frames.copy(), {"prompt": self._begun.copy()}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Frames, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Infos]:
        """Take an action (N,) in every dream. Raises UserError for what is no action of the world."""
        if self._dream is None:
            raise gymnasium.error.ResetNeeded("call reset before step")
        actions = as_indices(actions, self.num_envs, self.action_names)
        step = self._dream.step(torch.from_numpy(actions))
        before, self._frames = self._frames, to_bytes(step.frames)
        self._steps += 1
        entropy = _mean_entropy(step)
        made = Transitions(before, actions, self._frames.copy(), entropy, self._steps.copy())
        judged = self._outcomes.judge(made, self._rngs)
        cut = np.zeros(self.num_envs, bool) if self._max_steps is None else self._steps >= self._max_steps
        cut &= ~judged.ends
        infos: Infos = {"entropy": entropy, "prompt": self._begun.copy(), **judged.infos}
        over = judged.ends | cut
        if over.any():
            final = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(over):
                final[row] = self._frames[row].copy()
            about = {name: values.copy() for name, values in infos.items()}
            infos |= {"final_obs": final, "_final_obs": over.copy(), "final_info": about, "_final_info": over.copy()}
            self._begin(over)
            infos["prompt"] = self._begun.copy()
        return self._frames.copy(), judged.rewards.copy(), judged.ends.copy(), cut, infos

    def render(self) -> tuple[Frames, ...] | None:
        """The frames of all dreams, where render_mode is rgb_array."""
        return tuple(self._frames.copy()) if self.render_mode == "rgb_array" else None

    def _begin(self, mask: NDArray[np.bool_], at: Any = None) -> None:
        """Begin the dreams that mask marks, with noise of their generators, at prompts of the generators or `at`."""
        rows = np.flatnonzero(mask)
        self._begun[rows] = [int(self._rngs[row].integers(len(self._prompts))) for row in rows]
        if at is not None:
            self._begun[rows] = _which(at, self.num_envs, len(self._prompts))[rows]
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
    """One dream as an environment: `gymnasium.make("genieredux:genieredux/Dream-v0", world="coinrun")`.

    Observations uint8 (S, S, 3), actions of the world. It is cut where it is made with max_episode_steps. info:
    `entropy`, the mean over the frame's tokens in nats; `prompt`, where the dream began; with heads `expected_reward`
    and `end_chance`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012

    def __init__(
        self,
        world: str | Path | World | None = None,
        prompts: GivenPrompts | None = None,
        sampling: Sampling | None = None,
        heads: bool = True,
        reward: Judge | None = None,
        ends: Judge | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Each as in `DreamVectorEnv`; functions are given one dream."""
        self._dreams = DreamVectorEnv(
            world, prompts, sampling=sampling, heads=heads, reward=reward, ends=ends, render_mode=render_mode
        )
        self.render_mode = render_mode
        self.observation_space = self._dreams.single_observation_space
        self.action_space = self._dreams.single_action_space
        self.action_names = self._dreams.action_names
        self._shown = np.zeros(self.observation_space.shape or (), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frames, Infos]:
        """Begin anew; without a seed at another prompt and with other noise than before. options["prompt"]: there."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(1 << 40))
        frames, infos = self._dreams.reset(seed=seed, options=options)
        self._shown = frames[0]
        return frames[0].copy(), {"prompt": int(infos["prompt"][0])}

    def step(self, action: np.int64) -> tuple[Frames, float, bool, bool, Infos]:
        """Take an action."""
        frames, rewards, ends, _, infos = self._dreams.step(np.asarray([action]))
        known = infos.get("final_info", infos)
        info = {name: values[0].item() for name, values in known.items() if not name.startswith(("final_", "_"))}
        self._shown = infos["final_obs"][0] if ends[0] else frames[0]
        return self._shown.copy(), float(rewards[0]), bool(ends[0]), False, info

    def render(self) -> Frames | None:
        """The present frame, where render_mode is rgb_array."""
        return self._shown.copy() if self.render_mode == "rgb_array" else None


def _mean_entropy(step: DreamStep) -> NDArray[np.float32]:
    return step.entropy.float().mean((1, 2)).cpu().numpy()


def _which(at: Any, count: int, prompts: int) -> NDArray[np.int64]:
    """A prompt for each of `count` dreams. Raises UserError for what is no prompt."""
    asked = np.asarray(at)
    if asked.dtype.kind not in "iu" or asked.shape not in ((), (count,)) or asked.min() < 0 or asked.max() >= prompts:
        raise UserError(f"options['prompt'] is {at!r}; it must be from 0 to {prompts - 1}, one number or one a dream")
    return np.broadcast_to(asked.astype(np.int64), (count,))


def _equally_long(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The last frames of each, as many as the shortest has."""
    given = min(len(prompt.frames) for prompt in prompts)
    return [Prompt(prompt.frames[-given:], prompt.actions[len(prompt.actions) - given + 1 :]) for prompt in prompts]
