"""An agent that plays N streams at once: recurrent states, episodic memories, and the rewards of curiosity.

Knows no game; who chooses the member of the family, and how often an action is random, is the caller's.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.models.agent57.agent import Agent, States
from genieredux.models.agent57.curiosity import EpisodicMemories
from genieredux.models.agent57.networks import Inputs

Floats = NDArray[np.float32]


class Curiosity(Protocol):
    """What gives each frame its intrinsic reward, in streams that are numbered."""

    def forget(self, stream: int) -> None:
        """An episode begins."""

    def bonus(self, frames: NDArray[np.uint8], streams: NDArray[np.int64]) -> Floats:
        """The intrinsic rewards (n,) of frames (n, 1, S, S) that these streams show now; they are remembered."""


class FamilyCuriosity:
    """Episodic novelty times life-long novelty, as the agent learned them."""

    def __init__(self, agent: Agent, streams: int, mean: float = 0.0, frozen: bool = False) -> None:
        """mean, frozen: see `EpisodicMemories`."""
        self.agent, self.memories = agent, EpisodicMemories(agent.config, streams, mean, frozen)

    def forget(self, stream: int) -> None:
        """See `Curiosity.forget`."""
        self.memories.forget(stream)

    @torch.no_grad()
    def bonus(self, frames: NDArray[np.uint8], streams: NDArray[np.int64]) -> Floats:
        """See `Curiosity.bonus`."""
        pictures = torch.from_numpy(frames).to(self.agent.betas.device)
        embeddings = self.agent.embedding(pictures).cpu().numpy()
        factors = self.agent.lifelong.factor(self.agent.lifelong.error(pictures)).cpu().numpy()
        episodic = [self.memories.bonus(int(i), embedding) for i, embedding in zip(streams, embeddings, strict=True)]
        return np.asarray(episodic, np.float32) * factors


class NoCuriosity:
    """For an agent none of whose policies is curious: nothing is computed."""

    def forget(self, stream: int) -> None:
        """Nothing is remembered."""

    def bonus(self, frames: NDArray[np.uint8], streams: NDArray[np.int64]) -> Floats:
        """Zeros."""
        return np.zeros(len(streams), np.float32)


@dataclass(frozen=True)
class Acted:
    """What a step made of N streams. inputs: what the networks read. before: their states before it. values: (N, A),
    which the greedy policy follows. intrinsic: (N,), the rewards of curiosity for having come to these frames."""

    inputs: Inputs
    before: States
    values: NDArray[np.float32]
    intrinsic: Floats


class Acting:
    """The agent in N streams.

    late: the networks are told of the bonus of the frame before instead of this one's, as the published player does.
    """

    def __init__(self, agent: Agent, streams: int, curiosity: Curiosity, late: bool = False) -> None:
        self.agent, self.curiosity, self.late = agent, curiosity, late
        self.states = agent.initial(streams)
        self.members = np.zeros(streams, np.int64)
        self.intrinsic = np.zeros(streams, np.float32)
        self.count = streams

    def begin(self, stream: int, member: int = 0) -> None:
        """An episode begins, played by this member of the family."""
        for part in (part for state in self.states for part in state):
            part[stream] = 0
        self.curiosity.forget(stream)
        self.members[stream], self.intrinsic[stream] = member, 0

    @torch.no_grad()
    def step(
        self, frames: NDArray[np.uint8], actions: NDArray[np.int64], rewards: Floats, begun: NDArray[np.bool_]
    ) -> Acted:
        """Look at frames uint8 (N, 1, S, S), to which `actions` (N,) led, which earned `rewards` (N,); nothing did
        where an episode has just `begun`."""
        streams = np.arange(self.count)
        told = self.intrinsic
        self.intrinsic = np.where(begun & (not self.late), 0, self.curiosity.bonus(frames, streams)).astype(np.float32)
        inputs = self.inputs(
            frames, np.where(begun, 0, actions), np.where(begun, 0, rewards), told if self.late else self.intrinsic
        )
        before = tuple((h.clone(), c.clone()) for h, c in self.states)
        values, self.states = self.agent.values(inputs, before)
        members = torch.from_numpy(self.members).to(self.agent.betas.device)
        chosen = self.agent.greedy_values(tuple(q[0] for q in values), members)
        return Acted(inputs, before, chosen.cpu().numpy(), self.intrinsic)

    def inputs(
        self, frames: NDArray[np.uint8], actions: NDArray[np.int64], rewards: Floats, intrinsic: Floats
    ) -> Inputs:
        """One step of all streams, (1, N, ...)."""
        device = self.agent.betas.device
        parts = (frames, actions, rewards, intrinsic, self.members)
        return Inputs(*(torch.from_numpy(np.ascontiguousarray(part)).to(device)[None] for part in parts))


def acting(agent: Agent, streams: int, distance: float) -> Acting:
    """An agent that only plays. distance: the mean distance by which its memories judge, which then stays."""
    curious = agent.config.curious
    return Acting(agent, streams, FamilyCuriosity(agent, streams, distance, frozen=True) if curious else NoCuriosity())
