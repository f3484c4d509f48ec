"""What any world must hold to, as one function: for the worlds of this package and for those of others.

Each part is named by its property. Tokens are compared exactly; pixels, logits and entropies to `TOLERANCE`, since a
product of matrices of another size may be summed in another order. Raises AssertionError; knows no test framework.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genieredux.models.world.protocol import Dream, DreamStep, World
from genieredux.models.world.together import step_together

TOLERANCE = 2e-4


@dataclass(frozen=True)
class _Case:
    """prompts: (B, P, C, H, W). actions: int64 (B, P - 1 + N). seeds: B."""

    world: World
    prompts: Tensor
    actions: Tensor
    seeds: list[int]

    @property
    def given(self) -> int:
        """P."""
        return self.prompts.shape[1]

    @property
    def led(self) -> Tensor:
        """The actions (B, P - 1) between the prompt's frames."""
        return self.actions[:, : self.given - 1]

    @property
    def asked(self) -> Sequence[Tensor]:
        """The actions (B,) that lead to each predicted frame."""
        return self.actions[:, self.given - 1 :].unbind(1)

    def dream(self, rows: slice = slice(None)) -> Dream:
        """The dreams of some clips, just begun."""
        return self.world.dream(self.prompts[rows], self.led[rows], self.seeds[rows])


def check_world(world: World, prompts: Tensor, frames: int = 4) -> None:
    """Every property of the contract. prompts: float32 (B, P, C, H, W) in [0, 1], B >= 2; frames: N, predicted ones."""
    clips, given = prompts.shape[:2]
    generator = torch.Generator().manual_seed(0)
    actions = torch.randint(len(world.action_names), (clips, given - 1 + frames), generator=generator)
    case = _Case(world, prompts, actions, list(range(7, 7 + clips)))
    for check in CHECKS:
        check(case)


def shapes_and_ranges(case: _Case) -> None:
    """Everything is of the shape and kind that the protocol says."""
    world, prompts = case.world, case.prompts
    clips, count = len(prompts), len(case.asked)
    tokens = world.encode(prompts)
    rollout = world.rollout(prompts, case.actions, case.seeds)
    assert isinstance(world, World)
    assert rollout.frames.shape == (clips, count, 3, world.image_size, world.image_size)
    assert rollout.frames.dtype == rollout.entropy.dtype == torch.float32
    assert rollout.frames.min() >= 0
    assert rollout.frames.max() <= 1
    assert tokens.dtype == rollout.tokens.dtype == torch.int64
    assert rollout.tokens.shape == rollout.entropy.shape == (clips, count, *tokens.shape[2:])
    assert (rollout.entropy >= 0).all()
    assert world.decode(tokens, case.led, prompts[:, 0]).shape == prompts.shape
    codes = world.actions_of(prompts)
    assert (codes is None) == (world.takes == "buttons")
    assert codes is None or (codes.shape == case.led.shape and int(codes.max()) < len(world.action_names))
    dream = case.dream()
    assert isinstance(dream, Dream)
    step = dream.step(case.asked[0])
    assert step.frames.shape == (clips, *prompts.shape[2:])
    assert step.tokens.shape == step.entropy.shape == step.logits.shape[:-1] == tokens[:, 0].shape
    log_p = step.logits.log_softmax(-1)
    close(-(log_p.exp() * log_p).sum(-1), step.entropy)


def seeds_decide(case: _Case) -> None:
    """The same seed gives the same; a clip does not depend on those beside it; equal clips of one seed are equal."""
    world, prompts, actions = case.world, case.prompts, case.actions
    rollout = world.rollout(prompts, actions, case.seeds)
    again = world.rollout(prompts, actions, case.seeds)
    alone = world.rollout(prompts[1:], actions[1:], case.seeds[1:])
    assert torch.equal(rollout.tokens, again.tokens)
    assert torch.equal(rollout.tokens[1:], alone.tokens)
    one = world.rollout(prompts[:1].expand_as(prompts), actions[:1].expand_as(actions), 3)
    assert torch.equal(one.tokens, one.tokens[:1].expand_as(one.tokens))


def noise_is_common(case: _Case) -> None:
    """Causality and common random numbers: another last action changes the last frame alone."""
    other = case.actions.clone()
    other[:, -1] = (other[:, -1] + 1) % len(case.world.action_names)
    expected = case.world.rollout(case.prompts, case.actions, case.seeds)
    changed = case.world.rollout(case.prompts, other, case.seeds)
    assert torch.equal(changed.tokens[:, :-1], expected.tokens[:, :-1])
    close(changed.frames[:, :-1], expected.frames[:, :-1])


def a_dream_is_the_rollout(case: _Case) -> None:
    """Frame by frame with a cache, all dreams at once, is what a rollout gives; and one alone is what it is among
    all."""
    rollout = case.world.rollout(case.prompts, case.actions, case.seeds)
    together, alone = case.dream(), case.dream(slice(0, 1))
    for number, actions in enumerate(case.asked):
        step = together.step(actions)
        assert torch.equal(step.tokens, rollout.tokens[:, number])
        close(step.frames, rollout.frames[:, number])
        close(step.entropy, rollout.entropy[:, number])
        single = alone.step(actions[:1])
        assert torch.equal(single.tokens, step.tokens[:1])
        close(single.frames, step.frames[:1])
        close(single.logits, step.logits[:1])


