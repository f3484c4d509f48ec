"""A world over the space-time dynamics, every option: rollouts by both methods, dreams, noise, decided tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from factories import ACTIONS, make_tokenizer
from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import Section, save_model
from genieredux.models.dynamics.maskgit import MaskGIT
from genieredux.models.sampling import Sampling
from genieredux.models.types import Batch
from genieredux.models.world.contract import check_world
from genieredux.models.world.model import WorldModel
from models.dynamics.variants import SMALL, VARIANTS, make

OPTIONS = {name: settings for name, settings in VARIANTS.items() if settings.get("action_input") != "given"}
every_option = pytest.mark.parametrize("settings", OPTIONS.values(), ids=OPTIONS)
TOGETHER = {name: settings for name, settings in OPTIONS.items() if settings.get("clean_history") != "all"}


def make_world(**settings: Any) -> WorldModel:
    tokenizer = make_tokenizer(image_size=16)
    dynamics = make(codes=tokenizer.code_vectors(), grid=tokenizer.grid, **settings)
    return WorldModel(tokenizer, dynamics, ACTIONS)


def clips(count: int = 2, prompt: int = 2, frames: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    images = torch.rand(count, prompt, 3, 16, 16, generator=generator)
    return images, torch.randint(len(ACTIONS), (count, prompt - 1 + frames), generator=generator)


def methods(world: WorldModel) -> list[Sampling]:
    """Every way that this world decides frames, with and without refinement."""
    ways: list[dict[str, Any]] = [{}, {"steps": 4, "temperature": 2.0}, {"steps": 3, "choice": "mean", "window": 3}]
    if "one_go" in world.supports:
        ways += [{"method": "one_go", "steps": 4}, {"dream_length": 2, "steps": 3, "schedule": "exp"}]
    return [Sampling(**way) for way in ways]


@every_option
def test_every_method_gives_frames_and_leaves_decided_tokens(settings: dict[str, Any]) -> None:
    world = make_world(**settings)
    prompt, actions = clips()
    seen: list[Tensor] = []
    inner = world.dynamics.predict

    def spy(outlook: Any, target: Tensor, taken: Tensor) -> Tensor:
        seen.append(target)
        return inner(outlook, target, taken)

    world.dynamics.predict = spy  # type: ignore[method-assign]
    for sampling in methods(world):
        seen.clear()
        rollout = world.rollout(prompt, actions, seed=1, sampling=sampling)
        assert rollout.frames.shape == (2, 5, 3, 16, 16)
        assert rollout.tokens.shape == rollout.entropy.shape == (2, 5, *world.dynamics.grid)
        assert int(rollout.tokens.max()) < world.dynamics.mask_id
        assert torch.isfinite(rollout.entropy).all()
        length = 5 if sampling.method == "one_go" else sampling.dream_length
        windows = rollout.tokens.split(length, 1)
        assert len(seen) == sampling.steps * len(windows)
        for number, targets in enumerate(torch.arange(len(seen)).split(sampling.steps)):
            assert (seen[targets[0]] == world.dynamics.mask_id).all()
            for k in targets.tolist():
                decided = seen[k] != world.dynamics.mask_id
                assert torch.equal(seen[k][decided], windows[number][decided])


@every_option
def test_it_keeps_the_contract(settings: dict[str, Any]) -> None:
    world = make_world(**settings, window=4)
    world.sampling = Sampling(steps=3, temperature=2.0)
    check_world(world, clips()[0], frames=9)  # beyond the window and beyond the learned positions


@pytest.mark.parametrize("objective", ["next_frame_shift", "in_place"])
@pytest.mark.parametrize("way", [{"method": "one_go"}, {"dream_length": 2}, {}], ids=str)
def test_noise_depends_on_seed_and_frame_alone(objective: str, way: dict[str, Any]) -> None:
    world = make_world(objective=objective)
    sampling = Sampling(steps=3, temperature=3.0, **way)
    prompt, actions = clips(3)
    together = world.rollout(prompt, actions, seed=[7, 8, 9], sampling=sampling)
    for k, seed in enumerate([7, 8, 9]):
        alone = world.rollout(prompt[k : k + 1], actions[k : k + 1], seed=seed, sampling=sampling)
        assert torch.equal(alone.tokens[0], together.tokens[k])
    reseeded = world.rollout(prompt, actions, seed=[1, 2, 3], sampling=sampling)
    assert not torch.equal(reseeded.tokens, together.tokens)
    other = actions.clone()
    other[:, -1] = (other[:, -1] + 1) % len(ACTIONS)  # leads to the last frame alone
    changed = world.rollout(prompt, other, seed=[7, 8, 9], sampling=sampling)
    if not way.get("method"):
        assert torch.equal(changed.tokens[:, :-1], together.tokens[:, :-1])


def test_a_frame_has_the_same_noise_alone_and_in_a_window() -> None:
    """Under equal logits a token is what its noise says; of two steps the first decides the first half of a window."""
    world = make_world()
    for parameter in world.dynamics.to_logits.parameters():  # type: ignore[attr-defined]
        parameter.zero_()
    prompt, actions = clips(2, frames=4)
    drawn = [
        world.rollout(prompt, actions, sampling=Sampling(steps=2, schedule="uniform", dream_length=d)).tokens.flatten(2)
        for d in (1, 2, 4)
    ]
    half = drawn[0].shape[2] // 2
    assert torch.equal(drawn[0][:, 0::2, :half], drawn[1][:, 0::2, :half])
    assert torch.equal(drawn[0][:, :2, :half], drawn[2][:, :2, :half])
    assert not torch.equal(drawn[0][:, 0], drawn[0][:, 1])


@pytest.mark.parametrize("settings", TOGETHER.values(), ids=TOGETHER)
def test_one_go_step_by_step_is_what_one_uncached_pass_says(settings: dict[str, Any]) -> None:
    """A single step in one go: every frame from the prompt and hidden frames, in one pass over all of them."""
    world = make_world(**settings)
    prompt, actions = clips()
    rollout = world.rollout(prompt, actions, sampling=Sampling(method="one_go"))
    model = world.dynamics
    assert isinstance(model, MaskGIT)
    known = world.encode(prompt)
    line = torch.cat([known, torch.full((2, 5, *model.grid), model.mask_id)], 1)
    condition = model.condition(actions)
    with torch.no_grad():
        if model.config.objective == "in_place":
            logits = model.in_place_logits(line, condition)[:, 2:]
        else:
            logits = model.shifted_logits(line[:, :-1], condition)[:, 1:]
    assert (logits.argmax(-1) == rollout.tokens).float().mean() > 0.99


def test_what_it_was_not_trained_for_is_refused() -> None:
    world = make_world(clean_history="all")
    assert world.supports == {"autoregressive"}
    prompt, actions = clips()
    with pytest.raises(UserError, match=r"set sampling.method=autoregressive"):
        world.rollout(prompt, actions, sampling=Sampling(method="one_go"))
    with pytest.raises(UserError, match="dream_length is 2, but this world decides one frame"):
        world.rollout(prompt, actions, sampling=Sampling(dream_length=2))
    with pytest.raises(UserError, match="choose one of autoregressive, one_go"):
        Sampling(method="two_go")
    with pytest.raises(UserError, match=r"sampling.window is 0; it must be from 1 to"):
        Sampling(window=0)


def test_saved_and_loaded_it_dreams_the_same(tmp_path: Path) -> None:
    world = make_world(action_input="embedding", stem="conv", logits="tied")
    tokenizer = Section("tokenizer", world.config["tokenizer"], world.tokenizer.state_dict())  # type: ignore[attr-defined]
    dynamics = world.dynamics
    assert isinstance(dynamics, MaskGIT)
    path = save_model(
        tmp_path / "model-1.pt",
        dynamics.kind,
        dynamics.config,
        dynamics.state_dict(),
        metadata={"action_names": list(ACTIONS), "sampling": {"steps": 2, "method": "one_go"}},
        sections={"tokenizer": tokenizer},
    )
    again = WorldModel.load(path)
    assert isinstance(again.dynamics, MaskGIT)
    assert again.sampling == Sampling(steps=2, method="one_go")
    prompt, actions = clips()
    for sampling in methods(world):
        expected, found = (w.rollout(prompt, actions, seed=5, sampling=sampling) for w in (world, again))
        assert torch.equal(expected.tokens, found.tokens)


def learn(model: MaskGIT, make_batch: Any, steps: int, rate: float = 5e-3) -> None:
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=rate)
    for step in range(steps):
        loss = model(make_batch(step), torch.Generator().manual_seed(step)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def small(**settings: Any) -> MaskGIT:
    tokenizer = make_tokenizer(image_size=8, codebook_size=8)  # 2x2 tokens
    values = {**SMALL, "architecture": "st_maskgit", "blocks": 1, "conditioning": "add_every_block", **settings}
    torch.manual_seed(0)
    model = build_model("genie_redux_guided", values, tokenizer=tokenizer, action_names=ACTIONS)
    assert isinstance(model, MaskGIT)
    return model


def test_in_place_a_refinement_step_informs_the_next() -> None:
    """The next frame is all of one colour, which one is a coin toss: four steps agree where one pass cannot."""
    model = small(objective="in_place", clean_history="all", mask_ratio_per="frame")

    def coins(seed: int) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        colours = torch.randint(2, (16, 4, 1, 1), generator=generator).expand(-1, -1, 2, 2)
        return Batch(tokens=colours, actions=torch.zeros(16, 3, dtype=torch.long))

    learn(model, coins, 150)
    tokens = coins(10_000).tokens
    assert tokens is not None
    with torch.no_grad():
        outlook = model.observe(tokens[:, :2], torch.zeros(16, 2, dtype=torch.long), model.new_memory())
        nothing = torch.full((16, 1, 2, 2), model.mask_id)
        blind = model.predict(outlook, nothing, torch.zeros(16, 0, dtype=torch.long)).softmax(-1)
        told = nothing.clone()
        told[:, :, 0, 0] = 1
        sure = model.predict(outlook, told, torch.zeros(16, 0, dtype=torch.long)).softmax(-1)
    assert 0.25 < float(blind[..., 1].mean()) < 0.75
    assert float(sure[:, 0, :, :, 1].flatten(1)[:, 1:].mean()) > 0.9


@pytest.mark.parametrize(
    "conditioning", ["concat_every_layer", "concat_input", "add", "add_every_block", "film", "prepend"]
)
def test_every_conditioning_learns_to_obey(conditioning: str) -> None:
    """Action k paints the next frame in colour k."""
    model = small(conditioning=conditioning, clean_history="all")

    def painted(seed: int) -> Batch:
        actions = torch.randint(len(ACTIONS), (16, 3), generator=torch.Generator().manual_seed(seed))
        colours = torch.cat([torch.full((16, 1), 7), actions], 1)
        return Batch(tokens=colours[:, :, None, None].expand(-1, -1, 2, 2), actions=actions)

    learn(model, painted, 60, rate=1e-2)
    batch = painted(10_000)
    assert batch.tokens is not None
    assert batch.actions is not None
    with torch.no_grad():
        said = model.shifted_logits(batch.tokens[:, :-1], model.condition(batch.actions)).argmax(-1)
    assert (said == batch.tokens[:, 1:]).float().mean() > 0.95
