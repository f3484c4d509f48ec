"""Agent57's networks together: two values, an embedding, a pair for random distillation. What plays and what is saved.

Knows no game; how it is trained is a job's (`genieredux.agent57`).
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.agent57.curiosity import LifeLong
from genieredux.models.agent57.networks import Embedding, Inputs, RecurrentQ, State
from genieredux.models.agent57.settings import AgentConfig
from genieredux.models.agent57.values import mixed

KIND = "agent57"
"""Of its model files."""

States = tuple[State, ...]
"""A state for each value network."""


class Agent(nn.Module):
    """A family of policies over `num_actions` actions.

    Where `config.separate` is false there is one network, `ext_q`, which values both rewards together.
    """

    kind: ClassVar[str] = KIND

    def __init__(self, config: AgentConfig, num_actions: int) -> None:
        super().__init__()
        self.config, self.num_actions = config, num_actions
        seen = (config.torso, config.image_size)
        values = (*seen, num_actions, config.policies, config.hidden, config.transform_rewards)
        self.ext_q = RecurrentQ(*values)
        self.int_q = RecurrentQ(*values) if config.separate else None
        self.embedding = Embedding(config.torso, config.image_size, num_actions, config.embedding)
        self.lifelong = LifeLong(config)
        betas, gammas = config.ladder()
        self.register_buffer("betas", torch.tensor(betas, dtype=torch.float32), persistent=False)
        self.register_buffer("gammas", torch.tensor(gammas, dtype=torch.float32), persistent=False)

    betas: Tensor
    gammas: Tensor

    @property
    def heads(self) -> tuple[RecurrentQ, ...]:
        """The value networks: extrinsic and intrinsic, or the one for both."""
        return (self.ext_q,) if self.int_q is None else (self.ext_q, self.int_q)

    def initial(self, batch: int) -> States:
        """The state in which an episode begins, in B streams."""
        return tuple(head.initial(batch) for head in self.heads)

    def values(self, inputs: Inputs, states: States) -> tuple[tuple[Tensor, ...], States]:
        """The values (T, B, A) of every head, and the states after the last step."""
        made = [head(inputs, state) for head, state in zip(self.heads, states, strict=True)]
        return tuple(q for q, _ in made), tuple(state for _, state in made)

    def greedy_values(self, values: tuple[Tensor, ...], policy_index: Tensor) -> Tensor:
        """What the greedy policy of each member follows: (..., A) for values (..., A) and members (...)."""
        if len(values) == 1:
            return values[0]
        return mixed(values[0], values[1], self.betas[policy_index.long()])

    @torch.no_grad()
    def q_values(
        self,
        frames: Any,
        previous_actions: Any,
        extrinsic_rewards: Any,
        intrinsic_rewards: Any,
        policy_index: Any,
    ) -> tuple[Tensor, Tensor]:
        """Both values of whole sequences, from zero states: (T, B, A) each.

        frames: uint8 (T, B, 1, S, S) or (T, B, S, S). The others (T, B): at step t the action before, what it earned,
        and the member of the family. Arrays or tensors. Raises UserError for what does not fit.
        """
        inputs = Inputs(
            self._frames(frames, 5),
            *(self._as(values) for values in (previous_actions, extrinsic_rewards, intrinsic_rewards, policy_index)),
        )
        self._check(inputs)
        values, _ = self.values(inputs, self.initial(inputs.frames.shape[1]))
        return values[0], values[1] if len(values) > 1 else torch.zeros_like(values[0])

    @torch.no_grad()
    def embed(self, frames: Any) -> Tensor:
        """uint8 (..., 1, S, S) -> (..., embedding): what the agent can control of each frame."""
        pictures = self._frames(frames, None)
        embeddings: Tensor = self.embedding(pictures)
        return embeddings

    def _as(self, values: Any) -> Tensor:
        return torch.as_tensor(values, device=self.betas.device)

    def _frames(self, frames: Any, dims: int | None) -> Tensor:
        pictures, size = self._as(frames), self.config.image_size
        if pictures.dim() >= 2 and (
            pictures.dim() == (dims or 0) - 1 or (dims is None and pictures.shape[-3:-2] != (1,))
        ):
            pictures = pictures.unsqueeze(-3)
        if pictures.shape[-3:] != (1, size, size) or (dims or pictures.dim()) != pictures.dim() or pictures.dim() < 4:
            raise UserError(
                f"frames are {tuple(pictures.shape)}; this agent sees (..., 1, {size}, {size}), one grey picture"
            )
        if pictures.dtype != torch.uint8:
            raise UserError(f"frames are {pictures.dtype}; they must be uint8, from 0 to 255")
        return pictures

    def _check(self, inputs: Inputs) -> None:
        steps = inputs.frames.shape[:2]
        for name, values in vars(inputs).items():
            if name != "frames" and values.shape != steps:
                raise UserError(f"{name} are {tuple(values.shape)}; beside these frames they must be {tuple(steps)}")
        members = {"previous_actions": self.num_actions, "policy_index": self.config.policies}
        for name, count in members.items():
            values = getattr(inputs, name)
            if values.is_floating_point() or (
                values.numel() and not 0 <= int(values.min()) <= int(values.max()) < count
            ):
                raise UserError(f"{name} must be whole numbers from 0 to {count - 1}")
