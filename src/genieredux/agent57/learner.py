"""The learner of an Agent57 under `training.drive`: play arrives, a batch is drawn, values and curiosity are learned.

Update k is a function of k and of what `state` and `model` hold: replay, priorities, optimisers and every actor down to
the middle of its episodes. While it computes, the actors play what update k + 1 begins with.
"""

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genieredux.agent57.actor import ActorSetup, Ended, Played, weights_of
from genieredux.agent57.bandit import SlidingWindowBandit
from genieredux.agent57.config import Agent57Config
from genieredux.agent57.crew import Crew
from genieredux.agent57.losses import Batch, curiosity_losses, value_losses
from genieredux.agent57.measure import measured
from genieredux.agent57.meme import ErrorSizes
from genieredux.agent57.nested import as_arrays, as_tensors
from genieredux.agent57.replay import Replay, Shape, crossed, importance
from genieredux.envs.game import GameFacts
from genieredux.errors import UserError
from genieredux.models.agent57.agent import KIND, Agent
from genieredux.models.checkpoint import CheckpointData, plain, plain_defaults
from genieredux.training import Check, ModelFile, Step

EVALUATOR_WINDOW = 3_600
"""Episodes, of all actors together, by which the best member is known (Agent57, section 4)."""
_EXPLOITER = 0
"""The member without curiosity."""


