"""The space-time block: a convolutional position, attention over space, attention over time, feed-forwards.

Inside a block video tokens are (B, T, P, D): the H*W places of a frame, and ahead of them what else a frame brings.
A block knows no task; biases come from the transformer.
"""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genieredux.nn.attention import Attention, join_beside, linear_beside
from genieredux.nn.cache import BlockCache, History, KeyValues
from genieredux.nn.positions import PEG
from genieredux.nn.products import Linear, correlation, parts, times, widens
from genieredux.settings import Heads, Layers, Range, Settings, Width, plain_fields


@dataclass(frozen=True, kw_only=True)
class AttentionSettings(Settings):
    """What every transformer has."""

    dim: Width = 512
    """Values of a position's vector."""
    heads: Heads = 8
    """Heads of every attention."""
    dim_head: Width = 64
    """Values of a head's queries and keys."""
    ff_mult: Annotated[float, Range(0.25, 64)] = 4.0
    """Inner width int(ff_mult * 2/3 * dim) of the feed-forward: GEGLU has three matrices, an MLP two."""

    def stack(self, depth: int, **more: Any) -> "TransformerConfig":
        """A transformer of `depth` blocks with these settings, and `more` by the names of TransformerConfig."""
        shared = {item.name for item in dataclasses.fields(TransformerConfig)}
        own = {name: value for name, value in plain_fields(self).items() if name in shared}
        return TransformerConfig(**{**own, "depth": depth, **more})


@dataclass(frozen=True, kw_only=True)
class BlockSettings(AttentionSettings):
    """What the blocks are made of. The defaults are the published model.

    A light setting for small worlds: `feedforwards_per_block=1, normalise_context=True, peg=False`.
    """

    peg: bool = True
    """Two causal depthwise 3x3x3 convolutions a block."""
    feedforwards_per_block: Literal[1, 2] = 2
    """After attention over space and over time, or after the latter alone."""
    normalise_context: bool = False
    """True: one matrix makes queries, keys and values from the normalised input."""
    qk_norm: bool = True
    """Unit queries and keys with learned gains; False: plain scaled dot products."""


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(BlockSettings):
    """Settings of a space-time transformer. The ones you will want to change: dim, depth, heads, dim_head."""

    where: ClassVar[str] = "transformer"

    depth: Layers = 8
    """Blocks."""
    order: Literal["st", "ts"] = "st"
    """Space before time, or time before space, within a block."""
    causal: bool = True
    """A frame sees only itself and earlier ones. False: no cache."""
    spatial_bias: Literal["cpb", "given", "none"] = "cpb"
    """cpb: a ContinuousPositionBias of its own. given: the caller passes one (to share it)."""
    spatial_bias_dim: Width | None = None
    """Width of the bias network; None: dim."""
    temporal_bias: Literal["alibi", "none"] = "alibi"
    cond_dim: Width | None = None
    """Width of the condition of each frame; None: there is none."""
    cond_mode: Literal["add", "concat", "modulate"] = "add"
    """Where the condition enters. add: at the input of every block. concat: beside the tokens in the linear maps of
    every attention and feed-forward. modulate: as gain and shift of what each of these reads (FiLM, Perez et al.
    2018)."""


class FeedForward(nn.Module):
    """LayerNorm, then GEGLU (Shazeer 2020): contract(expand_1(x) * gelu(expand_2(x))), without biases."""

    def __init__(self, dim: int, mult: float = 4.0, beside: int = 0) -> None:
        """beside: values of a condition that every token brings along to `expand`, not normalised."""
        super().__init__()
        inner = int(mult * (2 / 3) * dim)
        self.norm = nn.LayerNorm(dim)
        self.expand = linear_beside(dim, beside, 2 * inner)
        self.contract = Linear(inner, dim)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        """(..., D) to (..., D); the residual is the caller's. beside: (B, T, beside) for x (B, T, N, D)."""
        inputs = join_beside(self.norm(x), beside)
        if torch.is_grad_enabled():
            return self._gate(self.expand(inputs))
        rows = inputs.flatten(0, -2)  # nothing is kept for a backward pass: what is expanded need not be there at once
        made = [self._gate(self.expand(rows[part])) for part in parts(rows)]
        return torch.cat(made).view_as(x) if len(made) > 1 else made[0].view_as(x)

    def _gate(self, expanded: Tensor) -> Tensor:
        weight = self.contract.weight
        out: Tensor = _GatedContract.apply(expanded, weight if widens(expanded) else weight.to(expanded.dtype))
        return out


