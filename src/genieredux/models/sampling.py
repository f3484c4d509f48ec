"""Which tokens are hidden and which are decided: the schedules and the decoding loop of MaskGIT.

Chang et al. 2022 (MaskGIT); the schedules are the published GenieRedux ones. Knows logits, no network.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.models.dynamics.protocol import METHODS

CHOICES = ("mode", "mean")
SCHEDULES = ("cosine", "uniform", "pow2", "pow3", "log", "exp")


def mask_ratio(schedule: str, progress: float, total: int) -> float:
    """Share of tokens still hidden when `progress` in [0, 1] of the steps is done; 1e-6 at the least.

    total: how many tokens are decoded together (log and exp need it). Raises UserError for another schedule.
    """
    if schedule == "uniform":
        ratio = 1 - progress
    elif schedule.startswith("pow") and schedule[3:].replace(".", "", 1).isdigit():
        ratio = 1 - progress ** float(schedule[3:])
    elif schedule == "cosine":
        ratio = math.cos(math.pi / 2 * progress)
    elif schedule == "log":
        ratio = -math.log2(max(progress, 1e-9)) / math.log2(total)
    elif schedule == "exp":
        ratio = 1 - 2 ** (-math.log2(total) * (1 - progress))
    else:
        raise UserError(f"sampling.schedule is '{schedule}'; choose one of {', '.join(SCHEDULES)}")
    return min(max(ratio, 1e-6), 1.0)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the tokens of new frames are drawn. A live dream is always one frame at a time."""

    steps: int = 1
    """Refinement steps for the frames that are decided together (papers: 25); each decides some tokens, and the next
    sees them."""
    temperature: float = 1.0
    """Of the Gumbel noise on the logits, falling linearly to 0 at the last step (one step alone is an arg-max)."""
    schedule: str = "cosine"
    """How many tokens stay hidden after each step: cosine, uniform, pow2, pow3, log or exp."""
    choice: str = "mode"
    """mode takes the likeliest token (with the noise, a sample). mean: the token whose vector is nearest to the
    expected vector, which has no noise: where the world is unsure it takes the middle instead of a guess (minimum
    Bayes risk under squared error)."""
    method: str = "autoregressive"
    """autoregressive decides dream_length frames at a time (P25: 2), which then are the past of the next; one_go
    decides all frames of a rollout together."""
    dream_length: int = 1
    """Frames that are decided together."""
    window: int | None = None
    """Frames of context that the dynamics keeps; null: as many as in training (published: all from the start)."""

    def __post_init__(self) -> None:
        for name in ("steps", "dream_length", "window"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"sampling.{name} is {getattr(self, name)}; it must be 1 or more")
        if self.temperature < 0:
            raise UserError(f"sampling.temperature is {self.temperature}; it must be 0 or more")
        if self.choice not in CHOICES:
            raise UserError(f"sampling.choice is '{self.choice}'; choose one of {', '.join(CHOICES)}")
        if self.method not in METHODS:
            raise UserError(f"sampling.method is '{self.method}'; choose one of {', '.join(METHODS)}")
        mask_ratio(self.schedule, 0.5, 256)

    def changed(
        self,
        steps: int | None = None,
        temperature: float | None = None,
        choice: str | None = None,
        **others: str | int | None,
    ) -> "Sampling":
        """This, with what is not None instead; others are further fields by name. Raises UserError for a value out of
        range.
        """
        wanted = {"steps": steps, "temperature": temperature, "choice": choice, **others}
        return replace(self, **{name: value for name, value in wanted.items() if value is not None})  # type: ignore[arg-type]


def decode_masked(
    logits: Callable[[Tensor], Tensor],
    masked: Tensor,
    codes: Tensor,
    sampling: Sampling,
    noise: Callable[[int], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Decide every token of the frames that are drawn together, the surest first.

    logits: tokens (B, n) with hidden ones at K -> float (B, n, K). masked: (B, n), what to begin with.
    codes: (K, D), the vector of every token.
    noise: step -> Gumbel noise (B, n, K), asked for every step in order but the last, which is an arg-max; None: no
    noise.
    Returns tokens int64 (B, n) and the entropy float32 (B, n) in nats of the first prediction. A token that is
    decided is not touched again.
    """
    tokens, total, mask_id = masked, masked.shape[1], len(codes)
    entropy = torch.zeros_like(masked, dtype=torch.float32)
    given: Tensor | None = None
    for step in range(sampling.steps):
        found = logits(tokens)
        if found is not given:  # a network whose answer does not depend on the tokens gives the same tensor again
            given, scores = found, found.float()
            log_p = scores.log_softmax(-1)
        if step == 0:
            entropy = -(log_p.exp() * log_p).sum(-1)
        temperature = sampling.temperature * (sampling.steps - 1 - step) / sampling.steps
        if sampling.choice == "mean":
            choice = expected_token(log_p.exp(), codes)
        elif noise is None or temperature == 0:
            choice = scores.argmax(-1)
        else:
            choice = scores.add(noise(step), alpha=temperature).argmax(-1)
        hidden = tokens == mask_id
        last = step == sampling.steps - 1
        stay = 0 if last else int(mask_ratio(sampling.schedule, (step + 1) / sampling.steps, total) * total)
        sure = log_p.gather(-1, choice[..., None])[..., 0].masked_fill(~hidden, torch.inf)
        rank = sure.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
        tokens = torch.where(hidden & (rank < total - stay), choice, tokens)
    return tokens, entropy


def expected_token(probabilities: Tensor, codes: Tensor) -> Tensor:
    """The token whose code (K, D) is nearest to the expected code under probabilities (..., K), by squared distance."""
    expected = probabilities @ codes
    return (expected @ codes.t() - codes.square().sum(-1) / 2).argmax(-1)
