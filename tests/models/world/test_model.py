"""The world model: saved and loaded whole, dream equals rollout, common random numbers, one clip or many."""

from pathlib import Path

import numpy as np
import pytest
import torch

from factories import ACTIONS
from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import Section, save_model
from genieredux.models.sampling import Sampling
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig
from genieredux.models.world.file import load_world, write_world
from genieredux.models.world.model import WorldModel
from genieredux.models.world.protocol import Dream, World

STEPS = Sampling(steps=3, temperature=2.0)


def save(world: WorldModel, path: Path, **metadata: object) -> Path:
    state = {"action_names": list(ACTIONS), **metadata}
    tokenizer = Section("tokenizer", world.config["tokenizer"], world.tokenizer.state_dict())
    dynamics = world.dynamics
    return save_model(
        path,
        dynamics.kind,
        dynamics.config,
        dynamics.state_dict(),
        metadata=state,
        sections={"tokenizer": tokenizer},
    )


def clips(count: int = 3, prompt: int = 2, frames: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    images = torch.rand(count, prompt, 3, 32, 32, generator=generator)
    return images, torch.randint(len(ACTIONS), (count, prompt - 1 + frames), generator=generator)


def test_it_keeps_the_protocol(world: WorldModel) -> None:
    assert isinstance(world, World)
    prompt, actions = clips()
    rollout = world.rollout(prompt, actions, seed=1)
    assert rollout.frames.shape == (3, 4, 3, 32, 32)
    assert rollout.frames.dtype == torch.float32
    assert rollout.tokens.shape == rollout.entropy.shape == (3, 4, 8, 8)
    assert isinstance(world.dream(prompt[0], actions[0, :1]), Dream)


def test_saved_and_loaded_it_dreams_the_same(world: WorldModel, tmp_path: Path) -> None:
    path = save(world, tmp_path / "model-1.pt")
    prompt, actions = clips()
    again = WorldModel.load(path)
    assert again.action_names == ACTIONS
    assert torch.equal(world.dynamics.actions.weight, again.dynamics.actions.weight)
    expected, found = (w.rollout(prompt, actions, seed=5, sampling=STEPS) for w in (world, again))
    assert torch.equal(expected.tokens, found.tokens)
    assert torch.equal(expected.frames, found.frames)


@pytest.mark.parametrize("sampling", [Sampling(), STEPS])
def test_a_dream_is_the_rollout_frame_by_frame(world: WorldModel, sampling: Sampling) -> None:
    prompt, actions = clips(1, prompt=3, frames=20)  # beyond the window of the dynamics
    rollout = world.rollout(prompt, actions, seed=9, sampling=sampling)
    dream = world.dream(prompt[0], actions[0, :2], seed=9, sampling=sampling)
    for k, action in enumerate(actions[0, 2:].tolist()):
        step = dream.step(action)
        assert torch.equal(step.tokens, rollout.tokens[0, k])
        torch.testing.assert_close(step.frame, rollout.frames[0, k])


def test_noise_depends_on_seed_and_frame_alone(world: WorldModel) -> None:
    prompt, actions = clips()
    together = world.rollout(prompt, actions, seed=[7, 8, 9], sampling=STEPS)
    for k, seed in enumerate([7, 8, 9]):
        alone = world.rollout(prompt[k : k + 1], actions[k : k + 1], seed=seed, sampling=STEPS)
        assert torch.equal(alone.tokens[0], together.tokens[k])
    other = actions.clone()
    other[:, -1] = (other[:, -1] + 1) % len(ACTIONS)
    changed = world.rollout(prompt, other, seed=[7, 8, 9], sampling=STEPS)
    assert torch.equal(changed.tokens[:, :-1], together.tokens[:, :-1])
    reseeded = world.rollout(prompt, actions, seed=[1, 2, 3], sampling=STEPS)
    assert not torch.equal(reseeded.tokens, together.tokens)


def test_it_works_over_a_tokenizer_that_looks_back() -> None:
    torch.manual_seed(0)
    config = STViViTConfig(image_size=16, patch_size=4, dim=16, blocks=1, heads=2, dim_head=8, codebook_size=16)
    tokenizer = STViViT(config)
    settings = {"dim": 16, "heads": 2, "dim_head": 8, "local_width": 8, "history_blocks": 1}
    dynamics = build_model("genie_redux_guided", settings, tokenizer=tokenizer, action_names=ACTIONS)
    world = WorldModel(tokenizer, dynamics, ACTIONS)  # type: ignore[arg-type]
    prompt, actions = torch.rand(1, 2, 3, 16, 16), torch.randint(5, (1, 5))
    rollout = world.rollout(prompt, actions)
    dream = world.dream(prompt[0], actions[0, :1])
    for k in range(4):
        step = dream.step(int(actions[0, 1 + k]))
        assert torch.equal(step.tokens, rollout.tokens[0, k])
        torch.testing.assert_close(step.frame, rollout.frames[0, k], atol=1e-4, rtol=1e-4)


def test_a_world_file_carries_its_prompts_and_its_sampling(world: WorldModel, tmp_path: Path) -> None:
    checkpoint = save(world, tmp_path / "model-1.pt")
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32, 3), dtype=np.uint8)
    prompts = [(frames[k], np.array([k, 1])) for k in range(2)]
    path = write_world(
        tmp_path / "world.pt", checkpoint, prompts, sampling=STEPS, precision="float16", about={"seed": 3}
    )
    loaded, held = load_world(path)
    assert loaded.sampling == STEPS
    assert loaded.metadata["seed"] == 3
    assert np.array_equal(held[1][0], frames[1])
    assert held[1][1].tolist() == [1, 1]
    assert load_world(checkpoint)[1] == []


def test_bad_input_is_named(world: WorldModel, tmp_path: Path) -> None:
    prompt, actions = clips()
    with pytest.raises(UserError, match="actions go from 0 to 4"):
        world.rollout(prompt, actions + 3)
    with pytest.raises(UserError, match="2 seeds for 3 clips"):
        world.rollout(prompt, actions, seed=[1, 2])
    with pytest.raises(UserError, match="knows 5 actions, but 2 are named"):
        WorldModel(world.tokenizer, world.dynamics, ("A", "B"))
    path = save(world, tmp_path / "model-1.pt", action_names=[])
    with pytest.raises(UserError, match="does not say what its actions are"):
        WorldModel.load(path)
    other = save_model(tmp_path / "tokenizer.pt", "tokenizer", world.config["tokenizer"], world.tokenizer.state_dict())
    with pytest.raises(UserError, match="holds a 'tokenizer'"):
        WorldModel.load(other)
