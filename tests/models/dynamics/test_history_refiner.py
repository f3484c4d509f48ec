"""The dynamics: what it may see, cached equals uncached, which logits are supervised, actions that count."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from factories import ACTIONS, make_dynamics, make_tokenizer
from genieredux.errors import UserError
from genieredux.models.dynamics.history_refiner import HistoryRefiner, HistoryRefinerConfig
from genieredux.models.tokenizers.conv import ConvTokenizer
from genieredux.models.types import Batch
from genieredux.nn.precision import autocast


def random_play(frames: int, seed: int = 0, clips: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(24, (clips, frames, 8, 8), generator=generator)
    return tokens, torch.randint(len(ACTIONS), (clips, frames), generator=generator)


@torch.no_grad()
def predict(dynamics: HistoryRefiner, tokens: Tensor, actions: Tensor, target: Tensor | None = None) -> Tensor:
    """Logits (B, T, h, w, K) of the frames after each of tokens (B, T, h, w)."""
    hidden = torch.full_like(tokens, dynamics.mask_id) if target is None else target
    logits = dynamics.logits(dynamics.look_ahead(tokens, actions), hidden.flatten(0, 1))
    return logits.unflatten(0, tokens.shape[:2])


@settings(max_examples=15, deadline=None)
@given(changed=st.integers(0, 5), what=st.sampled_from(["tokens", "actions"]), group=st.sampled_from([1, 2, 4]))
def test_the_future_changes_nothing_before_it(changed: int, what: str, group: int) -> None:
    dynamics = make_dynamics(make_tokenizer(), group=group)
    tokens, actions = random_play(6)
    before = predict(dynamics, tokens, actions)
    if what == "tokens":
        tokens = tokens.clone()
        tokens[:, changed] = (tokens[:, changed] + 1) % 24
    else:
        actions = actions.clone()
        actions[:, changed] = (actions[:, changed] + 1) % len(ACTIONS)
    after = predict(dynamics, tokens, actions)
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.allclose(before[:, changed], after[:, changed], atol=1e-3)


@settings(max_examples=15, deadline=None)
@given(
    window=st.integers(1, 9),
    group=st.sampled_from([1, 2, 4]),
    chunks=st.lists(st.integers(1, 3), min_size=1, max_size=5),
)
def test_cached_equals_uncached(window: int, group: int, chunks: list[int]) -> None:
    dynamics = make_dynamics(make_tokenizer(), window=window, group=group)
    tokens, actions = random_play(sum(chunks))
    whole = predict(dynamics, tokens, actions)
    memory, parts, start = dynamics.new_memory(), [], 0
    with torch.no_grad():
        for length in chunks:
            piece = slice(start, start + length)
            outlook = dynamics.look_ahead(tokens[:, piece], actions[:, piece], memory)
            hidden = torch.full_like(tokens[:, piece], dynamics.mask_id)
            parts.append(dynamics.logits(outlook, hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2]))
            start += length
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-4)


def test_a_frame_sees_its_own_decided_tokens_and_no_other_frames_target(dynamics: HistoryRefiner) -> None:
    tokens, actions = random_play(4)
    hidden = torch.full_like(tokens, dynamics.mask_id)
    some = hidden.clone()
    some[:, 2, 0, 0] = 3
    without, given_one = predict(dynamics, tokens, actions, hidden), predict(dynamics, tokens, actions, some)
    assert not torch.allclose(without[:, 2], given_one[:, 2], atol=1e-3)
    for other in (0, 1, 3):
        assert torch.equal(without[:, other], given_one[:, other])


def test_training_supervises_hidden_tokens_and_only_those(tokenizer: ConvTokenizer) -> None:
    """The gradient at a logit is nonzero exactly where the token is hidden; with fully_hidden=1 that is everywhere."""
    for share in (0.0, 1.0):
        dynamics = make_dynamics(tokenizer, fully_hidden=share).train()
        kept: dict[str, Tensor] = {}
        inner = dynamics.logits

        def spy(outlook: object, target: Tensor, inner: object = inner, kept: dict = kept) -> Tensor:
            logits = inner(outlook, target)  # type: ignore[operator]
            logits.retain_grad()
            kept.update(logits=logits, target=target)
            return logits

        dynamics.logits = spy  # type: ignore[method-assign, assignment]
        tokens, actions = random_play(5)
        dynamics(Batch(tokens=tokens, actions=actions[:, :-1]), torch.Generator().manual_seed(1)).total.backward()
        touched = kept["logits"].grad.abs().sum(-1) > 0  # type: ignore[union-attr]
        hidden = kept["target"] == dynamics.mask_id
        assert torch.equal(touched, hidden)
        assert bool(hidden.all()) == (share == 1.0)
        assert hidden.any()


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_a_past_of_its_own_making_leaves_every_gradient(tokenizer: ConvTokenizer, precision: str) -> None:
    dynamics = make_dynamics(tokenizer, own_history=1.0).train()
    tokens, actions = random_play(5)
    with autocast(precision, tokens.device):
        dynamics(Batch(tokens=tokens, actions=actions[:, :-1]), torch.Generator().manual_seed(1)).total.backward()
    without = [name for name, p in dynamics.named_parameters() if p.grad is None]
    assert not without
    relived = dynamics._relive(tokens, actions, torch.Generator().manual_seed(1))
    assert torch.equal(relived[:, 0], tokens[:, 0])
    assert not torch.equal(relived[:, 1:], tokens[:, 1:])


def test_untrained_it_says_that_nothing_moves(tokenizer: ConvTokenizer) -> None:
    config = HistoryRefinerConfig(dim=32, heads=2, dim_head=16, local_width=16)
    dynamics = HistoryRefiner(config, tokenizer.code_vectors(), tokenizer.grid, len(ACTIONS)).eval()
    tokens, actions = random_play(3)
    codes = tokenizer.code_vectors()
    nearest = (codes @ codes.t()).argmax(-1)  # duplicates in a random codebook may answer for one another
    assert torch.equal(nearest[predict(dynamics, tokens, actions).argmax(-1)], nearest[tokens])


def test_action_embeddings_are_trained_and_saved(dynamics: HistoryRefiner) -> None:
    tokens, actions = random_play(4)
    dynamics.train()(Batch(tokens=tokens, actions=actions[:, :-1]), torch.Generator()).total.backward()
    used = actions[:, :-1].unique()
    assert (dynamics.actions.weight.grad[used].abs().sum(-1) > 0).all()  # type: ignore[index]
    assert "actions.weight" in dynamics.state_dict()


def test_after_a_short_training_another_action_makes_another_frame(tokenizer: ConvTokenizer) -> None:
    """A world with one moving thing: action 0 rolls the tokens right, action 1 left."""
    torch.manual_seed(0)
    config = HistoryRefinerConfig(dim=32, heads=2, dim_head=16, history_blocks=1, local_width=32, group=2)
    dynamics = HistoryRefiner(config, tokenizer.code_vectors(), tokenizer.grid, 2).train()
    optimizer = torch.optim.AdamW(dynamics.parameters(), lr=5e-3)

    def clips(seed: int) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        columns = torch.randint(24, (16, 1, 8), generator=generator).expand(-1, 8, -1)
        actions = torch.randint(2, (16, 3), generator=generator)
        shift = torch.cat([torch.zeros(16, 1), (1 - 2 * actions).cumsum(1)], 1).long()
        frames = [
            torch.stack([c.roll(int(s), -1) for c, s in zip(columns, shift[:, t], strict=True)]) for t in range(4)
        ]
        return Batch(tokens=torch.stack(frames, 1), actions=actions)

    for step in range(120):
        loss = dynamics(clips(step), torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    test = clips(10_000)
    assert test.tokens is not None
    first, second = test.tokens[:, :1], torch.zeros(16, 1, dtype=torch.long)
    right = predict(dynamics.eval(), first, second).argmax(-1)
    left = predict(dynamics, first, second + 1).argmax(-1)
    agree = (right != left).float().mean()
    assert agree > 0.3
    assert (right == first.roll(1, -1)).float().mean() > (left == first.roll(1, -1)).float().mean() + 0.2


def test_a_group_that_does_not_divide_the_grid_is_refused(tokenizer: ConvTokenizer) -> None:
    with pytest.raises(UserError, match=r"dynamics.group is 3"):
        make_dynamics(tokenizer, group=3)
