"""What a world is to everything that uses one: evaluation, the player, the explorer, the Gymnasium environment.

The contract only: no network, no file. `model.py` and `fake.py` satisfy it; `contract.py` is the test that any world
must pass.

Shapes: B clips or dreams, P prompt frames, N predicted frames, C=3 channels, H=W pixels, (h, w) tokens of one frame, K
codes. Frames are float32 in [0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from genieredux.models.sampling import Sampling


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
    """The next frame of every dream, as the world drew it.

    frames: float32 (B, C, H, W) in [0, 1].
    tokens: int64 (B, h, w).
    entropy: float32 (B, h, w), nats, of what the world knew before any token of the frame was decided.
    logits: float32 (B, h, w, K), of the same moment: what rewards of an explorer are made of.
    """

    frames: Tensor
    tokens: Tensor
    entropy: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Watched:
    """What the world knew of the frame that every dream was told, before it was told.

    entropy, logits: as in `DreamStep`, of what it would have drawn.
    unseen: float32 (B, H, W), from 0 to 1: how much of each pixel of the true frame the dream had not been shown
        before, wherever it lay then. None in a world that keeps no such record.
    """

    entropy: Tensor
    logits: Tensor
    unseen: Tensor | None


@runtime_checkable
class Dream(Protocol):
    """B live rollouts that advance together, one frame at a time, each with a past of its own.

    They may go on for ever: what they hold is bounded. An object belongs to one thread. Every dream equals the same
    dream alone: its noise is that of its own seed and frame number. (Its tokens; its pixels and logits to float
    rounding, since a product of matrices of another size may be summed in another order.)
    """

    def step(self, actions: Tensor) -> DreamStep:
        """Take an action in every dream, int64 (B,), and go on with what it leads to."""
        ...

    def follow(self, frames: Tensor, actions: Tensor) -> DreamStep:
        """Say what the actions, int64 (B,), lead to, and go on with what they truly led to: frames (B, C, H, W)."""
        ...

    def watch(self, frames: Tensor, actions: Tensor) -> Watched:
        """`follow` without drawing the frame that was expected, which is most of its work: the dreams are the same
        afterwards, and what is said of the tokens is too."""
        ...

    def restart(self, mask: Tensor, prompts: Tensor, actions: Tensor, seeds: Sequence[int]) -> None:
        """Begin anew the R dreams that mask, bool (B,), marks: prompts (R, P, C, H, W), their actions (R, P - 1), and a
        seed each. The others go on as if nothing had happened, bit for bit."""
        ...

    def copy(self) -> "Dream":
        """The same dreams, from here on by themselves: under the same actions both draw the same, bit for bit, and what
        is done to one does not touch the other. It is how a person goes back and takes another way."""
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

    @property
    def takes(self) -> Literal["buttons", "codes"]:
        """What an action is: a button of the game, or the code of a latent action, whose meaning nobody gave."""
        ...

    @property
    def sampling(self) -> Sampling | None:
        """How tokens are drawn unless a call says otherwise; None where there is nothing to choose."""
        ...

    def actions_of(self, frames: Tensor) -> Tensor | None:
        """The codes int64 (B, T - 1) of what happened between frames (B, T, C, H, W); None in a world that names no
        codes: there the true actions serve."""
        ...

    def encode(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """Frames (B, T, C, H, W) of clips from their first frame, and the actions (B, T - 1) between them where they
        are known, to tokens int64 (B, T, h, w)."""
        ...

    def decode(self, tokens: Tensor, actions: Tensor | None = None, first: Tensor | None = None) -> Tensor:
        """Tokens (B, T, h, w) of clips from their first frame, and the actions (B, T - 1) between them where they are
        known, to frames (B, T, C, H, W). first: the first frame (B, C, H, W), which a world whose tokens say only
        what changes needs: it raises UserError without."""
        ...

    def rollout(
        self, prompt: Tensor, actions: Tensor, seed: int | Sequence[int] = 0, sampling: Sampling | None = None
    ) -> Rollout:
        """Predict N frames after a prompt.

        prompt: (B, P, C, H, W); P >= 1. actions: int64 (B, P - 1 + N): those taken between the prompt's frames, then
        one for each predicted frame. seed: one for all clips, or one per clip. sampling: how tokens are drawn; None
        means `sampling`.
        """
        ...

    def dream(
        self,
        prompts: Tensor,
        actions: Tensor,
        seeds: int | Sequence[int] = 0,
        sampling: Sampling | None = None,
    ) -> Dream:
        """Begin B live rollouts after prompts (B, P, C, H, W) and the actions (B, P - 1) between their frames; each
        equals the rollout of its seed at any length."""
        ...
