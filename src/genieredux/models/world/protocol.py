"""What a world is to everything that uses one: evaluation, the player, the explorer, the Gymnasium
environment.

The contract only: no network, no file. `models/world/model.py` and `models/world/fake.py` satisfy it, and
`tests/models/test_fake_world.py` holds the tests that any world must pass.

Shapes: B clips, P prompt frames, N predicted frames, C=3 channels, H=W pixels, (h, w) tokens of one frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class Rollout:
    """The N frames that a world predicted after a prompt.

    frames: float32 (B, N, C, H, W) in [0, 1].
    tokens: int64 (B, N, h, w).
    entropy: float32 (B, N, h, w), nats: how unsure the world was of each token.
    """

    frames: Tensor
    tokens: Tensor
    entropy: Tensor


@dataclass(frozen=True)
class DreamStep:
    """One dreamed frame.

    frame: float32 (C, H, W) in [0, 1].
    tokens: int64 (h, w).
    entropy: float32 (h, w), nats.
    """

    frame: Tensor
    tokens: Tensor
    entropy: Tensor


@runtime_checkable
class Dream(Protocol):
    """A live rollout, one frame at a time. It may go on for ever; it holds its own cache and belongs to one
    thread.
    """

    def step(self, action: int) -> DreamStep:
        """Take `action` (an index into the world's `action_names`) and return the frame it leads to."""
        ...


@runtime_checkable
class World(Protocol):
    """A generative interactive environment.

    Tensors may come from any device: a world moves them. Every method runs without gradients.

    Common random numbers: the noise that samples frame k depends on (seed, k) alone, never on the actions or
    on the other clips of the batch. So two rollouts of one seed differ only by what their actions change.
    """

    @property
    def action_names(self) -> tuple[str, ...]:
        """The meaning of every action index, for example ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")."""
        ...

    @property
    def image_size(self) -> int:
        """S: frames are S x S pixels."""
        ...

    def encode(self, frames: Tensor) -> Tensor:
        """Frames float32 (B, T, C, H, W) in [0, 1] to tokens int64 (B, T, h, w)."""
        ...

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (B, T, h, w) to frames float32 (B, T, C, H, W) in [0, 1]."""
        ...

    def rollout(self, prompt: Tensor, actions: Tensor, seed: int | Sequence[int] = 0, sampling: Any = None) -> Rollout:
        """Predict N frames after a prompt.

        prompt: float32 (B, P, C, H, W) in [0, 1]; P >= 1.
        actions: int64 (B, P - 1 + N): those taken between the prompt's frames, then one for each predicted
        frame. seed: one for all clips, or one per clip. sampling: how tokens are drawn; None means the
        world's own default.
        """
        ...

    def dream(self, prompt: Tensor, prompt_actions: Tensor, seed: int = 0, sampling: Any = None) -> Dream:
        """Begin a live rollout after prompt (P, C, H, W) float32 and its actions (P - 1,) int64."""
        ...
