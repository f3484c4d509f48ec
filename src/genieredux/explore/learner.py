"""The agent's learner under training's driver: an epoch is a step. It plays, is told how the play is rewarded, and
learns from it.

Recurrent PPO (Schulman et al. 2017) rather than the published policy gradient on a replay of old episodes, which pairs
rewards with actions drawn anew: here the actions are those that were taken, each weighed by its chance now against the
chance with which it was drawn (its random share included), and no play is older than its epoch, so that memory is
bounded by num_envs x num_steps frames and a reward that learns is never out of date.

Every epoch begins its episodes anew. So what an epoch does is a function of its number, the networks, the reward and
the scale, and a run that was stopped ends, bit for bit on a CPU, as if it had not been.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genieredux.collect.player import Player, endless
from genieredux.envs import EnvConfig, GameVectorEnv, make
from genieredux.errors import UserError
from genieredux.explore.acting import Acting
from genieredux.explore.config import ExploreConfig
from genieredux.explore.coverage import Coverage
from genieredux.explore.looking import Looker
from genieredux.explore.network import ActorCritic
from genieredux.explore.returns import advantages
from genieredux.explore.reward import Running, discounted_forward
from genieredux.explore.rewards import Reward
from genieredux.explore.rewards.episodic import episodic_factor
from genieredux.explore.rollout import Rollout
from genieredux.explore.segments import Experience, Segment, batches
from genieredux.frames import to_tensor
from genieredux.models.checkpoint import CheckpointData, plain_defaults
from genieredux.training.loop.learner import Check, ModelFile, Step

KIND = "auto_explore"


class ExploreLearner:
    """The `Learner` of one agent in one game."""

    kind = KIND

    def __init__(
        self,
        config: ExploreConfig,
        env: EnvConfig,
        action_names: tuple[str, ...],
        reward: Reward,
        looker: Looker | None = None,
        device: torch.device | None = None,
    ) -> None:
        """looker: what looks at the agent every now and then; None: nobody."""
        self._config, self._env_config, self._reward, self._looker = config, env, reward, looker
        self._device = device or torch.device("cpu")
        learning = config.training.actor_critic
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.common.seed)
            self.net = ActorCritic(learning.network, env.image_size, len(action_names)).to(self._device)
        self._optimizer = torch.optim.Adam(self.net.parameters(), learning.learning_rate, eps=1e-5)
        self._scale, self.coverage = Running(), Coverage()
        self._env: GameVectorEnv | None = None
        self._action_names = action_names

    # -- what it is ----------------------------------------------------------------------------------------

    @property
    def config(self) -> Mapping[str, Any]:
        """What the agent is: its network, its frames, its actions."""
        return {
            "network": asdict(self.net.config) | {"channels": list(self.net.config.channels)},
            "image_size": self.net.image_size,
            "action_names": list(self._action_names),
        }

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Of its network."""
        return {"network": plain_defaults(self.net.config)}

    @property
    def device(self) -> torch.device:
        """Where the agent is."""
        return self._device

    def about(self) -> dict[str, Any]:
        """For the log."""
        play = self._config.collection.train.config
        return {
            "parameters": sum(p.numel() for p in self.net.parameters()),
            "game": self._env_config.game,
            "reward": self._config.reward.kind,
            "steps_an_epoch": play.num_envs * play.num_steps,
        }

    # -- learning ------------------------------------------------------------------------------------------

    def step(self, k: int, elapsed: float) -> Step:
        """Epoch k."""
        rollout, acting = self._play(k)
        self.coverage.add(rollout)
        raw = self._reward.rate(rollout)
        rewards, counts = self._shaped(raw, rollout)
        experience = self._experience(rollout, acting, rewards, counts)
        scalars = {"reward": torch.from_numpy(raw[np.isfinite(raw)]) if np.isfinite(raw).any() else torch.zeros(1)}
        learned = self._reward.learn(k)
        if k > self._config.training.actor_critic.start_after:
            scalars |= self._learn(experience, k)
        steps, envs = rollout.shape
        latest = {
            "epsilon": self._config.collection.train.config.chance(k),
            "scale": self._scale.deviation,
            **self.coverage.numbers(),
            **learned,
        }
        return Step(scalars, latest, {"env_steps": steps * envs})

    def _play(self, k: int) -> tuple[Rollout, Acting]:
        """The play of epoch k: episodes that its number and the seed decide, from their beginnings."""
        play, seed = self._config.collection.train.config, self._config.common.seed
        if self._env is None:
            self._env = make(self._env_config, play.num_envs, seed)
        rng = np.random.default_rng((seed, k, 0xE8))
        acting = Acting(self.net, play.chance(k), play.temperature, rng)
        plan = endless(self._env_config, int(rng.integers(2**62)))
        with closing(Player(self._env, acting).steps(plan)) as steps:
            rollout = Rollout.of(islice(steps, play.num_steps))
        return rollout, acting

    def _shaped(self, raw: np.ndarray, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """What the steps earn, (T, N), by the running spread of its discounted sums; and which may be learned from."""
        config = self._config
        values = np.nan_to_num(raw, nan=0.0) * episodic_factor(rollout, config.reward.episodic)
        values[deaths(rollout, config.reward.masked_ends)] = 0.0
        rewards = torch.from_numpy(values.astype(np.float32))
        ended = torch.from_numpy(rollout.ended)
        self._scale.add(discounted_forward(rewards, ended, config.training.actor_critic.discount))
        return rewards / self._scale.deviation, torch.from_numpy(~lost_steps(rollout))

    @torch.no_grad()
    def _experience(self, rollout: Rollout, acting: Acting, rewards: Tensor, counts: Tensor) -> Experience:
        acts, learning = acting.acts[: len(rewards)], self._config.training.actor_critic
        values = torch.stack([act.value for act in acts])
        ended = torch.from_numpy(rollout.ended)
        following = self._following(rollout, acting, values)
        gains = advantages(rewards, values, following, ended, learning.discount, learning.trace)
        return Experience(
            frames=to_tensor(rollout.frames),
            before=torch.stack([act.before for act in acts]),
            actions=torch.from_numpy(rollout.actions),
            begun=torch.from_numpy(rollout.begun),
            chances=torch.stack([act.chance for act in acts]),
            advantages=gains,
            returns=gains + values,
            counts=counts,
            hidden=torch.stack([act.state[0] for act in acts]),
            cell=torch.stack([act.state[1] for act in acts]),
        )

    def _following(self, rollout: Rollout, acting: Acting, values: Tensor) -> Tensor:
        """The value of what every step led to, (T, N): 0 where the game ended; where play was cut, that of the frame it
        was cut at, or of the one before where none was shown."""
        following = torch.cat([values[1:], values[-1:]])
        following[torch.from_numpy(rollout.terminated | rollout.lost)] = 0.0
        cut = rollout.truncated.copy()
        cut[-1] |= ~rollout.ended[-1]
        for t in np.flatnonzero(cut.any(1)).tolist():
            rows = np.flatnonzero(cut[t])
            frames = [rollout.following(t, n) for n in rows]
            seen = [k for k, frame in enumerate(frames) if frame is not None]
            following[t, rows] = values[t, rows]
            if seen:
                state = tuple(part[rows[seen]].to(self._device) for part in acting.acts[t].after)
                shown = to_tensor(np.stack([frames[k] for k in seen]))[None].to(self._device)  # type: ignore[misc]
                taken = torch.from_numpy(rollout.actions[t, rows[seen]])[None].to(self._device)
                judged = self.net(shown, taken, torch.zeros_like(taken, dtype=torch.bool), state)
                following[t, rows[seen]] = judged.values[0].cpu()
        return following

    def _learn(self, experience: Experience, k: int) -> dict[str, Tensor]:
        """The updates of epoch k."""
        learning = self._config.training.actor_critic
        rng = np.random.default_rng((self._config.common.seed, k, 0x1E))
        made: list[dict[str, Tensor]] = []
        for segment in batches(
            experience, learning.sequence, learning.burn_in, learning.batch_size, learning.steps_per_epoch, rng
        ):
            if not segment.mask.any():
                continue
            losses = self._losses(segment)
            self._optimizer.zero_grad(set_to_none=True)
            losses["loss"].backward()
            losses["grad_norm"] = torch.nn.utils.clip_grad_norm_(self.net.parameters(), learning.max_grad_norm)
            self._optimizer.step()
            made.append({name: value.detach() for name, value in losses.items()})
        return {name: torch.stack([losses[name] for losses in made]) for name in (made[0] if made else ())}

    def _losses(self, segment: Segment) -> dict[str, Tensor]:
        """PPO's, of the steps that the mask leaves."""
        learning, device = self._config.training.actor_critic, self._device
        burn = len(segment.frames) - len(segment.actions)
        state = (segment.state[0].to(device), segment.state[1].to(device))
        frames, before, begun = (part.to(device) for part in (segment.frames, segment.before, segment.begun))
        if burn:
            with torch.no_grad():
                state = self.net(frames[:burn], before[:burn], begun[:burn], state).state
        judged = self.net(frames[burn:], before[burn:], begun[burn:], state)
        mask = segment.mask.to(device)
        log_p = judged.logits.log_softmax(-1)
        chosen = log_p.gather(-1, segment.actions.to(device)[..., None])[..., 0]
        gains = segment.advantages.to(device)
        gains = (gains - gains[mask].mean()) / (gains[mask].std(correction=0) + 1e-8)
        ratio = (chosen - segment.chances.to(device)).exp()
        clipped = ratio.clamp(1 - learning.clip, 1 + learning.clip)
        policy = -torch.minimum(ratio * gains, clipped * gains)[mask].mean()
        value = (judged.values - segment.returns.to(device)).square()[mask].mean()
        undecided = -(log_p.exp() * log_p).sum(-1)[mask].mean()
        loss = policy + learning.value_weight * value - learning.entropy_weight * undecided
        return {"loss": loss, "policy_loss": policy, "value_loss": value, "policy_entropy": undecided}

    # -- looking, saving, going on --------------------------------------------------------------------------

    def validate(self, k: int) -> Check | None:
        """Look at the agent on levels that it does not learn from."""
        return None if self._looker is None else self._looker.look(self.net, self._reward)

    def model(self, k: int) -> ModelFile:
        """The agent, and how it was made."""
        made = {"game": self._env_config.game, "reward": self._config.reward.kind, "seed": self._config.common.seed}
        return ModelFile(KIND, self.config, self.net.state_dict(), made)

    def state(self) -> dict[str, Any]:
        """What going on needs besides."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "reward": self._reward.state(),
            "reward_kind": self._config.reward.kind,
            "scale": self._scale.state(),
            "coverage": self.coverage.state(),
        }

    def restore(self, model: CheckpointData, state: Mapping[str, Any]) -> None:
        """Go on from these two. Raises UserError where they do not fit."""
        if state.get("reward_kind") != self._config.reward.kind:
            raise UserError(
                f"{model.path} was trained with reward.kind={state.get('reward_kind')}, now it is "
                f"{self._config.reward.kind}; set it back, or begin a new run (leave common.resume_id out)"
            )
        try:
            self.net.load_state_dict(model.state_dict)
            self._optimizer.load_state_dict(state["optimizer"])
            self._reward.restore(state["reward"])
            self._scale.restore(state["scale"])
            self.coverage = Coverage.restored(state["coverage"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"the training state beside {model.path} does not fit: {' '.join(str(error).split())[:200]}; begin a "
                "new run (leave common.resume_id out)"
            ) from error

    def close(self) -> None:
        """End the games."""
        if self._env is not None:
            self._env.close()
            self._env = None
        if self._looker is not None:
            self._looker.close()


def lost_steps(rollout: Rollout) -> np.ndarray:
    """bool (T, N): the environment died, so nothing of that episode counts."""
    gone = np.zeros(rollout.shape, bool)
    for piece in rollout.pieces():
        if rollout.lost[piece.last, piece.env]:
            gone[piece.first : piece.last + 1, piece.env] = True
    return gone


def deaths(rollout: Rollout, count: int) -> np.ndarray:
    """bool (T, N): the last `count` steps before a game ended, or before a life was lost where `lives` is known."""
    masked = np.zeros(rollout.shape, bool)
    if not count:
        return masked
    struck = rollout.terminated.copy()
    if "lives" in rollout.info and "lives" in rollout.info_after:
        struck |= rollout.info_after["lives"] < rollout.info["lives"]
    for t, n in np.argwhere(struck).tolist():
        masked[max(0, t - count + 1) : t + 1, n] = True
    return masked
