"""What models draw for themselves does not depend on how a batch is cut into micro-batches and processes."""

from typing import Any

import pytest
import torch
from torch import nn

from genieredux.models.build import build_model
from genieredux.models.types import Batch
from genieredux.training.loop.randomness import Part, generator_for

CPU = torch.device("cpu")
MASKGIT: dict[str, Any] = {"architecture": "st_maskgit", "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}
DYNAMICS: dict[str, dict[str, Any]] = {
    "history": {"dim": 16, "history_blocks": 1, "heads": 2, "dim_head": 8, "group": 2, "local_width": 8}
    | {"history_noise": 0.3, "own_history": 0.5, "fully_hidden": 1.0},
    "papers": MASKGIT | {"history_noise": 0.3},
    "one-ratio-for-all": MASKGIT | {"clean_history": "none", "mask_ratio_per": "batch"},
    "one-ratio-a-frame": MASKGIT | {"clean_history": "none", "mask_ratio_per": "frame", "mask_ratio": "cosine"},
}
LAMS: dict[str, dict[str, Any]] = {
    "drawn-codes": {"image_size": 16, "patch_size": 4, "dim": 16, "width": 8, "codebook_size": 4}
    | {"architecture": "conv", "codebook": "categorical", "balance": 0.0}
}


def gradients(model: nn.Module, batch: Batch, ranks: int, micros: int) -> list[torch.Tensor]:
    """Of the mean loss of the parts, each computed on its own."""
    model.zero_grad()
    clips = batch.clips // (ranks * micros)
    for micro in range(micros):
        for rank in range(ranks):
            part = Part(clips, micro, micros, rank, ranks)
            rows = slice((micro * ranks + rank) * clips, (micro * ranks + rank + 1) * clips)
            cut = Batch(**{name: value[rows] for name, value in vars(batch).items()})
            (model(cut, generator_for(CPU, 0, "train", 5, part)).total / (ranks * micros)).backward()
    return [value.grad.clone() for value in model.parameters() if value.grad is not None]


@pytest.mark.parametrize(("ranks", "micros"), [(1, 4), (4, 1), (2, 2)])
@pytest.mark.parametrize("name", [*DYNAMICS, *LAMS])
def test_a_batch_in_parts_is_the_batch(name: str, ranks: int, micros: int) -> None:
    made = torch.Generator().manual_seed(0)
    batch = Batch(
        frames=torch.rand(4, 4, 3, 16, 16, generator=made),
        tokens=torch.randint(8, (4, 4, 4, 4), generator=made),
        actions=torch.randint(3, (4, 3), generator=made),
    )
    torch.manual_seed(0)
    if name in LAMS:
        model = build_model("latent_action_model", LAMS[name])
    else:
        tokenizer = build_model("tokenizer", {"architecture": "conv", "image_size": 16, "codebook_size": 8})
        parts = {"tokenizer": tokenizer, "action_names": ("A", "B", "C")}
        model = build_model("genie_redux_guided", DYNAMICS[name], **parts)
    whole, cut = (gradients(model.train(), batch, *of) for of in ((1, 1), (ranks, micros)))
    assert len(whole) == len(cut) > 3
    for one, other in zip(whole, cut, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)
    again = gradients(model, batch, 1, 1)
    batch.tokens, batch.frames = batch.tokens.roll(1, 0), batch.frames.roll(1, 0)  # type: ignore[union-attr]
    batch.actions = batch.actions.roll(1, 0)  # type: ignore[union-attr]
    moved = gradients(model, batch, 1, 1)
    assert not all(torch.allclose(one, other, rtol=1e-4, atol=1e-6) for one, other in zip(again, moved, strict=True))
