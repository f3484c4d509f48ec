"""An actor: some games side by side, played by members of the family that a bandit chooses, cut into sequences.

It runs here, in a process of its own, or on another machine (`crew`); it never learns. Knows no replay and no
optimiser.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.agent57.bandit import SlidingWindowBandit
from genieredux.agent57.config import ActorsConfig
from genieredux.agent57.lane import Lane
from genieredux.agent57.replay import Sequence, Shape
from genieredux.agent57.returns import behaviour_probability
from genieredux.envs.config import EnvConfig
from genieredux.models.agent57.acting import Acting, FamilyCuriosity, NoCuriosity
from genieredux.models.agent57.agent import Agent, States
from genieredux.models.agent57.curiosity import Memory
from genieredux.models.agent57.settings import AgentConfig

Weights = Mapping[str, NDArray[Any]]
"""A state dict as arrays, which travel between processes as they are."""


@dataclass(frozen=True)
class ActorSetup:
    """What an actor is made of: plain values, so that another process can make it. number: which of `count` it is.
    life: how many with its number died before it."""

    env: EnvConfig
    agent: AgentConfig
    num_actions: int
    actors: ActorsConfig
    shape: Shape
    period: int
    number: int
    count: int
    seed: int
    life: int = 0


@dataclass(frozen=True)
class Ended:
    """An episode that is over."""

    member: int
    returned: float
    curiosity: float
    steps: int


@dataclass
class Played:
    """What an actor has done since it was last asked."""

    steps: int = 0
    sequences: list[Sequence] = field(default_factory=list)
    episodes: list[Ended] = field(default_factory=list)
    distance: float = 0.0
    """The mean distance by which its episodic memories judge now."""


class Actor:
    """Plays `setup.actors.lanes` games."""

    def __init__(self, setup: ActorSetup) -> None:
        self.setup = setup
        with torch.random.fork_rng(devices=[]):
            self.agent = Agent(setup.agent, setup.num_actions).eval().requires_grad_(False)
        lanes, cfg = setup.actors.lanes, setup.actors
        self.curiosity = FamilyCuriosity(self.agent, lanes) if setup.agent.curious else NoCuriosity()
        self.acting = Acting(self.agent, lanes, self.curiosity)
        self.epsilons = epsilons(cfg.epsilon, cfg.alpha, lanes * setup.count)[setup.number :: setup.count]
        self.bandit = SlidingWindowBandit(setup.agent.policies, cfg.bandit_window, cfg.bandit_beta, cfg.bandit_epsilon)
        seeds = [(setup.seed, setup.number, setup.life, lane) for lane in range(lanes)]
        self.lanes = [Lane(setup.env, setup.shape, setup.period, seed) for seed in seeds]
        for i in range(lanes):
            self._begin(i)
        self.steps = 0

    def play(self, steps: int, weights: Weights | None = None) -> Played:
        """So many steps of every lane, with new weights where there are some."""
        if weights is not None:
            self._load(weights)
        played = Played()
        for _ in range(steps):
            self._step(played)
        if isinstance(self.curiosity, FamilyCuriosity):
            played.distance = self.curiosity.memories.mean
        return played

    def answer(self, verb: str, *arguments: Any) -> Any:
        """What one that is apart is told to do: `play`, `state` or `restore`, by its name."""
        methods: dict[str, Any] = {"play": self.play, "state": self.state, "restore": self.restore}
        return methods[verb](*arguments)

    def state(self) -> dict[str, Any]:
        """What `restore` needs: arrays and plain values."""
        acting = self.acting
        state: dict[str, Any] = {
            "steps": self.steps,
            "weights": weights_of(self.agent),
            "bandit": self.bandit.state(),
            "lanes": [lane.state() for lane in self.lanes],
            "states": _stacked(acting.states),
            "members": acting.members,
            "intrinsic": acting.intrinsic,
        }
        if isinstance(self.curiosity, FamilyCuriosity):
            memories = self.curiosity.memories
            kept = [memory.state() for memory in memories.memories]
            state["memories"] = {"mean": memories.mean, "count": memories.count, "kept": kept}
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self.steps = int(state["steps"])
        self._load(state["weights"])
        self.bandit.restore(state["bandit"])
        for lane, values in zip(self.lanes, state["lanes"], strict=True):
            lane.restore(values)
        self.acting.states = _unstacked(state["states"])
        self.acting.members, self.acting.intrinsic = state["members"], state["intrinsic"]
        if isinstance(self.curiosity, FamilyCuriosity):
            memories, kept = self.curiosity.memories, state["memories"]
            memories.mean, memories.count = float(kept["mean"]), float(kept["count"])
            memories.memories = [Memory.restored(self.setup.agent.memory, memory) for memory in kept["kept"]]

    def _load(self, weights: Weights) -> None:
        self.agent.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})

    def close(self) -> None:
        """Close the games."""
        for lane in self.lanes:
            lane.close()

    def _begin(self, i: int) -> None:
        """Lane i begins an episode; the bandit says who plays it."""
        self.acting.begin(i, self.bandit.choose(self.lanes[i].generator))

    def _step(self, played: Played) -> None:
        lanes = self.lanes
        acted = self.acting.step(
            np.stack([lane.frame for lane in lanes]),
            np.array([lane.action for lane in lanes]),
            np.array([lane.reward for lane in lanes], np.float32),
            np.array([lane.begun for lane in lanes]),
        )
        greedy, before = acted.values.argmax(-1), _stacked(acted.before)
        for i, lane in enumerate(lanes):
            epsilon, count = float(self.epsilons[i]), self.setup.num_actions
            draws = lane.generator.random(2)
            action = min(int(draws[1] * count), count - 1) if draws[0] < epsilon else int(greedy[i])
            chance = behaviour_probability(action == greedy[i], epsilon, count)
            lane.remember(float(acted.intrinsic[i]), chance, before[i])
            self._keep(played, lane.full(int(self.acting.members[i]), self.steps))
            ended, cut, shown = lane.step(action)
            self.steps += 1
            if ended or cut:
                self._end(i, ended, shown, played)
        played.steps += len(lanes)

    def _end(self, i: int, ended: bool, shown: bool, played: Played) -> None:
        """Lane i's episode is over: its last frame counts, the bandit learns, the next begins."""
        lane, member = self.lanes[i], int(self.acting.members[i])
        bonus = float(self.curiosity.bonus(lane.frame[None], np.array([i]))[0]) if shown else 0.0
        lane.remember(bonus, 1.0, lane.rows[-1][-1])
        self._keep(played, lane.last(ended, shown, member, self.steps))
        self.bandit.update(member, lane.returned)
        played.episodes.append(Ended(member, lane.returned, lane.curiosity, len(lane.taken)))
        lane.begin()
        self._begin(i)

    def _keep(self, played: Played, sequence: Sequence | None) -> None:
        if sequence is not None:
            played.sequences.append(sequence)


def epsilons(largest: float, alpha: float, lanes: int) -> NDArray[np.float64]:
    """epsilon ** (1 + alpha i / (L - 1)) for lane i of L (Horgan et al. 2018; R2D2, section 2.3)."""
    return largest ** (1 + alpha * np.arange(lanes) / max(lanes - 1, 1))


def weights_of(agent: Agent) -> Weights:
    """Its state dict as arrays that later updates leave alone."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in agent.state_dict().items()}


def _stacked(states: States) -> NDArray[np.float32]:
    """The states of N streams, (N, heads, 2, hidden)."""
    return np.stack([torch.stack(state, 1).cpu().numpy() for state in states], 1)


def _unstacked(states: NDArray[np.float32]) -> States:
    """The reverse."""
    tensor = torch.from_numpy(np.ascontiguousarray(states))
    return tuple((tensor[:, head, 0].clone(), tensor[:, head, 1].clone()) for head in range(tensor.shape[1]))
