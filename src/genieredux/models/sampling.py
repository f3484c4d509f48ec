"""Which tokens are hidden and which are decided: the schedules and the decoding loop of MaskGIT.

Chang et al. 2022 (MaskGIT); the schedules are the published GenieRedux ones. What decides tokens is computed in float32
whatever autocast says, so that equal logits give equal tokens. Knows logits, no network.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.settings import Frames, Range, Settings

SCHEDULES = ("cosine", "uniform", "pow2", "pow3", "log", "exp")


_NEVER = -1e4
"""The doubt, by the published rule, in a token that was not hidden."""


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
class Sampling(Settings):
    """How the tokens of new frames are drawn. A live dream is always one frame at a time."""

    where: ClassVar[str] = "sampling"

    steps: Annotated[int, Range(1, 1024)] = 1
    """Refinement steps for the frames that are decided together (papers: 25); each decides some tokens, and the next
    sees them."""
    temperature: Annotated[float, Range(0, 1e6)] = 1.0
    """Of the Gumbel noise on the logits, falling linearly to 0 at the last step (one step alone is an arg-max), unless
    choice=sample."""
    schedule: str = "cosine"
    """How many tokens stay hidden after each step: cosine, uniform, pow2 (any power), log or exp."""
    choice: Literal["mode", "mean", "sample"] = "mode"
    """mode: the likeliest token (with the noise of steps before the last, a sample). mean: the token whose vector is
    nearest to the expected vector, which has no noise: where the world is unsure it takes the middle instead of a guess
    (minimum Bayes risk under squared error). sample: drawn at `temperature` at every step, the last too."""
    decided: Literal["kept", "published"] = "kept"
    """kept: a token that is decided stays. published: every step draws all tokens anew and hides the least sure of
    those that were hidden before; the last sees none hidden and decides all."""
    method: Literal["autoregressive", "one_go"] = "autoregressive"
    """autoregressive: dream_length frames at a time, which then are the past of the next. one_go: all frames of a
    rollout together."""
    dream_length: Annotated[int, Range(1, 1 << 14)] = 1
    """Frames that are decided together (P25: 2)."""
    window: Frames | None = None
    """Frames of context that the dynamics keeps (None: as many as in training; published: all from the start)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        mask_ratio(self.schedule, 0.5, 256)

    @property
    def noisy(self) -> bool:
        """Whether anything is drawn at random."""
        return self.temperature > 0 and (self.choice == "sample" or (self.choice == "mode" and self.steps > 1))

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> "Sampling | None":
        """What a file says of it, None where it says nothing. Raises UserError for what is none."""
        return None if values is None else from_plain(cls, values, "sampling")

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


@dataclass(frozen=True)
class Decoded:
    """tokens: int64 (B, n). entropy: float32 (B, n) in nats, and logits: float32 (B, n, K), of the first step, before
    any token was decided."""

    tokens: Tensor
    entropy: Tensor
    logits: Tensor


def decode_masked(
    logits: Callable[[Tensor], Tensor],
    masked: Tensor,
    codes: Tensor,
    sampling: Sampling,
    noise: Callable[[int], Tensor] | None = None,
) -> Decoded:
    """Decide every token of the frames that are drawn together, the surest first. All of it in float32.

    logits: tokens (B, n) with hidden ones at K -> float (B, n, K). masked: (B, n), what to begin with.
    codes: (K, D), the vector of every token.
    noise: step -> Gumbel noise (B, n, K), asked for every step in order, but for the last only where the choice is
    "sample" (else it is an arg-max); None: no noise.
    """
    mask_id = len(codes)
    tokens, given = masked, None
    first: tuple[Tensor, Tensor] | None = None
    doubt = torch.zeros_like(masked, dtype=torch.float32)
    for step in range(sampling.steps):
        if sampling.decided == "published" and step > 0:
            tokens = _hidden_again(tokens, doubt, mask_id, sampling, step)
        answer = logits(tokens)
        if answer is not given:  # a network whose answer does not depend on the tokens gives the same tensor again
            given, scores = answer, answer.float()
            log_p = scores.log_softmax(-1)
        if first is None:
            first = -(log_p.exp() * log_p).sum(-1), scores
        choice = _choose(scores, log_p, codes, sampling, step, noise)
        sure = log_p.gather(-1, choice[..., None])[..., 0]
        hidden = tokens == mask_id
        if sampling.decided == "published":
            tokens, doubt = choice, torch.where(hidden, 1 - sure.exp(), _NEVER)
        else:
            tokens = _decide(tokens, choice, sure, hidden, sampling, step)
    assert first is not None
    return Decoded(tokens, *first)


def _choose(
    scores: Tensor,
    log_p: Tensor,
    codes: Tensor,
    sampling: Sampling,
    step: int,
    noise: Callable[[int], Tensor] | None,
) -> Tensor:
    """What every token would be after this step: int64 (B, n)."""
    falling = 1 if sampling.choice == "sample" else (sampling.steps - 1 - step) / sampling.steps
    temperature = sampling.temperature * falling
    if sampling.choice == "mean":
        return expected_token(log_p.exp(), codes)
    if noise is None or temperature == 0:
        return scores.argmax(-1)
    return scores.add(noise(step), alpha=temperature).argmax(-1)


def _decide(tokens: Tensor, choice: Tensor, sure: Tensor, hidden: Tensor, sampling: Sampling, step: int) -> Tensor:
    """Take the surest choices of hidden tokens; a token that is decided is not touched again."""
    total, last = tokens.shape[1], step == sampling.steps - 1
    stay = 0 if last else int(mask_ratio(sampling.schedule, (step + 1) / sampling.steps, total) * total)
    rank = sure.masked_fill(~hidden, torch.inf).argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return torch.where(hidden & (rank < total - stay), choice, tokens)


def _hidden_again(tokens: Tensor, doubt: Tensor, mask_id: int, sampling: Sampling, step: int) -> Tensor:
    """The published rule: before step k = 1, 2, ... of n the share at (k + 1) / n of the schedule is hidden again."""
    total = tokens.shape[1]
    count = int(mask_ratio(sampling.schedule, (step + 1) / sampling.steps, total) * total)
    return tokens.scatter(1, doubt.topk(count, dim=1).indices, mask_id)


def expected_token(probabilities: Tensor, codes: Tensor) -> Tensor:
    """The token whose code (K, D) is nearest to the expected code under probabilities (..., K), by squared distance.

    In float32 also under autocast: in bfloat16 more than half of the tokens differ.
    """
    with torch.autocast(probabilities.device.type, enabled=False):
        codes = codes.float()
        expected = probabilities.float() @ codes
        return (expected @ codes.t() - codes.square().sum(-1) / 2).argmax(-1)
