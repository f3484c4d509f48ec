"""GenieRedux's dynamics at the papers' size: a MaskGIT on causal space-time blocks (P24, P25; Genie, 2402.15391).

Tokens of the frames so far and the actions go in, logits of the next frames' tokens come out; in two formulations
(`objective`, see MaskGITConfig):

- next_frame_shift: at the places of frame t stand the logits of frame t+1. A frame that follows a known one costs one
  pass, and more refinement steps only choose another order of sampling from it.
- in_place: a frame's tokens, hidden and decided, go in where they come out. Each refinement step is a pass over the
  frames that are being decided, with everything before them in the cache.

Where it departs from the published code: the default supervises every position (published: hidden inputs only, while
sampling reads others too); a clip begins with frames that are all seen, as a prompt does; each clip draws its own
ratio; action embeddings are parameters, trained and saved. Knows tokens and actions; no pixels, game, file or trainer.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.dynamics.corruption import clean_frames, disturb, hide
from genieredux.models.dynamics.losses import DecoderLoss, expected_distance, token_distances
from genieredux.models.dynamics.maskgit_config import MaskGITConfig
from genieredux.models.dynamics.token_input import TiedLogits, TokenInput
from genieredux.models.tokenizers.protocol import Tokenizer
from genieredux.models.types import Batch, Losses
from genieredux.nn.cache import Cache, put_rows
from genieredux.nn.draws import for_all_clips, usual_count
from genieredux.nn.transformer import STTransformer


@dataclass
class STMemory:
    """The past of B running dreams. mask_id: K. recent: int64 (B, 2, h, w), the last two frames, K where there is none.
    action: float (B, 1, C), the one taken at the last frame."""

    cache: Cache
    mask_id: int
    recent: Tensor | None = None
    action: Tensor | None = None

    def put(self, rows: Tensor, other: "STMemory", clips: int) -> None:
        """See dynamics.protocol.Memory.put."""
        self.cache.put(rows, other.cache, clips)
        self.recent = put_rows(self.recent, rows, other.recent, clips, empty=self.mask_id)
        self.action = put_rows(self.action, rows, other.action, clips)


@dataclass
class STOutlook:
    """What follows a memory. first: logits (B, 1, h, w, K) of the next frame, where the past alone gives them."""

    memory: STMemory
    first: Tensor | None


@dataclass
class Prediction:
    """logits (B, T-1, h, w, K) of frames 1..T-1, where they count: weight (B, T-1, h, w), and the sum of all weights:
    count, that of the batch which these clips are part of, shared by its clips."""

    logits: Tensor
    weight: Tensor
    count: Tensor


class MaskGIT(nn.Module):
    """Predicts the tokens of frames to come. Attributes: config, grid, num_actions, mask_id (= K), codes (K, D)."""

    kind = "genie_redux_guided"
    settings = MaskGITConfig

    def __init__(
        self,
        config: MaskGITConfig,
        code_vectors: Tensor,
        grid: tuple[int, int],
        num_actions: int,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        """code_vectors: float32 (K, D) of the tokenizer; grid: (h, w) tokens of a frame. tokenizer: for the decoder
        loss, else not needed; it is no part of this model."""
        super().__init__()
        self.config = config
        self.grid = grid
        self.num_actions = num_actions
        self.mask_id, width = code_vectors.shape
        self.codes: Tensor
        self.register_buffer("codes", code_vectors.clone().float())
        self.distances: Tensor | None
        table = token_distances(code_vectors) if config.tdce_weight else None
        self.register_buffer("distances", table, persistent=False)
        self.inputs = TokenInput(config, self.mask_id, width, grid)
        actions = config.action_width(num_actions)
        self.action_width = actions
        self.action_emb = nn.Embedding(num_actions, actions) if config.action_input == "embedding" else None
        self.action_in: nn.Module | None = None
        if config.conditioning in ("add", "prepend"):
            same = actions == config.dim
            self.action_in = nn.Identity() if same else nn.Linear(actions, config.dim, bias=False)
        self.transformer = STTransformer(config.transformer(num_actions))
        dim = self.transformer.config.dim
        self.to_logits = (
            TiedLogits(dim, self.mask_id, width) if config.logits == "tied" else nn.Linear(dim, self.mask_id)
        )
        if config.decoder_weight and tokenizer is None:
            raise ValueError("the decoder loss needs the tokenizer: pass it")
        self._decoder_loss = DecoderLoss(tokenizer) if config.decoder_weight and tokenizer is not None else None

    @classmethod
    def made_for(cls, settings: MaskGITConfig, tokenizer: Tokenizer, num_actions: int) -> "MaskGIT":
        """Untrained, for the tokens of `tokenizer`."""
        return cls(settings, tokenizer.code_vectors(), tokenizer.grid, num_actions, tokenizer)

    @staticmethod
    def of_vectors(width: int) -> dict[str, Any]:
        """The settings with which actions are vectors of `width` values."""
        return {"action_input": "given", "action_dim": width}

    # -- training ------------------------------------------------------------------------------------------

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """Loss of frames 1..T-1 of batch.tokens (B, T, h, w), given batch.actions (B, T-1) or (B, T-1, C).

        parts: cross_entropy, the other terms that have a weight, and in evaluation next_frame: the cross-entropy
        of whole next frames after a clean past, which is comparable between all configurations.
        """
        if batch.tokens is None or batch.actions is None:
            raise ValueError("the dynamics trains on tokens and actions, and this batch lacks one of them")
        tokens, config = batch.tokens, self.config
        condition = self.condition(batch.actions)
        made = self._shifted(tokens, condition, generator)
        logits, target = made.logits.float(), tokens[:, 1:]
        entropy = F.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none").view(target.shape)
        total = (entropy * made.weight).sum() / made.count
        parts = {"cross_entropy": total}
        if self.distances is not None:
            distance = expected_distance(logits, target, self.distances)
            parts["token_distance"] = (distance * made.weight).sum() / made.count
            total = total + config.tdce_weight * parts["token_distance"]
        if self._decoder_loss is not None:
            parts["decoded"] = self._decoder_loss(logits, tokens, batch.frames)
            total = total + config.decoder_weight * parts["decoded"]
        if not self.training:
            parts["next_frame"] = self._next_frame(tokens, condition)
        return Losses(total, {name: part.detach() for name, part in parts.items()})

    def _shifted(self, tokens: Tensor, condition: Tensor, generator: torch.Generator | None) -> Prediction:
        """Hide, disturb and predict, as the objective says."""
        config = self.config
        noise = config.history_noise if self.training else 0.0
        in_place = config.objective == "in_place"
        hidden, every = for_all_clips(lambda clips: self._hide(clips, tokens, generator), len(tokens), generator)
        count = usual_count(hidden, every)
        if not in_place:
            seen = disturb(tokens[:, :-1], noise, self.mask_id, generator)
            logits = self.shifted_logits(torch.where(hidden, self.mask_id, seen), condition)
            if config.supervise == "all":
                hidden = torch.ones_like(hidden)
                count = hidden.sum()
            return Prediction(logits, hidden, count)
        masked = torch.where(hidden, self.mask_id, tokens[:, 1:])
        if config.clean_history == "all":
            known = disturb(tokens[:, :-1], noise, self.mask_id, generator)
            return Prediction(self.draft_logits(known, masked, condition), hidden, count)
        first_hidden = hidden.flatten(2).any(2)  # noise falls on what comes before the hidden frames
        past = torch.cumsum(first_hidden, 1)[..., None, None] == 0
        wrong = disturb(tokens, noise, self.mask_id, generator)
        masked = torch.where(past, wrong[:, 1:], masked)
        whole = torch.cat([wrong[:, :1], masked], 1)
        return Prediction(self.in_place_logits(whole, condition)[:, 1:], hidden, count)

    def _hide(self, clips: int, tokens: Tensor, generator: torch.Generator | None) -> Tensor:
        """Which tokens are hidden: bool (clips, T-1, h, w), of frames 1..T-1 of tokens (B, T, h, w), under the shift of
        frames 0..T-2."""
        config, device, frames = self.config, tokens.device, tokens.shape[1] - 1
        shape = (clips, frames, *tokens.shape[2:])
        hidden = hide(shape, generator, device, ratio=config.mask_ratio, per=config.mask_ratio_per)
        in_place = config.objective == "in_place"
        if config.clean_history == "prefix":
            # Of the frames that may be hidden the first is never so under the shift: it would have no past at all.
            low, high = (0, frames - 1) if in_place else (1, frames)
            number = torch.arange(frames, device=device)[:, None, None]
            hidden &= number >= clean_frames(clips, low, high, generator, device)
        elif config.clean_history == "all" and not in_place:
            hidden = torch.zeros_like(hidden)
        return hidden

    @torch.no_grad()
    def _next_frame(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """Mean cross-entropy in nats of each next frame, hidden whole, after its clean past."""
        known = tokens[:, :-1]
        if self.config.objective == "in_place":
            logits = self.draft_logits(known, torch.full_like(known, self.mask_id), condition)
        else:
            logits = self.shifted_logits(known, condition)
        return F.cross_entropy(logits.float().flatten(0, -2), tokens[:, 1:].flatten())

    # -- what the model computes ---------------------------------------------------------------------------

    def condition(self, actions: Tensor) -> Tensor:
        """Actions int64 (B, T) to float (B, T, C); float (B, T, C) stay as they are where the model takes them."""
        if actions.is_floating_point():
            if self.config.action_input != "given" or actions.shape[-1] != self.action_width:
                raise ValueError(
                    f"actions are vectors of {actions.shape[-1]} values; this dynamics takes "
                    f"{self.config.action_input} actions of {self.action_width}"
                )
            return actions
        if self.config.action_input == "given":
            raise ValueError(f"this dynamics takes vectors (B, T, {self.action_width}) for actions, not indices")
        if self.action_emb is not None:
            return self.action_emb(actions)
        return F.one_hot(actions, self.num_actions).to(self.codes.dtype)

    def shifted_logits(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """tokens (B, T, h, w), hidden ones K, and condition (B, T, C) of the actions taken at them: logits
        (B, T, h, w, K), those at frame t being of frame t+1."""
        x = self.inputs(tokens, self._before(tokens), self.codes)
        return self._logits(self._run(x, condition, window=self.config.window))

    def in_place_logits(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """tokens (B, T, h, w), hidden ones K, and condition (B, T-1, C) of the actions between them: logits
        (B, T, h, w, K) of these very frames, each of which sees itself and those before."""
        x = self.inputs(tokens, self._before(tokens), self.codes)
        return self._logits(self._run(x, _after_nothing(condition), window=self.config.window))

    def draft_logits(self, known: Tensor, drafts: Tensor, condition: Tensor) -> Tensor:
        """known (B, T, h, w) and drafts (B, T, h, w), draft i standing for frame i+1: logits (B, T, h, w, K) of each
        draft after known frames 0..i alone. condition (B, T, C): of the actions that lead to the drafts."""
        absent = torch.full_like(known[:, :1], self.mask_id)
        x_known = self.inputs(known, self._before(known), self.codes)
        older = torch.cat([absent, known[:, :-1]], 1)
        x_drafts = self.inputs(drafts, (known, older), self.codes, start=1)
        led = torch.cat([_after_nothing(condition[:, :-1]), condition], 1)
        features = self._run(torch.cat([x_known, x_drafts], 1), led, window=self.config.window, drafts=True)
        return self._logits(features[:, known.shape[1] :])

    def _run(
        self,
        x: Tensor,
        condition: Tensor,
        cache: Cache | None = None,
        *,
        keep: bool = True,
        window: int | None = None,
        drafts: bool = False,
    ) -> Tensor:
        """Vectors (B, T, h, w, dim) through the transformer, with the action where `conditioning` puts it."""
        kind, cond, ahead = self.config.conditioning, None, None
        if kind == "concat_input":
            x = torch.cat([x, condition.to(x.dtype)[:, :, None, None].expand(*x.shape[:-1], -1)], -1)
        elif self.action_in is not None:
            vector = self.action_in(condition)
            x, ahead = (x, vector[:, :, None]) if kind == "prepend" else (x + vector[:, :, None, None], None)
        else:
            cond = condition
        return self.transformer(x, cond, cache, keep=keep, window=window, ahead=ahead, drafts=drafts)

    def _logits(self, features: Tensor) -> Tensor:
        if isinstance(self.to_logits, TiedLogits):
            return self.to_logits(features, self.codes)
        return self.to_logits(features)

    def _before(self, tokens: Tensor, recent: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """For each frame of tokens the two last known ones when it is used: itself included under the shift."""
        if recent is None:
            recent = torch.full_like(tokens[:, :1], self.mask_id).expand(-1, 2, -1, -1)
        line = torch.cat([recent, tokens], 1)
        return (tokens, line[:, 1:-1]) if self.config.objective == "next_frame_shift" else (line[:, 1:-1], line[:, :-2])

    # -- going on (dynamics_protocol.DynamicsModel) --------------------------------------------------------

    @property
    def supports(self) -> frozenset[str]:
        """Frames are decided together only by a model that has seen frames with hidden tokens as a past."""
        return frozenset({"autoregressive"} if self.config.clean_history == "all" else {"autoregressive", "one_go"})

    def new_memory(self, window: int | None = None) -> STMemory:
        """An empty past that remembers `window` frames (None: config.window)."""
        return STMemory(self.transformer.new_cache(window or self.config.window), self.mask_id)

    def remember(self, tokens: Tensor, actions: Tensor, memory: STMemory) -> None:
        """Take in frames (B, T, h, w) and the actions taken at them."""
        self._take_in(tokens, actions, memory)

    def observe(self, tokens: Tensor, actions: Tensor, memory: STMemory) -> STOutlook:
        """Take in frames (B, T, h, w) and the actions taken at them; under the shift this is the one pass that the
        next frame costs."""
        features = self._take_in(tokens, actions, memory)
        in_place = self.config.objective == "in_place"
        return STOutlook(memory, None if in_place else self._logits(features[:, -1:]))

    def _take_in(self, tokens: Tensor, actions: Tensor, memory: STMemory) -> Tensor:
        """The features (B, T, h, w, dim) of frames, which the memory holds from now on."""
        condition = self.condition(actions)
        led = _after_nothing(condition[:, :-1], memory.action) if self.config.objective == "in_place" else condition
        x = self.inputs(tokens, self._before(tokens, memory.recent), self.codes, memory.cache.ages)
        features = self._run(x, led, memory.cache)
        absent = torch.full_like(tokens[:, :1], self.mask_id).expand(-1, 2, -1, -1)
        recent = absent if memory.recent is None else memory.recent
        memory.recent = torch.cat([recent, tokens], 1)[:, -2:]
        memory.action = condition[:, -1:]
        return features

    def predict(self, outlook: STOutlook, target: Tensor, actions: Tensor) -> Tensor:
        """Logits (B, d, h, w, K) of the next d frames target (B, d, h, w); actions (B, d-1) at all but the last."""
        memory, inputs = outlook.memory, target
        if outlook.first is not None:
            inputs = target[:, :-1]
            if not inputs.shape[1]:
                return outlook.first
            condition = self.condition(actions)
        else:
            taken = self.condition(actions) if actions.shape[1] else None
            condition = _after_nothing(taken, memory.action)
        x = self.inputs(inputs, self._before(inputs, memory.recent), self.codes, memory.cache.ages)
        logits = self._logits(self._run(x, condition, memory.cache, keep=False))
        return logits if outlook.first is None else torch.cat([outlook.first, logits], 1)


def _after_nothing(condition: Tensor | None, first: Tensor | None = None) -> Tensor:
    """condition (B, T-1, C) behind that of the action before (B, 1, C), or zeros where there was none."""
    if condition is None:
        assert first is not None
        return first
    if first is None:
        first = condition.new_zeros(condition.shape[0], 1, condition.shape[2])
    return torch.cat([first, condition], 1)