def following_is_being_told(case: _Case) -> None:
    """What a dream says that follows is what one says that begins after the same frames; what it says leaves no
    trace."""
    world, given = case.world, case.given
    longer = case.prompts.repeat(1, 3, 1, 1, 1)[:, : given + 2]
    seen = torch.cat([case.actions, case.actions], 1)[:, : given + 2]
    dream = world.dream(longer[:, :given], seen[:, : given - 1], case.seeds)
    for number in range(given, given + 2):
        told = world.dream(longer[:, :number], seen[:, : number - 1], case.seeds)
        expected = told.step(seen[:, number - 1])
        step = dream.follow(longer[:, number], seen[:, number - 1])
        assert torch.equal(step.tokens, expected.tokens)
        close(step.frames, expected.frames)
        close(step.entropy, expected.entropy)
    told = world.dream(longer, seen[:, : given + 1], case.seeds)
    for actions in case.asked:
        step, expected = dream.step(actions), told.step(actions)
        assert torch.equal(step.tokens, expected.tokens)
        close(step.frames, expected.frames)


def watching_is_following(case: _Case) -> None:
    """A dream that watches says of the tokens what one that follows says, and is the same afterwards. What it has
    just been shown it does not count as unseen, but for edges, since motions are rounded."""
    world, given = case.world, case.given
    dream, follower = case.dream(), case.dream()
    last = case.prompts[:, -1]
    for actions in (case.actions[:, given], case.actions[:, given - 1]):
        said, step = dream.watch(last, actions), follower.follow(last, actions)
        assert torch.equal(said.logits, step.logits)
        assert torch.equal(said.entropy, step.entropy)
        if said.unseen is not None:
            assert said.unseen.shape == (len(last), world.image_size, world.image_size)
            assert said.unseen.min() >= 0
            assert said.unseen.max() <= 1
            assert said.unseen.mean() < 0.25
    for actions in case.asked:
        _same(dream.step(actions), follower.step(actions))


def restarting_touches_no_other(case: _Case) -> None:
    """A dream that begins anew is the one that begins alone; the others go on, bit for bit."""
    world, clips = case.world, len(case.prompts)
    untouched, dream = case.dream(), case.dream()
    for actions in case.asked:
        untouched.step(actions)
        dream.step(actions)
    mask = torch.zeros(clips, dtype=torch.bool)
    mask[-1] = True
    fresh = case.prompts.flip(0)[:1, -1:]  # one frame alone, so that its past is shorter than the others'
    dream.restart(mask, fresh, case.actions[:1, :0], [99])
    anew = world.dream(fresh, case.actions[:1, :0], [99])
    for actions in case.asked:
        step, expected, alone = dream.step(actions), untouched.step(actions), anew.step(actions[-1:])
        _same(_rows(step, slice(0, -1)), _rows(expected, slice(0, -1)))
        assert torch.equal(step.tokens[-1:], alone.tokens)
        close(step.frames[-1:], alone.frames)
        close(step.logits[-1:], alone.logits)
    dream.restart(torch.ones(clips, dtype=torch.bool), case.prompts, case.led, case.seeds)
    begun = case.dream()
    for actions in case.asked:
        assert torch.equal(dream.step(actions).tokens, begun.step(actions).tokens)


def a_copy_goes_on_alike(case: _Case) -> None:
    """Under the same actions a copy draws what the original draws, bit for bit; what happens to one leaves the other
    alone."""
    dream, other = case.dream(), case.dream()
    first, *rest = case.asked
    for one in (dream, other):
        one.step(first)
    branch = dream.copy()
    mask = torch.zeros(len(case.prompts), dtype=torch.bool)
    mask[0] = True
    for actions in rest:  # another way, and another beginning
        branch.step((actions + 1) % len(case.world.action_names))
    branch.restart(mask, case.prompts[:1], case.led[:1], [99])
    again = dream.copy()
    for actions in rest:
        expected = other.step(actions)
        _same(dream.step(actions), expected)
        _same(again.step(actions), expected)


def together_is_apart(case: _Case) -> None:
    """Dreams of different ages that are taken a step on together draw what they draw alone; one that is asked for an
    action which is none says so, and the others go on."""
    world, (first, *rest) = case.world, case.asked
    apart, joined = ([case.dream(slice(k, k + 1)) for k in range(len(case.prompts))] for _ in range(2))
    for dream in (apart[0], joined[0]):
        dream.step(first[:1])
    for number, actions in enumerate(rest):
        taken = list(actions.split(1))
        for dream, action, step in zip(apart, taken, step_together(joined, taken), strict=True):
            assert isinstance(step, DreamStep)
            expected = dream.step(action)
            assert torch.equal(step.tokens, expected.tokens)
            close(step.frames, expected.frames)
            close(step.entropy, expected.entropy)
            close(step.logits, expected.logits)
        if number == 0:
            none_such = torch.tensor([len(world.action_names)])
            wrong, *well = step_together(
                [world.dream(case.prompts[:1], case.led[:1], [5]), *joined[1:]], [none_such, *taken[1:]]
            )
            assert isinstance(wrong, Exception)
            assert all(isinstance(step, DreamStep) for step in well)
            for dream, action in zip(apart[1:], taken[1:], strict=True):
                dream.step(action)


CHECKS = (
    shapes_and_ranges,
    seeds_decide,
    noise_is_common,
    a_dream_is_the_rollout,
    following_is_being_told,
    watching_is_following,
    restarting_touches_no_other,
    a_copy_goes_on_alike,
    together_is_apart,
)
"""The properties, each a function of a case."""


def close(found: Tensor, expected: Tensor) -> None:
    """Equal to float rounding."""
    difference = float((found - expected).abs().max()) if found.numel() else 0.0
    assert difference <= TOLERANCE * max(1.0, float(expected.abs().max())), f"differs by {difference}"


def _rows(step: DreamStep, rows: slice) -> DreamStep:
    return DreamStep(step.frames[rows], step.tokens[rows], step.entropy[rows], step.logits[rows])


def _same(found: DreamStep, expected: DreamStep) -> None:
    for name in ("frames", "tokens", "entropy", "logits"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
