"""The world without a network keeps the contract, and the contract finds out those that do not."""

import numpy as np
import pytest
import torch

from genieredux.models.world.contract import check_world
from genieredux.models.world.fake import FakeDream, FakeWorld
from genieredux.models.world.protocol import DreamStep


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
        world.dream(prompt_of(world)[:1], torch.tensor([[0]])).step(torch.tensor([5]))
    with pytest.raises(ValueError, match="need 1 actions"):
        world.dream(prompt_of(world), torch.zeros(3, 0, dtype=torch.int64))
    with pytest.raises(ValueError, match="seeds for"):
        world.rollout(prompt_of(world), torch.zeros(3, 3, dtype=torch.int64), [1])
    with pytest.raises(ValueError, match="multiple"):
        FakeWorld(image_size=60)


class Forgetful(FakeWorld):
    """Its dreams begin at number 0 whatever came before: no longer the rollout of the same seed after a restart."""

    def dream(self, *args, **options):  # type: ignore[no-untyped-def]
        dream = super().dream(*args, **options)
        dream.restart = lambda mask, prompts, actions, seeds: None  # type: ignore[method-assign]
        return dream


class Peeking(FakeDream):
    """What it says that follows is the truth that it was told."""

    def follow(self, frames: torch.Tensor, actions: torch.Tensor) -> DreamStep:
        step = super().follow(frames, actions)
        return DreamStep(frames, self._tokens, step.entropy, step.logits)


class Oracle(FakeWorld):
    def dream(self, prompts, actions, seeds=0, sampling=None):  # type: ignore[no-untyped-def]
        seeds = [seeds] * len(prompts) if isinstance(seeds, int) else list(seeds)
        return Peeking(self, prompts, actions, seeds)


@pytest.mark.parametrize("world", [Forgetful(noise=0.3), Oracle(noise=0.3)], ids=["forgetful", "oracle"])
def test_a_world_that_breaks_the_contract_is_found_out(world: FakeWorld) -> None:
    with pytest.raises(AssertionError):
        check_world(world, prompt_of(world))
