"""What any world must hold to; `check_world` serves for real ones too."""

import numpy as np
import pytest
import torch

from genieredux.models.world.fake import FakeWorld
from genieredux.models.world.protocol import Dream, World


def check_world(world: World, prompt: torch.Tensor, frames: int = 4) -> None:
    """Shapes and ranges; seeds per clip; a dream equals a rollout; noise is common. prompt (B, P, C, H, W),
    B >= 2.
    """
    clips, given = prompt.shape[:2]
    generator = torch.Generator().manual_seed(0)
    actions = torch.randint(len(world.action_names), (clips, given - 1 + frames), generator=generator)
    seeds = list(range(7, 7 + clips))
    rollout = world.rollout(prompt, actions, seeds)
    tokens = world.encode(prompt)
    assert isinstance(world, World)
    assert rollout.frames.shape == (clips, frames, 3, world.image_size, world.image_size)
    assert rollout.frames.dtype == torch.float32
    assert rollout.frames.min() >= 0
    assert rollout.frames.max() <= 1
    assert tokens.dtype == rollout.tokens.dtype == torch.int64
    assert rollout.tokens.shape == rollout.entropy.shape == (clips, frames, *tokens.shape[2:])
    assert (rollout.entropy >= 0).all()
    assert world.decode(tokens).shape == prompt.shape

    again = world.rollout(prompt, actions, seeds)
    alone = world.rollout(prompt[1:], actions[1:], seeds[1:])
    assert torch.equal(rollout.tokens, again.tokens)
    assert torch.equal(rollout.tokens[1:], alone.tokens)
    one_seed = world.rollout(prompt[:1].expand_as(prompt), actions[:1].expand_as(actions), 3)
    assert torch.equal(one_seed.tokens, one_seed.tokens[:1].expand_as(one_seed.tokens))

    dream = world.dream(prompt[0], actions[0, : given - 1], seeds[0])
    assert isinstance(dream, Dream)
    for index, action in enumerate(actions[0, given - 1 :].tolist()):
        step = dream.step(action)
        assert torch.equal(step.tokens, rollout.tokens[0, index])
        assert step.frame.shape == prompt.shape[2:]
        assert step.entropy.shape == step.tokens.shape


def prompt_of(world: FakeWorld, clips: int = 3, given: int = 2) -> torch.Tensor:
    played = [world.play(np.zeros(given - 1, np.int64), seed, texture=0.1) for seed in range(clips)]
    return torch.from_numpy(np.stack(played)).movedim(-1, 2).float() / 255


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("image_size", [32, 64])
def test_it_keeps_the_contract(noise, image_size):
    world = FakeWorld(noise=noise, image_size=image_size)
    check_world(world, prompt_of(world))


def test_codes_survive_decoding():
    for codes in (2, 9, 64, 300):
        world = FakeWorld(codes=codes)
        tokens = torch.arange(64).reshape(1, 1, 8, 8) % codes
        assert torch.equal(world.encode(world.decode(tokens)), tokens)


def test_noise_is_common_to_all_actions():
    world = FakeWorld(obeys=False, noise=0.5)
    prompt = prompt_of(world)
    left = world.rollout(prompt, torch.zeros(3, 9, dtype=torch.int64), 0)
    right = world.rollout(prompt, torch.ones(3, 9, dtype=torch.int64), 0)
    assert torch.equal(left.frames, right.frames)
    assert left.entropy.max() > 0


def test_it_predicts_what_it_plays():
    world = FakeWorld()
    actions = np.array([0, 3, 4, 1, 2, 2])
    played = torch.from_numpy(world.play(actions, seed=5)).movedim(-1, 1)[None].float() / 255
    rollout = world.rollout(played[:, :2], torch.from_numpy(actions)[None], 0)
    assert torch.equal(rollout.frames, played[:, 2:])


def test_bad_arguments_are_refused():
    world = FakeWorld()
    with pytest.raises(ValueError, match="not one of 5"):
        world.dream(prompt_of(world)[0], torch.tensor([0])).step(5)
    with pytest.raises(ValueError, match="need 1 actions"):
        world.dream(prompt_of(world)[0], torch.tensor([]))
    with pytest.raises(ValueError, match="seeds for"):
        world.rollout(prompt_of(world), torch.zeros(3, 3, dtype=torch.int64), [1])
    with pytest.raises(ValueError, match="multiple"):
        FakeWorld(image_size=60)
