"""The tokenizer that a dynamics stands on, and the tokens that it makes of a data set once."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from genieredux.episodes import Dataset, TokenCache
from genieredux.episodes.token_build import SHARD_FRAMES, BuildPlan, Encode, Encoder
from genieredux.frames import to_float
from genieredux.models.build import restore
from genieredux.models.checkpoint import Section
from genieredux.models.tokenizers.protocol import Tokenizer
from genieredux.nn.precision import autocast, choose_precision
from genieredux.runs.backends.crew import Team, crew
from genieredux.runs.progress import ProgressLine
from genieredux.training.config import DataConfig
from genieredux.training.kinds.decoder_only import tokens_fingerprint
from genieredux.training.sources import trainable

MAPPED_FROM_BYTES = 2**30
"""train.tokens=auto leaves a larger cache on the disk: every process would hold one."""


@dataclass(frozen=True)
class LoadedTokenizer:
    """A frozen tokenizer in evaluation mode, what identifies it, and how it travels in other files."""

    model: nn.Module
    section: Section

    @property
    def id(self) -> str:
        """Names its token caches: the same weights on the way from frames to tokens, the same id."""
        return f"{self.section.kind}-{tokens_fingerprint(self.model, self.section)[:16]}"


def open_tokens(
    dataset: Dataset, parts: tuple[Dataset, Dataset], tokenizer: LoadedTokenizer, cfg: DataConfig, fabric: Fabric
) -> tuple[TokenCache, TokenCache]:
    """The tokens of the training and the validation episodes; the first process makes what lacks."""
    if fabric.is_global_zero:
        build_token_cache(trainable(dataset), tokenizer, cfg, device=fabric.device)
    mapped = _is_mapped(dataset, tokenizer, cfg)
    if mapped and fabric.is_global_zero:
        for part in parts:  # the first process alone makes the flat files
            TokenCache.open(part, tokenizer.id, memory_map=True)
    fabric.barrier()
    training, held_out = (TokenCache.open(part, tokenizer.id, memory_map=mapped) for part in parts)
    return training, held_out


def build_token_cache(
    dataset: Dataset,
    tokenizer: LoadedTokenizer,
    cfg: DataConfig,
    *,
    device: torch.device | None = None,
    batch_clips: int = 16,
    precision: str = "32",
) -> None:
    """Encode every episode once, in clips of train.num_frames; what is there already is not done again. It is done by
    train.encoding.processes, to the same tokens, or by this process.

    precision: "32" gives the ids that playing gives; "bf16" is faster where the hardware has it and differs
    where two codes are almost equally near.
    """
    device = device or torch.device("cpu")
    precision = choose_precision(precision, device)
    framewise = cast(Tokenizer, tokenizer.model).framewise
    plan = BuildPlan(tokenizer.id, cfg.num_frames, batch_clips, SHARD_FRAMES, framewise)
    with ExitStack() as stack:
        team: Team | None = None
        asked = cfg.encoding
        if asked.processes > 1 or asked.backend == "ray":
            recipe = _Recipe(dataset, tokenizer.section, plan, device.type, precision)
            where = asked.backend, asked.ray_address, "train.encoding"
            team = stack.enter_context(crew(recipe, asked.processes, "lower train.encoding.processes", *where))
        progress = stack.enter_context(ProgressLine("encode", int(dataset.lengths.sum()), unit="frame"))
        encode = encoding(tokenizer.model.to(device), device, precision)
        TokenCache.complete(dataset, encode, plan, progress=progress.advance_to, team=team)


def encoding(model: nn.Module, device: torch.device, precision: str) -> Encode:
    """What a tokenizer on a device makes of frames."""
    encode_frames: Callable[[Tensor], Tensor] = cast(Tokenizer, model).encode

    def encode(frames: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), autocast(precision, device):
            return encode_frames(to_float(frames).to(device)).cpu().numpy()

    return encode


@dataclass(frozen=True)
class _Recipe:
    """How a process makes itself what it encodes with; on a GPU of its own where there are several."""

    dataset: Dataset
    section: Section
    plan: BuildPlan
    device: str
    precision: str

    def __call__(self, rank: int) -> Encoder:
        if self.device == "cpu":
            device = torch.device("cpu")
            torch.set_num_threads(1)
        else:
            device = torch.device(self.device, rank % torch.cuda.device_count())
        model = restore(self.section, "the tokenizer").to(device)
        return Encoder(self.dataset, encoding(model, device, self.precision), self.plan)


def window_stride(tokenizer: nn.Module, clip_frames: int) -> int:
    """Windows of cached tokens may start at multiples of this.

    A tokenizer that encodes each frame by itself allows any frame; one that looks back allows the starts of the cached
    clips, where no token has history that playing would lack.
    """
    return 1 if cast(Tokenizer, tokenizer).framewise else clip_frames


def cache_bytes(dataset: Dataset, tokenizer: nn.Module) -> int:
    """What the tokens of a data set's training and validation episodes take."""
    known = cast(Tokenizer, tokenizer)
    per_token = 2 if len(known.code_vectors()) <= 2**15 else 4
    return int(trainable(dataset).lengths.sum()) * known.grid[0] * known.grid[1] * per_token


def take_codes(model: nn.Module, tokenizer: LoadedTokenizer) -> None:
    """Give a dynamics that was begun from another the code vectors of the tokenizer it is trained with now: those of
    a tokenizer that was fine-tuned are others. Models without such vectors stay as they are.
    """
    codes = getattr(model, "codes", None)
    if codes is not None:
        codes.copy_(cast(Tokenizer, tokenizer.model).code_vectors())


def _is_mapped(dataset: Dataset, tokenizer: LoadedTokenizer, cfg: DataConfig) -> bool:
    if cfg.tokens != "auto":
        return cfg.tokens == "mapped"
    return "://" not in dataset.path and cache_bytes(dataset, tokenizer.model) > MAPPED_FROM_BYTES
