"""The space-time block: a convolutional position, attention over space, attention over time, feed-forwards.

Video tokens are (B, T, H, W, D) throughout. A block knows no task; biases come from the transformer.
"""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.nn.attention import Attention
from genieredux.nn.cache import BlockCache, History, KeyValues
from genieredux.nn.positions import PEG


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Settings of a space-time transformer. The defaults are the published model.

    The ones you will want to change: dim, depth, heads, dim_head. A light setting for small worlds:
    `feedforwards_per_block=1, normalise_context=True, peg=False`.
    """

    dim: int = 512
    depth: int = 8
    heads: int = 8
    dim_head: int = 64
    ff_mult: float = 4.0
    """Inner width int(ff_mult * 2/3 * dim) of the feed-forward: GEGLU has three matrices, an MLP two."""
    order: Literal["st", "ts"] = "st"
    """Space before time, or time before space, within a block."""
    causal: bool = True
    """A frame sees only itself and earlier ones. False: no cache."""
    peg: bool = True
    """Two causal depthwise 3x3x3 convolutions a block."""
    feedforwards_per_block: Literal[1, 2] = 2
    normalise_context: bool = False
    """True: one matrix makes queries, keys and values from the normalised input."""
    qk_norm: bool = True
    spatial_bias: Literal["cpb", "given", "none"] = "cpb"
    """cpb: a ContinuousPositionBias of its own. given: the caller passes one (to share it)."""
    spatial_bias_dim: int | None = None
    """Width of the bias network; None: dim."""
    temporal_bias: Literal["alibi", "none"] = "alibi"
    cond_dim: int | None = None
    """Width of the per-frame condition that is added at the input of every block; None: there is none."""

    def __post_init__(self) -> None:
        for name in ("dim", "depth", "heads", "dim_head"):
            if getattr(self, name) < 1:
                raise ValueError(f"TransformerConfig.{name} must be at least 1, got {getattr(self, name)}")
        if self.order not in ("st", "ts"):
            raise ValueError(f"TransformerConfig.order must be 'st' or 'ts', got {self.order!r}")
        if self.feedforwards_per_block not in (1, 2):
            raise ValueError(
                f"TransformerConfig.feedforwards_per_block must be 1 or 2, got {self.feedforwards_per_block}"
            )
        if self.spatial_bias not in ("cpb", "given", "none"):
            raise ValueError(f"TransformerConfig.spatial_bias: cpb, given or none, got {self.spatial_bias!r}")
        if self.temporal_bias not in ("alibi", "none"):
            raise ValueError(f"TransformerConfig.temporal_bias: alibi or none, got {self.temporal_bias!r}")


class FeedForward(nn.Module):
    """LayerNorm, then GEGLU (Shazeer 2020): contract(expand_1(x) * gelu(expand_2(x))), without biases."""

    def __init__(self, dim: int, mult: float = 4.0) -> None:
        super().__init__()
        inner = int(mult * (2 / 3) * dim)
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, 2 * inner, bias=False)
        self.contract = nn.Linear(inner, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D); the residual is the caller's."""
        value, gate = self.expand(self.norm(x)).chunk(2, -1)
        return self.contract(F.gelu(gate) * value)


class STBlock(nn.Module):
    """Space then time ("st") or time then space ("ts"), each with residuals: convolution, attention,
    feed-forward.

    With one feed-forward a block only the second half has it.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.order = config.order
        halves = {"s": "spatial", "t": "temporal"}
        last = halves[config.order[1]]
        for name, axis in (("spatial", "space"), ("temporal", "time")):
            attention = Attention(
                config.dim,
                axis="space" if axis == "space" else "time",
                heads=config.heads,
                dim_head=config.dim_head,
                normalise_context=config.normalise_context,
                qk_norm=config.qk_norm,
            )
            ff = config.feedforwards_per_block == 2 or name == last
            self.add_module(f"{name}_peg", PEG(config.dim, config.causal) if config.peg else None)
            self.add_module(f"{name}_attention", attention)
            self.add_module(f"{name}_ff", FeedForward(config.dim, config.ff_mult) if ff else None)
        self.condition = None if config.cond_dim is None else nn.Linear(config.cond_dim, config.dim)

    def forward(
        self,
        x: Tensor,
        spatial_bias: Tensor | None = None,
        temporal_bias: Tensor | None = None,
        cond: Tensor | None = None,
        cache: BlockCache | None = None,
        keep: bool = True,
    ) -> Tensor:
        """x: (B, T, H, W, D); cond: (B, T, cond_dim). cache: the frames before x; x is stored if keep."""
        if self.condition is not None:
            if cond is None:
                raise ValueError("this block has a condition: pass cond of shape (B, T, cond_dim)")
            x = x + self.condition(cond)[:, :, None, None]
        for half in self.order:
            if half == "s":
                past = None if cache is None else cache.spatial_peg
                x = self._half(x, "spatial", spatial_bias, past, None, keep)
            else:
                past = None if cache is None else cache.temporal_peg
                x = self._half(x, "temporal", temporal_bias, past, None if cache is None else cache.temporal, keep)
        return x

    def _half(
        self,
        x: Tensor,
        name: str,
        bias: Tensor | None,
        history: History | None,
        cache: KeyValues | None,
        keep: bool,
    ) -> Tensor:
        peg, attention, ff = (getattr(self, f"{name}_{part}") for part in ("peg", "attention", "ff"))
        if peg is not None:
            x = x + peg(x, None if history is None else history.extend(x, keep))
        x = x + attention(x.flatten(2, 3), bias, cache, keep).view_as(x)
        return x if ff is None else x + ff(x)
