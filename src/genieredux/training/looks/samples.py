"""A look at a model while it trains: what it makes of held-out clips, as PSNR and as pictures.

A tokenizer and a latent action model redraw them (above the truth, below it the redrawing); a dynamics dreams them from
their first frames. Knows batches of frames; no data set, no file.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from genieredux.frames import mean_psnr, to_bytes
from genieredux.models.dynamics.protocol import DynamicsModel
from genieredux.models.latent.actions import LatentActionModel
from genieredux.models.tokenizers.protocol import Tokenizer
from genieredux.models.types import Batch
from genieredux.models.world.model import WorldModel
from genieredux.pictures import grid, side_by_side
from genieredux.training.assembled import Look, Sample
from genieredux.training.clips import DataSource

GIVEN = 2
"""True frames that a dream begins with, as in the papers' evaluation."""
DREAMED = 10
"""Frames that are dreamed at most, as there."""


def redrawn(held_out: DataSource, clips: int) -> Look:
    """How a tokenizer or a latent action model redraws the first `clips` held-out clips.

    Values: psnr in dB, the mean over all frames of these clips, and of a tokenizer codes_used, the share of its codes
    in them.
    """

    def look(model: nn.Module, step: int) -> Sample:
        frames = cast(Tensor, _batch(held_out, clips, model).frames)
        values = {}
        if isinstance(model, LatentActionModel):
            drawn, truth = model.reconstruct(frames), frames[:, 1:]
        else:
            tokenizer = cast(Tokenizer, model)
            tokens = tokenizer.encode(frames)
            drawn, truth = tokenizer.decode(tokens), frames
            values["codes_used"] = tokens.unique().numel() / len(tokenizer.code_vectors())
        values["psnr"] = mean_psnr(drawn, truth)
        return Sample(values, {"redrawn": grid(_pairs(truth, drawn))})

    return look


def dreamed(held_out: DataSource, clips: int, tokenizer: nn.Module | None, action_names: Sequence[str]) -> Look:
    """What a dynamics dreams from the first frames of the first `clips` held-out clips under their actions, which in a
    world of codes are those that it reads off the frames. Value: rollout_psnr in dB, against the true frames.

    tokenizer: of a dynamics that needs one. action_names: as many as the dynamics has actions.
    """

    def look(model: nn.Module, step: int) -> Sample:
        batch = _batch(held_out, clips, model)
        assert batch.frames is not None
        frames = batch.frames
        given = min(GIVEN, frames.shape[1] - 1)
        end = min(frames.shape[1], given + DREAMED)
        with _lent(model):
            world = WorldModel(cast(Tokenizer | None, tokenizer), cast(DynamicsModel, model), action_names)
            world.to(frames.device)
            codes = world.actions_of(frames)
            actions = batch.actions if codes is None else codes
            assert actions is not None
            made = world.rollout(frames[:, :given], actions[:, : end - 1]).frames
        truth, whole = frames[:, :end], torch.cat([frames[:, :given], made], 1)
        pairs = _pairs(truth, whole)
        pictures = {"rollout": grid(pairs), "dream": side_by_side(pairs)}
        return Sample({"rollout_psnr": mean_psnr(made, truth[:, given:])}, pictures)

    return look


def _batch(source: DataSource, clips: int, model: nn.Module) -> Batch:
    """The first clips, from as many batches as it takes."""
    device = next(model.parameters()).device
    batches: list[Batch] = []
    while sum(batch.clips for batch in batches) < clips:
        batches.append(source.batch(len(batches)))
    frames = torch.cat([cast(Tensor, batch.frames) for batch in batches])[:clips]
    actions = [batch.actions for batch in batches if batch.actions is not None]
    return Batch(frames, actions=torch.cat(actions)[:clips] if actions else None).to(device)


def _pairs(truth: Tensor, drawn: Tensor) -> list[np.ndarray]:
    """Rows of pictures: truth and drawn of each clip; clips of one frame share a row."""
    if truth.shape[1] == 1:
        truth, drawn = truth.transpose(0, 1), drawn.transpose(0, 1)
    above, below = to_bytes(truth.float()), to_bytes(drawn.float())
    return [row for pair in zip(above, below, strict=True) for row in pair]


@contextlib.contextmanager
def _lent(model: nn.Module) -> Iterator[None]:
    """A world freezes what it is made of; afterwards parameters are as they were."""
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
