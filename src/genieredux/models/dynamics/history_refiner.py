"""GenieRedux-G's dynamics: the tokens of the next frame from the tokens and true actions so far.

Two parts. The *history* is a causal space-time transformer over the frames that are known, clean; it runs once per
frame and is cached. The *refiner* reads what the history says of the next frame together with that frame's own tokens,
some of them hidden, and gives logits for the hidden ones; it runs once per refinement step. It is a stack of
convolutions at every token, after `refiner_blocks` of attention within the frame (none by default: the convolutions
alone see a few tokens around). So (docs/architecture.md):

- every logit that sampling reads belongs to a hidden token, and hidden tokens are what training supervises;
- a refinement step sees the tokens that are decided and can change the ones that are not;
- the past is never masked, in training as in play, and cached equals uncached.

Tokens enter as their codebook vectors and leave as inner products with them. A transformer position covers
group x group tokens. Knows tokens and actions; no pixels, game, file or trainer.
"""

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.dynamics.corruption import disturb
from genieredux.models.sampling import expected_token
from genieredux.models.tokenizers.protocol import Tokenizer
from genieredux.models.types import Batch, Losses
from genieredux.nn.attention import Attention
from genieredux.nn.blocks import AttentionSettings, FeedForward, TransformerConfig
from genieredux.nn.cache import Cache, put_rows
from genieredux.nn.draws import for_all_clips, uniform, usual_count
from genieredux.nn.transformer import STTransformer
from genieredux.settings import Depth, Frames, Heads, Layers, Range, Share, Width


@dataclass(frozen=True, kw_only=True)
class HistoryRefinerConfig(AttentionSettings):
    """Settings of the dynamics. The ones you will want to change: dim, history_blocks, refiner_blocks."""

    where: ClassVar[str] = "dynamics"

    architecture: Literal["history_refiner"] = "history_refiner"
    """A history of known frames, and a refiner of the next one."""
    dim: Width = 256
    """Width of the transformers."""
    heads: Heads = 4
    """Of attention."""
    history_blocks: Layers = 3
    """Blocks of the transformer over the known frames."""
    refiner_blocks: Depth = 0
    """Blocks of attention within the frame that is refined."""
    action_width: Width | None = None
    """Actions are vectors of so many values, which the caller gives (latent actions); None: indices."""
    group: Annotated[int, Range(1, 64)] = 4
    """Tokens per side of a transformer position: 4 makes 16 positions of a 16x16 token frame."""
    local_width: Width = 96
    """Channels of the last stage, convolutions at every token that the refiner modulates."""
    local_blocks: Depth = 2
    """Residual convolutions of the last stage."""
    window: Frames = 16
    """Frames that attention over time sees, the current one included."""
    fully_hidden: Share = 0.8
    """Share of the training frames that are hidden whole; the others follow the cosine schedule."""
    history_noise: Share = 0.05
    """Up to this share of a history's tokens is replaced at random in training, as a dream's past has errors."""
    own_history: Share = 0.0
    """Share of training clips whose past is what the model itself predicts for it, so that it learns to go on from
    its own mistakes (scheduled sampling, Bengio et al. 2015, one frame deep). 0.5 costs about a sixth of a step."""

    def history(self) -> TransformerConfig:
        """The transformer over the known frames."""
        return self.stack(
            self.history_blocks,
            peg=False,
            feedforwards_per_block=1,
            normalise_context=True,
            spatial_bias="none",
            cond_dim=self.dim,
        )


@dataclass
class Outlook:
    """What is known of the next frame before any of its tokens: (N = B*T frames).

    features: (N, positions, dim), of the history. past: (N, 2*D, h, w), vectors of the last two frames.
    condition: (N, 1, dim), the action that leads there.
    """

    features: Tensor
    past: Tensor
    condition: Tensor


@dataclass
class Memory:
    """The history of B running dreams: the transformer's cache and the vectors of the last frame."""

    cache: Cache
    last: Tensor | None = field(default=None, repr=False)
    """(B, 1, h, w, D), or None before the first frame."""

    def put(self, rows: Tensor, other: "Memory", clips: int) -> None:
        """See dynamics.protocol.Memory.put."""
        self.cache.put(rows, other.cache, clips)
        self.last = put_rows(self.last, rows, other.last, clips)


