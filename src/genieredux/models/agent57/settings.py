"""What an Agent57 is: its picture, its networks, its family of policies, its curiosity. Plain settings, no torch."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from genieredux.models.agent57 import families
from genieredux.settings import Range, Settings, Width

Discount = Annotated[float, Range(0, 0.999999)]
Positive = Annotated[float, Range(1e-12, 1e6)]


@dataclass(frozen=True, kw_only=True)
class AgentConfig(Settings):
    """An agent. The few you will want to change: policies, beta, separate, image_size."""

    where: ClassVar[str] = "agent"

    image_size: Annotated[int, Range(4, 512)] = 84
    """Side of the one grey picture that it sees: the game's own, area-resized, without padding."""
    torso: Literal["nature", "small", "compact"] = "nature"
    """What sees the picture: nature (three convolutions, for 84x84), small (two of half the width, for few cores) or
    compact (a layer over all pixels, for pictures of a few cells)."""
    transform_rewards: bool = True
    """Whether the networks read rewards through the value transform, which keeps those of curiosity (up to 150) small;
    the published networks read them as they are."""
    hidden: Width = 512
    """Width of the LSTM and of the two heads."""
    policies: Annotated[int, Range(1, 256)] = 8
    """Members of the family, each with its own beta and gamma; 1 = no curiosity and one horizon (R2D2)."""
    beta: Annotated[float, Range(0, 100)] = 0.3
    """The largest weight of curiosity; policy 0 has none."""
    gammas: Literal["log", "agent57"] = "log"
    """How discounts are spread: log (NGU: evenly in log(1 - gamma)) or agent57 (10 or more policies)."""
    gamma_max: Discount = 0.997
    """The discount of policy 0 (the paper: 0.9999)."""
    gamma_middle: Discount = 0.997
    """The discount of policy 7, for gammas=agent57."""
    gamma_min: Discount = 0.97
    """The discount of the last policy (the paper: 0.99)."""
    separate: bool = True
    """Two networks, one for each reward (Agent57); false: one network learns r_e + beta r_i (NGU)."""
    embedding: Width = 32
    """Values of the embedding in which novelty within an episode is measured."""
    rnd_features: Width = 128
    """Values that the curiosity networks of the whole life (RND) give."""
    memory: Annotated[int, Range(10, 1_000_000)] = 3_000
    """Frames of an episode that are remembered (the paper: 30,000)."""
    neighbours: Annotated[int, Range(1, 1_000)] = 10
    """k: the nearest ones, which say how new a frame is."""
    kernel_epsilon: Positive = 1e-4
    """Of the kernel epsilon / (d^2 / d_m^2 + epsilon)."""
    cluster_distance: Annotated[float, Range(0, 1e6)] = 0.008
    """Relative squared distances below it are none."""
    max_similarity: Positive = 8.0
    """Frames more alike than that earn no bonus."""
    similarity_constant: Positive = 1e-3
    """c: added to the similarity."""
    lifelong_limit: Annotated[float, Range(1, 1e6)] = 5.0
    """L: the largest factor of life-long novelty."""

    @property
    def curious(self) -> bool:
        """Whether any member of the family has curiosity."""
        return self.beta > 0 and self.policies > 1

    def ladder(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """beta and gamma of every policy. Raises UserError where the ladder needs more policies."""
        if self.gammas == "agent57":
            gammas = families.agent57_gammas(self.policies, self.gamma_max, self.gamma_middle, self.gamma_min)
        else:
            gammas = families.log_gammas(self.policies, self.gamma_max, self.gamma_min)
        return families.betas(self.policies, self.beta), gammas
