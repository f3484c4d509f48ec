"""GenieRedux: dynamics steered by latent actions, together with the model that finds them.

The latent action model names every transition with a code; the dynamics predicts the next frame's tokens from the
past and that code's vector (P24 section 3, P25 section 4: the embedding is summed with the tokens). Trained jointly,
the latent action model keeps its own losses, so that its codebook and decoder learn, and is besides pulled by the
dynamics through the code vectors; frozen, it only names. Once trained, the code's number is the action: this model
then is a dynamics like any other (dynamics/protocol.py) whose actions are codes, or buttons that stand for codes.

Knows tokens, frames and codes; no tokenizer, no true action, no file.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.dynamics.history_refiner import HistoryRefinerConfig
from genieredux.models.dynamics.maskgit_config import MaskGITConfig
from genieredux.models.dynamics.protocol import DynamicsModel
from genieredux.models.latent.actions import (
    ConvLatentActionConfig,
    LatentActionModel,
    MotionLatentActionConfig,
    STLatentActionConfig,
)
from genieredux.models.types import Batch, Losses
from genieredux.settings import Settings, Weight


@dataclass(frozen=True)
class GenieReduxConfig(Settings):
    """Settings of both parts."""

    lam: STLatentActionConfig | ConvLatentActionConfig | MotionLatentActionConfig
    """Of the latent action model."""
    dynamics: HistoryRefinerConfig | MaskGITConfig | CanvasConfig
    """Of the dynamics, whose actions are vectors of `lam.dim` values."""
    lam_weight: Weight = 1.0
    """Of the latent action model's own loss beside the dynamics'; 0 freezes it (then it must come trained)."""


class GenieRedux(nn.Module):
    """A latent action model and a dynamics that takes its code vectors (float (B, T, dim)) for actions."""

    kind = "genie_redux"
    pressed: Tensor | None
    """int64: the code of every true action, once `press` was called."""

    def __init__(self, config: GenieReduxConfig, lam: LatentActionModel, dynamics: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.lam = lam
        self.dynamics = dynamics
        self.register_buffer("pressed", None, persistent=False)
        if config.lam_weight == 0:
            lam.requires_grad_(False)

    def look_first(self, batches: Iterable[Batch]) -> None:
        """What either part that is to be trained does with some batches before its first step."""
        seen = list(batches)
        for part in (self.dynamics, self.lam if self.config.lam_weight > 0 else None):
            look_first = getattr(part, "look_first", None)
            if look_first is not None:
                look_first(seen)

    def train(self, mode: bool = True) -> "GenieRedux":
        """As usual, but a frozen latent action model stays in evaluation mode."""
        super().train(mode)
        if self.config.lam_weight == 0:
            self.lam.eval()
        return self

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """The dynamics' loss on batch.tokens (B, T, h, w) under the latent actions of batch.frames (B, T, C, H, W),
        plus lam_weight times the latent action model's. parts: the dynamics', and `lam_...` of the other.
        """
        if batch.frames is None:
            raise ValueError("genie_redux trains on frames, and this batch has none")
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.lam_weight > 0):
            quantised = self.lam.quantise(batch.frames, generator)
        found = self.dynamics(Batch(batch.frames, batch.tokens, quantised.vectors), generator)
        parts = dict(found.parts)
        total = found.total
        if self.config.lam_weight > 0:
            own = self.lam.losses(batch.frames, quantised)
            total = total + self.config.lam_weight * own.total
            parts |= {f"lam_{name}": value for name, value in own.parts.items()}
        else:
            parts["lam_perplexity"] = quantised.perplexity.detach()
        return Losses(total, parts)

    # -- a dynamics whose actions are codes ----------------------------------------------------------------

    def press(self, to_latent: Sequence[int]) -> None:
        """From now on `observe` and `predict` take true actions, each standing for the code given for it."""
        self.pressed = torch.tensor(list(to_latent), dtype=torch.int64, device=self.codes.device)

    @property
    def num_actions(self) -> int:
        """How many latent actions there are; after `press`, how many true ones."""
        return self.lam.num_codes if self.pressed is None else len(self.pressed)

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) tokens of a frame."""
        return self._inner.grid

    @property
    def mask_id(self) -> int:
        """The id of a hidden token."""
        return self._inner.mask_id

    @property
    def codes(self) -> Tensor:
        """float32 (K, D): the vector of every token's code."""
        return self._inner.codes

    @property
    def supports(self) -> frozenset[str]:
        """As the dynamics inside."""
        return self._inner.supports

    def new_memory(self, window: int | None = None) -> Any:
        """An empty past."""
        return self._inner.new_memory(window)

    def remember(self, tokens: Tensor, actions: Tensor, memory: Any) -> None:
        """Known frames (B, T, h, w) and the actions int64 (B, T) taken at them."""
        self._inner.remember(tokens, self.vectors(actions), memory)

    def observe(self, tokens: Tensor, actions: Tensor, memory: Any) -> Any:
        """Known frames (B, T, h, w) and the actions int64 (B, T) taken at them."""
        return self._inner.observe(tokens, self.vectors(actions), memory)

    def predict(self, outlook: Any, target: Tensor, actions: Tensor) -> Tensor:
        """Logits (B, d, h, w, K) of the next d frames; actions int64 (B, d - 1)."""
        return self._inner.predict(outlook, target, self.vectors(actions))

    def vectors(self, actions: Tensor) -> Tensor:
        """What the dynamics inside takes for actions int64 (...): float (..., dim)."""
        return self.lam.vectors(actions if self.pressed is None else self.pressed[actions])

    @property
    def _inner(self) -> DynamicsModel:
        return cast(DynamicsModel, self.dynamics)