class SpatialBlock(nn.Module):
    """The action, attention over the places of a frame, feed-forward; all residual."""

    def __init__(self, config: HistoryRefinerConfig) -> None:
        super().__init__()
        self.condition = nn.Linear(config.dim, config.dim)
        self.attention = Attention(
            config.dim, axis="space", heads=config.heads, dim_head=config.dim_head, normalise_context=True
        )
        self.feedforward = FeedForward(config.dim, config.ff_mult)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x: (N, positions, dim), condition: (N, 1, dim)."""
        x = x + self.condition(condition)
        x = x + self.attention(x[:, None])[:, 0]
        return x + self.feedforward(x)


class HistoryRefiner(nn.Module):
    """Predicts frame t+1's tokens from frames 0..t and actions 0..t."""

    kind = "genie_redux_guided"
    settings = HistoryRefinerConfig

    def __init__(
        self, config: HistoryRefinerConfig, code_vectors: Tensor, grid: tuple[int, int], num_actions: int
    ) -> None:
        """code_vectors: float32 (K, D) of the tokenizer; grid: (h, w) tokens of a frame."""
        super().__init__()
        if any(side % config.group for side in grid):
            raise UserError(f"dynamics.group is {config.group}, which does not divide the {grid} tokens of a frame")
        self.config = config
        self.grid = grid
        self.num_actions = num_actions
        self.mask_id, width = code_vectors.shape
        places = grid[0] * grid[1] // config.group**2
        folded = width * config.group**2
        self.codes: Tensor
        self.register_buffer("codes", code_vectors.clone().float())
        self.actions = (
            nn.Linear(config.action_width, config.dim) if config.action_width else nn.Embedding(num_actions, config.dim)
        )
        self.stem = nn.Conv2d(2 * folded, config.dim, 3, padding=1)
        self.place = nn.Parameter(0.02 * torch.randn(places, config.dim))
        self.history = STTransformer(config.history())
        self.hidden = nn.Parameter(0.3 * torch.randn(width))
        self.target_in = nn.Linear(folded, config.dim)
        self.refiner = nn.ModuleList(SpatialBlock(config) for _ in range(config.refiner_blocks))
        gains = config.local_width * (2 + config.local_blocks)
        self.unfold = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, gains * config.group**2))
        self.local_in = nn.Conv2d(3 * width, config.local_width, 3, padding=1)
        self.local = nn.ModuleList(
            nn.Conv2d(config.local_width, config.local_width, 3, padding=1) for _ in range(config.local_blocks)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(1, config.local_width) for _ in range(config.local_blocks + 1))
        self.out = nn.Conv2d(config.local_width, width, 1)
        self.stay = nn.Parameter(torch.ones(()))
        self.sharpness = nn.Parameter(torch.tensor(6.0))
        self.prior = nn.Parameter(torch.zeros(self.mask_id))
        self._initialise()

    @classmethod
    def made_for(cls, settings: HistoryRefinerConfig, tokenizer: Tokenizer, num_actions: int) -> "HistoryRefiner":
        """Untrained, for the tokens of `tokenizer`."""
        return cls(settings, tokenizer.code_vectors(), tokenizer.grid, num_actions)

    @staticmethod
    def of_vectors(width: int) -> dict[str, Any]:
        """The settings with which actions are vectors of `width` values."""
        return {"action_width": width}

    def _initialise(self) -> None:
        """Every residual starts at nothing, so that the untrained model says: nothing moves."""
        if isinstance(self.actions, nn.Embedding):
            nn.init.normal_(self.actions.weight, std=0.5)
        for module in self.modules():
            if isinstance(module, Attention):
                nn.init.zeros_(module.to_out.weight)
            elif isinstance(module, FeedForward):
                nn.init.zeros_(module.contract.weight)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """Cross-entropy of the hidden tokens of frames 1..T-1, given clean pasts and the actions.

        batch.tokens: (B, T, h, w); batch.actions: int64 (B, T-1), or float (B, T-1, action_width).
        """
        if batch.tokens is None or batch.actions is None:
            raise ValueError("the dynamics trains on tokens and actions, and this batch lacks one of them")
        past, target = batch.tokens[:, :-1], batch.tokens[:, 1:]
        masks, every = for_all_clips(lambda clips: self._hide(clips, target, generator), len(target), generator)
        hide, whole = masks.unbind(1)
        if self.training:
            past = disturb(past, self.config.history_noise, self.mask_id, generator)
            past = self._relive(past, batch.actions, generator)
        outlook = self.look_ahead(past, batch.actions)
        logits = self.logits(outlook, torch.where(hide, self.mask_id, target).flatten(0, 1))
        loss = F.cross_entropy(logits.flatten(0, -2).float(), target.flatten(), reduction="none")
        loss = loss.view(target.shape)
        total = (loss * hide).sum() / usual_count(hide, every[:, 0])
        with torch.no_grad():
            parts = {
                "cross_entropy": total.detach(),
                "next_frame": (loss * whole).sum() / usual_count(whole, every[:, 1]),
            }
        return Losses(total, parts)

    def look_ahead(self, tokens: Tensor, actions: Tensor, memory: Memory | None = None) -> Outlook:
        """What the frames (B, T, h, w) and the actions (B, T) taken at them say of the T frames after.

        memory: the frames before; these are added to it. Without it, frame 0 of `tokens` is the first.
        """
        vectors = F.embedding(tokens, self.codes)
        first = torch.zeros_like(vectors[:, :1]) if memory is None or memory.last is None else memory.last
        before = torch.cat([first, vectors[:, :-1]], 1)
        if memory is not None:
            memory.last = vectors[:, -1:]
        past = torch.cat([vectors, before], -1).flatten(0, 1).permute(0, 3, 1, 2)
        x = self.stem(F.pixel_unshuffle(past, self.config.group)).flatten(2).transpose(1, 2) + self.place
        condition = self.actions(actions)
        h, w = (side // self.config.group for side in self.grid)
        grid = x.view(*tokens.shape[:2], h, w, -1)
        window = None if memory is not None else self.config.window
        features = self.history(grid, condition, memory.cache if memory else None, window=window)
        return Outlook(features.flatten(0, 1).flatten(1, 2), past, condition.flatten(0, 1)[:, None])

    def logits(self, outlook: Outlook, target: Tensor) -> Tensor:
        """Logits (N, h, w, K) of the next frames, whose known tokens are in target (N, h, w), others mask_id."""
        entries = torch.cat([self.codes, self.hidden[None]])
        known = F.embedding(target, entries).permute(0, 3, 1, 2)
        folded = F.pixel_unshuffle(known, self.config.group).flatten(2).transpose(1, 2)
        x = outlook.features + self.target_in(folded)
        for block in self.refiner:
            x = block(x, outlook.condition)
        h, w = (side // self.config.group for side in self.grid)
        gains = F.pixel_shuffle(self.unfold(x).transpose(1, 2).unflatten(2, (h, w)), self.config.group)
        shift, gain, *others = gains.split(self.config.local_width, 1)
        around = torch.cat([outlook.past, known], 1).contiguous(memory_format=torch.channels_last)
        fine = F.gelu(self.local_in(around) * (1 + gain) + shift)
        *before, last = self.norms  # without them the products of gains grow until the training diverges
        for norm, convolve, gain in zip(before, self.local, others, strict=True):
            fine = fine + F.gelu(convolve(norm(fine)) * (1 + gain))
        width = self.codes.shape[1]
        vectors = self.out(last(fine)).float() + self.stay * outlook.past[:, :width]
        vectors = torch.cat([vectors * self.sharpness, torch.ones_like(vectors[:, :1])], 1)
        table = torch.cat([self.codes, self.prior[:, None]], 1)  # the prior rides along in the one product
        return vectors.permute(0, 2, 3, 1).to(fine.dtype) @ table.t().to(fine.dtype)

    # -- going on (dynamics/protocol.py) --------------------------------------------------------

    @property
    def supports(self) -> frozenset[str]:
        """One frame at a time: the history is made of frames that are decided."""
        return frozenset({"autoregressive"})

    def new_memory(self, window: int | None = None) -> Memory:
        """An empty past that remembers `window` frames (None: config.window)."""
        return Memory(self.history.new_cache(window or self.config.window))

    def remember(self, tokens: Tensor, actions: Tensor, memory: Memory) -> None:
        """Take in frames (B, T, h, w) and actions (B, T)."""
        self.look_ahead(tokens, actions, memory)

    def observe(self, tokens: Tensor, actions: Tensor, memory: Memory) -> Outlook:
        """Take in frames (B, T, h, w) and actions (B, T); the outlook is that after the last."""
        if tokens.shape[1] > 1:
            self.remember(tokens[:, :-1], actions[:, :-1], memory)
        return self.look_ahead(tokens[:, -1:], actions[:, -1:], memory)

    def predict(self, outlook: Outlook, target: Tensor, actions: Tensor) -> Tensor:
        """Logits (B, 1, h, w, K) of the next frame; target (B, 1, h, w). ValueError for more frames."""
        if target.shape[1] != 1:
            raise ValueError("this dynamics decides one frame at a time")
        return self.logits(outlook, target[:, 0])[:, None]

    def _hide(self, clips: int, target: Tensor, generator: torch.Generator | None) -> Tensor:
        """Bool (clips, 2, T, h, w), for target (B, T, h, w): which tokens are hidden; which are of frames that are
        hidden whole."""
        frames = (clips, target.shape[1], 1, 1)
        ratio = torch.cos(uniform(frames, generator, target.device) * (math.pi / 2))
        whole = uniform(frames, generator, target.device) < self.config.fully_hidden
        hide = (uniform((clips, *target.shape[1:]), generator, target.device) < ratio) | whole
        return torch.stack([hide, whole.expand_as(hide)], 1)

    @torch.no_grad()
    def _relive(self, past: Tensor, actions: Tensor, generator: torch.Generator | None) -> Tensor:
        """Replace the past of some clips, its first frame aside, by what the model predicts of each frame."""
        if self.config.own_history == 0:
            return past
        chosen = uniform(past.shape[:1], generator, past.device) < self.config.own_history
        seen, taken = past[chosen], actions[chosen]
        if not len(seen) or seen.shape[1] < 2:
            return past
        outlook = self.look_ahead(seen[:, :-1], taken[:, :-1])
        logits = self.logits(outlook, torch.full_like(seen[:, 1:], self.mask_id).flatten(0, 1))
        torch.clear_autocast_cache()  # casts made without gradients must not serve the pass that has them
        own = past.clone()
        own[chosen, 1:] = expected_token(logits.float().softmax(-1), self.codes).view_as(seen[:, 1:])
        return own
