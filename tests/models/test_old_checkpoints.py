"""Checkpoints of every kind, written before the models were rearranged, say today what they said then."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genieredux.models.build import restore
from genieredux.models.checkpoint import load_model
from genieredux.models.sampling import Sampling
from genieredux.models.world.model import WORLD_KINDS, WorldModel

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "old_checkpoints.tar.xz"
KINDS = {
    "conv_tokenizer": "tokenizer",
    "st_tokenizer": "tokenizer",
    "conv_actions": "latent_action_model",
    "st_actions": "latent_action_model",
    "history_refiner": "genie_redux_guided",
    "st_maskgit": "genie_redux_guided",
    "conv_joint": "genie_redux",
    "st_joint": "genie_redux",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


def clips(count: int) -> Tensor:
    """Two clips of coloured tiles that scroll by two pixels a frame: (2, count, 3, 16, 16)."""
    generator = torch.Generator().manual_seed(7)
    first = torch.rand(2, 1, 3, 4, 4, generator=generator).repeat_interleave(4, 3).repeat_interleave(4, 4)
    return torch.cat([first.roll(2 * k, -1) for k in range(count)], 1)


def answers(path: Path) -> dict[str, Tensor]:
    """What a model makes of the clips: ids and frames, and of a world the entropy of its rollout."""
    data = load_model(path)
    if data.kind in WORLD_KINDS:
        world = WorldModel.load(path)
        actions = torch.arange(10).view(2, 5) % len(world.action_names)
        made = world.rollout(clips(2), actions, seed=3, sampling=Sampling(steps=3, window=4))
        return {"ids": made.tokens, "frames": made.frames, "entropy": made.entropy}
    model: Any = restore(data.model, path)
    if data.kind == "latent_action_model":
        return {"ids": model.actions(clips(6)), "frames": model.reconstruct(clips(6))}
    ids = model.encode(clips(6))
    return {"ids": ids, "frames": model.decode(ids)}


@pytest.mark.parametrize("name", KINDS)
def test_an_old_checkpoint_opens_and_says_the_same(folder: Path, name: str) -> None:
    assert load_model(folder / f"{name}.pt").kind == KINDS[name]
    said = json.loads((folder / "answers.json").read_text())[name]
    now = answers(folder / f"{name}.pt")
    assert now.keys() == said.keys()
    assert now["ids"].flatten().tolist() == said["ids"]
    torch.testing.assert_close(now["frames"].flatten()[::97], torch.tensor(said["frames"]), atol=1e-5, rtol=0)
    if "entropy" in said:
        torch.testing.assert_close(now["entropy"].flatten()[::7], torch.tensor(said["entropy"]), atol=1e-5, rtol=1e-5)
