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
from genieredux.models.world.contract import check_world
from genieredux.models.world.file import load_world, write_world
from genieredux.models.world.model import WorldModel

STEPS = Sampling(steps=3, temperature=2.0)
PUBLISHED = Sampling(steps=3, decided="published")


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


@pytest.mark.parametrize(
    "sampling", [Sampling(), STEPS, Sampling(steps=3, choice="mean", window=3), Sampling(window=1), PUBLISHED], ids=str
)
def test_it_keeps_the_contract(world: WorldModel, sampling: Sampling) -> None:
    world.sampling = sampling
    check_world(world, clips()[0], frames=20)  # beyond the window of the dynamics


def test_saved_and_loaded_it_dreams_the_same(world: WorldModel, tmp_path: Path) -> None:
    path = save(world, tmp_path / "model-1.pt")
    prompt, actions = clips()
    again = WorldModel.load(path)
    assert again.action_names == ACTIONS
    assert torch.equal(world.dynamics.actions.weight, again.dynamics.actions.weight)
    expected, found = (w.rollout(prompt, actions, seed=5, sampling=STEPS) for w in (world, again))
    assert torch.equal(expected.tokens, found.tokens)
    assert torch.equal(expected.frames, found.frames)


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


@pytest.mark.parametrize("length", [1, 2, 5, 6])
def test_it_keeps_the_contract_over_a_tokenizer_that_looks_back(length: int) -> None:
    world = looking_back(length)
    prompts = torch.rand(3, 2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    check_world(world, prompts, frames=17)  # several times the tokenizer's clips


def looking_back(length: int) -> WorldModel:
    """A world over a tokenizer of clips of `length` frames; a dynamics of a shorter window."""
    torch.manual_seed(0)
    small = {"dim": 16, "heads": 2, "dim_head": 8}
    tokenizer = STViViT(STViViTConfig(image_size=16, **small, blocks=2, codebook_size=16, clip_frames=length)).eval()
    settings = {**small, "local_width": 8, "history_blocks": 1, "window": 4}
    dynamics = build_model("genie_redux_guided", settings, tokenizer=tokenizer, action_names=ACTIONS)
    with torch.no_grad():
        for parameter in dynamics.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return WorldModel(tokenizer, dynamics, ACTIONS, Sampling(steps=2))  # type: ignore[arg-type]


def test_what_a_dream_holds_is_bounded() -> None:
    world = looking_back(6)
    dream = world.dream(torch.rand(2, 1, 3, 16, 16), torch.zeros(2, 0, dtype=torch.int64), sampling=Sampling(window=1))
    sizes = []
    for _ in range(60):
        dream.step(torch.tensor([0, 1]))
        sizes.append(held_by(dream))
    assert max(sizes[30:]) == max(sizes[10:30])


def held_by(value: object, known: set[int] | None = None) -> int:
    """Bytes of all tensors that can be reached from an object, but for those of networks."""
    known = set() if known is None else known
    if id(value) in known or isinstance(value, torch.nn.Module | type):
        return 0
    known.add(id(value))
    if isinstance(value, torch.Tensor):
        return value.untyped_storage().nbytes()
    parts = list(value) if isinstance(value, list | tuple) else list(getattr(value, "__dict__", {}).values())
    return sum(held_by(part, known) for part in parts)


def test_equal_logits_give_equal_tokens_whatever_the_precision(world: WorldModel) -> None:
    """Under bfloat16 what networks say may differ, what is made of it may not."""
    prompts, actions = clips(frames=6)
    logits = torch.randn(3, 1, 8, 8, world.dynamics.mask_id, generator=torch.Generator().manual_seed(0))
    world.dynamics.predict = lambda outlook, target, taken: logits  # type: ignore[method-assign]
    for sampling in (Sampling(choice="mean"), STEPS, Sampling(steps=4, choice="mean"), PUBLISHED):
        exact = world.use_precision("32").rollout(prompts, actions, 3, sampling)
        coarse = world.use_precision("bf16").rollout(prompts, actions, 3, sampling)
        assert torch.equal(exact.tokens, coarse.tokens)
        assert torch.equal(exact.entropy, coarse.entropy)


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
    with pytest.raises(UserError, match="whole numbers"):
        world.rollout(prompt, actions + 0.5)
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