class AgentLearner:
    """Satisfies `training.Learner`. Raises UserError, before anything is played, for a replay that memory has no room
    for."""

    def __init__(self, cfg: Agent57Config, facts: GameFacts, device: torch.device) -> None:
        self.cfg, self.facts, self._device = cfg, facts, device
        self.num_actions = len(facts.action_names)
        agent, replay = cfg.agent, cfg.replay
        shape = Shape(replay.trace, agent.image_size, agent.hidden, 2 if agent.separate else 1)
        self.replay = Replay(shape, replay.capacity, replay.exponent)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cfg.train.seed)
            self.agent = Agent(agent, self.num_actions).to(device)
        self.target = copy.deepcopy(self.agent).requires_grad_(False)
        self.curious = agent.curious
        self.sizes = ErrorSizes(shape.heads, agent.policies).to(device) if cfg.learn.normalise else None
        self.optimizers = self._optimizers()
        self.evaluator = SlidingWindowBandit(agent.policies, EVALUATOR_WINDOW, 0.0, 0.0)
        self.crew = Crew(self._setups(shape), cfg.actors.processes > 0)
        self.env_steps = 0
        self.distance = 0.0
        self._arrived: list[Played] = []

    # -- what `drive` asks ---------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        return KIND

    @property
    def config(self) -> Mapping[str, Any]:
        config: dict[str, Any] = plain(asdict(self.cfg.agent))
        return {**config, "num_actions": self.num_actions}

    @property
    def defaults(self) -> Mapping[str, Any]:
        return plain_defaults(self.cfg.agent)

    @property
    def device(self) -> torch.device:
        return self._device

    def about(self) -> dict[str, Any]:
        values = sum(p.numel() for head in self.agent.heads for p in head.parameters())
        size = self.replay.shape.bytes() * self.replay.capacity
        return {
            "game": self.facts.game,
            "actions": self.num_actions,
            "value_parameters": values,
            "replay_mib": round(size / 2**20, 1),
            "actors": max(1, self.cfg.actors.processes),
            "lanes": self.cfg.actors.lanes,
        }

    def step(self, k: int, elapsed: float) -> Step:
        episodes, steps = self._gather(k)
        generator = np.random.default_rng((self.cfg.train.seed, k, 0xA57))
        sequences, slots, chances = self.replay.sample(self.cfg.learn.batch, generator)
        share, policies = self.cfg.learn.cross_mixture, self.cfg.agent.policies
        sequences["member"] = crossed(sequences["member"], share, policies, generator)
        batch = Batch.of(sequences, self.cfg.replay.burn_in, self._device)
        weights = importance(chances, len(self.replay), self.cfg.replay.importance)
        scalars = self._update(batch, torch.from_numpy(weights).to(self._device), slots)
        if k % self.cfg.learn.target_update == 0:
            self._copy_target()
        age = self.env_steps - sequences["born"] * max(1, self.cfg.actors.processes)
        latest = {"env_steps": self.env_steps, "replay": len(self.replay), "best_member": self.evaluator.best()}
        return Step(
            {**scalars, **_of_episodes(episodes), "replay_age": torch.from_numpy(age).double()},
            latest=latest,
            counts={"env_steps": steps, "sequences": self.cfg.learn.batch},
        )

    def validate(self, k: int) -> Check | None:
        """The best member plays greedily; the loss is what it returned, negated: the best model returns most."""
        cfg = self.cfg.eval
        member = self.evaluator.best() if cfg.member is None else cfg.member
        scores = measured(self.agent, self.cfg.env, cfg, member, self.distance)
        return Check({"loss": -float(scores.mean()), "return": float(scores.mean()), "member": float(member)})

    def model(self, k: int) -> ModelFile:
        metadata = {
            "action_names": list(self.facts.action_names),
            "env": plain(vars(self.cfg.env)),
            "game": self.facts.game,
            "best_member": self.evaluator.best(),
            "distance": self.distance,
            "env_steps": self.env_steps,
        }
        return ModelFile(KIND, self.config, self.agent.state_dict(), metadata)

    def state(self) -> dict[str, Any]:
        self._arrived += self.crew.played()
        state = {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "target": self.target.state_dict(),
            "evaluator": self.evaluator.state(),
            "env_steps": self.env_steps,
            "distance": self.distance,
            "sizes": self.sizes.state_dict() if self.sizes is not None else None,
        }
        if self.cfg.replay.save:
            state["replay"] = self.replay.state()
            state["crew"] = as_tensors(self.crew.state())
            state["arrived"] = as_tensors([_packed(played) for played in self._arrived])
        return state

    def restore(self, model: CheckpointData, state: Mapping[str, Any]) -> None:
        try:
            self.agent.load_state_dict(model.state_dict)
            self.target.load_state_dict(state["target"])
            for optimizer, values in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(values)
            if self.sizes is not None and state["sizes"] is not None:
                self.sizes.load_state_dict(state["sizes"])
            self.evaluator.restore(state["evaluator"])
            self.env_steps, self.distance = int(state["env_steps"]), float(state["distance"])
            if "replay" in state:
                self.replay.restore(state["replay"])
                self.crew.restore(as_arrays(state["crew"]))
                self._arrived = [_unpacked(played) for played in as_arrays(state["arrived"])]
        except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"the training state beside {model.path} does not fit this run ({reason}); set actors.* and replay.* "
                f"as they were, go on from the one before it (train.resume=previous), or choose another run_name"
            ) from error

    def close(self) -> None:
        self.crew.close()

    # -- play arrives --------------------------------------------------------------------------------------

    def _gather(self, k: int) -> tuple[list[Ended], int]:
        """Put into the replay what was played since the last update, then ask for more; at first, and until there is
        enough, wait for it. Gives the episodes that ended and the game steps that were taken."""
        episodes, steps = [], 0
        self._arrived += self.crew.played()
        while True:
            for played in self._arrived:
                for sequence in played.sequences:
                    self.replay.add(sequence, max(1.0, float(self.replay.priorities.max())))
                episodes += played.episodes
                steps += played.steps
                self.distance = played.distance or self.distance
            self._arrived = []
            if len(self.replay) >= max(self.cfg.replay.min_size, self.cfg.learn.batch):
                break
            self.crew.ask(self.cfg.actors.steps, self._weights(k, steps == 0))
            self._arrived = self.crew.played()
        self.env_steps += steps
        for episode in episodes:
            self.evaluator.update(episode.member, episode.returned)
        self.crew.ask(self.cfg.actors.steps, self._weights(k, k == 1))
        return episodes, steps

    def _weights(self, k: int, needed: bool) -> Any:
        return weights_of(self.agent) if needed or k % self.cfg.actors.pull == 0 else None

    # -- an update -----------------------------------------------------------------------------------------

    def _update(self, batch: Batch, weights: Tensor, slots: Any) -> dict[str, Tensor]:
        learn = self.cfg.learn
        made = value_losses(self.agent, self.target, batch, weights, learn, self.cfg.replay, self.sizes)
        losses: dict[str, Tensor] = dict(zip(("extrinsic_loss", "intrinsic_loss"), made.losses, strict=False))
        if self.curious:
            losses |= curiosity_losses(self.agent, batch, learn.curiosity_steps)
        total = torch.stack(list(losses.values())).sum()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        total.backward()
        norms = [nn.utils.clip_grad_norm_(part.parameters(), learn.clip) for part in self._parts()]
        for optimizer in self.optimizers:
            optimizer.step()
        self.replay.update(slots, made.priorities.double().cpu().numpy())
        scalars = {"loss": total.detach(), "grad_norm": torch.stack(norms).max()}
        rewards = {
            "extrinsic_reward": batch.extrinsic[batch.valid].mean(),
            "intrinsic_reward": batch.intrinsic[batch.valid].mean(),
        }
        return scalars | {name: loss.detach() for name, loss in losses.items()} | rewards

    def _parts(self) -> list[nn.Module]:
        """What is clipped together."""
        return [*self.agent.heads, *([self.agent.embedding, self.agent.lifelong.predictor] if self.curious else [])]

    def _optimizers(self) -> list[torch.optim.Adam]:
        learn = self.cfg.learn
        values = [p for head in self.agent.heads for p in head.parameters()]
        curious = [*self.agent.embedding.parameters(), *self.agent.lifelong.predictor.parameters()]
        groups = [(values, learn.learning_rate)] + ([(curious, learn.curiosity_rate)] if self.curious else [])
        return [torch.optim.Adam(group, lr=rate, eps=learn.adam_epsilon) for group, rate in groups]

    def _copy_target(self) -> None:
        for mine, theirs in zip(self.target.heads, self.agent.heads, strict=True):
            mine.load_state_dict(theirs.state_dict())

    def _setups(self, shape: Shape) -> list[ActorSetup]:
        cfg, count = self.cfg, max(1, self.cfg.actors.processes)
        common = (cfg.env.env(), cfg.agent, self.num_actions, cfg.actors, shape, cfg.replay.period)
        return [ActorSetup(*common, number=i, count=count, seed=cfg.train.seed) for i in range(count)]


def _of_episodes(episodes: list[Ended]) -> dict[str, Tensor]:
    """What the log says of episodes that ended; nothing where none did."""
    if not episodes:
        return {}
    columns = {
        "return": [one.returned for one in episodes],
        "curiosity_return": [one.curiosity for one in episodes],
        "episode_steps": [one.steps for one in episodes],
        "member": [one.member for one in episodes],
    }
    if exploiting := [one.returned for one in episodes if one.member == _EXPLOITER]:
        columns["return_exploiting"] = exploiting
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in columns.items()}


def _packed(played: Played) -> dict[str, Any]:
    return asdict(played)


def _unpacked(values: Mapping[str, Any]) -> Played:
    return Played(
        int(values["steps"]),
        list(values["sequences"]),
        [Ended(**one) for one in values["episodes"]],
        float(values["distance"]),
    )
