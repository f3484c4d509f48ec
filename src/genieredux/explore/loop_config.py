"""The knobs of the loop. Imports no torch."""

from dataclasses import dataclass
from typing import Annotated

from genieredux.config import FilePath
from genieredux.settings import Range, check_values

Count = Annotated[int, Range(1, 10**9)]
Rate = Annotated[float, Range(1e-8, 1)]


@dataclass(frozen=True)
class LoopSettings:
    """auto_explore loop: explore, add the play to the data, fine-tune tokenizer and dynamics, evaluate, again."""

    rounds: Annotated[int, Range(1, 1000)] = 1
    """How often; the papers do it once. The last words of the command may say rounds=N."""
    out: FilePath = "runs/loop"
    """The folder of the loop."""
    episodes: Count = 200
    """Episodes that each round's agent plays for the data."""
    gamma: Annotated[float, Range(0, 1)] = 0.15
    """The chance of a random action in them (the papers')."""
    temperature: Annotated[float, Range(0, 1e3)] = 1.0
    """Of the agent's choice in them."""
    tokenizer_steps: Count = 500
    """Updates of the tokenizer's decoder each round."""
    dynamics_steps: Count = 1000
    """Updates of the dynamics each round."""
    tokenizer_learning_rate: Rate = 3e-4
    """The highest, of the tokenizer's decoder."""
    dynamics_learning_rate: Rate = 3e-4
    """The highest, of the dynamics."""
    batch_size: Count = 4
    """Clips of an update of the dynamics; the tokenizer takes as many frames."""
    test_episodes: Count = 16
    """Episodes of the test set, on levels of their own, played once with held random actions."""
    num_clips: Count = 64
    """Clips of an evaluation."""

    def __post_init__(self) -> None:
        check_values(LoopSettings, vars(self), "loop")
