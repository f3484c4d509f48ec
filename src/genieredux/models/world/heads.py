"""Heads beside a world: what a transition earns and whether it ends the episode, read off its frames.

A small network looks at the frame before, the frame after and the action. What it knows of the frames is pixels, never
a world's tokens, so that it serves any world of the same picture and actions. Reward and end are one choice among the
*outcomes* that the data set had, such as (0, goes on), (0, ends), (10, ends): what comes together stays together.
Knows no data set and no file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from genieredux.checking import require
from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.frames import scaled, to_tensor
from genieredux.models.checkpoint import Section
from genieredux.models.types import Batch, Losses
from genieredux.settings import Range, Settings, Width

HEADS = "heads"
"""The section of a world's file."""
GRID = 4
"""Places a side on which the network decides."""


@dataclass(frozen=True, kw_only=True)
class OutcomeHeadsConfig(Settings):
    """What the heads know of their data, and how large they are."""

    where: ClassVar[str] = "heads"

    image_size: Annotated[int, Range(8, 4096)]
    """Pixels of a frame's side."""
    num_actions: Annotated[int, Range(1, 32_767)]
    """Actions of the data set."""
    rewards: tuple[float, ...]
    """What each outcome earns."""
    ends: tuple[bool, ...]
    """Whether it ends the episode."""
    frequencies: tuple[float, ...]
    """Its share among the transitions of the data set."""
    width: Width = 32
    """Channels of the first layer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = len(self.rewards), len(self.ends), len(self.frequencies)
        require(min(sizes) == max(sizes) > 0, "heads", sizes, "as many rewards as ends and frequencies")
        require(all(0 < share <= 1 for share in self.frequencies), "heads.frequencies", self.frequencies, "shares")


@dataclass
class OutcomeBatch(Batch):
    """Transitions: frames (B, 2, C, H, W), actions (B, 1), and outcomes int64 (B,)."""

    outcomes: Tensor | None = None

    def first(self, clips: int) -> "OutcomeBatch":
        """Of the first clips alone."""
        assert self.outcomes is not None
        return OutcomeBatch(**vars(super().first(clips)), outcomes=self.outcomes[:clips])

    def to(self, device: torch.device) -> "OutcomeBatch":
        """On `device`, frames as floats."""
        assert self.outcomes is not None
        return OutcomeBatch(**vars(super().to(device)), outcomes=self.outcomes.to(device))


class OutcomeHeads(nn.Module):
    """Chances of every outcome of a transition."""

    kind: ClassVar[str] = "outcome_heads"
    settings = OutcomeHeadsConfig

    def __init__(self, config: OutcomeHeadsConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        layers: list[nn.Module] = []
        channels, side = 9, config.image_size
        for out in (width, 2 * width, 2 * width, 4 * width):
            layers += [nn.Conv2d(channels, out, 3, stride=2 if side > GRID else 1, padding=1)]
            layers += [nn.GroupNorm(1, out), nn.SiLU()]
            channels, side = out, -(-side // 2) if side > GRID else side
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(GRID), nn.Flatten())
        self.actions = nn.Embedding(config.num_actions, 2 * width)
        self.hidden = nn.Linear(channels * GRID * GRID + 2 * width, 4 * width)
        self.out = nn.Linear(4 * width, len(config.rewards))
        shares = torch.tensor(config.frequencies)
        nn.init.zeros_(self.out.weight)
        with torch.no_grad():
            self.out.bias.copy_(shares.log())  # it begins at what is known without looking
        self.register_buffer("shift", (balanced(shares) / shares).log(), persistent=False)

    shift: Tensor

    def logits(self, frames: Tensor, actions: Tensor) -> Tensor:
        """frames (B, 2, C, H, W) in [0, 1] and actions (B,) -> (B, outcomes): log-chances, up to a constant."""
        before, after = frames.unbind(1)
        seen = self.body(torch.cat([before, after, after - before], 1) - 0.5)
        return self.out(F.silu(self.hidden(torch.cat([seen, self.actions(actions)], 1))))

    def forward(self, batch: OutcomeBatch, generator: torch.Generator | None = None) -> Losses:
        """Cross-entropy of batches whose outcomes were drawn with the shares `balanced`: the logits are corrected for
        them, so that `logits` gives the chances of the data set (Menon et al. 2021, logit adjustment)."""
        assert batch.frames is not None
        assert batch.actions is not None
        assert batch.outcomes is not None
        logits = self.logits(batch.frames, batch.actions[:, 0]) + self.shift
        loss = F.cross_entropy(logits.float(), batch.outcomes)
        right = (logits.argmax(-1) == batch.outcomes).float().mean()
        return Losses(loss, {"cross_entropy": loss.detach(), "accuracy": right.detach()})

    @torch.no_grad()
    def chances(
        self, before: NDArray[np.uint8], actions: NDArray[np.int64], after: NDArray[np.uint8]
    ) -> NDArray[np.float64]:
        """before, after: uint8 (N, S, S, 3); actions int64 (N,) -> float64 (N, outcomes), rows that sum to 1."""
        device = self.out.weight.device
        frames = scaled(to_tensor(np.stack([before, after], 1)).to(device))
        logits = self.logits(frames, torch.from_numpy(np.asarray(actions, np.int64)).to(device))
        return logits.double().softmax(-1).cpu().numpy()

    @property
    def rewards(self) -> NDArray[np.float64]:
        """What each outcome earns, float64 (outcomes,)."""
        return np.array(self.config.rewards, np.float64)

    @property
    def ends(self) -> NDArray[np.bool_]:
        """Whether each outcome ends the episode, bool (outcomes,)."""
        return np.array(self.config.ends, bool)


def read_heads(section: Section, source: str | Path) -> OutcomeHeads:
    """The heads in a section of a file, frozen. Raises UserError where they are none, or not whole."""
    if section.kind != OutcomeHeads.kind:
        raise UserError(f"{source} holds a '{section.kind}' as heads, which this version does not know; update it")
    heads = OutcomeHeads(from_plain(OutcomeHeadsConfig, section.config, HEADS))
    try:
        heads.load_state_dict(section.state_dict)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the heads in {source} do not fit their configuration: {reason}") from error
    return heads.eval().requires_grad_(False)


def balanced(shares: Tensor) -> Tensor:
    """With which shares outcomes of these shares (K,) are drawn for a batch: half as they are, half all alike."""
    return 0.5 * shares + 0.5 / len(shares)
