"""A stack of space-time blocks over video tokens (B, T, H, W, D), with incremental decoding.

Position biases are made once per forward and handed to every block. Knows no tokens' meaning: no ids, no
pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.nn.attention import LayerNorm
from genieredux.nn.blocks import STBlock, TransformerConfig
from genieredux.nn.cache import Cache
from genieredux.nn.positions import ContinuousPositionBias, alibi_slopes, draft_bias, temporal_bias

__all__ = ["Cache", "STTransformer", "TransformerConfig"]


class STTransformer(nn.Module):
    """Space-time blocks, then a LayerNorm (ST-ViViT of GenieRedux; facts in docs/architecture.md).

    Feeding frames one at a time with a cache gives what feeding all of them gives, when config.causal.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.position = (
            ContinuousPositionBias(config.heads, config.spatial_bias_dim or config.dim)
            if config.spatial_bias == "cpb"
            else None
        )
        self.slopes: Tensor | None
        slopes = alibi_slopes(config.heads) if config.temporal_bias == "alibi" else None
        self.register_buffer("slopes", slopes, persistent=False)
        self.blocks = nn.ModuleList(STBlock(config) for _ in range(config.depth))
        self.norm_out = LayerNorm(config.dim)

    def new_cache(self, window: int | None = None) -> Cache:
        """An empty memory. window: frames that attention sees, the current one included; None: all."""
        if not self.config.causal:
            raise ValueError("a transformer that sees the future (causal=False) cannot decode frame by frame")
        return Cache(self.config.depth, window)

    def forward(
        self,
        x: Tensor,
        cond: Tensor | None = None,
        cache: Cache | None = None,
        *,
        keep: bool = True,
        window: int | None = None,
        spatial_bias: Tensor | None = None,
        ahead: Tensor | None = None,
        drafts: bool = False,
    ) -> Tensor:
        """x: (B, T, H, W, D) float. Returns the same shape and dtype.

        cond: (B, T, cond_dim), required if config.cond_dim is set.
        cache: x are the frames after those it holds; they are stored if keep, else only looked at (a draft).
        window: without a cache, how many frames attention sees (a cache brings its own); None: all.
        spatial_bias: (heads, H*W, H*W), required if config.spatial_bias is "given".
        ahead: (B, T, A, D), tokens of a frame that are no place of it; they take part and are not returned.
        drafts: x are T/2 frames and then T/2 drafts, draft i of the frame after frame i: what it would be with a cache
        of the frames up to i and keep=False, for all i at once. No cache then.
        """
        if (spatial_bias is not None) != (self.config.spatial_bias == "given"):
            raise ValueError(f"spatial_bias is {self.config.spatial_bias!r} in the config: pass it only for 'given'")
        if drafts and (cache is not None or not self.config.causal or x.shape[1] % 2):
            raise ValueError("drafts need a causal transformer, an even number of frames and no cache")
        if cache is not None and len(cache.blocks) != len(self.blocks):
            raise ValueError(f"this cache has {len(cache.blocks)} blocks, the transformer {len(self.blocks)}")
        _, frames, height, width, _ = x.shape
        dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
        if self.position is not None:
            spatial_bias = self.position(height, width)
        time_bias: Tensor | None
        if drafts:
            time_bias = draft_bias(frames // 2, slopes=self.slopes, window=window, device=x.device)
        else:
            time_bias = self._temporal_bias(frames, cache, window, x.device)
        spatial_bias = None if spatial_bias is None else spatial_bias.to(dtype)
        time_bias = None if time_bias is None else time_bias.to(dtype)
        x, extra = x.flatten(2, 3), 0
        if ahead is not None:
            x, extra = torch.cat([ahead.to(x.dtype), x], 2), ahead.shape[2]
            spatial_bias = None if spatial_bias is None else F.pad(spatial_bias, (extra, 0, extra, 0))
        for i, block in enumerate(self.blocks):
            memory = None if cache is None else cache.blocks[i]
            x = block(x, (height, width), spatial_bias, time_bias, cond, memory, keep, drafts)
        if cache is not None and keep:
            cache.frames += frames
        return self.norm_out(x[:, :, extra:]).unflatten(2, (height, width))

    def _temporal_bias(
        self, frames: int, cache: Cache | None, window: int | None, device: torch.device
    ) -> Tensor | None:
        """(heads or 1, queries, keys), or with a cache of clips that began at different times (B, ...) of these."""
        keys = frames
        if cache is not None:
            window = cache.window
            keys += cache.frames if window is None else min(cache.frames, window - 1)
        bias = temporal_bias(frames, keys, slopes=self.slopes, causal=self.config.causal, window=window, device=device)
        hidden = None if cache is None else cache.hidden(frames)
        if hidden is None:
            return bias
        bias = torch.zeros((1, 1, keys), device=device) if bias is None else bias
        return bias.expand(len(hidden), *bias.shape).masked_fill(hidden.to(device)[:, None, None], -torch.inf)