class _GatedContract(torch.autograd.Function):
    """(value * gelu(gate)) @ weight^T of (..., 2 * inner), which keeps that input alone for the backward pass.

    Automatic differentiation would keep the gelu and the product too: 40 % of what a feed-forward holds in training.
    Block by block, what lies between two products never leaves a CPU's cache.
    """

    @staticmethod
    def forward(ctx: Any, expanded: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(expanded, weight)
        rows = expanded.flatten(0, -2)
        out = expanded.new_empty(rows.shape[0], weight.shape[0])
        for part in parts(rows):
            value, gate = rows[part].chunk(2, -1)
            out[part] = times(F.gelu(gate).mul_(value), weight.t())
        return out.view(*expanded.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        expanded, weight = ctx.saved_tensors
        rows, grads = expanded.flatten(0, -2), grad.flatten(0, -2)
        inner = weight.shape[1]
        product = rows.new_empty(rows.shape[0], inner)
        grad_rows = torch.empty_like(rows)
        for part in parts(rows):
            value, gate = rows[part].chunk(2, -1)
            opened, grad_product, into = F.gelu(gate), times(grads[part], weight), grad_rows[part]
            torch.mul(opened, value, out=product[part])
            into[:, :inner] = opened.mul_(grad_product)
            into[:, inner:] = torch.ops.aten.gelu_backward(grad_product.mul_(value), gate)
        return grad_rows.view_as(expanded), correlation(grads, product, weight.dtype)


class Modulation(nn.Module):
    """FiLM: x * (1 + gain) + shift, both linear in the frame's condition; at first it changes nothing."""

    def __init__(self, cond_dim: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(cond_dim, 2 * dim)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """x: (B, T, P, D), cond: (B, T, cond_dim)."""
        gain, shift = self.linear(cond)[:, :, None].chunk(2, -1)
        return torch.addcmul(x + shift, x, gain)


class STBlock(nn.Module):
    """Space then time ("st") or time then space ("ts"), each with residuals: convolution, attention,
    feed-forward.

    With one feed-forward a block only the second half has it.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.order = config.order
        self.cond_mode = None if config.cond_dim is None else config.cond_mode
        cond_dim = config.cond_dim or 0
        beside = cond_dim if self.cond_mode == "concat" else 0
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
                beside=beside,
            )
            ff = config.feedforwards_per_block == 2 or name == last
            self.add_module(f"{name}_peg", PEG(config.dim, config.causal) if config.peg else None)
            self.add_module(f"{name}_attention", attention)
            self.add_module(f"{name}_ff", FeedForward(config.dim, config.ff_mult, beside) if ff else None)
            for part, there in (("attention", True), ("ff", ff)):
                film = Modulation(cond_dim, config.dim) if there and self.cond_mode == "modulate" else None
                self.add_module(f"{name}_{part}_film", film)
        self.condition = nn.Linear(cond_dim, config.dim) if self.cond_mode == "add" else None

    def forward(
        self,
        x: Tensor,
        grid: tuple[int, int],
        spatial_bias: Tensor | None = None,
        temporal_bias: Tensor | None = None,
        cond: Tensor | None = None,
        cache: BlockCache | None = None,
        keep: bool = True,
        drafts: bool = False,
    ) -> Tensor:
        """x: (B, T, P, D), of which the last H*W places are the grid; cond: (B, T, cond_dim).

        cache: the frames before x; x is stored if keep. drafts: x are T/2 frames and then T/2 drafts, the i-th of
        the frame after frame i.
        """
        if self.cond_mode is not None and cond is None:
            raise ValueError("this block has a condition: pass cond of shape (B, T, cond_dim)")
        if self.condition is not None:
            x = x + self.condition(cond)[:, :, None]
        for half in self.order:
            name, bias = ("spatial", spatial_bias) if half == "s" else ("temporal", temporal_bias)
            if getattr(self, f"{name}_peg") is not None:
                history = None if cache is None else getattr(cache, f"{name}_peg")
                x = self._convolve(getattr(self, f"{name}_peg"), x, grid, history, keep, drafts)
            memory = cache.temporal if cache is not None and half == "t" else None
            x = self._mix(x, name, bias, cond, memory, keep)
        return x

    def _convolve(
        self, peg: PEG, x: Tensor, grid: tuple[int, int], history: History | None, keep: bool, drafts: bool
    ) -> Tensor:
        ahead = x.shape[2] - grid[0] * grid[1]
        places = x[:, :, ahead:].unflatten(2, grid)
        if drafts:
            known, draft = places.chunk(2, 1)
            near = torch.cat([peg(known), peg.of_drafts(known, draft)], 1)
        else:
            near = peg(places, None if history is None else history.extend(places, keep))
        near = near.flatten(2, 3)
        return x + (F.pad(near, (0, 0, ahead, 0)) if ahead else near)

    def _mix(
        self, x: Tensor, name: str, bias: Tensor | None, cond: Tensor | None, cache: KeyValues | None, keep: bool
    ) -> Tensor:
        """Attention and feed-forward of one half."""
        beside = cond if self.cond_mode == "concat" else None
        for part in ("attention", "ff"):
            layer, film = getattr(self, f"{name}_{part}"), getattr(self, f"{name}_{part}_film")
            if layer is None:
                continue
            y = x if film is None else film(x, cond)
            x = x + (layer(y, bias, cache, keep, beside) if part == "attention" else layer(y, beside))
        return x
