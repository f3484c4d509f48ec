"""A world that was trained here is played from a data set: beginnings of its test split, for buttons and for codes."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from factories import make_tokenizer
from genieredux.dreams.session import check_prompts
from genieredux.episodes import Dataset
from genieredux.episodes.fake import fake_dataset
from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import Section, save_model
from genieredux.models.world.fake import FakeWorld
from genieredux.models.world.file import load_world
from genieredux.play import make_world_file, prompts_of
from genieredux.play.bindings import bind


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return fake_dataset(tmp_path / "data")


def test_beginnings_are_true_frames_of_the_data_set(dataset: Dataset) -> None:
    world = FakeWorld(dataset.spec.action_names, image_size=16)
    prompts = prompts_of(world, dataset.path, 5)
    assert len(check_prompts(world, prompts)) == 5
    starts = {frames.tobytes() for frames, _ in prompts}
    assert len(starts) > 1
    whole = [dataset.frames(k) for k in range(len(dataset))]
    for frames, _ in prompts:
        assert any((w[s : s + len(frames)] == frames).all() for w in whole for s in range(len(w) - len(frames) + 1))
    assert all((a[0] == b[0]).all() for a, b in zip(prompts, prompts_of(world, dataset.path, 5), strict=True))


def test_a_world_of_codes_reads_them_off_the_frames(dataset: Dataset) -> None:
    class Codes(FakeWorld):
        takes: Literal["buttons", "codes"] = "codes"

        def actions_of(self, frames: Tensor) -> Tensor:
            return torch.ones(frames.shape[0], frames.shape[1] - 1, dtype=torch.int64)

    names = [f"LATENT_{k}" for k in range(7)]
    prompts = prompts_of(Codes(names, image_size=16), dataset.path, 2)
    assert all((actions == 1).all() for _, actions in prompts)
    bindings = bind(names)
    assert [bindings.resolve([bindings.keys[f"Digit{k}"]]) for k in range(7)] == list(range(7))


def test_what_does_not_fit_is_named(dataset: Dataset) -> None:
    with pytest.raises(UserError, match="frames of 16 pixels a side, this world 64"):
        prompts_of(FakeWorld(dataset.spec.action_names), dataset.path)
    with pytest.raises(UserError, match="are not those of"):
        prompts_of(FakeWorld(["A"], image_size=16), dataset.path)


def test_a_checkpoint_becomes_a_world_file(tmp_path: Path, dataset: Dataset) -> None:
    tokenizer = make_tokenizer(image_size=16)
    names = dataset.spec.action_names
    small = {"dim": 16, "heads": 2, "dim_head": 8, "local_width": 8, "history_blocks": 1}
    dynamics = build_model("genie_redux_guided", small, tokenizer=tokenizer, action_names=names)
    held = {"tokenizer": Section("tokenizer", vars(tokenizer.config), tokenizer.state_dict())}
    model = save_model(
        tmp_path / "model-3.pt",
        "genie_redux_guided",
        dynamics.config,
        dynamics.state_dict(),
        metadata={"action_names": list(names)},
        sections=held,
    )
    made = make_world_file(model, dataset.path, tmp_path / "world.pt", count=3)
    world, prompts = load_world(made)
    assert len(prompts) == 3
    step = world.dream(torch.rand(1, 1, 3, 16, 16), torch.zeros(1, 0, dtype=torch.int64)).step(torch.tensor([0]))
    assert np.isfinite(step.entropy.numpy()).all()
    with pytest.raises(UserError, match="exists"):
        make_world_file(model, dataset.path, made)
